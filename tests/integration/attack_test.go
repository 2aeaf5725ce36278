package integration

import (
	"crypto/sha256"
	"fmt"
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

// The tests of this file are known attacks, by the mechanism that made each work once. What a runtime has to show is
// "safe, or a clean failure": a container that runs but is not protected is the only bad outcome.

// hammer runs a container with one of the probe's attackers, and gives a function that ends it and gives its hits.
func hammer(t *testing.T, command string, edits ...Edit) (c *Container, pid int, stop func() []view.Hit) {
	t.Helper()
	c = NewContainer(t, append(edits, Args(command))...)
	out := c.File(t, "hits")
	cmd := c.Command("run", "--detach", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Stdout, cmd.Stderr = out, out
	c.Do(cmd).OK(t)
	pid = c.PidFile(c.Dir + "/pid")
	read := func() string {
		data, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	Eventually(t, "the attacker", func() bool { return strings.Contains(read(), "ready") })
	return c, pid, func() []view.Hit {
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Wait(pid)
		return Hits(t, read())
	}
}

var attackers = []struct {
	name  string
	trace bool // may trace what is in its own user namespace, so only host files count
	edits []Edit
}{
	{"no capabilities", false, []Edit{WithCaps()}},
	{"SYS_PTRACE and SYS_ADMIN in a user namespace", false, []Edit{
		WithUserNamespace(100000, 65536), WithCaps("CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"),
	}},
	// Here the kernel lets the attacker trace any process of the container: the runtime's could not be told apart. But
	// they must have nothing of the host's on them.
	{"SYS_PTRACE and SYS_ADMIN", true, []Edit{WithCaps("CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")}},
}

// CVE-2016-9962: while the runtime joins a container, the container's processes go for it (A07).
func TestAttackJoiningProcess(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	for _, attacker := range attackers {
		t.Run(attacker.name, func(t *testing.T) {
			t.Parallel()
			c, pid, stop := hammer(t, "proc-hammer", attacker.edits...)
			joins := HasCommand(t, "exec")
			for range rounds {
				if joins {
					c.Tare("exec", c.ID, "/probe", "true")
				}
			}
			roots, procfs := map[string]bool{}, ""
			// A second container in its PID namespace starts under the same eyes. Not for the tracer: it may look at
			// a process that has the host's root still, because it has to, and nothing but a user namespace forbids it.
			for range rounds / 10 {
				if attacker.trace {
					break
				}
				guest := NewContainer(t, append(slices.Clone(attacker.edits), WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace)), Args("true"))...)
				if len(guest.Spec.Linux.UIDMappings) > 0 {
					WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace))(guest.Spec)
					guest.WriteSpec(t)
				}
				roots[InodeOf(t, guest.RootFS)] = true
				guest.Run()
			}
			bad, tried := map[view.Hit]int{}, 0
			for _, h := range stop() {
				link := h.What == "cwd" || h.What == "root" || strings.HasPrefix(h.What, "fd/") || strings.HasPrefix(h.What, "pidfd_getfd")
				switch {
				case h.What == "ready":
					roots[h.Inode] = true
				case h.What == "procfs":
					procfs, _, _ = strings.Cut(h.Inode, ":")
				case link && h.Dir && !roots[h.Inode] && !strings.HasPrefix(h.Inode, procfs+":"),
					!attacker.trace && h.Exe != "" && filepath.Base(h.Exe) != "probe":
					h.PID = 0
					bad[h]++
				default:
					tried++
				}
			}
			for h, times := range bad {
				t.Errorf("%d times a process that still was the runtime let the attacker in: %+v", times, h)
			}
			if tried == 0 && attacker.trace && !joins {
				t.Skip("only exec would bring this attacker a process, and the runtime has no such command")
			}
			if tried == 0 {
				t.Error("the attacker never got at any process, not even at the workload's: it proves nothing")
			}
		})
	}
}

