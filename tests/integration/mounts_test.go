package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// mountAt is the topmost mount on a path.
func mountAt(t *testing.T, r *view.Report, point string) view.Mount {
	t.Helper()
	for _, m := range slices.Backward(r.Mounts) {
		if m.Point == point {
			return m
		}
	}
	t.Fatalf("nothing is mounted on %s: %+v", point, r.Mounts)
	return view.Mount{}
}

func hasOptions(m view.Mount, options ...string) bool {
	have := append(strings.Split(m.Options, ","), strings.Split(m.Super, ",")...)
	for _, option := range options {
		if !slices.Contains(have, option) {
			return false
		}
	}
	return true
}

// probeStat runs the probe's stat command in the container.
func probeStat(t *testing.T, c *Container, paths ...string) []view.Stat {
	t.Helper()
	Args(append([]string{"stat"}, paths...)...)(c.Spec)
	c.WriteSpec(t)
	var all []view.Stat
	if err := json.Unmarshal([]byte(c.Run().OK(t).Stdout), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDefaultMounts(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := NewContainer(t).Report()
	for point, want := range map[string]struct {
		fstype  string
		options []string
	}{
		"/":           {"", []string{"ro"}},
		"/proc":       {"proc", nil},
		"/dev":        {"tmpfs", []string{"nosuid", "mode=755", "size=65536k"}},
		"/dev/pts":    {"devpts", []string{"nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"}},
		"/dev/shm":    {"tmpfs", []string{"nosuid", "nodev", "noexec", "size=65536k"}},
		"/dev/mqueue": {"mqueue", []string{"nosuid", "nodev", "noexec"}},
		"/sys":        {"sysfs", []string{"nosuid", "nodev", "noexec", "ro"}},
	} {
		m := mountAt(t, r, point)
		if want.fstype != "" && m.Type != want.fstype || !hasOptions(m, want.options...) {
			t.Errorf("%s is %+v, want %s %v", point, m, want.fstype, want.options)
		}
	}
	for _, m := range r.Mounts {
		if strings.Contains(m.Point, "put_old") || strings.Contains(m.Point, "pivot") || strings.Contains(m.Point, "tare-test") {
			t.Errorf("the old root shows: %+v", m)
		}
		if len(m.Tags) != 0 && m.Point != "/sys/fs/cgroup" && slices.ContainsFunc(m.Tags, func(tag string) bool { return strings.HasPrefix(tag, "shared") }) {
			t.Errorf("%s is %v: mounts could go out", m.Point, m.Tags)
		}
	}
}

func TestDefaultDevices(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := NewContainer(t).Report()
	devices := map[string]view.Device{}
	for _, dev := range r.Devices {
		devices[dev.Name] = dev
	}
	for name, number := range map[string][2]uint32{
		"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0},
	} {
		dev := devices[name]
		if dev.Mode != unix.S_IFCHR|0o666 || dev.Major != number[0] || dev.Minor != number[1] || dev.UID != 0 {
			t.Errorf("/dev/%s: %+v", name, dev)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if devices[name].Link != target {
			t.Errorf("/dev/%s: %+v, want a link to %s", name, devices[name], target)
		}
	}
	if _, ok := devices["console"]; ok {
		t.Error("/dev/console without a terminal")
	}
}

func TestBindMounts(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := NewContainer(t,
		BindMount(dir, "/new/dir", "rbind", "ro"),
		BindMount(filepath.Join(dir, "file"), "/new/some.file", "bind"),
		BindMount(dir, "/flags", "bind", "nosuid", "nodev", "noexec", "noatime"),
		WithMount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"noexec", "size=1m", "mode=0750", "uid=7"}}),
		WritableRoot,
	)
	r := c.Report()
	for point, options := range map[string][]string{
		"/new/dir": {"ro"}, "/new/some.file": {"rw"}, "/flags": {"nosuid", "nodev", "noexec", "noatime", "rw"}, "/tmp": {"noexec", "size=1024k"},
	} {
		if m := mountAt(t, r, point); !hasOptions(m, options...) {
			t.Errorf("%s is %+v, want %v", point, m, options)
		}
	}
	stats := probeStat(t, c, "/new/dir", "/new/some.file", "/tmp")
	if stats[0].Mode&unix.S_IFMT != unix.S_IFDIR || stats[1].Mode&unix.S_IFMT != unix.S_IFREG || stats[1].Size != 7 {
		t.Errorf("stat: %+v", stats)
	}
	if stats[2].Mode&0o7777 != 0o750 && !IsRunc() || stats[2].UID != 7 { // runc gives it the covered directory's
		t.Errorf("/tmp: %+v", stats[2])
	}
	Args("open", "/new/dir/x", "wronly|creat")(c.Spec)
	c.WriteSpec(t)
	if res := c.Run().Exit(t, 1); res.Stdout != "EROFS\n" {
		t.Errorf("writing below a read-only bind mount: %q", res.Stdout)
	}
}

