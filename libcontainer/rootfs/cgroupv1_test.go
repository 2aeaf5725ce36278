package rootfs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// hierarchies makes a cgroup in each of three v1 hierarchies of the host. Those of the first are told to share it with another
// controller, which only a bind mount believes.
func hierarchies(t *testing.T, pid int) []Hierarchy {
	t.Helper()
	var all []Hierarchy
	for dir, controllers := range map[string][]string{"cpu": {"cpu", "cpuacct"}, "memory": {"memory"}, "systemd": {"name=systemd"}} {
		mount := "/sys/fs/cgroup/" + dir
		if magic, err := sys.StatfsType(mount); err != nil || magic != unix.CGROUP_SUPER_MAGIC {
			t.Skip("this host has no cgroup v1 hierarchy at " + mount)
		}
		all = append(all, Hierarchy{Controllers: controllers, Path: fmt.Sprintf("%s/tare-rootfs-test-%d", mount, pid)})
	}
	return all
}

func makeHierarchies(t *testing.T, _ box) {
	for _, h := range hierarchies(t, os.Getpid()) {
		mkdir(t, h.Path)
		t.Cleanup(func() {
			if err := os.Remove(h.Path); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMount_CgroupV1(t *testing.T) {
	for _, tc := range []struct {
		options string
		userNS  bool
		want    string // options of the mounts
	}{
		{"nosuid ro", false, "ro,nosuid,relatime"},
		{"nosuid", false, "ro,nosuid,relatime"},
		{"nosuid rw", false, "rw,nosuid,relatime"},
		{"nosuid rw", true, "ro,nosuid,relatime"},
	} {
		t.Run(fmt.Sprintf("without a namespace, %s, %v", tc.options, tc.userNS), func(t *testing.T) {
			sandbox(t, 0, makeHierarchies, func(t *testing.T, b box) {
				all := hierarchies(t, os.Getppid())
				r := b.open(t, with(mnt("cgroup cgroup /cg "+tc.options)), Options{Hierarchies: all, UserNS: tc.userNS})
				ok(t, r.Mount())
				if m := mountAt(t, b.rootfs+"/cg"); m.fstype != "tmpfs" || m.opts != tc.want {
					t.Errorf("%+v", m)
				}
				for _, name := range []string{"cpu,cpuacct", "memory", "systemd"} {
					m := mountAt(t, b.rootfs+"/cg/"+name)
					if m.fstype != "cgroup" || m.opts != tc.want || !strings.HasSuffix(m.root, fmt.Sprintf("/tare-rootfs-test-%d", os.Getppid())) {
						t.Errorf("%s: %+v", name, m)
					}
				}
				for _, link := range []string{"cpu", "cpuacct"} {
					if to, err := os.Readlink(b.rootfs + "/cg/" + link); to != "cpu,cpuacct" {
						t.Errorf("%s leads to %q, %v", link, to, err)
					}
				}
				made := b.rootfs + "/cg/memory/tare-rootfs-test"
				err := os.Mkdir(made, 0o755)
				if tc.want[:2] == "rw" {
					ok(t, errors.Join(err, os.Remove(made)))
				} else if !errors.Is(err, unix.EROFS) {
					t.Errorf("mkdir: %v, %v", err, os.Remove(made))
				}
			})
		})
	}
}

// In a cgroup namespace the mounts are the hierarchies, from the namespace's root on.
func TestMount_CgroupV1Namespace(t *testing.T) {
	for _, flags := range []uintptr{0, syscall.CLONE_NEWUSER} {
		for options, want := range map[string]string{"nosuid ro": "ro,nosuid,relatime", "nosuid": "rw,nosuid,relatime"} {
			t.Run(fmt.Sprintf("%s, flags %#x", options, flags), func(t *testing.T) {
				sandbox(t, syscall.CLONE_NEWCGROUP|flags, makeHierarchies, func(t *testing.T, b box) {
					o := Options{CgroupNS: true, UserNS: flags != 0, CgroupPath: "/sys/fs/cgroup/unified"}
					for _, h := range hierarchies(t, os.Getppid()) {
						if len(h.Controllers) == 1 { // the other one there is not
							o.Hierarchies = append(o.Hierarchies, h)
						}
					}
					r := b.open(t, with(mnt("cgroup cgroup /cg "+options)), o)
					ok(t, r.Mount())
					for name, fstype := range map[string]string{"memory": "cgroup", "systemd": "cgroup", "unified": "cgroup2"} {
						if m := mountAt(t, b.rootfs+"/cg/"+name); m.fstype != fstype || m.root != "/" || m.opts != want {
							t.Errorf("%s: %+v", name, m)
						}
					}
				})
			})
		}
	}
}
