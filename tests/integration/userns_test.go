package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// withMaps has the container make a user namespace with those maps, or join one that has them.
func withMaps(path string, maps ...specs.LinuxIDMapping) Edit {
	return func(s *specs.Spec) {
		WithNamespace(specs.UserNamespace, path)(s)
		s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
	}
}

// alternating are maps of n lines that cannot be put together, to host ids from first on.
func alternating(n int, first uint32) (maps []specs.LinuxIDMapping) {
	for i := range uint32(n) {
		maps = append(maps, specs.LinuxIDMapping{ContainerID: i, HostID: first + 2*i, Size: 1})
	}
	return maps
}

// Maps of any shape are what the kernel then has; those that it cannot take are told.
func TestUserNamespaceMaps(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, maps := range map[string][]specs.LinuxIDMapping{
		"one id":        {{ContainerID: 0, HostID: 4321, Size: 1}},
		"root last":     {{ContainerID: 5, HostID: 100000, Size: 10}, {ContainerID: 0, HostID: 300000, Size: 1}},
		"as on host":    {{ContainerID: 0, HostID: 0, Size: 65536}},
		"up to the end": {{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 4294967000, HostID: 4294967000, Size: 295}},
		"340 lines":     alternating(340, 1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := NewContainer(t, withMaps("", maps...), WithoutMount("/dev/pts"), Args("read", "/proc/self/uid_map")).Run().OK(t)
			var want []string
			for _, m := range maps {
				want = append(want, fmt.Sprintf("%d %d %d", m.ContainerID, m.HostID, m.Size))
			}
			var got []string
			for line := range strings.Lines(r.Stdout) {
				got = append(got, strings.Join(strings.Fields(line), " "))
			}
			if len(maps) > 5 { // the kernel sorts them then
				if len(got) != len(want) {
					t.Errorf("%d lines, want %d", len(got), len(want))
				}
			} else if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	user := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1, GID: 1} }
	for name, tt := range map[string]struct {
		edits []Edit
		text  string
	}{
		"no root":        {[]Edit{withMaps("", idMaps(1, 100000, 10)...), user}, "is it mapped in /linux/gidMappings"},
		"user unmapped":  {[]Edit{withMaps("", idMaps(1, 100000, 10)...)}, "/process/user/uid: 0 is not mapped"},
		"341 lines":      {[]Edit{withMaps("", alternating(341, 1000)...)}, "at most 340"},
		"over one page":  {[]Edit{withMaps("", alternating(340, 100_000_000)...)}, "less than a page"},
		"shared host id": {[]Edit{withMaps("", append(idMaps(0, 1000, 10), idMaps(20, 1009, 10)...)...)}, "in common"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !IsTare() {
				t.Skip("runc and crun tell of no more than EINVAL")
			}
			c := NewContainer(t, tt.edits...)
			c.Run().Fails(t, tt.text)
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Mappings beside a user namespace that is joined must be its own, however they are divided.
func TestJoinedUserNamespaceMaps(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("these releases of runc and crun do not look")
	}
	owner, pid := running(t, withMaps("", append(idMaps(0, 100000, 10), idMaps(10, 200000, 10)...)...))
	t.Cleanup(func() { owner.Tare("kill", owner.ID, "KILL") })
	path := nsPath(pid, specs.UserNamespace)
	same := append(idMaps(10, 200000, 10), append(idMaps(0, 100000, 4), idMaps(4, 100004, 6)...)...)
	NewContainer(t, withMaps(path, same...), Args("true")).Run().OK(t)
	for name, maps := range map[string][]specs.LinuxIDMapping{
		"elsewhere": idMaps(0, 300000, 10), "fewer": idMaps(0, 100000, 10),
	} {
		t.Run(name, func(t *testing.T) {
			c := NewContainer(t, withMaps(path, maps...))
			c.Run().Fails(t, "linux.uidMappings (/linux/uidMappings): the user namespace that is joined has other ones: [{0 100000 10} {10 200000 10}]")
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// What shows a namespace is new where the user namespace owns that, and the host's, without a way to write, where it does not.
func TestUserNamespaceSysfs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner, pid := running(t, WithUserNamespace(100000, 65536))
	t.Cleanup(func() { owner.Tare("kill", owner.ID, "KILL") })
	join := func(kinds ...specs.LinuxNamespaceType) Edit {
		return func(s *specs.Spec) {
			for _, kind := range kinds {
				WithNamespace(kind, nsPath(pid, kind))(s)
			}
			s.Linux.UIDMappings, s.Linux.GIDMappings = idMaps(0, 100000, 65536), idMaps(0, 100000, 65536)
		}
	}
	for name, tt := range map[string]struct {
		edits []Edit
		own   bool
	}{
		"new network namespace":                   {[]Edit{WithUserNamespace(100000, 65536)}, true},
		"all of another's":                        {[]Edit{join(specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace)}, true},
		"the host's network":                      {[]Edit{WithUserNamespace(100000, 65536), WithoutNamespace(specs.NetworkNamespace)}, false},
		"the network of another user namespace's": {[]Edit{WithUserNamespace(200000, 65536), WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if !tt.own && IsRunc() {
				t.Skip("runc has no replacement for a sysfs")
			}
			r := NewContainer(t, tt.edits...).Report()
			if m := mountAt(t, r, "/sys"); m.Type != "sysfs" || !hasOptions(m, "ro", "nosuid", "nodev", "noexec") {
				t.Errorf("/sys is %+v", m)
			}
			if m := mountAt(t, r, "/dev/mqueue"); m.Type != "mqueue" {
				t.Errorf("/dev/mqueue is %+v", m)
			}
			if below := mountsBelow(r, "/sys/"); (len(below) == 0) != tt.own && len(hostMountsBelow(t, "/sys/")) > 0 {
				t.Errorf("below /sys: %+v", below)
			} else {
				for _, m := range below {
					if !hasOptions(m, "ro") {
						t.Errorf("%s can be written to: %+v", m.Point, m)
					}
				}
			}
		})
	}
}

func mountsBelow(r *view.Report, dir string) (all []view.Mount) {
	for _, m := range r.Mounts {
		if strings.HasPrefix(m.Point, dir) && m.Point != "/sys/firmware" && m.Point != "/sys/fs/cgroup" { // masked; not the fallback's
			all = append(all, m)
		}
	}
	return all
}

func hostMountsBelow(t *testing.T, dir string) []string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return HostMounts(t, " "+dir)
}