// CVE-2019-5736: the container makes the runtime execute itself, or waits for it, and writes to its program (A08).
func TestAttackRuntimeBinary(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, attacker := range attackers {
		t.Run(attacker.name, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(Dir(t), filepath.Base(Runtime())) // first: it has to outlive the containers
			CopyRuntime(t, binary)
			c, pid, stop := hammer(t, "exe-hammer", append(slices.Clone(attacker.edits), WritableRoot)...)
			before := fingerprint(t, binary)
			c.UseRuntime(binary)
			c.Symlink(t, "/proc/self/exe", "self")
			c.WriteFile(t, "script", "#!/proc/self/exe\n", 0o755)
			for range 30 {
				c.Tare("exec", c.ID, "/self", "init")
				c.Tare("exec", c.ID, "/script")
				c.Tare("exec", c.ID, "/probe", "true")
			}
			guest := NewContainer(t, append(slices.Clone(attacker.edits), Args("/self", "init"))...)
			guest.UseRuntime(binary)
			guest.Symlink(t, "/proc/self/exe", "self")
			if len(guest.Spec.Linux.UIDMappings) == 0 {
				WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace))(guest.Spec)
				guest.WriteSpec(t)
			}
			for range 5 {
				guest.Run()
			}
			written := map[string]int{}
			for _, h := range stop() {
				if h.What == "opened for writing" && !strings.HasPrefix(h.Target, "/probe") {
					written[h.Target]++
				}
			}
			for target, times := range written {
				t.Errorf("%d times a program of the runtime's could be opened for writing: %s", times, target)
			}
			if after := fingerprint(t, binary); after != before {
				t.Errorf("the runtime's binary changed: %s, before %s", after, before)
			}
			if f, err := os.OpenFile(binary, os.O_WRONLY, 0); err != nil {
				t.Errorf("somebody still runs from the binary itself: %v", err)
			} else {
				f.Close()
			}
		})
	}
}

func fingerprint(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %v %v", sha256.Sum256(data), info.Mode(), info.ModTime())
}

// CVE-2024-21626: a directory of the host's reached by a descriptor that is still open (A15).
func TestAttackLeakedDirectory(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	run := func(t *testing.T, c *Container) {
		t.Helper()
		cmd := c.Command("run", "--bundle", c.Dir, c.ID)
		cmd.ExtraFiles = LeakFDs(t, 18)
		res := c.Do(cmd)
		if res.Code != 0 {
			return
		}
		if cwd := res.Report(t).Process.Cwd; !strings.HasPrefix(cwd, "/") {
			t.Errorf("the workload's directory is outside of its root: %q", cwd)
		}
	}
	for fd := 3; fd < 24; fd++ {
		t.Run(fmt.Sprint("cwd of descriptor ", fd), func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args("report"), WritableRoot, func(s *specs.Spec) { s.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d", fd) })
			run(t, c)
			c.Spec.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d/../../..", fd)
			c.WriteSpec(t)
			run(t, c)
			c.Symlink(t, fmt.Sprintf("/proc/self/fd/%d", fd), "link")
			c.Spec.Process.Cwd = "/link"
			c.WriteSpec(t)
			run(t, c)
		})
		t.Run(fmt.Sprint("program by descriptor ", fd), func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t)
			c.Spec.Process.Args = []string{fmt.Sprintf("/proc/self/fd/%d%s", fd, Probe()), "exit", "77"}
			c.WriteSpec(t)
			cmd := c.Command("run", "--bundle", c.Dir, c.ID)
			cmd.ExtraFiles = LeakFDs(t, 18)
			if res := c.Do(cmd); res.Code == 77 {
				t.Error("a program of the host's ran in the container")
			}
		})
	}
	t.Run("exec", func(t *testing.T) {
		t.Parallel()
		c := NewContainer(t, Args("sleep"))
		c.Create()
		c.Start()
		for fd := 3; fd < 24; fd++ {
			cmd := c.Command("exec", "--cwd", fmt.Sprintf("/proc/self/fd/%d", fd), c.ID, "/probe", "report")
			cmd.ExtraFiles = LeakFDs(t, 18)
			if res := c.Do(cmd); res.Code == 0 {
				if cwd := res.Report(t).Process.Cwd; !strings.HasPrefix(cwd, "/") {
					t.Errorf("exec's directory is outside of its root: %q", cwd)
				}
			}
		}
	})
}

