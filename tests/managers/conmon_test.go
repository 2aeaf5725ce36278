package managers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// conmon's own command lines, with what Podman has it add.
func TestConmon_CreateAndExec(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("ignore-term"), Terminal)
	console := NewReceiver(t)
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--no-pivot", "--no-new-keyring",
		"--preserve-fds", "0", "--console-socket", console.Path)
	master, _ := console.Receive()
	m.podman().silent("start", m.ID)
	Expect(t, master, "ready\r\n")

	execFile := filepath.Join(m.Dir, "exec.pid")
	m.silent("exec", "--pid-file", execFile, "--process", m.processFile("p", []string{"/probe", "exit", "7"}), "--detach", m.ID)
	if status := m.Wait(atoi(t, execFile)); status.ExitStatus() != 7 {
		t.Errorf("exec's wait status %x", status)
	}
	m.podman().silent("kill", m.ID, "9")
	m.Wait(pid)
	m.podman().silent("delete", "--force", m.ID)
	m.noLog()
}

// conmon up to 2.1.10 says --tty beside --process, whose words count.
func TestConmon_ExecTerminalBesideProcessFile(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("ignore-term"))
	pid := m.running()
	console := NewReceiver(t)
	execFile := filepath.Join(m.Dir, "exec.pid")
	process := m.processFile("p", []string{"/probe", "tty"}, func(p *specs.Process) { p.Terminal = true })
	m.silent("exec", "--pid-file", execFile, "--process", process, "--detach", "--tty", "--console-socket", console.Path, m.ID)
	master, name := console.Receive()
	if name == "" {
		t.Error("the message has no text")
	}
	second := m.PidFile(execFile)
	Expect(t, master, "size 0 0\r\n")
	m.podman().silent("kill", m.ID, "9")
	m.Wait(second)
	m.Wait(pid)
}

// conmon from 2.2 on goes by the pid file alone: none after an exec that failed, one after any other, however short.
func TestConmon_PidFileTellsWhetherExecWorked(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("ignore-term"))
	m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	for _, program := range []string{"/no/such/program", "/etc", "no-such-program"} {
		res := m.call("exec", "--pid-file", execFile, "--process", m.processFile("p", []string{program}), "--detach", m.ID).Exit(t, 255)
		if _, err := os.Stat(execFile); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a pid file after a failed exec: %v", program, err)
		}
		if !strings.Contains(res.Stderr, "exec failed") {
			t.Errorf("%s: %s", program, res.Stderr)
		}
	}
	for range 5 {
		m.silent("exec", "--pid-file", execFile, "--process", m.processFile("p", []string{"/probe", "true"}), "--detach", m.ID)
		m.Wait(m.PidFile(execFile))
	}
}

// Its message is what the first read(2) of standard error gives: a packet of this pipe is what one write(2) has put in.
func TestConmon_ErrorIsOneWrite(t *testing.T) {
	t.Parallel()
	m := newConmon(t)
	for _, args := range [][]string{
		{"/no/such/program"},
		{"/" + strings.Repeat("long/", 250) + "program"},
		{"/line\nbreak"},
	} {
		m.Spec.Process.Args = args
		m.WriteSpec(t)
		reader, writer := packets(t)
		cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
		cmd.Stderr = writer
		m.do(cmd).Exit(t, 1)
		writer.Close()
		var message [8191]byte
		n, err := reader.Read(message[:])
		text := string(message[:n])
		if err != nil || !strings.HasSuffix(text, "\n") || !strings.Contains(text, "create failed: unable to start container process: exec: ") {
			t.Errorf("%.20s: the first read gives %q, %v", args, text, err)
		}
		ended(t, reader)
	}
}

// packets is a pipe of which each read(2) gives what one write(2) of up to 4096 bytes has put in (pipe(7), O_DIRECT).
func packets(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer = Pipe(t)
	if err := control(writer, func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_DIRECT)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	return errors.Join(raw.Control(func(fd uintptr) { result = do(int(fd)) }), result)
}