// A read-only bind mount leaves a writable mount below it writable; rro does not.
func TestRecursiveReadOnly(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	// A mount in the host's namespace, private to this directory.
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(sub, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for option, want := range map[string]string{"ro": "ok\n", "rro": "EROFS\n"} {
		t.Run(option, func(t *testing.T) {
			if option == "rro" && IsRunc() {
				t.Skip("runc 1.1.5 has no recursive options that work here")
			}
			c := NewContainer(t, Args("open", "/data/sub/x", "wronly|creat"), BindMount(dir, "/data", "rbind", option))
			if res := c.Run(); res.Stdout != want {
				t.Errorf("writing below: %q %s, want %q", res.Stdout, res.Stderr, want)
			}
		})
	}
}

func TestPropagation(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{
		"rslave": "master:", "slave": "master:", "rshared": "shared:", "shared": "shared:", "rprivate": "", "private": "",
	} {
		t.Run(option, func(t *testing.T) {
			r := NewContainer(t, BindMount(dir, "/data", "rbind", option)).Report()
			m := mountAt(t, r, "/data")
			if want == "" && len(m.Tags) != 0 || want != "" && !slices.ContainsFunc(m.Tags, func(tag string) bool { return strings.HasPrefix(tag, want) }) {
				t.Errorf("/data has tags %v, want %s", m.Tags, want)
			}
		})
	}
	t.Run("host unchanged", func(t *testing.T) {
		for _, propagation := range []string{"", "slave", "private", "shared", "unbindable", "rslave"} {
			before := hostMounts(t, dir)
			c := NewContainer(t, func(s *specs.Spec) { s.Linux.RootfsPropagation = propagation })
			if propagation == "unbindable" && IsRunc() {
				continue // it binds the root to itself afterwards
			}
			c.Run().OK(t)
			if after := hostMounts(t, dir); after != before {
				t.Errorf("rootfsPropagation %q changed the host's mounts:\n%s\nbefore:\n%s", propagation, after, before)
			}
		}
	})
	t.Run("unknown", func(t *testing.T) {
		if IsCrun() {
			t.Skip("crun takes any word")
		}
		NewContainer(t, func(s *specs.Spec) { s.Linux.RootfsPropagation = "sideways" }).Run().Fails(t, "sideways")
	})
}

// hostMounts lists the host's mounts that no other test is busy with.
func hostMounts(t *testing.T, own string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		if point := strings.Fields(line)[4]; !strings.Contains(point, "tare-test-") || strings.HasPrefix(point, own) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestMaskedAndReadonlyPaths(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, WritableRoot, func(s *specs.Spec) {
		s.Linux.MaskedPaths = []string{"/proc/version", "/secret", "/secret.dir", "/absent"}
		s.Linux.ReadonlyPaths = []string{"/proc/sys", "/frozen", "/absent"}
	})
	c.WriteFile(t, "secret", "secret", 0o644)
	c.WriteFile(t, "secret.dir/file", "secret", 0o644)
	c.WriteFile(t, "frozen/file", "text", 0o644)
	stats := probeStat(t, c, "/proc/version", "/secret", "/secret.dir", "/secret.dir/file", "/frozen", "/proc/sys", "/absent")
	for _, s := range stats[:2] {
		if s.Mode&unix.S_IFMT != unix.S_IFCHR || s.Major != 1 || s.Minor != 3 {
			t.Errorf("masked file %s: %+v", s.Path, s)
		}
	}
	if stats[2].Flags&unix.ST_RDONLY == 0 || stats[3].Error != "ENOENT" {
		t.Errorf("masked directory: %+v %+v", stats[2], stats[3])
	}
	for _, s := range stats[4:6] {
		if s.Flags&unix.ST_RDONLY == 0 {
			t.Errorf("read-only path %s: flags %#x", s.Path, s.Flags)
		}
	}
	if stats[6].Error != "ENOENT" {
		t.Errorf("an absent path was made: %+v", stats[6])
	}
	for path, want := range map[string]string{"/frozen/file": "EROFS\n", "/proc/sys/kernel/domainname": "EROFS\n"} {
		Args("open", path, "wronly")(c.Spec)
		c.WriteSpec(t)
		if res := c.Run(); res.Stdout != want {
			t.Errorf("opening %s for writing: %q", path, res.Stdout)
		}
	}
}

// A03: what the default configuration hides and freezes is hidden and frozen from uid 0 inside.
func TestDefaultPathsAreProtected(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	masked, frozen := c.Spec.Linux.MaskedPaths, c.Spec.Linux.ReadonlyPaths
	for _, s := range probeStat(t, c, masked...) {
		null := s.Mode&unix.S_IFMT == unix.S_IFCHR && s.Major == 1 && s.Minor == 3
		empty := s.Mode&unix.S_IFMT == unix.S_IFDIR && s.Flags&unix.ST_RDONLY != 0 && s.Nlink <= 2
		if s.Error != "ENOENT" && !null && !empty {
			t.Errorf("%s is not masked: %+v", s.Path, s)
		}
	}
	for _, s := range probeStat(t, c, frozen...) {
		if s.Error != "ENOENT" && s.Flags&unix.ST_RDONLY == 0 {
			t.Errorf("%s is not read-only: %+v", s.Path, s)
		}
	}
}

func TestDevices(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	mode, id := os.FileMode(0o640), uint32(7)
	c := NewContainer(t, WritableRoot, func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{
			{Path: "/dev/mine", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &id, GID: &id},
			{Path: "/dev/sub/pipe", Type: "p"},
			{Path: "/elsewhere", Type: "u", Major: 1, Minor: 3},
		}
		s.Linux.Resources = nil
	})
	stats := probeStat(t, c, "/dev/mine", "/dev/sub/pipe", "/elsewhere")
	if s := stats[0]; s.Mode != unix.S_IFCHR|0o640 || s.Major != 1 || s.Minor != 5 || s.UID != 7 || s.GID != 7 {
		t.Errorf("/dev/mine: %+v", s)
	}
	if s := stats[1]; s.Mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("/dev/sub/pipe: %+v", s)
	}
	if s := stats[2]; s.Mode&unix.S_IFMT != unix.S_IFCHR || s.Minor != 3 {
		t.Errorf("/elsewhere: %+v", s)
	}
}

