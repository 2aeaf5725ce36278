package check

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/procfs"
)

// What the specification allows, but nobody means.
func TestContradictions(t *testing.T) {
	ptr := func(n int64) *int64 { return &n }
	mounts := func(list ...string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for _, d := range list {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: d, Type: "tmpfs", Source: "tmpfs"})
			}
		}
	}
	fuse := func(rules ...specs.LinuxDeviceCgroup) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
			s.Linux.Resources = &specs.LinuxResources{Devices: rules}
		}
	}
	memory := func(limit int64) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
		}
	}
	for name, tc := range map[string]struct {
		edit func(*specs.Spec)
		want []want
	}{
		"in order":     {mounts("/dev", "/dev/pts", "/dev2"), nil},
		"out of order": {mounts("/dev/pts", "/dev"), []want{{"mount-hidden", Warning, "/mounts/0", "/mounts/1 in front of /mounts/0"}}},
		"twice":        {mounts("/tmp", "/tmp/"), []want{{"mount-hidden", Warning, "/mounts/0", "hidden"}}},
		"remounted": {func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/tmp", Type: "tmpfs"}, {Destination: "/tmp", Options: []string{"remount", "ro"}}}
		}, nil},
		"512 bytes":           {memory(512), []want{{"memory-small", Warning, "/linux/resources/memory/limit", "536870912"}}},
		"no limit":            {memory(-1), nil},
		"a megabyte":          {memory(1 << 20), nil},
		"no rules":            {fuse(), nil},
		"denied":              {fuse(specs.LinuxDeviceCgroup{Access: "rwm"}), []want{{"device-denied", Warning, "/linux/devices/0", `"minor": 229`}}},
		"allowed by number":   {fuse(specs.LinuxDeviceCgroup{Access: "rwm"}, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(10), Minor: ptr(229), Access: "rw"}), nil},
		"allowed by wildcard": {fuse(specs.LinuxDeviceCgroup{Access: "rwm"}, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(10), Minor: ptr(-1), Access: "rw"}), nil},
		"allowed to be made":  {fuse(specs.LinuxDeviceCgroup{Access: "rwm"}, specs.LinuxDeviceCgroup{Allow: true, Access: "m"}), []want{{"device-denied", Warning, "/linux/devices/0", "last one"}}},
		"denied afterwards":   {fuse(specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}, specs.LinuxDeviceCgroup{Type: "c", Major: ptr(10), Access: "rwm"}), []want{{"device-denied", Warning, "/linux/devices/0", ""}}},
		"the usual ones": {both(device("/dev/mynull", 3), func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
		}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := look(t, newBundle(t, tc.edit), Options{ConfigOnly: true})
			for i := range tc.want {
				r.Findings = slices.Clone(r.Findings)
				r.Findings[i].Mend += r.Findings[i].Why
			}
			expect(t, r, tc.want)
		})
	}
}

func TestSeccomp(t *testing.T) {
	profile := func(s specs.LinuxSeccomp) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Linux.Seccomp = &s }
	}
	names := func(names ...string) specs.LinuxSeccomp {
		return specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActErrno}}}
	}
	foreign := names("mount")
	foreign.Architectures = []specs.Arch{specs.ArchSHEB}
	for name, tc := range map[string]struct {
		edit func(*specs.Spec)
		want []want
	}{
		"one":          {profile(names("mount", "unknown_call_of_2030", "openat3")), nil},
		"misspelt":     {profile(names("mout")), []want{{"seccomp-unknown-call", Warning, "/linux/seccomp/syscalls/0/names/0", `"mount"`}}},
		"no execve":    {profile(names("execve")), []want{{"seccomp-execve", Error, "/linux/seccomp", "execve"}}},
		"architecture": {profile(foreign), []want{{"seccomp-architecture", Warning, "/linux/seccomp/architectures", "SCMP_ARCH"}}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, look(t, newBundle(t, tc.edit), Options{}), tc.want) })
	}
}

