package attack

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A07: a container that may trace every process of its PID namespace, as the host's kernel sees it (CAP_SYS_PTRACE, no user
// namespace), gets hold of processes that join it before they are the workload. There is nothing to be had from them: they
// may do no more than the workload, are judged by its filter, and have no descriptor beyond its own and a pipe.
func TestExecTraced(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, nnp := range []bool{true, false} {
		t.Run(fmt.Sprint("no new privileges ", nnp), func(t *testing.T) {
			t.Parallel()
			caps := []string{"CAP_SYS_PTRACE", "CAP_KILL"}
			c := NewContainer(t, WithCaps(caps...), hostile(t, "thief"), func(s *specs.Spec) {
				s.Process.NoNewPrivileges = nnp
				s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
					{Names: []string{"mount"}, Action: specs.ActErrno},
				}}
			})
			c.WriteFile(t, attackerPath, "", 0o755)
			pid, output := start(t, c)
			allowed := uint64(1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_KILL)
			n := 0
			for round := 0; round < scaled(150) || n == 0 && round < scaled(1500); round++ {
				c.Tare("exec", c.ID, "/probe", "true") // it may have been stopped in its tracks
				n = strings.Count(output(), "\n") - 1
			}
			c.Tare("kill", c.ID, "KILL").OK(t)
			c.Wait(pid)
			for line := range strings.Lines(output()) {
				var s stolen
				if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
					continue
				}
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatal(err)
				}
				caps, err := strconv.ParseUint(s.Caps, 16, 64)
				if err != nil || caps&^allowed != 0 || s.Seccomp != "2" {
					t.Errorf("a process that is to join may do more than the workload: %+v", s)
				}
				for _, fd := range s.FDs {
					if name, target, _ := strings.Cut(fd, " "); name > "2" && !strings.HasPrefix(target, "pipe:") {
						t.Errorf("a process that is to join has %s", fd)
					}
				}
			}
			t.Logf("the attacker held %d processes before they were the workload", n)
		})
	}
}

// stolen is what the thief has seen of a process that it had stopped while it was still the runtime.
type stolen struct {
	Caps, Seccomp string
	FDs           []string
}

// thief stops each process that comes as soon as it sees it, and says what it has if that is still the runtime.
func thief() {
	known := map[string]bool{}
	fmt.Println("ready")
	out := json.NewEncoder(os.Stdout)
	for first := true; ; first = false {
		dir, err := os.Open("/proc")
		if err != nil {
			os.Exit(1)
		}
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil || known[name] {
				continue
			}
			known[name] = true
			if !first {
				rob(out, pid)
			}
		}
	}
}

func rob(out *json.Encoder, pid int) {
	if unix.PtraceSeize(pid) != nil {
		return
	}
	defer func() { _ = unix.PtraceDetach(pid) }()
	_ = unix.PtraceInterrupt(pid)
	_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
	base := fmt.Sprintf("/proc/%d/", pid)
	status, _ := os.ReadFile(base + "status")
	if !strings.HasPrefix(string(status), "Name:\ttare") {
		return
	}
	var s stolen
	for line := range strings.Lines(string(status)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t"); name {
		case "CapPrm":
			s.Caps = value
		case "Seccomp":
			s.Seccomp = value
		}
	}
	fds, _ := os.ReadDir(base + "fd")
	for _, fd := range fds {
		target, _ := os.Readlink(base + "fd/" + fd.Name())
		s.FDs = append(s.FDs, fd.Name()+" "+target)
	}
	_ = out.Encode(s)
}

// held starts a container that waits.
func held(t *testing.T, edits ...Edit) (*Container, int) {
	t.Helper()
	NeedRoot(t)
	c := NewContainer(t, append(slices.Clone(edits), Args("ignore-term"))...)
	pid := c.Create()
	c.Start()
	return c, pid
}

