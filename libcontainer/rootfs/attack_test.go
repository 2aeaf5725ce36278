package rootfs

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// A09: nothing but a procfs over /proc, and in it only what is on the list.
func TestAttack_MountOverProc(t *testing.T) {
	refused := []string{
		"tmpfs tmpfs /proc", "bind SRC /proc rbind", "bind /proc/sys /proc rbind", "bind /proc/self /proc bind", "sysfs sysfs /proc",
		"tmpfs tmpfs /proc/self", "tmpfs tmpfs /proc/self/attr", "tmpfs tmpfs /proc/sys", "tmpfs tmpfs /proc/1", "bind SRC/file /proc/net/dev bind",
		"bind SRC/file /proc/version bind", "tmpfs tmpfs /tmp/../proc/sys", "tmpfs tmpfs proc/sys", "tmpfs tmpfs /link/sys", "tmpfs tmpfs /link",
		"bind SRC/file /link/cpuinfo bind", "bind SRC/file /deep/version bind", "tmpfs tmpfs /self", "proc proc /proc/sys", "proc proc /link/sys",
		"cgroup2 x /proc/fs", "sysfs sysfs /link/fs",
	}
	for _, first := range []bool{true, false} { // a procfs is mounted already, or is not
		for _, words := range refused {
			t.Run(words+map[bool]string{true: " after", false: " before"}[first], func(t *testing.T) {
				sandbox(t, syscall.CLONE_NEWPID, nil, func(t *testing.T, b box) {
					mkdir(t, b.rootfs+"/proc/sys")
					mkdir(t, b.rootfs+"/proc/fs")
					write(t, b.bundle+"/src/file", "fake")
					link(t, "proc", b.rootfs+"/link")
					link(t, "../link/./", b.rootfs+"/deep")
					link(t, "/proc/self", b.rootfs+"/self")
					s := with(mnt(strings.ReplaceAll(words, "SRC", b.bundle+"/src")))
					if first {
						s = with(mnt("proc proc /proc"), s.Mounts[0])
					} else if strings.Contains(words, "link/") || strings.Contains(words, "deep/") || strings.Contains(words, "/self") && !strings.Contains(words, "/proc/self") {
						t.Skip("in the image's own /proc, which is a directory like any other as long as no procfs is there")
					}
					r := b.open(t, s, Options{CgroupNS: true, CgroupPath: "/sys/fs/cgroup"})
					err := r.Mount()
					if !errors.Is(err, ErrRefused) {
						t.Errorf("%v; want ErrRefused", err)
					}
				})
			})
		}
	}
	for _, words := range []string{"bind SRC/file /proc/cpuinfo bind", "bind SRC/file /proc/meminfo bind,ro", "bind /proc /proc rbind", "proc proc /proc", "bind /proc /link2 rbind"} {
		t.Run("allowed "+words, func(t *testing.T) {
			sandbox(t, syscall.CLONE_NEWPID, nil, func(t *testing.T, b box) {
				write(t, b.bundle+"/src/file", "fake")
				m := mnt(strings.ReplaceAll(words, "SRC", b.bundle+"/src"))
				m.Options = strings.Split(strings.Join(m.Options, ","), ",")
				r := b.open(t, with(mnt("proc proc /proc"), m), Options{})
				ok(t, r.Mount())
			})
		})
	}
}

// A10: /proc and /sys of the image are links.
func TestAttack_LinkedProc(t *testing.T) {
	for _, target := range []string{"/bad", "bad", "../../canary", "CANARY", "chain", "nowhere", "/", ".", "/proc"} {
		for _, fs := range []string{"proc", "sysfs"} {
			t.Run(fs+" "+target, func(t *testing.T) {
				sandbox(t, newAll, nil, func(t *testing.T, b box) {
					mkdir(t, b.rootfs+"/bad")
					link(t, "bad", b.rootfs+"/chain")
					at := map[string]string{"proc": "/proc", "sysfs": "/sys"}[fs]
					link(t, strings.ReplaceAll(target, "CANARY", b.canary), b.rootfs+at)
					r := b.open(t, with(mnt(fs+" x "+at)), Options{})
					err := r.Mount()
					if err == nil || !errors.Is(err, ErrRefused) && !errors.Is(err, unix.ELOOP) {
						t.Errorf("%v", err)
					}
				})
			})
		}
	}
}