// CVE-2019-16884 and its like: something else in the place of /proc, so that writes go to a fake file (A09).
func TestAttackMountOverProc(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	for _, destination := range []string{"/proc/self", "/proc/self/attr", "/proc/sys", "/proc/1", "/proc/net/dev", "/proc/../proc/sys", "/proc//self/attr"} {
		t.Run(destination, func(t *testing.T) {
			t.Parallel()
			if IsCrun() {
				t.Skip("crun has no such rule")
			}
			c := NewContainer(t, BindMount(dir, destination))
			res := c.Run().Exit(t, 1)
			if !strings.Contains(res.Stderr, filepath.Clean(destination)) {
				t.Errorf("the error does not name %s: %s", destination, res.Stderr)
			}
		})
	}
	for name, mount := range map[string]specs.Mount{
		"tmpfs on /proc":        {Destination: "/proc", Type: "tmpfs", Source: "tmpfs"},
		"directory on /proc":    {Destination: "/proc", Type: "bind", Source: dir, Options: []string{"bind"}},
		"part of procfs":        {Destination: "/proc", Type: "bind", Source: "/proc/sys", Options: []string{"bind"}},
		"proc spelt otherwise":  {Destination: "/x/../proc", Type: "tmpfs", Source: "tmpfs"},
		"through a link to it":  {Destination: "/innocent", Type: "tmpfs", Source: "tmpfs"},
		"below a link to it":    {Destination: "/innocent/self/attr", Type: "tmpfs", Source: "tmpfs"},
		"over the root itself":  {Destination: "/", Type: "tmpfs", Source: "tmpfs"},
		"over the root, by a .": {Destination: "/.", Type: "tmpfs", Source: "tmpfs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !IsTare() && (name == "part of procfs" || strings.HasPrefix(name, "over the root") || IsCrun()) {
				t.Skip("the peers let it pass")
			}
			c := NewContainer(t, WritableRoot, WithMount(mount))
			c.Symlink(t, "/proc", "innocent")
			c.Run().Exit(t, 1)
		})
	}
}

// CVE-2019-19921, 2023-27561, 2025-54867: /proc or /sys of the image is a link (A10).
func TestAttackLinkedProc(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, name := range []string{"proc", "sys"} {
		for kind, target := range map[string]string{
			"relative": "bad", "absolute": "/bad", "dangling": "/nowhere", "out": "../../../../../../tmp", "chain": "/link1",
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				c := NewContainer(t, WritableRoot)
				if err := os.Mkdir(filepath.Join(c.RootFS, "bad"), 0o755); err != nil {
					t.Fatal(err)
				}
				c.Symlink(t, "/bad", "link1")
				c.Symlink(t, target, name)
				before := hostMounts(t, c.Dir)
				res := c.Run()
				if res.Code == 0 && IsTare() {
					t.Errorf("ran with a linked /%s", name)
				}
				if after := hostMounts(t, c.Dir); after != before {
					t.Errorf("the host's mounts changed:\n%s", after)
				}
			})
		}
	}
}

// A canary is a directory outside of the bundle that nothing may change.
type canary struct{ dir, before string }

