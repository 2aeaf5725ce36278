package rootfs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// typical is what `runc spec` prints, as far as the root file system goes.
func typical() *specs.Spec {
	s := with(
		mnt("proc proc /proc"),
		mnt("tmpfs tmpfs /dev nosuid strictatime mode=755 size=65536k"),
		mnt("devpts devpts /dev/pts nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
		mnt("tmpfs shm /dev/shm nosuid noexec nodev mode=1777 size=65536k"),
		mnt("mqueue mqueue /dev/mqueue nosuid noexec nodev"),
		mnt("sysfs sysfs /sys nosuid noexec nodev ro"),
		mnt("cgroup cgroup /sys/fs/cgroup nosuid noexec nodev relatime ro"),
	)
	s.Root.Readonly = true
	s.Linux.MaskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
		"/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	}
	s.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	return s
}

// build does all that a container's init does, in its order.
func build(r *Rootfs) error {
	for _, step := range []func() error{
		r.Mount, r.Devices, r.Pivot, r.Readonly, r.ReadonlyPaths, r.MaskedPaths, r.Propagation,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

const newAll = syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWCGROUP

func TestContainer(t *testing.T) {
	for _, noPivot := range []bool{false, true} {
		t.Run(map[bool]string{false: "pivot", true: "no pivot"}[noPivot], func(t *testing.T) {
			sandbox(t, newAll, nil, func(t *testing.T, b box) {
				write(t, b.rootfs+"/file", "x")
				r := b.open(t, typical(), Options{CgroupNS: true, NoPivot: noPivot})
				start := time.Now()
				ok(t, build(r))
				t.Logf("built in %v", time.Since(start))
				checkTypical(t, b)
				ok(t, r.Console(pty(t))) // of the container's own devpts
				var st unix.Stat_t
				if err := unix.Stat("/dev/console", &st); err != nil || unix.Major(uint64(st.Rdev)) != 136 {
					t.Errorf("/dev/console is %s, %v", describe(st.Mode, uint64(st.Rdev)), err)
				}
			})
		})
	}
	t.Run("user namespace", func(t *testing.T) {
		sandbox(t, newAll|syscall.CLONE_NEWUSER, nil, func(t *testing.T, b box) {
			write(t, b.rootfs+"/file", "x")
			r := b.open(t, typical(), Options{CgroupNS: true, UserNS: true})
			ok(t, build(r))
			checkTypical(t, b)
		})
	})
	t.Run("twice on one root", func(t *testing.T) {
		sandbox(t, newAll, func(t *testing.T, b box) {
			write(t, b.rootfs+"/dev/null", "") // as a container in a user namespace leaves it
		}, func(t *testing.T, b box) {
			s := typical()
			s.Mounts = s.Mounts[:1]
			r := b.open(t, s, Options{})
			ok(t, r.Mount())
			ok(t, r.Devices())
			ok(t, r.Devices())
			if st := statAt(t, r, "/dev/null"); uint64(st.Rdev) != unix.Mkdev(1, 3) {
				t.Errorf("/dev/null is %s", describe(st.Mode, uint64(st.Rdev)))
			}
		})
	})
}

func checkTypical(t *testing.T, b box) {
	t.Helper()
	if cwd, err := unix.Getwd(); err != nil || cwd != "/" {
		t.Errorf("working directory %q, %v", cwd, err)
	}
	if _, err := os.Stat(b.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the host's %s can be seen: %v", b.dir, err)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	ok(t, err)
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); f[4] != "/" && !strings.HasPrefix(f[4], "/proc") && !strings.HasPrefix(f[4], "/dev") && !strings.HasPrefix(f[4], "/sys") {
			t.Errorf("a mount of the host is left: %s", line)
		}
	}
	for path, want := range map[string]string{
		"/": "ro", "/proc": "rw", "/dev": "rw,nosuid", "/dev/pts": "rw,nosuid,noexec", "/dev/shm": "rw,nosuid,nodev,noexec",
		"/dev/mqueue": "rw,nosuid,nodev,noexec", "/sys": "ro,nosuid,nodev,noexec", "/sys/fs/cgroup": "ro,nosuid,nodev,noexec",
		"/proc/sys": "ro", "/proc/bus": "ro", "/proc/irq": "ro",
	} {
		m := mountAt(t, path)
		if got := strings.TrimSuffix(m.opts, ",relatime"); got != want {
			t.Errorf("%s has %s, want %s", path, m.opts, want)
		}
	}
	if m := mountAt(t, "/dev"); !strings.Contains(m.super, "mode=755") && !strings.Contains(m.super, "size=65536k") {
		t.Errorf("/dev: %s", m.super)
	}
	for path, rdev := range map[string]uint64{
		"/dev/null": unix.Mkdev(1, 3), "/dev/zero": unix.Mkdev(1, 5), "/dev/full": unix.Mkdev(1, 7), "/dev/random": unix.Mkdev(1, 8),
		"/dev/urandom": unix.Mkdev(1, 9), "/dev/tty": unix.Mkdev(5, 0), "/proc/keys": unix.Mkdev(1, 3),
		"/proc/timer_list": unix.Mkdev(1, 3),
	} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Mode != unix.S_IFCHR|0o666 || uint64(st.Rdev) != rdev {
			t.Errorf("%s is %s, mode %o, %v", path, describe(st.Mode, uint64(st.Rdev)), st.Mode, err)
		}
	}
	for path, want := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
		"/dev/ptmx": "pts/ptmx",
	} {
		if got, err := os.Readlink(path); err != nil || got != want {
			t.Errorf("%s → %q, %v", path, got, err)
		}
	}
	if names, err := os.ReadDir("/sys/firmware"); err != nil || len(names) != 0 {
		t.Errorf("/sys/firmware has %v, %v", names, err)
	}
	if err := os.WriteFile("/new", nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("the root can be written: %v", err)
	}
	if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
		t.Errorf("/dev/null: %v", err)
	}
	if err := os.WriteFile("/sys/firmware/x", nil, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("masked directory: %v", err)
	}
}

