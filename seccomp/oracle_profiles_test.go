//go:build libseccomp

package seccomp

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// capabilitySets change what the default profiles allow.
var capabilitySets = map[string][]string{
	"plain": nil,
	"some":  {"CAP_SYS_CHROOT", "CAP_NET_ADMIN", "CAP_SYS_PTRACE"},
	"admin": {"CAP_SYS_ADMIN", "CAP_BPF", "CAP_SYS_NICE", "CAP_SYSLOG", "CAP_SYS_MODULE", "CAP_SYS_TIME", "CAP_PERFMON", "CAP_SYS_RAWIO"},
}

// TestEnginesAgreeOnDocker asks about Docker's default profile, for kernels of all architectures that the library has.
func TestEnginesAgreeOnDocker(t *testing.T) {
	for name, capabilities := range capabilitySets {
		for i := range arches {
			native := &arches[i]
			if !provides(native) {
				continue
			}
			t.Run(name+"/"+string(native.name), func(t *testing.T) {
				agreeOnKnown(t, dockerProfile(t, native.name, capabilities...), native)
			})
		}
	}
}

// TestEnginesAgreeOnPodman asks about the default profile of Podman, which is written as Docker's is, with conditions.
func TestEnginesAgreeOnPodman(t *testing.T) {
	const file = "/usr/share/containers/seccomp.json"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("Podman's profile is not installed (golang-github-containers-common): %v", err)
	}
	for name, capabilities := range capabilitySets {
		t.Run(name, func(t *testing.T) {
			profile, err := profiles.LoadProfile(string(text), &specs.Spec{
				Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}},
			})
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			agreeOnKnown(t, profile, machine(t), "socket")
		})
	}
}

// TestEnginesAgreeOnContainerd asks about the default profile of containerd, which comes from a module of its own: see tests/containerd.
func TestEnginesAgreeOnContainerd(t *testing.T) {
	for name, capabilities := range capabilitySets {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("go", append([]string{"run", "."}, capabilities...)...)
			cmd.Dir = "../tests/containerd"
			var message strings.Builder
			cmd.Stderr = &message
			text, err := cmd.Output()
			if err != nil {
				t.Skipf("containerd's module is not at hand: %v: %s", err, message.String())
			}
			profile := &specs.LinuxSeccomp{}
			if err := json.Unmarshal(text, profile); err != nil {
				t.Fatal(err)
			}
			agreeOnKnown(t, profile, machine(t))
		})
	}
}

// agreeOnKnown asks both engines about every number, at both levels. Only for the disputed calls may the library have its own reading.
func agreeOnKnown(t *testing.T, profile *specs.LinuxSeccomp, native *arch, disputed ...string) {
	t.Helper()
	if len(profile.Syscalls) < 3 {
		t.Fatalf("profile of %d rules only", len(profile.Syscalls))
	}
	l := newLibrary(t)
	for _, level := range levels {
		c := l.compare(t, profile, native, level)
		if c == nil {
			t.Errorf("no program of level %d", level)
			continue
		}
		found := map[excuse]int{}
		c.everyCall(t, found, rand.New(rand.NewPCG(11, uint64(level))))
		report(t, found)
		for name := range c.disputed {
			if !slices.Contains(disputed, name) {
				t.Errorf("level %d: the library disagrees on %s", level, name)
			}
		}
	}
}
