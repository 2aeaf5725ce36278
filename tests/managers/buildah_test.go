package managers

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// buildahStatus is what Buildah reads of a state, each 100 ms, until it says stopped. What it does not know ends the build.
func (m *manager) buildahStatus() string {
	m.t.Helper()
	var state struct{ Status string }
	code, text := m.combined("state", m.ID)
	if code != 0 {
		m.t.Fatalf("state: exit code %d: %s", code, text)
	}
	decode(m.t, text, &state)
	switch state.Status {
	case "creating", "created", "running", "stopped":
	default:
		m.t.Errorf("status %q", state.Status)
	}
	return state.Status
}

func TestBuildah_LifeOfAStep(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--no-new-keyring", "--no-pivot", "--console-socket", console.Path)
	master, _ := console.Receive()
	if status := m.buildahStatus(); status != "created" {
		t.Errorf("status %s", status)
	}
	m.silent("start", m.ID)
	Expect(t, master, "size 0 0\r\n")
	if status := m.buildahStatus(); status != "running" {
		t.Errorf("status %s", status)
	}
	if _, err := master.WriteString("quit\n"); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the end", func() bool { return m.buildahStatus() == "stopped" })
	m.Wait(pid)
	m.silent("delete", m.ID)
	if left := m.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// The process is waited for by a helper, in its own time: until then it is a zombie, and stopped.
func TestBuildah_ZombieIsStopped(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("exit", "1"))
	pid := m.running()
	Eventually(t, "the end", func() bool { return m.buildahStatus() == "stopped" })
	if s := m.State(); s.Pid != 0 {
		t.Errorf("state %+v", s)
	}
	m.silent("delete", m.ID) // without force, as soon as it is dead
	if status := m.Wait(pid); status.ExitStatus() != 1 {
		t.Errorf("wait status %x", status)
	}
}

func TestBuildah_DeleteAfterFailedStart(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("/script"))
	m.WriteFile(t, "script", "\x00no program, says execve(2)", 0o755)
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	m.call("start", m.ID).Fails(t, "exec format error")
	m.silent("delete", m.ID)
	m.Wait(pid)
	if left := m.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// An interrupted build says SIGKILL by its full name, and a build that never started is deleted without force.
func TestBuildah_InterruptedBuild(t *testing.T) {
	t.Parallel()
	for _, signal := range []string{"SIGKILL", ""} {
		t.Run("kill "+signal, func(t *testing.T) {
			t.Parallel()
			m := newPlain(t, Args("sleep"))
			pid, output := m.WithOutput("create")
			m.silent("start", m.ID)
			Eventually(t, "the workload", func() bool { return output() == "ready\n" })
			args := []string{"kill", m.ID}
			if signal != "" {
				args = append(args, signal)
			}
			m.silent(args...)
			status := m.Wait(pid)
			if signal == "" && status.ExitStatus() != 64+int(unix.SIGTERM) || signal != "" && status.Signal() != unix.SIGKILL {
				t.Errorf("wait status %x", status)
			}
			m.silent("delete", m.ID)
		})
	}
	t.Run("before start", func(t *testing.T) {
		t.Parallel()
		m := newPlain(t, Args("sleep"))
		pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
		m.silent("delete", m.ID)
		m.Wait(pid)
	})
}

// Its network is set up between create and start, by the pid: the namespace is there, and it is the one that the step gets.
func TestBuildah_NetworkBetweenCreateAndStart(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	before := namespace(t, pid, "net")
	if before == namespace(t, unix.Getpid(), "net") {
		t.Error("the network namespace is the host's")
	}
	m.silent("start", m.ID)
	if after := namespace(t, pid, "net"); after != before || m.State().Status != specs.StateRunning {
		t.Errorf("network namespace %s, before start %s", after, before)
	}
}
