package attack

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// L20: the pid in the state belongs to another process by now, as after a reboot or a wrap of the pids. Nobody else's
// process ever gets a signal.
func TestForeignPid(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	foreign := exec.Command(Probe(), "sleep", "3600")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = foreign.Process.Kill()
		_ = foreign.Wait()
	}()
	for name, forge := range map[string]func(state map[string]any){
		"another process":            func(s map[string]any) { s["init_process_pid"] = foreign.Process.Pid },
		"another process, same tick": func(s map[string]any) { s["init_process_pid"] = foreign.Process.Pid; s["init_process_start"] = 0 },
		"process 1":                  func(s map[string]any) { s["init_process_pid"] = 1 },
		"a process group":            func(s map[string]any) { s["init_process_pid"] = -foreign.Process.Pid },
		"everybody":                  func(s map[string]any) { s["init_process_pid"] = -1 },
		"a pid that cannot be":       func(s map[string]any) { s["init_process_pid"] = int64(1) << 40 },
	} {
		t.Run(name, func(t *testing.T) {
			c := NewContainer(t, Args("sleep"))
			pid := c.Create()
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			c.Wait(pid)
			path := filepath.Join(c.Root, c.ID, "state.json")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var state map[string]any
			if err := json.Unmarshal(data, &state); err != nil {
				t.Fatal(err)
			}
			if _, ok := state["init_process_pid"]; !ok {
				t.Fatalf("state.json has no init_process_pid: %s", data)
			}
			forge(state)
			if data, err = json.Marshal(state); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := c.State(); got.Status != specs.StateStopped {
				t.Errorf("status %s", got.Status)
			}
			for _, args := range [][]string{{"kill", c.ID, "KILL"}, {"kill", "--all", c.ID, "KILL"}, {"start", c.ID}} {
				c.Tare(args...)
			}
			c.Tare("delete", "--force", c.ID).OK(t)
			if err := unix.Kill(foreign.Process.Pid, 0); err != nil {
				t.Fatalf("the other process was killed: %v", err)
			}
			if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", foreign.Process.Pid)); strings.Contains(string(stat), ") Z ") {
				t.Fatal("the other process was killed")
			}
		})
	}
}

