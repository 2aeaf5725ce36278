package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// notified has the agent asked about the calls; with none of them about all.
func notified(a *seccompAgent, names ...string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, ListenerPath: a.Socket, ListenerMetadata: "a \"text\"\nof two lines",
			Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActNotify}},
		}
		if len(names) == 0 {
			s.Linux.Seccomp.DefaultAction, s.Linux.Seccomp.Syscalls = specs.ActNotify, nil
		}
	}
}

var (
	mkdirCalls = []string{"mkdir", "mkdirat"}
	// lastCalls are those that the runtime itself needs up to the execution, or that others take to send the listener.
	lastCalls = []string{
		"write", "close", "execve", "sendmsg", "exit_group", "clone", "read", "setsid", "futex", "sched_yield", "capset", "prlimit64",
		"ioctl", "fcntl", "rt_sigaction", "rt_sigprocmask", "mmap",
	}
)

// Ways to start a process under the container's filter. Each runs `/probe ARGS` and gives what it printed.
var waysToStart = map[string]func(c *Container, a *seccompAgent, args []string) (out string, pid int){
	"run": func(c *Container, a *seccompAgent, args []string) (string, int) {
		c.Spec.Process.Args = append([]string{"/probe"}, args...)
		c.WriteSpec(a.t)
		out := c.Run().OK(a.t).Stdout
		return out, checkState(c, a, "created")
	},
	"start": func(c *Container, a *seccompAgent, args []string) (string, int) {
		c.Spec.Process.Args = append([]string{"/probe"}, args...)
		c.WriteSpec(a.t)
		out := filepath.Join(c.Dir, "out")
		pid := createTo(c, a.t, out)
		if a.Connected() {
			a.t.Error("the agent was told of a container that is not started")
		}
		c.Start()
		if got := checkState(c, a, "created"); got != pid {
			a.t.Errorf("the agent was told pid %d, the pid file %d", got, pid)
		}
		if status := c.Wait(pid); status.ExitStatus() != 0 {
			a.t.Errorf("status %v", status)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			a.t.Fatal(err)
		}
		return string(text), pid
	},
	"exec": func(c *Container, a *seccompAgent, args []string) (string, int) {
		c.Spec.Process.Args = []string{"/probe", "sleep", "60"}
		c.WriteSpec(a.t)
		init := c.Create()
		c.Start()
		checkState(c, a, "created")
		out := c.Tare(append([]string{"exec", c.ID, "/probe"}, args...)...).OK(a.t).Stdout
		pid := checkState(c, a, "running")
		if pid == init {
			a.t.Errorf("the agent was told the pid of the init process, %d", pid)
		}
		c.Tare("delete", "--force", c.ID).OK(a.t)
		c.Wait(init)
		return out, pid
	},
}

// createTo is a create with the workload's output in a file.
func createTo(c *Container, t *testing.T, path string) (pid int) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := c.Command("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Stdout = out
	c.Do(cmd).OK(t)
	return c.PidFile(c.Dir + "/pid")
}

// checkState checks the next container process state, and gives its pid.
func checkState(c *Container, a *seccompAgent, status string) int {
	a.t.Helper()
	got := a.State()
	s := &got.State
	if got.Version != specs.Version || s.Version != specs.Version || fmt.Sprint(got.Fds) != "[seccompFd]" || got.Pid <= 0 ||
		got.Metadata != c.Spec.Linux.Seccomp.ListenerMetadata || s.ID != c.ID || s.Status != status || s.Bundle != c.Dir || s.Pid <= 0 ||
		s.Annotations["org.example"] != "a b" {
		a.t.Errorf("container process state %+v, want status %s", got, status)
	}
	if status == "created" && s.Pid != got.Pid {
		a.t.Errorf("the init process is %d, or %d", s.Pid, got.Pid)
	}
	return got.Pid
}

func annotated(s *specs.Spec) { s.Annotations = map[string]string{"org.example": "a b"} }

// agentClientSaid is what the probe says of a container without CAP_SYS_ADMIN.
const agentClientSaid = `mkdir: ok false true
again: EEXIST
mount tmpfs: ok true
mount proc: EPERM
umount: EPERM
open: ok from the agent

`

// An agent makes directories and mounts for a container that may not, and opens files that it does not have.
func TestNotify_Emulated(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for where, edit := range map[string]Edit{
		"plain": func(*specs.Spec) {}, "user namespace": WithUserNamespace(100000, 65536), "the host's PID namespace": hostPID,
		"all flags": func(s *specs.Spec) { s.Linux.Seccomp.Flags = allFlags },
	} {
		for way, start := range waysToStart {
			for _, nnp := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, no new privileges %v", where, way, nnp), func(t *testing.T) {
					t.Parallel()
					a := startAgent(t, "answer")
					c := NewContainer(t, WritableRoot, annotated, notified(a, append(mkdirCalls, "mount", "openat")...), edit,
						func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
					out, pid := start(c, a, []string{"agent-client"})
					checkEmulated(c, a, out, pid)
				})
			}
		}
	}
	t.Run("ordinary user", func(t *testing.T) {
		t.Parallel()
		for way, start := range waysToStart {
			a := startAgent(t, "answer")
			c := NewContainer(t, WritableRoot, annotated, WithoutMount("/sys"), rootless(65533, 65533), notified(a, append(mkdirCalls, "mount", "openat")...))
			c.AsUser(65533, 65533)
			t.Log(way)
			out, pid := start(c, a, []string{"agent-client"})
			checkEmulated(c, a, out, pid)
		}
	})
}

func hostPID(s *specs.Spec) {
	WithoutNamespace(specs.PIDNamespace)(s)
	WithoutMount("/proc")(s)
}

