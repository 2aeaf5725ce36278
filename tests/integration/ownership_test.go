package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st.Uid
}

// delegatedFiles are those that the kernel lists, or that config-linux.md does.
func delegatedFiles(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadFile("/sys/kernel/cgroup/delegate")
	if os.IsNotExist(err) {
		return []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(list))
}

// checkOwner compares the owners of all in a cgroup with those that they are to have.
func checkOwner(t *testing.T, dir string, uid uint32) {
	t.Helper()
	if got := ownerOf(t, dir); got != uid {
		t.Errorf("%s belongs to %d, want %d", dir, got, uid)
	}
	delegated := delegatedFiles(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		want := uint32(0)
		if slices.Contains(delegated, f.Name()) {
			want = uid
		}
		if got := ownerOf(t, filepath.Join(dir, f.Name())); got != want && !f.IsDir() {
			t.Errorf("%s/%s belongs to %d, want %d", dir, f.Name(), got, want)
		}
	}
}

func cgroupMount(options ...string) Edit {
	return WithMount(specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: append(options, "nosuid", "noexec", "nodev"),
	})
}

// config-linux.md, Cgroup ownership: the container's user gets its cgroup if, and only if, it is to manage it.
func TestCgroupOwnership(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "memory", "pids")
	if !IsTare() {
		t.Skip("crun has other conditions")
	}
	newNS := WithNamespace(specs.CgroupNamespace, "")
	user := func(uid uint32) Edit { return func(s *specs.Spec) { s.Process.User.UID = uid } }
	for name, tt := range map[string]struct {
		want uint32
		edit []Edit
	}{
		"user":           {1234, []Edit{user(1234), newNS, cgroupMount()}},
		"root":           {0, []Edit{user(0), newNS, cgroupMount()}},
		"user namespace": {100010, []Edit{user(10), newNS, cgroupMount(), WithUserNamespace(100000, 65536)}},
		"its root":       {100000, []Edit{user(0), newNS, cgroupMount("rw"), WithUserNamespace(100000, 65536)}},

		"read-only mount":     {0, []Edit{user(1234), newNS, cgroupMount("ro")}},
		"no mount":            {0, []Edit{user(1234), newNS}},
		"no cgroup namespace": {0, []Edit{user(1234), cgroupMount()}},
		"joined namespace":    {0, []Edit{user(1234), WithNamespace(specs.CgroupNamespace, "/proc/self/ns/cgroup"), cgroupMount()}},
		"other source": {0, []Edit{user(1234), newNS, WithMount(specs.Mount{
			Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup2",
		})}},
		"no process": {0, []Edit{newNS, cgroupMount(), func(s *specs.Spec) { s.Process = nil }}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, append([]Edit{Args("sleep")}, tt.edit...)...)
			c.Create()
			dir := "/sys/fs/cgroup" + c.Spec.Linux.CgroupsPath
			checkOwner(t, dir, tt.want)
			if tt.want != 0 && name == "user" {
				c.Start()
				c.WaitStatus(specs.StateRunning)
				// What it is for.
				c.Tare("exec", c.ID, "/probe", "mkdir", "/sys/fs/cgroup/mine").OK(t)
				if got := ownerOf(t, dir+"/mine"); got != tt.want {
					t.Errorf("a cgroup that the container made belongs to %d", got)
				}
			}
			c.Tare("delete", "--force", c.ID).OK(t)
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The same with a unit of systemd's, which lists the cgroup as delegated.
func TestSystemdCgroupOwnership(t *testing.T) {
	NeedSystemd(t)
	for name, tt := range map[string]struct {
		want  uint32
		mount Edit
	}{
		"writable": {1234, cgroupMount()}, "read-only": {0, cgroupMount("ro")},
	} {
		t.Run(name, func(t *testing.T) {
			u := rootUnits.newUnit(t, WithNamespace(specs.CgroupNamespace, ""), WithMount(specs.Mount{
				Destination: "/sys", Type: "sysfs", Source: "sysfs",
			}), tt.mount, func(s *specs.Spec) { s.Process.User.UID = 1234 })
			u.create(t)
			checkOwner(t, u.dir(), tt.want)
			u.Start()
			// A change of the unit, and systemd's own look at it, leave it so.
			u.Tare("update", "--memory", "64m", u.ID).OK(t)
			rootUnits.systemctl(t, "daemon-reload")
			checkOwner(t, u.dir(), tt.want)
		})
	}
}