// L19: the file system of the state is full, at each point in turn.
func TestNoSpaceForState(t *testing.T) {
	inMountNamespace(t, unix.MS_PRIVATE, func() {
		for _, options := range []string{
			"size=4k", "size=8k", "size=12k", "nr_inodes=2", "nr_inodes=3", "nr_inodes=4", "nr_inodes=5", "nr_inodes=6", "nr_inodes=7",
		} {
			t.Run(options, func(t *testing.T) {
				c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
					s.Annotations = map[string]string{"long": strings.Repeat("x", 3000)}
				})
				if err := os.Mkdir(c.Root, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount("tiny", c.Root, "tmpfs", 0, options); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = unix.Unmount(c.Root, unix.MNT_DETACH) })
				created := c.Tare("create", "--bundle", c.Dir, c.ID)
				switch {
				case created.Code == 0:
					c.Tare("start", c.ID).OK(t)
				case created.Code != 1 || !strings.Contains(created.Stderr, "no space left on device"):
					t.Errorf("create: exit code %d: %s", created.Code, created.Stderr)
				default:
					if left := c.Gone(); left != nil {
						t.Errorf("the failed create left %v", left)
					}
				}
				t.Logf("%d %s", created.Code, created.Stderr)
				c.Tare("delete", "--force", c.ID).OK(t)
				Eventually(t, "all to be gone", func() bool { Reap(t, c.Marks()...); return c.Gone() == nil && Processes(t, c.ID) == nil })
			})
		}
		t.Run("read-only", func(t *testing.T) {
			c := NewContainer(t, Args("sleep"))
			if err := os.Mkdir(c.Root, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("tiny", c.Root, "tmpfs", unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, "read-only file system")
			if err := unix.Unmount(c.Root, 0); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// A26: whoever calls the runtime with whatever umask, the state is root's alone.
func TestStateIsPrivate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	cmd := c.Command("create", "--bundle", c.Dir, c.ID)
	cmd.Args = append([]string{"sh", "-c", `umask 0; exec "$@"`, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	c.Do(cmd).OK(t)
	err := filepath.WalkDir(c.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		allowed := fs.FileMode(0o600)
		switch {
		case path == c.Root:
			allowed = 0o700
		case d.IsDir():
			allowed = 0o711 // container root of a user namespace opens the fifo in it
		case d.Type() == fs.ModeNamedPipe:
			allowed = 0o622 // the workload's user opens it
		}
		if extra := info.Mode().Perm() &^ allowed; extra != 0 {
			t.Errorf("%s has mode %v, want no more than %v", path, info.Mode(), allowed)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"list", c.Root}, {"list", filepath.Join(c.Root, c.ID)}, {"read", filepath.Join(c.Root, c.ID, "state.json")}, {"open", filepath.Join(c.Root, c.ID, "exec.fifo"), "wronly"}} {
		look := exec.Command(Probe(), args...)
		look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{}}}
		if res := Do(t, look); res.Code != 1 || strings.TrimSpace(res.Stdout) != "EACCES" {
			t.Errorf("uid 65534, %v: exit code %d, %s", args, res.Code, res.Stdout)
		}
	}
}

// A21, for the file that the runtime makes where its caller says: a directory for everybody, with traps in it.
func TestPidFileAmongTraps(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, plant := range map[string]func(path, canary string) error{
		"link":       func(path, canary string) error { return os.Symlink(canary, path) },
		"hard link":  func(path, canary string) error { return os.Link(canary, path) },
		"fifo":       func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
		"dangling":   func(path, canary string) error { return os.Symlink(canary+".new", path) },
		"other file": func(path, _ string) error { return os.WriteFile(path, []byte("a long text"), 0o666) },
	} {
		for _, file := range []string{"pid", ".pid"} { // the second is what it is written to before it gets its name
			t.Run(name+" at "+file, func(t *testing.T) {
				t.Parallel()
				dir := Dir(t)
				canary := filepath.Join(dir, "canary")
				if err := os.WriteFile(canary, []byte("canary"), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := plant(filepath.Join(dir, file), canary); err != nil {
					t.Fatal(err)
				}
				c := NewContainer(t, Args("sleep"))
				res := c.Tare("create", "--bundle", c.Dir, "--pid-file", filepath.Join(dir, "pid"), c.ID)
				if text, _ := os.ReadFile(canary); string(text) != "canary" {
					t.Errorf("another file was written to: %q", text)
				}
				if _, err := os.Lstat(canary + ".new"); err == nil {
					t.Error("a file was made through a link")
				}
				if res.Code != 0 {
					t.Logf("refused: %s", res.Stderr)
					return
				}
				var st unix.Stat_t
				if err := unix.Lstat(filepath.Join(dir, "pid"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
					t.Errorf("the pid file is no file: %o, %v", st.Mode, err)
				}
				text, _ := os.ReadFile(filepath.Join(dir, "pid"))
				if n, err := strconv.Atoi(string(text)); err != nil || n < 2 {
					t.Errorf("the pid file says %q", text)
				}
			})
		}
	}
}

// A25: what the runtime listens on or talks through has no name in the abstract space, which a container with the
// host's network would reach (CVE-2020-15257).
func TestNoAbstractSockets(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.NetworkNamespace), WithoutMount("/sys"))
	c.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{HookRecord(filepath.Join(c.Dir, "log"), "hook", "0", "3600")}}
	c.WriteSpec(t)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(c.Dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(c.Dir, "notify"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	Eventually(t, "the hook", func() bool { _, err := os.Stat(filepath.Join(c.Dir, "log")); return err == nil })
	named, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	sockets := 0
	for _, p := range Processes(t, c.Marks()...) {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID))
		for _, link := range links {
			target, _ := os.Readlink(link)
			inode, ok := strings.CutPrefix(target, "socket:[")
			if !ok {
				continue
			}
			sockets++
			for line := range strings.Lines(string(named)) {
				fields := strings.Fields(line)
				if len(fields) > 7 && fields[6] == strings.TrimSuffix(inode, "]") && strings.HasPrefix(fields[7], "@") {
					t.Errorf("%v has the abstract socket %s", p, fields[7])
				}
			}
		}
	}
	if sockets < 2 {
		t.Errorf("%d sockets of the runtime's: the test shows nothing", sockets)
	}
}
