package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

const listenerField = "linux.seccomp.listenerPath (/linux/seccomp/listenerPath)"

// An agent that is not there is missed before anything is made.
func TestNotify_AgentAway(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	socket := filepath.Join(dir, "socket")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/datagram", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	if err := os.WriteFile(dir+"/file", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir + "/none": "no such file or directory", socket: "connection refused", dir + "/datagram": "protocol wrong type for socket",
		dir + "/file": "connection refused", "beside": "no such file or directory",
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c := NewContainer(t, notified(&seccompAgent{Socket: path}, mkdirCalls...))
			if path == "beside" {
				path = filepath.Join(c.Dir, path)
			}
			for _, command := range []string{"run", "create"} {
				res := c.Tare(command, "--bundle", c.Dir, c.ID)
				res.Fails(t, listenerField, "connect "+path+": "+want)
				if left := c.Gone(); left != nil {
					t.Errorf("%s left %v", command, left)
				}
			}
		})
	}
}

// One that goes is missed by the next process; the container itself stays as it was.
func TestNotify_AgentGone(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "answer")
	c := NewContainer(t, notified(a, mkdirCalls...), Args("sleep", "60"))
	pid := c.Create()
	a.End()
	c.Tare("start", c.ID).Fails(t, listenerField, a.Socket, "connection refused")
	if got := c.State().Status; got != specs.StateCreated {
		t.Errorf("status %s after a start without an agent", got)
	}
	a.Again("answer")
	c.Start()
	a.State()
	a.End()
	res := c.Tare("exec", c.ID, "/probe", "true")
	if res.Code == 0 {
		t.Error("exec without an agent")
	}
	execFails(t, res, listenerField, a.Socket, "connection refused")
	if got := c.State(); got.Status != specs.StateRunning || got.Pid != pid {
		t.Errorf("%+v after an exec without an agent", got)
	}
}

// One that does not accept, or does not answer, or ends, does not keep the runtime.
func TestNotify_BadAgent(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	tests := []struct {
		part string
		all  bool // it is asked about the execution, too
		want string
	}{
		{"deaf", false, "i/o timeout"},
		{"silent", true, "the workload was not executed within 10s: does the agent answer?"},
		{"die", true, "function not implemented"},
	}
	for _, tt := range tests {
		var names []string
		if !tt.all {
			names = mkdirCalls
		}
		t.Run(tt.part+", run", func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, tt.part)
			c := NewContainer(t, notified(a, names...), Args("sleep", "60"))
			within(t, func() { c.Run().Fails(t, tt.want) })
			if left := c.Gone(); left != nil {
				t.Errorf("left %v", left)
			}
		})
		t.Run(tt.part+", start", func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, tt.part)
			c := NewContainer(t, notified(a, names...), Args("sleep", "60"))
			pid := c.Create()
			within(t, func() { c.Tare("start", c.ID).Fails(t, tt.want) })
			c.Wait(pid)
			c.WaitStatus(specs.StateStopped)
		})
		t.Run(tt.part+", exec", func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, "answer")
			c := NewContainer(t, notified(a, names...), Args("sleep", "60"))
			pid := c.Create()
			c.Start()
			other := startAgentAt(t, tt.part, a.Socket)
			within(t, func() { execFails(t, c.Tare("exec", c.ID, "/probe", "sleep", "60"), tt.want) })
			if got := c.State(); got.Status != specs.StateRunning || got.Pid != pid {
				t.Errorf("%+v after a failed exec", got)
			}
			if n := len(members(t, pid)); n != 1 {
				t.Errorf("%d processes in the container", n)
			}
			other.End()
		})
	}
}

// within fails the test if that takes much longer than the runtime waits for an agent.
func within(t *testing.T, do func()) {
	t.Helper()
	begin := time.Now()
	do()
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("took %v", took)
	}
}

// members lists the processes of the container's PID namespace.
func members(t *testing.T, pid int) (pids []string) {
	t.Helper()
	want := nsOf(t, pid, specs.PIDNamespace)
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if link, err := os.Readlink(path); err == nil && link == want {
			pids = append(pids, path)
		}
	}
	return pids
}

