package initproc

import (
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/sys"
	"tare/nsenter"
	"tare/seccomp"
)

// Docker's profile, which most containers have, is in force before anybody in the container meets the process.
func TestAdmitsAll(t *testing.T) {
	whole := &nsenter.Spawn{Limits: []nsenter.Limit{{Resource: 7}}, Terminal: true, Caps: &sys.CapSets{}, Report: 4, Gate: 5}
	spec := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}}
	docker, err := profiles.GetDefaultProfile(spec)
	if err != nil {
		t.Fatal(err)
	}
	forbidding := func(name string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{name}, Action: specs.ActErrno}}}
	}
	for name, tt := range map[string]struct {
		profile *specs.LinuxSeccomp
		want    bool
	}{
		"Docker's":      {docker, true},
		"no mount":      {forbidding("mount"), true},
		"no clone":      {forbidding("clone"), false},
		"no setsid":     {forbidding("setsid"), false},
		"no read":       {forbidding("read"), false},
		"no write":      {forbidding("write"), false},
		"no exit_group": {forbidding("exit_group"), false},
		"no prlimit64":  {forbidding("prlimit64"), false},
		"no ioctl":      {forbidding("ioctl"), false},
		"no capset":     {forbidding("capset"), false},
	} {
		p, err := seccomp.Compile(tt.profile)
		if err != nil {
			t.Fatal(err)
		}
		if got := admitsAll(p, whole.Calls()); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
