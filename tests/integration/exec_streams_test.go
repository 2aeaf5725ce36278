package integration

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// In the foreground the caller's terminal is shown, follows its size, and is given back as it was.
func TestExecTerminal(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	master, slave := OpenPTY(t, 24, 80)
	before := termios(t, slave)
	cmd := c.Command("exec", "-t", c.ID, "/probe", "tty")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	Begin(t, cmd)
	Expect(t, master, "size 24 80\r\n")
	Resize(t, master, 50, 132)
	Expect(t, master, "size 50 132\r\n")
	if _, err := master.WriteString("hello\rquit\r"); err != nil {
		t.Fatal(err)
	}
	Expect(t, master, "line hello\r\n")
	go func() { _, _ = io.Copy(io.Discard, master) }()
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if after := termios(t, slave); *after != *before {
		t.Errorf("the host's terminal was left changed:\n%+v\n%+v", before, after)
	}
}

// As the shim and conmon do it: a terminal by socket, a pid file, a process file, and --tty on top of it.
func TestExecConsoleSocket(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	path := filepath.Join(c.Dir, "process.json")
	text := `{"terminal": true, "consoleSize": {"height": 11, "width": 22}, "args": ["/probe", "tty"], "cwd": "/", "user": {"uid": 5}}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(c.Dir, "exec.pid")
	if err := os.WriteFile(pidFile, nil, 0o644); err != nil { // CRI-O makes it beforehand
		t.Fatal(err)
	}
	console := NewReceiver(t)
	res := c.Tare("exec", "--pid-file", pidFile, "--process", path, "--detach", "--tty", "--console-socket", console.Path, c.ID).OK(t)
	if res.Stdout+res.Stderr != "" {
		t.Errorf("it says %q %q", res.Stdout, res.Stderr)
	}
	master, _ := console.Receive()
	pid := c.PidFile(pidFile)
	Expect(t, master, "size 11 22\r\n")
	Resize(t, master, 33, 44)
	Expect(t, master, "size 33 44\r\n")
	if _, err := master.WriteString("quit\n"); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait(pid); !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
}

func TestExecPidfdSocket(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("runc before 1.2 and crun have no --pidfd-socket")
	}
	c, _ := running(t)
	socket := NewReceiver(t)
	pidFile := filepath.Join(c.Dir, "exec.pid")
	inside(c, []string{"-d", "--pid-file", pidFile, "--pidfd-socket", socket.Path}, "ignore-term").OK(t)
	pidfd, text := socket.Receive()
	if text != "setns" {
		t.Errorf("payload %q", text)
	}
	raw, err := pidfd.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sendErr error
	if err := raw.Control(func(fd uintptr) { sendErr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) }); err != nil || sendErr != nil {
		t.Fatal(err, sendErr)
	}
	if status := c.Wait(c.PidFile(pidFile)); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}

func TestExecPreserveFDs(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	cmd := c.Command("exec", "--preserve-fds", "2", c.ID, "/probe", "report")
	a, b := c.File(t, "a"), c.File(t, "b")
	cmd.ExtraFiles = append([]*os.File{a, b}, LeakFDs(t, 5)...)
	cmd.Env = []string{"LISTEN_FDS=2", "LISTEN_PID=1"}
	r := c.Do(cmd).Report(t)
	OnlyFDs(t, r, 0, 1, 2, 3, 4)
	for i, name := range []string{"a", "b"} {
		if len(r.FDs) == 5 && !strings.HasSuffix(r.FDs[3+i].Target, "/"+name) {
			t.Errorf("descriptor %d is %s", 3+i, r.FDs[3+i].Target)
		}
	}
}