// Once the runtime has left with a terminal, both are there: console and pid file.
func TestConmon_ConsoleAndPidFileBeforeTheEnd(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--console-socket", console.Path)
	if err := unix.Kill(pid, 0); err != nil {
		t.Errorf("the process of the pid file: %v", err)
	}
	console.Receive() // one connection, one message with text and one descriptor
}

// It reads memory.events once more when the container has died: the cgroup is kept until delete.
func TestConmon_CgroupIsKeptUntilDelete(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	dir := OwnCgroup(t, pid) // as it looks right after create
	m.podman().silent("start", m.ID)
	kill(t, pid)
	m.Wait(pid)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the cgroup went before delete: %v", err)
	}
	m.podman().silent("delete", "--force", m.ID)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup after delete: %v", err)
	}
}

// Descriptors from 3 on are handed on where they are asked for, and no others.
func TestConmon_PreservedDescriptors(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("report"))
	out := m.File(t, "report")
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--preserve-fds", "2", m.ID)
	cmd.Stdout, cmd.ExtraFiles = out, LeakFDs(t, 4)
	m.do(cmd).OK(t)
	pid := m.PidFile(m.pidFile())
	m.podman().silent("start", m.ID)
	m.Wait(pid)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	OnlyFDs(t, (&Result{Stdout: string(data)}).Report(t), 0, 1, 2, 3, 4)
}

// conmon's test-suite looks for this text, so the output is indented.
func TestConmon_StateTextOfItsTests(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	m.running()
	if res := m.call("state", m.ID).OK(t); !strings.Contains(res.Stdout, `"status": "running"`) {
		t.Errorf("state: %s", res.Stdout)
	}
}

// Called runc, its words are runc's.
func TestConmon_CreateFailedUnderTheNameOfRunc(t *testing.T) {
	t.Parallel()
	m := newConmon(t)
	m.Spec.Process.Args = []string{"no-such-program"}
	m.WriteSpec(t)
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Path = asRunc(t)
	cmd.Args[0] = cmd.Path
	m.do(cmd).Fails(t, "runc create failed: unable to start container process: ")
}

// asRunc is the runtime under the name that many programs look for in PATH.
func asRunc(t *testing.T) string {
	t.Helper()
	path := filepath.Join(Dir(t), "runc")
	if err := os.Symlink(Runtime(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// conmon-rs says two of the options twice, and on exec gives the command itself.
func TestConmonRS_RepeatedOptionsAndExecSync(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("ignore-term"))
	m.globals = []string{"--root=" + m.Root, "--root=" + m.Root}
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	m.silent("start", m.ID)
	execFile := filepath.Join(m.Dir, "exec.pid")
	out := m.File(t, "sync")
	cmd := m.command("exec", "-d", "--pid-file="+execFile, m.ID, "/probe", "echo", "--tty", "-d", "--", "words")
	cmd.Stdout, cmd.Stderr = out, out
	m.do(cmd).OK(t)
	m.Wait(atoi(t, execFile))
	if text, _ := os.ReadFile(out.Name()); string(text) != "--tty -d -- words\n" {
		t.Errorf("output %q", text)
	}
	console := NewReceiver(t)
	m.silent("exec", "-d", "--console-socket="+console.Path, "--tty", "--pid-file="+execFile, m.ID, "/probe", "tty")
	master, _ := console.Receive()
	Expect(t, master, "size 0 0\r\n")
	second := m.PidFile(execFile)
	kill(t, pid)
	m.Wait(second)
	m.Wait(pid)
	// The driver is the state's: the flag of a later command, given twice or not at all, does not matter.
	m.globals = append(m.globals, "--systemd-cgroup", "--systemd-cgroup")
	m.silent("delete", m.ID)
	if left := m.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// Its message is all of standard error, which has to be UTF-8.
func TestConmonRS_ErrorIsUTF8(t *testing.T) {
	t.Parallel()
	m := newPlain(t)
	m.WriteConfig(t, "{\"ociVersion\": \"1.0.2\", \"process\": {\"args\": [\"/\xff\xfe\"], \"cwd\": \"/\"}, \"root\": {\"path\": \"rootfs\"}}")
	res := m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
	if text := strings.ToValidUTF8(res.Stderr, "?"); text != res.Stderr {
		t.Errorf("standard error: %q", res.Stderr)
	}
}