// racer starts a process that exchanges a and b as fast as it can until the test's process is gone.
func racer(t *testing.T, a, b string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRacer$")
	cmd.Env = []string{"TARE_ROOTFS_RACE=" + a + "\n" + b}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ok(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// TestRacer is no test but the process that racer starts.
func TestRacer(t *testing.T) {
	a, b, found := strings.Cut(os.Getenv("TARE_ROOTFS_RACE"), "\n")
	if !found {
		return
	}
	for {
		_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	}
}

// attempts runs try, in mount namespaces of its own, again and again while racers are at work. The racers are of the sandbox, so they share its
// directory with each try, as a container shares a volume.
func attempts(t *testing.T, try func() error) (succeeded, total int) {
	t.Helper()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); total++ {
		if err := try(); err == nil {
			succeeded++
		}
	}
	t.Logf("%d of %d succeeded", succeeded, total)
	return succeeded, total
}

// A11, A16: a directory on the way to many mount points is exchanged with a link to "/" (of the container) or to the canary.
func TestAttack_ExchangedDestination(t *testing.T) {
	for _, target := range []string{"/", "CANARY", "../../../canary", "../../../../../../../.."} {
		t.Run(strings.ReplaceAll(target, "/", "_"), func(t *testing.T) {
			sandbox(t, 0, nil, func(t *testing.T, b box) {
				mkdir(t, b.bundle+"/volume/x")
				write(t, b.bundle+"/src", "source")
				link(t, strings.ReplaceAll(target, "CANARY", b.canary), b.bundle+"/volume/y")
				s := with(mnt("bind volume /data rbind"))
				for _, name := range []string{"a", "b/c", "d/e/f"} {
					s.Mounts = append(s.Mounts, mnt("tmpfs tmpfs /data/x/"+name), mnt("bind src /data/x/"+name+".file bind"))
				}
				racer(t, b.bundle+"/volume/x", b.bundle+"/volume/y")
				racer(t, b.bundle+"/volume/x", b.bundle+"/volume/y")
				won, _ := attempts(t, func() error {
					r := b.open(t, s, Options{})
					err := r.Mount()
					// Every mount is below the root file system.
					for line := range strings.Lines(hostMounts(t)) {
						if at := strings.Fields(line)[4]; strings.HasPrefix(at, b.dir) && !strings.HasPrefix(at, b.rootfs) {
							t.Fatalf("mounted outside: %s", line)
						}
					}
					if names, _ := os.ReadDir(b.rootfs + "/data"); len(names) > 2 {
						t.Fatalf("/data shows something else: %v", names)
					}
					r.Close()
					for unix.Unmount(b.rootfs, unix.MNT_DETACH) == nil {
					}
					return err
				})
				if won == 0 && target == "/" {
					t.Error("no attempt succeeded: the test shows nothing")
				}
			})
		})
	}
}

// A10: a racer exchanges /proc with a link while it is mounted.
func TestAttack_ExchangedProc(t *testing.T) {
	sandbox(t, syscall.CLONE_NEWPID, nil, func(t *testing.T, b box) {
		mkdir(t, b.rootfs+"/proc")
		mkdir(t, b.rootfs+"/bad")
		link(t, "bad", b.rootfs+"/other")
		racer(t, b.rootfs+"/proc", b.rootfs+"/other")
		won, _ := attempts(t, func() error {
			r := b.open(t, with(mnt("proc proc /proc")), Options{})
			err := r.Mount()
			if fs, _ := os.ReadDir(b.rootfs + "/bad"); len(fs) > 0 {
				t.Fatal("a procfs was mounted through a link")
			}
			r.Close()
			for unix.Unmount(b.rootfs, unix.MNT_DETACH) == nil {
			}
			return err
		})
		_ = won // once a directory is a mount point it cannot be renamed in our namespace, but the racer's try can win
	})
}

// A20, A21: the image's /dev is a link, or is full of links, to the canary. With and without a mount on /dev.
func TestAttack_LinkedDev(t *testing.T) {
	for _, target := range []string{"CANARY", "../../canary", "chain", "/", "nowhere"} {
		for _, mounts := range []string{"", "tmpfs tmpfs /dev mode=755"} {
			for _, flags := range []uintptr{0, syscall.CLONE_NEWUSER} {
				t.Run(strings.ReplaceAll(target, "/", "_")+" "+strings.Fields(mounts + " image")[0]+map[bool]string{true: " user namespace"}[flags != 0], func(t *testing.T) {
					sandbox(t, flags, nil, func(t *testing.T, b box) {
						link(t, b.canary, b.rootfs+"/chain")
						link(t, strings.ReplaceAll(target, "CANARY", b.canary), b.rootfs+"/dev")
						s := with(mnt("tmpfs tmpfs /tmp"))
						if mounts != "" {
							s = with(mnt(mounts))
						}
						r := b.open(t, s, Options{UserNS: flags != 0})
						if err := r.Mount(); err == nil {
							if err := r.Devices(); err != nil {
								t.Log(err)
							}
							slave := pty(t)
							if err := r.Console(slave); err != nil {
								t.Log(err)
							}
						}
					})
				})
			}
		}
	}
}

// A17, A18, A21, A22: each name in /dev that we use is something else.
func TestAttack_PlantedDev(t *testing.T) {
	plants := map[string]func(t *testing.T, b box, path string){
		"link out":     func(t *testing.T, b box, path string) { link(t, b.canary+"/null", path) },
		"link in":      func(t *testing.T, b box, path string) { link(t, "../file", path) },
		"link to proc": func(t *testing.T, b box, path string) { link(t, "/proc/sys/kernel/core_pattern", path) },
		"dangling":     func(t *testing.T, b box, path string) { link(t, "nowhere", path) },
		"file":         func(t *testing.T, b box, path string) { write(t, path, "text") },
		"directory":    func(t *testing.T, b box, path string) { mkdir(t, path) },
		"fifo":         func(t *testing.T, b box, path string) { ok(t, unix.Mkfifo(path, 0o600)) },
		"socket":       func(t *testing.T, b box, path string) { ok(t, unix.Mknod(path, unix.S_IFSOCK|0o600, 0)) },
		"zero":         func(t *testing.T, b box, path string) { node(t, path, unix.S_IFCHR, 1, 5) },
		"block 1:3":    func(t *testing.T, b box, path string) { node(t, path, unix.S_IFBLK, 1, 3) },
	}
	for _, name := range []string{"null", "tty", "ptmx", "console", "fd", "stdin", "core"} {
		for what, plant := range plants {
			t.Run(name+" "+what, func(t *testing.T) {
				sandbox(t, syscall.CLONE_NEWPID, nil, func(t *testing.T, b box) {
					write(t, b.rootfs+"/file", "text")
					write(t, b.rootfs+"/secret", "secret")
					mkdir(t, b.rootfs+"/dev")
					plant(t, b, b.rootfs+"/dev/"+name)
					s := with(mnt("proc proc /proc"))
					s.Linux.MaskedPaths = []string{"/secret", "/proc/timer_list"}
					pattern, _ := os.ReadFile("/proc/sys/kernel/core_pattern")
					r := b.open(t, s, Options{})
					ok(t, r.Mount())
					err := errors.Join(r.Devices(), r.Console(pty(t)))
					if err == nil {
						err = r.MaskedPaths()
					}
					if now, _ := os.ReadFile("/proc/sys/kernel/core_pattern"); string(now) != string(pattern) {
						t.Fatal("core_pattern of the host changed")
					}
					if text, _ := os.ReadFile(b.rootfs + "/file"); string(text) != "text" {
						t.Errorf("/file was changed: %q", text)
					}
					// Right, or a clean failure.
					switch {
					case name == "null" || name == "tty":
						if !errors.Is(err, ErrRefused) {
							t.Errorf("%v; want ErrRefused", err)
						}
						return
					case err != nil:
						if name == "console" && what != "file" && what != "zero" && errors.Is(err, ErrRefused) {
							return
						}
						if name != "ptmx" || what != "directory" {
							t.Error(err)
						}
						return
					}
					for _, path := range s.Linux.MaskedPaths {
						if st := statAt(t, r, path); uint64(st.Rdev) != unix.Mkdev(1, 3) || st.Mode&unix.S_IFMT != unix.S_IFCHR {
							t.Errorf("%s is %s", path, describe(st.Mode, uint64(st.Rdev)))
						}
					}
					if name == "console" && what != "file" && what != "zero" {
						t.Errorf("a console was mounted over a %s", what)
					}
					if st := statAt(t, r, "/dev/console"); unix.Major(uint64(st.Rdev)) != 136 {
						t.Errorf("console is %s", describe(st.Mode, uint64(st.Rdev)))
					}
					if name == "ptmx" {
						if text, err := os.Readlink(b.rootfs + "/dev/ptmx"); text != "pts/ptmx" {
							t.Errorf("ptmx → %q, %v", text, err)
						}
					}
				})
			})
		}
	}
}

// pty makes a pseudo-terminal, of which it returns the slave.
func pty(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	ok(t, err)
	t.Cleanup(func() { master.Close() })
	ok(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	fd, err := unix.IoctlRetInt(int(master.Fd()), unix.TIOCGPTPEER)
	if err != nil { // TIOCGPTPEER takes the flags of open(2)
		n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		ok(t, err)
		fd, err = unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		ok(t, err)
	}
	f := os.NewFile(uintptr(fd), "slave")
	t.Cleanup(func() { f.Close() })
	return f
}

// A18: what is no pseudo-terminal never becomes the console.
func TestAttack_ConsoleSource(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		write(t, b.dir+"/file", "")
		r := b.open(t, with(), Options{})
		for _, path := range []string{b.dir + "/file", "/dev/null", "/dev/ptmx", "/proc/self/status"} {
			f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOCTTY, 0)
			ok(t, err)
			if err := r.Console(f); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", path, err)
			}
			f.Close()
		}
	})
}

