package rootfs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMount_Cgroup(t *testing.T) {
	group := "/sys/fs/cgroup"
	if fd, err := unix.Open("/sys/fs/cgroup/unified", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		group = "/sys/fs/cgroup/unified"
	}
	for _, typ := range []string{"cgroup", "cgroup2"} {
		t.Run(typ+" in a namespace", func(t *testing.T) {
			sandbox(t, syscall.CLONE_NEWCGROUP, nil, func(t *testing.T, b box) {
				r := b.open(t, with(mnt(typ+" cgroup /cg nosuid noexec nodev ro")), Options{CgroupNS: true, CgroupPath: group})
				ok(t, r.Mount())
				if m := mountAt(t, b.rootfs+"/cg"); m.fstype != "cgroup2" || m.opts != "ro,nosuid,nodev,noexec,relatime" {
					t.Errorf("%+v", m)
				}
			})
		})
		// Without a namespace it is the host's tree: never writable, whatever the spec says (A14).
		for _, options := range []string{"", "rw", "rrw", "ro"} {
			t.Run(typ+" without a namespace "+options, func(t *testing.T) {
				sandbox(t, 0, nil, func(t *testing.T, b box) {
					r := b.open(t, with(mnt(typ+" cgroup /cg nosuid "+options)), Options{CgroupPath: group})
					ok(t, r.Mount())
					if m := mountAt(t, b.rootfs+"/cg"); m.fstype != "cgroup2" || !strings.HasPrefix(m.opts, "ro,nosuid") {
						t.Errorf("%+v", m)
					}
					made := b.rootfs + "/cg/tare-rootfs-test"
					if err := os.Mkdir(made, 0o755); !errors.Is(err, unix.EROFS) {
						t.Errorf("mkdir: %v, %v", err, os.Remove(made))
					}
				})
			})
		}
	}
	t.Run("no path", func(t *testing.T) {
		sandbox(t, 0, nil, func(t *testing.T, b box) {
			r := b.open(t, with(mnt("cgroup cgroup /cg")), Options{})
			if err := r.Mount(); !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		})
	})
}
