package integration

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A terminal as conmon sets it up: master by console socket, resized before and after start.
func TestConsoleSocket(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("tty"), Terminal, func(s *specs.Spec) {
		s.Process.ConsoleSize = &specs.Box{Height: 11, Width: 22}
	})
	console := NewReceiver(t)
	pid := c.Create("--console-socket", console.Path)
	master, _ := console.Receive()
	c.Start()
	Expect(t, master, "size 11 22\r\n") // with \r: ONLCR stays on
	Resize(t, master, 33, 44)
	Expect(t, master, "size 33 44\r\n")
	if _, err := master.WriteString("hello\nquit\n"); err != nil {
		t.Fatal(err)
	}
	Expect(t, master, "line hello\r\n")
	if status := c.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
	c.WaitStatus(specs.StateStopped)
}

func TestConsoleExitCodes(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		args []string
		kill string
		want func(unix.WaitStatus) bool
	}{
		"exit 0":  {[]string{"exit", "0"}, "", func(s unix.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 0 }},
		"exit 42": {[]string{"exit", "42"}, "", func(s unix.WaitStatus) bool { return s.ExitStatus() == 42 }},
		"killed":  {[]string{"ignore-term"}, "KILL", func(s unix.WaitStatus) bool { return s.Signaled() && s.Signal() == unix.SIGKILL }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args(tt.args...), Terminal)
			console := NewReceiver(t)
			pid := c.Create("--console-socket", console.Path)
			console.Receive()
			c.Start()
			if tt.kill != "" {
				c.Tare("kill", c.ID, tt.kill).OK(t)
			}
			if status := c.Wait(pid); !tt.want(status) {
				t.Errorf("wait status %x", status)
			}
		})
	}
}

// What the workload sees of its terminal: stdio on a pty of the container's own devpts, which is also /dev/console and
// the controlling terminal, and belongs to the process's user.
func TestConsoleInside(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("report"), Terminal, func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} })
	console := NewReceiver(t)
	pid := c.Create("--console-socket", console.Path)
	master, _ := console.Receive()
	c.Start()
	text := Expect(t, master, "\n")
	c.Wait(pid)
	r := (&Result{Stdout: text}).Report(t)
	if tty := r.Terminal; !tty.StdinTTY || !tty.StdoutTTY || !tty.StderrTTY || !tty.Controlling || !tty.Onlcr {
		t.Errorf("terminal: %+v", tty)
	}
	OnlyFDs(t, r, 0, 1, 2)
	for _, fd := range r.FDs {
		if fd.Target != "/dev/pts/0" {
			t.Errorf("descriptor %d is %s", fd.Number, fd.Target)
		}
	}
	for _, dev := range r.Devices {
		if dev.Name == "console" && (dev.Mode&unix.S_IFMT != unix.S_IFCHR || dev.Major != 136 || dev.UID != 1000) {
			t.Errorf("/dev/console: %+v", dev)
		}
	}
}

func TestConsoleErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	t.Run("terminal without socket", func(t *testing.T) {
		c := NewContainer(t, Terminal)
		c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, "cannot allocate tty if", "will detach without setting console socket")
	})
	t.Run("socket without terminal", func(t *testing.T) {
		c := NewContainer(t)
		console := NewReceiver(t)
		c.Tare("create", "--bundle", c.Dir, "--console-socket", console.Path, c.ID).Fails(t, "cannot use console socket if")
	})
	t.Run("nobody listens", func(t *testing.T) {
		c := NewContainer(t, Terminal)
		c.Tare("create", "--bundle", c.Dir, "--console-socket", c.Dir+"/nowhere", c.ID).Fails(t, "no such file or directory")
	})
}

func TestPidfdSocket(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc before 1.2 and crun have no --pidfd-socket")
	}
	c := NewContainer(t, Args("sleep"))
	socket := NewReceiver(t)
	pid := c.Create("--pidfd-socket", socket.Path)
	pidfd, text := socket.Receive()
	if text != "standard" {
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
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}