func newCanary(t *testing.T) *canary {
	t.Helper()
	k := &canary{dir: Dir(t)}
	for _, name := range []string{"ptmx", "console", "null", "core", "fd", "stdin", "hosts", "shm/x", "pts/0", "file"} {
		path := filepath.Join(k.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("canary"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	k.before = k.snapshot(t)
	return k
}

func (k *canary) snapshot(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(k.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintln(&b, strings.TrimPrefix(path, k.dir), st.Ino, st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Mtim)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (k *canary) check(t *testing.T) {
	t.Helper()
	if after := k.snapshot(t); after != k.before {
		t.Errorf("something outside of the container changed:\n%s\nbefore:\n%s", after, k.before)
	}
}

// up is a relative link target that leads from the top of a root file system to a host path.
func up(path string) string { return strings.Repeat("../", 24) + strings.TrimPrefix(path, "/") }

// CVE-2026-41579 and 2026-47766: /dev of the image leads to a directory of the host's (A20); with console, CVE-2026-88264.
func TestAttackLinkedDev(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, linkKind := range []string{"absolute", "relative", "chain"} {
		for _, mounted := range []bool{true, false} {
			for _, terminal := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, dev mounted %v, terminal %v", linkKind, mounted, terminal), func(t *testing.T) {
					t.Parallel()
					if !mounted && !IsTare() {
						t.Skip("these releases are open to it (CVE-2026-41579, CVE-2026-47766)")
					}
					k := newCanary(t)
					c := NewContainer(t, WritableRoot)
					if !mounted {
						WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")(c.Spec)
					}
					c.Spec.Process.Terminal = terminal
					c.WriteSpec(t)
					switch linkKind {
					case "absolute":
						c.Symlink(t, k.dir, "dev")
					case "relative":
						c.Symlink(t, up(k.dir), "dev")
					case "chain":
						c.Symlink(t, up(k.dir), "hop")
						c.Symlink(t, "/hop", "dev")
					}
					createAndStart(t, c, terminal)
					k.check(t)
				})
			}
		}
	}
}

// createAndStart goes as far as it gets.
func createAndStart(t *testing.T, c *Container, terminal bool) {
	t.Helper()
	args := []string{"create", "--bundle", c.Dir, "--pid-file", c.Dir + "/pid"}
	if terminal {
		console := NewReceiver(t)
		args = append(args, "--console-socket", console.Path)
		// The master is not needed: it stays in the socket's queue.
	}
	if c.Tare(append(args, c.ID)...).Code == 0 {
		c.PidFile(c.Dir + "/pid")
		c.Tare("start", c.ID)
	}
}

// Whatever the runtime makes in a root file system is there already, as a link to the host (A21, A18).
func TestAttackPlantedLinks(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, mounted := range []bool{true, false} {
		for _, terminal := range []bool{true, false} {
			t.Run(fmt.Sprintf("dev mounted %v, terminal %v", mounted, terminal), func(t *testing.T) {
				t.Parallel()
				if !mounted && !IsTare() {
					t.Skip("these releases follow links in an image's own /dev")
				}
				k := newCanary(t)
				c := NewContainer(t, WritableRoot, BindMount("/etc/hostname", "/etc/target"), BindMount(Dir(t), "/newdir/sub"),
					func(s *specs.Spec) {
						s.Process.Cwd = "/workdir/sub"
						s.Process.Terminal = terminal
						s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/extra", Type: "c", Major: 1, Minor: 5}, {Path: "/opt/node", Type: "c", Major: 1, Minor: 5}}
						if !mounted {
							WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")(s)
						}
					})
				for name, target := range map[string]string{
					"dev/console": "file", "dev/ptmx": "ptmx", "dev/null": "null", "dev/fd": "fd", "dev/stdin": "stdin", "dev/core": "core",
					"dev/zero": "new1", "dev/pts": "pts", "dev/extra": "new2", "etc/target": "hosts", "newdir": "", "workdir": "", "opt": "",
					"run": "", "etc/mtab": "new3",
				} {
					c.Symlink(t, up(filepath.Join(k.dir, target)), name)
				}
				createAndStart(t, c, terminal)
				k.check(t)
			})
		}
	}
}

// CVE-2025-31133: masking by an image's own /dev/null (A17).
func TestAttackFakeNull(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, plant := range map[string]func(*testing.T, *Container){
		"link to a sysctl": func(t *testing.T, c *Container) { c.Symlink(t, "/proc/sys/kernel/core_pattern", "dev/null") },
		"regular file":     func(t *testing.T, c *Container) { c.WriteFile(t, "dev/null", "fake", 0o666) },
		"directory": func(t *testing.T, c *Container) {
			if err := os.Mkdir(filepath.Join(c.RootFS, "dev/null"), 0o777); err != nil {
				t.Fatal(err)
			}
		},
		"another device": func(t *testing.T, c *Container) {
			if err := unix.Mknod(filepath.Join(c.RootFS, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
				t.Fatal(err)
			}
		},
		"absent": func(*testing.T, *Container) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !IsTare() {
				t.Skip("these releases are open to it (CVE-2025-31133)")
			}
			corePattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
			if err != nil {
				t.Fatal(err)
			}
			c := NewContainer(t, WritableRoot, WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"), func(s *specs.Spec) {
				s.Linux.MaskedPaths = []string{"/secret", "/proc/version"}
			})
			c.WriteFile(t, "secret", "secret", 0o644)
			plant(t, c)
			Args("stat", "/secret", "/proc/version", "/dev/null")(c.Spec)
			c.WriteSpec(t)
			res := c.Run()
			if res.Code == 0 {
				for _, s := range probeStat(t, c, "/secret", "/proc/version") {
					if s.Mode&unix.S_IFMT != unix.S_IFCHR || s.Major != 1 || s.Minor != 3 {
						t.Errorf("%s is not masked by the null device: %+v", s.Path, s)
					}
				}
			} else if res.Code != 1 {
				t.Errorf("exit code %d: %s", res.Code, res.Stderr)
			}
			if now, _ := os.ReadFile("/proc/sys/kernel/core_pattern"); string(now) != string(corePattern) {
				t.Errorf("the host's core_pattern is %q", now)
			}
		})
	}
}