// In a user namespace nodes cannot be made: the host's are bound.
func TestDevicesInUserNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, WithUserNamespace(100000, 65536))
	for _, s := range probeStat(t, c, "/dev/null", "/dev/zero", "/dev/tty") {
		if s.Mode&unix.S_IFMT != unix.S_IFCHR {
			t.Errorf("%s: %+v", s.Path, s)
		}
	}
}

func TestMountErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		mount specs.Mount
		text  string
	}{
		"missing source":      {specs.Mount{Destination: "/x", Type: "bind", Source: "/no/such/source", Options: []string{"bind"}}, "/no/such/source"},
		"unknown file system": {specs.Mount{Destination: "/x", Type: "nosuchfs", Source: "x"}, "no such device"},
		"file on directory":   {specs.Mount{Destination: "/etc", Type: "bind", Source: "/etc/passwd", Options: []string{"bind"}}, "not a directory"},
		"bad data":            {specs.Mount{Destination: "/x", Type: "tmpfs", Source: "x", Options: []string{"size=nonsense"}}, "invalid argument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, WritableRoot, WithMount(tt.mount))
			res := c.Run().Exit(t, 1)
			if IsCrun() && name == "unknown file system" {
				return
			}
			if !strings.Contains(strings.ToLower(res.Stderr), tt.text) {
				t.Errorf("the error does not say %q: %s", tt.text, res.Stderr)
			}
			if IsTare() && !strings.Contains(res.Stderr, "/mounts/6") {
				t.Errorf("the error does not name the field: %s", res.Stderr)
			}
		})
	}
}

// A relative source is the bundle's, not that of the caller's directory.
func TestRelativeSource(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("read", "/data/file"), BindMount("data", "/data"))
	if err := os.Mkdir(filepath.Join(c.Dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "data/file"), []byte("right"), 0o644); err != nil {
		t.Fatal(err)
	}
	if res := c.Run().OK(t); res.Stdout != "right" {
		t.Errorf("read %q", res.Stdout)
	}
}

// The message queues of a container with a user namespace belong to its root, who may label them and say who may use them.
func TestMessageQueueOwner(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, edits := range map[string][]Edit{
		"root":           {},
		"user namespace": {WithUserNamespace(100000, 65536)},
		"and time": {WithUserNamespace(100000, 65536), WithNamespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 5}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "and time" {
				NeedNamespace(t, "time")
				needYoung(t, "linux.timeOffsets")
			}
			res := NewContainer(t, append(edits, Args("stat", "/dev/mqueue"))...).Run().OK(t)
			var got []view.Stat
			if err := json.Unmarshal([]byte(res.Stdout), &got); err != nil || len(got) != 1 {
				t.Fatalf("%v in %q", err, res.Stdout)
			}
			if got[0].UID != 0 || got[0].GID != 0 && IsTare() {
				t.Errorf("/dev/mqueue belongs to %d:%d", got[0].UID, got[0].GID)
			}
		})
	}
}