// A04: what looks like a number is an id or an error, whatever the image calls its users.
func TestExecUser(t *testing.T) {
	t.Parallel()
	c, _ := held(t)
	var passwd strings.Builder
	bad := []string{"4294967296", "4294967295", "18446744073709551617", "-1", "+1", "007", " 1", "1 ", "0x10", "1e3", "", ":", "1:", ":1", "1:2:3", "1:-1", "root", "1000\n", "1_000", "١"}
	for _, name := range append(slices.Clone(bad), "1000") {
		fmt.Fprintf(&passwd, "%s:x:0:0::/:/bin/sh\n", strings.TrimSpace(name))
	}
	c.WriteFile(t, "etc/passwd", passwd.String(), 0o644)
	c.WriteFile(t, "etc/group", "1000:x:0:\n", 0o644)
	for _, user := range bad {
		if res := c.Tare("exec", "--user", user, c.ID, "/probe", "report"); res.Code != 255 || res.Stdout != "" {
			t.Errorf("--user %q: exit code %d, %s", user, res.Code, res.Stdout)
		}
		if res := c.Tare("exec", "--additional-gids", user, c.ID, "/probe", "report"); user != "1000" && (res.Code != 255 || res.Stdout != "") {
			t.Errorf("--additional-gids %q: exit code %d, %s", user, res.Code, res.Stdout)
		}
	}
	if p := c.Tare("exec", "-u", "1000:1000", c.ID, "/probe", "report").Report(t).Process; p.UID != 1000 || p.GID != 1000 {
		t.Errorf("-u 1000:1000 is %d:%d", p.UID, p.GID)
	}
}

// A13: a file's inheritable capabilities bring nothing (CVE-2022-29162).
func TestExecInheritableFile(t *testing.T) {
	t.Parallel()
	c, _ := held(t, func(s *specs.Spec) { s.Process.NoNewPrivileges = false })
	data, err := os.ReadFile(Probe())
	if err != nil {
		t.Fatal(err)
	}
	c.WriteFile(t, "capable", string(data), 0o755)
	// struct vfs_ns_cap_data of version 2: magic, permitted and inheritable of the lower and the upper 32 capabilities.
	xattr := make([]byte, 20)
	binary.LittleEndian.PutUint32(xattr, 0x02000000)
	binary.LittleEndian.PutUint32(xattr[8:], 1<<unix.CAP_NET_RAW)
	if err := unix.Setxattr(filepath.Join(c.RootFS, "capable"), "security.capability", xattr, 0); err != nil {
		t.Skip("this file system keeps no capabilities: ", err)
	}
	for _, user := range []string{"0", "1000"} {
		caps := c.Tare("exec", "-u", user, "--cap", "CAP_NET_RAW", c.ID, "/capable", "report").Report(t).Privileges
		if caps.Inheritable != 0 || caps.Ambient != 0 || user != "0" && caps.Permitted|caps.Effective != 0 {
			t.Errorf("user %s: %+v", user, caps)
		}
	}
}

// A15: no way to a working directory or a program outside, by descriptors that the caller has leaked (CVE-2024-21626).
func TestExecLeakedDescriptors(t *testing.T) {
	t.Parallel()
	c, pid := held(t, WritableRoot)
	inside := func(args ...string) {
		t.Helper()
		cmd := c.Command(args...)
		cmd.ExtraFiles = LeakFDs(t, 18)
		res := c.Do(cmd)
		if res.Code == 255 {
			return
		}
		report := res.Report(t)
		if !strings.HasPrefix(report.Process.Cwd, "/") {
			t.Errorf("%v: the working directory is %s", args[:3], report.Process.Cwd)
		}
		OnlyFDs(t, report, 0, 1, 2)
	}
	for fd := 3; fd < 24; fd++ {
		link := fmt.Sprintf("/proc/self/fd/%d", fd)
		c.Symlink(t, link, "cwd")
		inside("exec", "--cwd", link, c.ID, "/probe", "report")
		inside("exec", "--cwd", link+"/../../..", c.ID, "/probe", "report")
		inside("exec", "--cwd", "/cwd", c.ID, "/probe", "report")
		if res := c.Tare("exec", c.ID, link+"/usr/bin/env"); res.Code != 255 {
			t.Errorf("a program outside of the container was executed: %+v", res)
		}
	}
	for _, path := range []string{"/proc/1/cwd", "/proc/1/root", "/proc/1/root/..", fmt.Sprintf("/proc/%d/root", pid)} {
		inside("exec", "--cwd", path, c.ID, "/probe", "report")
	}
}

