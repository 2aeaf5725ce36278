package features

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/bundle"
	"tare/seccomp"
)

// TestPromises puts what the document promises into a config, which must then be accepted.
func TestPromises(t *testing.T) {
	f := For("1.2.3", "abc")
	spec := bundle.Default(bundle.DefaultOptions{})
	spec.Linux.Namespaces = nil
	for _, name := range f.Linux.Namespaces {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(name)})
	}
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{Size: 1}}
	spec.Process.Capabilities.Bounding = f.Linux.Capabilities
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/run/agent"}
	for _, a := range f.Linux.Seccomp.Actions {
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.LinuxSeccompAction(a)})
	}
	for _, a := range f.Linux.Seccomp.Archs {
		profile.Architectures = append(profile.Architectures, specs.Arch(a))
	}
	for _, flag := range f.Linux.Seccomp.SupportedFlags {
		profile.Flags = append(profile.Flags, specs.LinuxSeccompFlag(flag))
	}
	for _, op := range f.Linux.Seccomp.Operators {
		profile.Syscalls[0].Args = append(profile.Syscalls[0].Args, specs.LinuxSeccompArg{Op: specs.LinuxSeccompOperator(op)})
	}
	spec.Linux.Seccomp = profile
	once := slices.DeleteFunc(slices.Clone(f.MountOptions), func(o string) bool { return o == "remount" }) // excludes idmap
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/x", Type: "tmpfs", Source: "x", Options: once},
		specs.Mount{Destination: "/x", Type: "tmpfs", Source: "x", Options: []string{"remount"}})
	for _, version := range []string{f.OCIVersionMin, f.OCIVersionMax} {
		spec.Version = version
		for _, p := range bundle.Validate(spec) {
			t.Error(p)
		}
	}
	if w := bundle.Warnings(spec); len(w) > 0 {
		t.Error(w)
	}
}

func TestDocument(t *testing.T) {
	f := For("", "")
	if !slices.Contains(f.MountOptions, "rro") || !slices.Contains(f.MountOptions, "ridmap") || !slices.IsSorted(f.MountOptions) {
		t.Errorf("mount options %v", f.MountOptions)
	}
	if len(f.Linux.Capabilities) != 41 || len(f.Linux.Namespaces) != 8 || len(f.Hooks) != 6 || len(f.Linux.Seccomp.Archs) != len(seccomp.Archs()) {
		t.Errorf("got %+v", f.Linux)
	}
	text, err := json.Marshal(f)
	if err != nil || strings.Contains(string(text), "org.tare.version") {
		t.Errorf("%s, %v", text, err)
	}
	if got, want := f.Annotations[AnnotationSeccomp], seccomp.Engine(); got != want || want == "" {
		t.Errorf("seccomp engine %q, want %q", got, want)
	}
	if got := f.Annotations[AnnotationCheckpoint]; got != "true" {
		t.Errorf("checkpoint enabled: %q", got)
	}
	if a := For("1.0", "abc").Annotations; a[AnnotationVersion] != "1.0" || a[AnnotationCommit] != "abc" {
		t.Errorf("annotations %v", a)
	}
}