func TestKernel(t *testing.T) {
	idle := int64(1)
	spec := base()
	spec.Mounts = []specs.Mount{{Destination: "/a", Options: []string{"rro", "ro"}}}
	spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolWeightedInterleave}
	spec.Linux.Seccomp = &specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}}
	spec.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: &idle}}
	for release, want := range map[string][]string{
		"5.10.0-28-amd64": {"/mounts/0/options/0", "/linux/memoryPolicy/mode", "/linux/seccomp/flags/0", "/linux/resources/cpu/idle"},
		"5.15-rc1":        {"/linux/memoryPolicy/mode", "/linux/seccomp/flags/0"},
		"6.8.12+":         {"/linux/memoryPolicy/mode"},
		"6.10":            nil,
		"7.0":             nil,
		"mine":            nil,
	} {
		c := &checker{spec: spec}
		c.tooOld(release)
		var got []string
		for _, f := range c.found {
			got = append(got, f.Pointer)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
}

func TestIDRanges(t *testing.T) {
	own := procfs.IDMap{{Inside: 0, Outside: 1000, Size: 1}, {Inside: 1, Outside: 100000, Size: 65536}}
	for _, tc := range []struct {
		first, size uint32
		want        bool
	}{{0, 1, true}, {0, 65537, true}, {0, 65538, false}, {65536, 1, true}, {65537, 1, false}, {1 << 31, 1 << 31, false}} {
		if got := covers(own, tc.first, tc.size); got != tc.want {
			t.Errorf("covers %d, %d: %v", tc.first, tc.size, got)
		}
	}
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("4242:100000:65536\nother:1:2\n4242:x:1\n4242:5:6\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := subordinate(file, 4242), (procfs.IDMap{{Inside: 100000, Size: 65536}, {Inside: 5, Size: 6}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := subordinate(file+"x", 4242); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestBinfmt(t *testing.T) {
	entry := "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: OCF\noffset 0\nmagic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n"
	b := parseBinfmt(entry)
	arm, intel := []byte(program(183, true, "")), []byte(program(62, true, ""))
	if !b.matches(arm, "x") || b.matches(intel, "x") || b.matches(arm[:10], "x") || b.path != "/usr/bin/qemu-aarch64" {
		t.Errorf("%+v", b)
	}
	if b := parseBinfmt(strings.Replace(entry, "enabled", "disabled", 1)); b.matches(arm, "x") {
		t.Errorf("switched off: %+v", b)
	}
	if b := parseBinfmt("enabled\ninterpreter /usr/bin/jexec\nextension .jar\n"); !b.matches(nil, "a.jar") || b.matches(nil, "a.war") {
		t.Errorf("%+v", b)
	}
}

// FuzzReadELF wants an answer to every file.
func FuzzReadELF(f *testing.F) {
	f.Add([]byte(native()))
	f.Add([]byte(nativeWith("/lib/ld.so")))
	f.Add([]byte(program(3, false, "/lib/ld.so")))
	f.Fuzz(func(t *testing.T, file []byte) {
		e, err := readELF(strings.NewReader(string(file)), file[:min(len(file), scriptLimit)])
		if err == nil && len(e.interp) > interpLimit {
			t.Errorf("%+v", e)
		}
		_, _ = e.native(), e.architecture()
	})
}

func TestReadELF(t *testing.T) {
	for _, wide := range []bool{false, true} {
		file := program(3, wide, "/lib/ld.so")
		e, err := readELF(strings.NewReader(file), []byte(file))
		if err != nil || e.interp != "/lib/ld.so" || e.machine != 3 || e.wide != wide || e.kind != elfDyn {
			t.Errorf("%+v, %v", e, err)
		}
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	head := make([]byte, scriptLimit)
	if _, err := self.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if e, err := readELF(self, head); err != nil || !e.native() {
		t.Errorf("%+v, %v", e, err)
	}
}
