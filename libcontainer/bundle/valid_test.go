package bundle

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func validFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../tests/bundles/valid/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d valid configs: %v", len(files), err)
	}
	return files
}

func TestValid(t *testing.T) {
	for _, file := range validFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := decode(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range Validate(spec) {
				t.Error(p)
			}
			if again, _ := decode(text); !reflect.DeepEqual(spec, again) {
				t.Error("Validate changed the spec")
			}
		})
	}
}

// TestValidDockerSeccomp takes the whole profile that Docker hands down.
func TestValidDockerSeccomp(t *testing.T) {
	spec := Default(DefaultOptions{})
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"}}
	profile, err := seccomp.GetDefaultProfile(spec)
	if err != nil {
		t.Fatal(err)
	}
	spec.Linux.Seccomp = profile
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if spec, err = decode(text); err != nil {
		t.Fatal(err)
	}
	if len(spec.Linux.Seccomp.Syscalls) < 5 {
		t.Fatalf("%d rules", len(spec.Linux.Seccomp.Syscalls))
	}
	for _, p := range Validate(spec) {
		t.Error(p)
	}
}

// TestValidateParts wants pointers from where the part begins.
func TestValidateParts(t *testing.T) {
	below := -2000
	p := ValidateProcess(&specs.Process{Cwd: "x", Args: []string{"true"}, OOMScoreAdj: &below, SelinuxLabel: "a\nb"})
	if len(p) != 3 || p[0].Pointer != "/cwd" || p[1].Pointer != "/oomScoreAdj" || p[2].Pointer != "/selinuxLabel" {
		t.Errorf("process: %v", p)
	}
	var problems Problems
	if err := p[:1].In("p.json"); err == nil || err.Error() != `p.json: /cwd: must be absolute, got "x"` || !errors.As(err, &problems) {
		t.Errorf("process.json: %v", err)
	}
	if err := Problems(nil).In("p.json"); err != nil {
		t.Errorf("no problem: %v", err)
	}
	limit := int64(-2)
	p = ValidateResources(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}})
	if len(p) != 1 || p[0].Pointer != "/pids/limit" {
		t.Errorf("resources: %v", p)
	}
	// The limit of memory that it is reckoned from may be set already.
	if p := ValidateResources(&specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: new(int64(1 << 20))}}); p.Err() != nil {
		t.Error(p)
	}
	if p := ValidateResources(&specs.LinuxResources{}); p.Err() != nil {
		t.Errorf("no resources: %v", p)
	}
}

func TestWarnings(t *testing.T) {
	spec := &specs.Spec{
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_FLY"}, Ambient: []string{"cap_kill"}}},
		Mounts: []specs.Mount{
			{Destination: "/a", Type: "tmpfs", Options: []string{"size=1k"}},
			{Destination: "b", Type: "bind", Options: []string{"ro", "size=1k", "rbind", "rprivate", "X-mount.mkdir"}},
		},
	}
	want := []string{
		`/linux/namespaces: none of type "mount": the container's mounts are made in the runtime's, below root.path`,
		`/mounts/1/destination: relative destinations are deprecated: "b" is taken from /`,
		`/mounts/1/options/1: "size=1k" is an option of a filesystem, and ignored: a bind mount has that of its source`,
		`/mounts/1/options/4: "X-mount.mkdir" is an option of a filesystem, and ignored: a bind mount has that of its source`,
		`/process/capabilities/bounding/1: unknown capability "CAP_FLY" is ignored`,
		`/process/capabilities/ambient/0: unknown capability "cap_kill" is ignored`,
	}
	if got := Warnings(spec); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	calm := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}}}
	if got := Warnings(calm); len(got) != 0 {
		t.Errorf("nothing to warn of: %q", got)
	}
}