// One that hangs up before it was told anything: the workload is not executed. That is seen if it is quick enough.
func TestNotify_AgentHangsUp(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "hang-up")
	Eventually(t, "a start that sees the agent hang up", func() bool {
		c := NewContainer(t, notified(a, mkdirCalls...), Args("true"))
		res := c.Run()
		if res.Code == 0 {
			return false
		}
		res.Fails(t, listenerField, "broken pipe", "has the agent hung up?")
		if left := c.Gone(); left != nil {
			t.Errorf("left %v", left)
		}
		return true
	})
}

// An agent that ends later leaves ENOSYS behind.
func TestNotify_AgentEnds(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "die")
	c := NewContainer(t, WritableRoot, notified(a, mkdirCalls...), Args("mkdir", "/tmp/x"))
	if res := c.Run(); res.Stdout != "ENOSYS\n" {
		t.Errorf("%+v", res)
	}
}

// Whatever kills the runtime while it waits for the agent, the container can be deleted, and nothing spins or waits for ever.
func TestNotify_RuntimeKilled(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, part := range []string{"deaf", "silent"} {
		for _, command := range []string{"run", "start", "exec"} {
			t.Run(fmt.Sprint(command, ", ", part), func(t *testing.T) {
				t.Parallel()
				init := 0
				a := startAgent(t, "answer")
				c := NewContainer(t, notified(a), Args("sleep", "60"))
				args := []string{"run", "--bundle", c.Dir, c.ID}
				if command != "run" {
					init = c.Create()
					args = []string{"start", c.ID}
				}
				if command == "exec" {
					c.Start()
					args = []string{"exec", c.ID, "/probe", "sleep", "60"}
				}
				bad := startAgentAt(t, part, a.Socket)
				cmd := c.Command(args...)
				Begin(t, cmd)
				waiting := init
				if part == "silent" {
					waiting = bad.State().Pid
				} else {
					Eventually(t, "runtime at the agent's door", func() bool { return waitsIn(cmd.Process.Pid, "unix_wait_for_peer") })
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if command == "exec" && part == "silent" { // nobody else waits for it, and without that its PID namespace does not end
					if err := unix.Kill(waiting, unix.SIGKILL); err != nil {
						t.Fatal(err)
					}
					c.Wait(waiting)
				}
				c.Tare("delete", "--force", c.ID).OK(t)
				if init != 0 {
					c.Wait(init)
				}
				if left := c.Gone(); left != nil {
					t.Errorf("left %v", left)
				}
			})
		}
	}
}

// Nor does a runtime that is stopped before it has handed the listener on: the process that waits for it uses a CPU, and ends.
func TestNotify_RuntimeStopped(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "answer")
	c := NewContainer(t, notified(a, mkdirCalls...), Args("sleep", "60"))
	// An agent that takes the connection and nothing else, and more for it than the socket holds.
	c.Spec.Linux.Seccomp.ListenerPath = filepath.Join(c.Dir, "full")
	c.Spec.Linux.Seccomp.ListenerMetadata = strings.Repeat("x", 4<<20)
	c.WriteSpec(t)
	full, err := net.Listen("unix", c.Spec.Linux.Seccomp.ListenerPath)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	pid := c.Create()
	cmd := c.Command("start", c.ID)
	Begin(t, cmd)
	conn, err := full.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has the listener, then
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	Eventually(t, "the process to end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	c.Tare("delete", "--force", c.ID).OK(t)
}

// waitsIn tells whether a thread of the process waits in that function of the kernel.
func waitsIn(pid int, function string) bool {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && string(text) == function {
			return true
		}
	}
	return false
}

// A container cannot have what its init process is told by a start, nor take the place of that.
func TestNotify_StartSocket(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := startAgent(t, "answer")
	c := NewContainer(t, notified(a, mkdirCalls...), Args("sleep", "60"))
	c.Create()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(c.Root, c.ID, "start.sock"), &st); err != nil || st.Mode != unix.S_IFSOCK|0o600 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	c.Start()
	a.State()
	plain := c.Another(Args("sleep", "60"))
	plain.Create()
	if _, err := os.Lstat(filepath.Join(plain.Root, plain.ID, "start.sock")); err == nil {
		t.Error("a container without notifications has one too")
	}
}