// A23: after success every listed path is read-only or masked as it is seen inside, whatever a racer did meanwhile to a component.
func TestAttack_ExchangedProtectedPath(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		write(t, b.bundle+"/volume/x/secret", "secret")
		write(t, b.bundle+"/volume/y/secret", "other")
		s := with(mnt("bind volume /data rbind"), mnt("tmpfs tmpfs /dev"))
		s.Linux.ReadonlyPaths = []string{"/data/x/secret"}
		s.Linux.MaskedPaths = []string{"/data/y/secret"}
		racer(t, b.bundle+"/volume/x", b.bundle+"/volume/y")
		attempts(t, func() error {
			r := b.open(t, s, Options{})
			ok(t, r.Mount())
			ok(t, r.Devices())
			err := errors.Join(r.ReadonlyPaths(), r.MaskedPaths())
			if err == nil {
				checkExchanged(t, b)
			}
			r.Close()
			for unix.Unmount(b.rootfs, unix.MNT_DETACH) == nil {
			}
			return err
		})
	})
}

// checkExchanged: the racer can put either file under either name, but each mount is complete: read-only from the first instant, or the null device.
func checkExchanged(t *testing.T, b box) {
	t.Helper()
	for line := range strings.Lines(hostMounts(t)) {
		f := strings.Fields(line)
		if !strings.HasPrefix(f[4], b.rootfs+"/data/") {
			continue
		}
		if readonly, null := strings.HasPrefix(f[5], "ro"), f[3] == "/null"; !readonly && !null {
			t.Fatalf("neither read-only nor masked: %s", line)
		}
	}
}