// A root that is a mount point itself, with another mount in it, on a host whose mounts are all shared: nothing of what a container does may show there.
func TestIsolation(t *testing.T) {
	for _, propagation := range []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"} {
		for _, noPivot := range []bool{false, true} {
			name := "default"
			if propagation != "" {
				name = propagation
			}
			if noPivot {
				name += " no pivot"
			}
			t.Run(name, func(t *testing.T) {
				sandbox(t, 0, nil, func(t *testing.T, b box) { asSharedHost(t, b, propagation, noPivot) })
			})
		}
	}
}

// asSharedHost runs a container on a host with shared mounts.
func asSharedHost(t *testing.T, b box, propagation string, noPivot bool) {
	if asHost(t, b, func() {
		ok(t, unix.Mount("root", b.rootfs, "tmpfs", 0, ""))
		mkdir(t, b.rootfs+"/sub")
		ok(t, unix.Mount("sub", b.rootfs+"/sub", "tmpfs", 0, ""))
		mkdir(t, b.rootfs+"/sub/made")
		mkdir(t, b.bundle+"/volume")
		ok(t, unix.Mount("volume", b.bundle+"/volume", "tmpfs", 0, ""))
		ok(t, unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""))
	}) {
		return
	}
	s := with(
		mnt("proc proc /proc"),
		mnt("tmpfs tmpfs /sub/made"),
		mnt("tmpfs tmpfs /tmp"),
		mnt("bind volume /volume rbind rslave"),
		mnt("tmpfs tmpfs /volume/below"),
	)
	s.Linux.RootfsPropagation = propagation
	r := b.open(t, s, Options{NoPivot: noPivot})
	ok(t, build(r))
	m := mountAt(t, "/")
	for _, want := range []string{"shared", "unbindable"} {
		if asked := strings.TrimPrefix(propagation, "r") == want; asked != strings.Contains(m.propagation, want) {
			t.Errorf("propagation of / is %q", m.propagation)
		}
	}
}

func TestOpen_Errors(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		s := with()
		s.Linux.RootfsPropagation = "sharde"
		if _, err := Open(s, Options{Path: b.rootfs}, nil); err == nil || !strings.Contains(err.Error(), `/linux/rootfsPropagation): unknown value "sharde"`) {
			t.Error(err)
		}
		if _, err := Open(with(), Options{Path: b.dir + "/none"}, nil); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		write(t, b.dir+"/file", "")
		if _, err := Open(with(), Options{Path: b.dir + "/file"}, nil); !errors.Is(err, unix.ENOTDIR) {
			t.Error(err)
		}
	})
}

// Few descriptors are enough for many mounts and devices.
func TestDescriptors(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		s := with(mnt("proc proc /proc"), mnt("tmpfs tmpfs /dev mode=755"))
		for i := range 100 {
			s.Mounts = append(s.Mounts, mnt("bind . /mnt/"+string(rune('a'+i%26))+string(rune('a'+i/26))+" rbind ro"))
			s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: "/dev/d" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Type: "c", Major: 1, Minor: int64(3)})
		}
		s.Mounts = append(s.Mounts[:2:2], s.Mounts[2:]...)
		for i := range s.Mounts {
			if s.Mounts[i].Type == "bind" {
				s.Mounts[i].Source = "/proc/version"
			}
		}
		ok(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}))
		r := b.open(t, s, Options{})
		ok(t, build(r))
		r.Close()
		names, err := os.ReadDir("/proc/self/fd")
		ok(t, err)
		if len(names) > 16 {
			t.Errorf("%d descriptors are open", len(names))
		}
		fd, err := sys.Openat(unix.AT_FDCWD, "/", unix.O_PATH)
		ok(t, err)
		sys.Close(fd)
	})
}
