package rootfs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

func TestDevices(t *testing.T) {
	devices := []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: ptr(os.FileMode(0o666))},
		{Path: "/dev/mine", Type: "u", Major: 1, Minor: 7, FileMode: ptr(os.FileMode(0o622)), UID: ptr(uint32(7)), GID: ptr(uint32(8))},
		{Path: "/dev/typebits", Type: "c", Major: 1, Minor: 7, FileMode: ptr(os.FileMode(0o020640))},
		{Path: "/dev/blk", Type: "b", Major: 7, Minor: 0, FileMode: ptr(os.FileMode(0o660)), GID: ptr(uint32(6))},
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200},
		{Path: "/somewhere/else/pipe", Type: "p", FileMode: ptr(os.FileMode(0o600))},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o622))},
		{Path: "/dev/there", Type: "c", Major: 1, Minor: 5, FileMode: ptr(os.FileMode(0o604)), UID: ptr(uint32(3))},
		{Path: "/big", Type: "c", Major: 4095, Minor: 1048575},
	}
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		node(t, b.rootfs+"/dev/there", unix.S_IFCHR, 1, 5)
		s := with()
		s.Linux.Devices = devices
		syscall.Umask(0o077)
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		ok(t, r.Devices())
		if mask := syscall.Umask(0o077); mask != 0o077 {
			t.Errorf("umask is %o", mask)
		}
		for i := range devices {
			d, err := specDevice(i, &devices[i])
			ok(t, err)
			st := statAt(t, r, d.path)
			if st.Mode != d.kind|d.mode || uint64(st.Rdev) != d.rdev || int(st.Uid) != d.uid || int(st.Gid) != d.gid {
				t.Errorf("%s is %s, mode %o, owner %d:%d", d.path, describe(st.Mode, uint64(st.Rdev)), st.Mode, st.Uid, st.Gid)
			}
		}
		ok(t, r.Devices()) // all as they shall be
	})
}

func TestDevices_Mismatch(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		node(t, b.rootfs+"/dev/x", unix.S_IFCHR, 1, 5)
		s := with()
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "c", Major: 1, Minor: 7}}
		r := b.open(t, s, Options{})
		err := r.Devices()
		want := "linux.devices[0] (/linux/devices/0): /dev/x: refused: it is character device 1:5, not character device 1:7"
		if !errors.Is(err, ErrRefused) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		for _, d := range []specs.LinuxDevice{{Path: "/dev/y", Type: "x"}, {Path: "/dev/y", Type: "c", Major: -1}, {Path: "/dev/y", Type: "c", Minor: 1 << 20}, {Path: "/", Type: "p"}} {
			s.Linux.Devices = []specs.LinuxDevice{d}
			if err := r.Devices(); err == nil || !strings.Contains(err.Error(), "/linux/devices/0") {
				t.Errorf("%+v: %v", d, err)
			}
		}
	})
}

// In a user namespace devices are the host's, bound.
func TestDevices_UserNS(t *testing.T) {
	sandbox(t, syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID, nil, func(t *testing.T, b box) {
		s := with(mnt("proc proc /proc"))
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}, {Path: "/dev/pipe", Type: "p"}}
		s.Linux.MaskedPaths = []string{"/proc/timer_list"}
		for range 2 { // the second time finds the first's mount points
			r := b.open(t, s, Options{UserNS: true})
			ok(t, r.Mount())
			ok(t, r.Devices())
			ok(t, r.MaskedPaths())
			for _, path := range []string{"/dev/null", "/proc/timer_list"} {
				if st := statAt(t, r, path); uint64(st.Rdev) != unix.Mkdev(1, 3) {
					t.Errorf("%s is %s", path, describe(st.Mode, uint64(st.Rdev)))
				}
			}
			if m := mountAt(t, b.rootfs+"/dev/null"); !strings.Contains(m.opts, "nosuid") || !strings.Contains(m.opts, "noexec") {
				t.Errorf("%+v", m)
			}
			ok(t, os.WriteFile(b.rootfs+"/dev/null", []byte("x"), 0))
			ok(t, unix.Unmount(b.rootfs, unix.MNT_DETACH))
			r.Close()
		}
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/zero", Type: "c", Major: 1, Minor: 7}} // the host's is another
		r := b.open(t, s, Options{UserNS: true})
		ok(t, r.Mount())
		if err := r.Devices(); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	})
}