// A31: what makes way for a device or a link is an empty file of the container's, by its own name.
func TestAttack_NothingElseRemoved(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		mkdir(t, b.rootfs+"/dev")
		write(t, b.rootfs+"/dev/null", "not empty")
		write(t, b.rootfs+"/dev/stdout", "a log")
		r := b.open(t, with(), Options{})
		if err := r.Devices(); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
		if text, _ := os.ReadFile(b.rootfs + "/dev/null"); string(text) != "not empty" {
			t.Errorf("the image's file is %q", text)
		}
	})
}

// A39: odd spellings of destinations stay inside.
func TestAttack_Spelling(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		link(t, b.canary, b.rootfs+"/link")
		link(t, "../../canary", b.rootfs+"/up")
		s := with()
		for _, path := range []string{
			"/link/", "link//", "/./link/.", "/up/x/..", "../../../a", "/a/../../b", "//c//d/", "up/../up/./y", "", ".", "..", "/..",
		} {
			s.Mounts = append(s.Mounts, mnt("tmpfs tmpfs x"))
			s.Mounts[len(s.Mounts)-1].Destination = path
		}
		all := s.Mounts
		for i := range all {
			s.Mounts = all[i : i+1]
			r := b.open(t, s, Options{})
			if err := r.Mount(); err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, unix.ENOENT) {
				t.Errorf("%q: %v", all[i].Destination, err)
			}
			for line := range strings.Lines(hostMounts(t)) {
				if at := strings.Fields(line)[4]; strings.HasPrefix(at, b.dir) && !strings.HasPrefix(at, b.rootfs) {
					t.Errorf("%q is mounted at %s", all[i].Destination, at)
				}
			}
			r.Close()
		}
	})
}

// Destinations that are a fifo, a terminal or a socket must not make us wait (A16).
func TestAttack_BlockingDestination(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		ok(t, unix.Mkfifo(b.rootfs+"/fifo", 0o600))
		ok(t, unix.Mknod(b.rootfs+"/sock", unix.S_IFSOCK|0o600, 0))
		node(t, b.rootfs+"/tty", unix.S_IFCHR, 5, 0)
		write(t, b.bundle+"/src", "source")
		r := b.open(t, with(mnt("bind src /fifo bind"), mnt("bind src /sock bind"), mnt("bind src /tty bind")), Options{})
		ok(t, r.Mount())
		for _, path := range []string{"/fifo", "/sock", "/tty"} {
			if text, err := os.ReadFile(b.rootfs + path); string(text) != "source" {
				t.Errorf("%s: %q, %v", path, text, err)
			}
		}
		fd, err := r.Root().Open("/fifo")
		ok(t, err)
		sys.Close(fd)
	})
}
