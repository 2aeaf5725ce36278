package managers

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// With a terminal nothing that outlives create may hold its standard output: the shim waits for the end of that pipe.
func TestShim_TerminalKeepsNoOutputOpen(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	reader, writer := Pipe(t)
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--console-socket", console.Path, m.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	m.do(cmd).OK(t)
	writer.Close()
	master, _ := console.Receive()
	ended(t, reader)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	Expect(t, master, "size 0 0\r\n")

	console = NewReceiver(t)
	reader, writer = Pipe(t)
	process := m.processFile("p", []string{"/probe", "tty"}, func(p *specs.Process) { p.Terminal = true })
	cmd = m.command("exec", "--process", process, "--console-socket", console.Path, "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	m.do(cmd).OK(t)
	writer.Close()
	master, _ = console.Receive()
	ended(t, reader)
	second := m.PidFile(m.Dir + "/exec.pid")
	Expect(t, master, "size 0 0\r\n")
	m.silent("kill", m.ID, "9")
	m.Wait(second)
	m.Wait(pid)
}

// A start that fails leaves nobody with the streams that the shim copies from: it waits for their end.
func TestShim_FailedStartKeepsNoPipeOpen(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("/script"))
	m.WriteFile(t, "script", "\x00no program, says execve(2)", 0o755)
	reader, writer := Pipe(t)
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdout = writer
	m.do(cmd).OK(t)
	writer.Close()
	m.call("start", m.ID).Fails(t, "exec format error")
	ended(t, reader)
	m.Wait(m.PidFile(m.pidFile()))
	m.silent("delete", m.ID)
}

// The kernel clears a parent-death signal when it forks; the container must not have got one again.
func TestShim_ParentDeathSignalStaysOut(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("report"))
	out := m.File(t, "report")
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdout = out
	m.do(cmd).OK(t)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	m.Wait(pid)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	r := (&Result{Args: cmd.Args, Stdout: string(data)}).Report(t)
	if r.Process.ParentDeathSignal != 0 {
		t.Errorf("the workload has parent-death signal %d", r.Process.ParentDeathSignal)
	}
	if r.Process.SID != r.Process.PID {
		t.Errorf("the workload is not the leader of a session: sid %d, pid %d", r.Process.SID, r.Process.PID)
	}
}

// A socket of the shim's own start was seen open in a create.
func TestShim_StrayDescriptorsStayOut(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("report"))
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	out := m.File(t, "report")
	cmd.Stdout, cmd.ExtraFiles = out, LeakFDs(t, 3)
	m.do(cmd).OK(t)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	m.Wait(pid)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	OnlyFDs(t, (&Result{Stdout: string(data)}).Report(t), 0, 1, 2)
}

// The same of exec.
func TestShim_ExecInheritsNothing(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	cmd := m.command("exec", "--process", m.processFile("p", []string{"/probe", "report"}), "--detach", "--pid-file", execFile, m.ID)
	out := m.File(t, "report")
	cmd.Stdout, cmd.ExtraFiles = out, LeakFDs(t, 3)
	m.do(cmd).OK(t)
	m.Wait(m.PidFile(execFile))
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	r := (&Result{Args: cmd.Args, Stdout: string(data)}).Report(t)
	OnlyFDs(t, r, 0, 1, 2)
	if r.Process.ParentDeathSignal != 0 {
		t.Errorf("the process has parent-death signal %d", r.Process.ParentDeathSignal)
	}
}

// The streams that create is given are the workload's: what it writes after create is over arrives there, and their
// end is seen when it is gone.
func TestShim_StreamsAreTheWorkloads(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("cat"))
	stdinR, stdinW := Pipe(t)
	stdoutR, stdoutW := Pipe(t)
	if err := setBlocking(stdinR); err != nil {
		t.Fatal(err)
	}
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdin, cmd.Stdout = stdinR, stdoutW
	m.do(cmd).OK(t)
	stdinR.Close()
	stdoutW.Close()
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	if _, err := stdinW.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	Expect(t, stdoutR, "hello\n")
	stdinW.Close()
	if rest, err := io.ReadAll(stdoutR); err != nil || len(rest) != 0 {
		t.Errorf("rest of the output: %q, %v", rest, err)
	}
	if status := m.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
}

func setBlocking(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), false) })
}