// A15 under a race: a process of the container turns what is to be the working directory into links out while others come.
func TestExecTurningDirectory(t *testing.T) {
	t.Parallel()
	c, _ := held(t, WritableRoot, WithoutNamespace(specs.PIDNamespace)) // to have processes of the host in its /proc
	if err := os.Mkdir(filepath.Join(c.RootFS, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Symlink(t, fmt.Sprintf("/proc/%d/root/etc", os.Getpid()), "out")
	x, y := filepath.Join(c.RootFS, "dir"), filepath.Join(c.RootFS, "out")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, x, unix.AT_FDCWD, y, unix.RENAME_EXCHANGE)
			}
		}
	}()
	refused := 0
	for range scaled(60) {
		res := c.Tare("exec", "--cwd", "/dir", c.ID, "/probe", "report")
		if res.Code == 255 {
			refused++
			continue
		}
		if cwd := res.Report(t).Process.Cwd; cwd != "/dir" && cwd != "/out" {
			t.Errorf("the working directory is %q", cwd)
		}
	}
	close(stop)
	<-stopped
	if refused == 0 || refused == scaled(60) {
		t.Errorf("%d of %d were refused: the race was never won, or always lost", refused, scaled(60))
	}
}

// A24: without a terminal of its own a process that joins is in a session of its own.
func TestExecNoInputForCallersTerminal(t *testing.T) {
	t.Parallel()
	_, slave := OpenPTY(t, 24, 80)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if dynamic(t, self) {
		t.Skip("this test binary needs shared libraries: build it with CGO_ENABLED=0")
	}
	c, _ := held(t, BindMount(self, attackerPath, "bind", "ro"))
	cmd := c.Command("exec", "--env", "TARE_ATTACKER=inject", c.ID, attackerPath)
	cmd.Stdin = slave
	res := c.Do(cmd).OK(t)
	if text := strings.TrimSpace(res.Stdout); text != "EPERM" && text != "EIO" {
		t.Errorf("TIOCSTI: %s", text)
	}
	cmd = c.Command("exec", c.ID, "/probe", "report")
	cmd.Stdin = slave
	if r := c.Do(cmd).Report(t); r.Terminal.Controlling || r.Process.SID != r.Process.PID {
		t.Errorf("terminal %+v, session %d of %d", r.Terminal, r.Process.SID, r.Process.PID)
	}
}

// A41: no path leads out of the container's cgroup.
func TestExecCgroupOutside(t *testing.T) {
	t.Parallel()
	c, pid := held(t)
	own := OwnCgroup(t, pid)
	other := filepath.Join(filepath.Dir(own), c.ID+"-other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Skip("this host's cgroups: ", err)
	}
	defer func() { _ = unix.Rmdir(other) }()
	name := filepath.Base(other)
	for _, path := range []string{
		"../" + name, "..", "../..", "x/../../" + name, "./../" + name, "/../" + name, "//..//" + name, other,
		"/proc/self/root" + other, "../" + filepath.Base(own) + "/../" + name,
	} {
		if res := c.Tare("exec", "--cgroup", path, c.ID, "/probe", "read", "/proc/self/cgroup"); res.Code != 255 || strings.Contains(res.Stdout, name) {
			t.Errorf("--cgroup %s: exit code %d, %s", path, res.Code, res.Stdout)
		}
	}
}

// A recycled pid is nobody's container: the start time tells, and the process is held by a pidfd while it does.
func TestExecRecycledPid(t *testing.T) {
	t.Parallel()
	c, _ := held(t)
	stranger, pid := held(t)
	path := filepath.Join(c.Root, c.ID, "state.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile(path, data, 0o600) }()
	var state map[string]any
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	state["init_process_pid"] = pid
	changed, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	res := c.Tare("exec", c.ID, "/probe", "report")
	if res.Code != 255 || !strings.Contains(res.Stderr, "cannot exec in a stopped container") {
		t.Errorf("joined container %s in the place of %s: exit code %d: %s%s", stranger.ID, c.ID, res.Code, res.Stdout, res.Stderr)
	}
}

// A runtime that is killed in the middle of an exec leaves no stage of one behind, and nothing that is in the way of others.
func TestExecKilledRuntime(t *testing.T) {
	t.Parallel()
	c, pid := held(t)
	for i := range scaled(60) {
		cmd := c.Command("exec", c.ID, "/probe", "true")
		Begin(t, cmd)
		time.Sleep(time.Duration(i%30) * 300 * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	// Zombies too: the PID namespace does not end before its last one, which is ours to reap as its parent was killed.
	Eventually(t, "the end of all but init", func() bool {
		Reap(t, c.Marks()...)
		left := Processes(t, c.Marks()...)
		return len(left) == 1 && left[0].PID == pid
	})
	c.Tare("exec", c.ID, "/probe", "true").OK(t)
}