var allFlags = []specs.LinuxSeccompFlag{
	"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv,
}

// checkEmulated checks what both sides have seen of an agent-client.
func checkEmulated(c *Container, a *seccompAgent, out string, pid int) {
	a.t.Helper()
	if out != agentClientSaid {
		a.t.Errorf("the container saw\n%s", out)
	}
	for _, want := range [][2]string{{"mkdir", "/tmp/made"}, {"mount", "/tmp/mnt-by-the-agent"}, {"openat", "/agent-file"}} {
		if e := a.Emulated(want[0]); e.Path != want[1] || e.Pid != pid {
			a.t.Errorf("the agent saw %+v, want %s of process %d", e, want, pid)
		}
	}
	a.Await("end", func(e *view.AgentEvent) bool { return e.Ended == c.ID })
}

// Whatever the agent is asked about, nobody waits for an answer that cannot come.
func TestNotify_EveryCall(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needSpeed(t)
	for what, names := range map[string][]string{"all": nil, "the last ones": lastCalls} {
		for way, start := range waysToStart {
			for _, nnp := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, no new privileges %v", what, way, nnp), func(t *testing.T) {
					t.Parallel()
					a := startAgent(t, "answer")
					c := NewContainer(t, WritableRoot, annotated, notified(a, names...), func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
					if out, _ := start(c, a, []string{"echo", "text"}); out != "text\n" {
						t.Errorf("output %q", out)
					}
				})
			}
		}
	}
}

// A terminal comes from the container's devpts to whom it is shown, and nobody waits for the agent meanwhile.
func TestNotify_Terminal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for what, names := range map[string][]string{"some": append(mkdirCalls, "mount", "openat"), "all": nil} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, "answer")
			client := func(edits ...Edit) *Container {
				return NewContainer(t, append(edits, WritableRoot, notified(a, names...), Terminal, Args("tty"))...)
			}
			check := func(console *Receiver) *os.File {
				master, _ := console.Receive()
				Expect(t, master, "size 11 22\r\n")
				return master
			}
			size := func(s *specs.Spec) { s.Process.ConsoleSize = &specs.Box{Height: 11, Width: 22} }
			console := NewReceiver(t)
			c := client(size)
			c.Tare("run", "--detach", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", "--console-socket", console.Path, c.ID).OK(t)
			c.PidFile(c.Dir + "/pid")
			check(console)

			console = NewReceiver(t)
			c = client(size)
			c.Create("--console-socket", console.Path)
			c.Start()
			check(console)

			console = NewReceiver(t)
			path := filepath.Join(c.Dir, "process.json")
			text := `{"terminal": true, "consoleSize": {"height": 11, "width": 22}, "args": ["/probe", "tty"], "cwd": "/", "user": {}}`
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			c.Tare("exec", "--process", path, "--detach", "--pid-file", c.Dir+"/exec.pid", "--console-socket", console.Path, c.ID).OK(t)
			pid := c.PidFile(c.Dir + "/exec.pid")
			master := check(console)
			if _, err := master.WriteString("quit\r"); err != nil {
				t.Fatal(err)
			}
			c.Wait(pid)
		})
	}
}

// Nothing of the way that the listener takes is left in the workload: not it, nor the socket, nor a thread.
func TestNotify_NothingLeft(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needSpeed(t)
	for what, names := range map[string][]string{"some": {"mkdir"}, "the last ones": lastCalls} {
		for _, way := range []string{"run", "start", "exec"} {
			t.Run(what+", "+way, func(t *testing.T) {
				t.Parallel()
				a := startAgent(t, "answer")
				c := NewContainer(t, WritableRoot, annotated, notified(a, names...), WithCaps("CAP_KILL"))
				out, _ := waysToStart[way](c, a, []string{"report"})
				var r view.Report
				if err := json.Unmarshal([]byte(out), &r); err != nil {
					t.Fatal(err)
				}
				if len(r.FDs) != 3 || r.FDs[2].Number != 2 {
					t.Errorf("descriptors %+v", r.FDs)
				}
				if p := r.Privileges; p.Seccomp != 2 || p.SeccompFilters != 1 || p.Effective != 1<<unix.CAP_KILL {
					t.Errorf("privileges %+v", p)
				}
			})
		}
	}
}

// A process of the container that may trace all others does not find a listener with those that join it.
func TestNotify_ListenerHidden(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "answer")
	c := NewContainer(t, notified(a, mkdirCalls...), WithCaps("CAP_SYS_PTRACE"), Args("fd-hammer", "seccomp notify", "4"))
	out := filepath.Join(c.Dir, "out")
	pid := createTo(c, t, out)
	c.Start()
	for c.State().Status == specs.StateRunning {
		c.Tare("exec", c.ID, "/probe", "true") // the last one may meet the end of the container
	}
	c.Wait(pid)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	if _, rest, ok := strings.Cut(string(text), "processes: "); !ok || strings.Contains(string(text), "found") {
		t.Errorf("the container saw\n%s", text)
	} else if _, err := fmt.Sscan(rest, &seen); err != nil || seen < 3 {
		t.Errorf("%d processes, %v: the container did not look often enough", seen, err)
	}
}

// needSpeed skips where hundreds of calls by way of an agent take minutes.
func needSpeed(t *testing.T) {
	t.Helper()
	if Deadline() > time.Minute {
		t.Skip("an emulated machine: each call of a Go program by way of an agent takes too long")
	}
}

// A cgroup without room for the stage's threads is no obstacle.
func TestNotify_OneProcess(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "answer")
	c := tinyContainer(t, specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}})
	notified(a)(c.Spec)
	c.WriteSpec(t)
	c.Run().OK(t)
	a.State()
}