// A host directory over /dev is left as it is, and masks still have a null device.
func TestDevices_BoundDev(t *testing.T) {
	for _, rdev := range []uint32{3, 5} {
		t.Run(describe(unix.S_IFCHR, unix.Mkdev(1, rdev)), func(t *testing.T) {
			sandbox(t, 0, nil, func(t *testing.T, b box) {
				node(t, b.bundle+"/hostdev/null", unix.S_IFCHR, 1, rdev)
				write(t, b.rootfs+"/secret", "secret")
				before := snapshot(t, b.bundle+"/hostdev")
				s := with(mnt("bind hostdev /dev rbind"))
				s.Linux.MaskedPaths = []string{"/secret"}
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/new", Type: "p"}, {Path: "/elsewhere", Type: "p"}}
				r := b.open(t, s, Options{})
				ok(t, r.Mount())
				ok(t, r.Devices())
				ok(t, r.MaskedPaths())
				if after := snapshot(t, b.bundle+"/hostdev"); after != before {
					t.Errorf("before:\n%s\nafter:\n%s", before, after)
				}
				if st := statAt(t, r, "/secret"); uint64(st.Rdev) != unix.Mkdev(1, 3) {
					t.Errorf("/secret is %s", describe(st.Mode, uint64(st.Rdev)))
				}
				statAt(t, r, "/elsewhere")
			})
		})
	}
}

// A22: a node bound from elsewhere keeps its mode and owner.
func TestDevices_BoundNode(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		node(t, b.bundle+"/null", unix.S_IFCHR, 1, 3)
		before := snapshot(t, b.bundle+"/null")
		s := with(mnt("tmpfs tmpfs /dev"), mnt("bind null /dev/null bind"))
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o600)), UID: ptr(uint32(9))}}
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		ok(t, r.Devices())
		if after := snapshot(t, b.bundle+"/null"); after != before {
			t.Errorf("before: %s after: %s", before, after)
		}
	})
}

func TestMaskedAndReadonlyPaths(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		write(t, b.rootfs+"/ro/file", "x")
		mkdir(t, b.rootfs+"/ro/sub")
		write(t, b.rootfs+"/ro/masked", "secret")
		write(t, b.rootfs+"/dir/secret", "secret")
		write(t, b.rootfs+"/dir2/secret", "secret")
		link(t, "/dir/secret", b.rootfs+"/link")
		write(t, b.rootfs+"/plain", "x")
		s := with(mnt("tmpfs tmpfs /dev mode=755"), mnt("tmpfs tmpfs /ro/sub"))
		s.Linux.ReadonlyPaths = []string{"/ro", "/none", "/plain/below", "/plain", "/plain"}
		s.Linux.MaskedPaths = []string{"/ro/masked", "/none", "/plain/below", "/dir2", "/dir2", "/link", "/dir"}
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		ok(t, r.Devices())
		ok(t, r.ReadonlyPaths())
		ok(t, r.MaskedPaths())
		for _, path := range []string{"/ro/new", "/ro/sub/new", "/dir/new", "/dir2/new"} {
			if err := os.WriteFile(b.rootfs+path, nil, 0o600); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if err := os.WriteFile(b.rootfs+"/plain", nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("/plain: %v", err)
		}
		if st := statAt(t, r, "/ro/masked"); uint64(st.Rdev) != unix.Mkdev(1, 3) {
			t.Errorf("/ro/masked is %s", describe(st.Mode, uint64(st.Rdev)))
		}
		if m := mountAt(t, b.rootfs+"/ro/masked"); m.fstype != "tmpfs" || m.root != "/null" {
			t.Errorf("the mask is not the container's own null device: %+v", m)
		}
		for _, path := range []string{"/dir", "/dir2"} {
			if names, err := os.ReadDir(b.rootfs + path); err != nil || len(names) != 0 {
				t.Errorf("%s has %v, %v", path, names, err)
			}
		}
		for _, list := range []*[]string{&s.Linux.ReadonlyPaths, &s.Linux.MaskedPaths} {
			*list = []string{"relative"}
		}
		for _, step := range []func() error{r.ReadonlyPaths, r.MaskedPaths} {
			if err := step(); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "Paths/0") {
				t.Error(err)
			}
		}
	})
}

func TestNotifyDir(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		write(t, b.dir+"/notify/socket", "")
		r := b.open(t, with(mnt("tmpfs tmpfs /run")), Options{NotifyDir: b.dir + "/notify"})
		ok(t, r.Mount())
		if m := mountAt(t, b.rootfs+"/run/notify"); !strings.HasPrefix(m.opts, "ro,nosuid,nodev,noexec") {
			t.Errorf("%+v", m)
		}
		if _, err := os.Stat(b.rootfs + "/run/notify/socket"); err != nil {
			t.Error(err)
		}
	})
}
