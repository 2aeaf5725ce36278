package testutil

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Receiver is the listening side of --console-socket or --pidfd-socket, as strict as the managers' are: one
// connection with one message that carries at least a byte and exactly one descriptor.
type Receiver struct {
	Path string

	t        testing.TB
	listener *net.UnixListener
}

// NewReceiver listens on a socket in a directory of its own, below the 107 characters a socket's name may have.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{Path: filepath.Join(Dir(t), "s"), t: t}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.Path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.Path, 0o666); err != nil {
		t.Fatal(err)
	}
	r.listener = listener
	t.Cleanup(func() { listener.Close() })
	return r
}

// Receive takes the one message and gives its descriptor and its text. The descriptor is closed with the test.
func (r *Receiver) Receive() (*os.File, string) {
	r.t.Helper()
	conn, fd, text, err := r.receive()
	if err != nil {
		r.t.Fatalf("receive a descriptor: %v", err)
	}
	defer conn.Close()
	var rest [1]byte
	if n, err := conn.Read(rest[:]); n != 0 || err == nil {
		r.t.Errorf("a second message on the socket: %q", rest[:n])
	}
	file := pollable(r.t, fd, "received")
	return file, text
}

func (r *Receiver) receive() (*net.UnixConn, int, string, error) {
	end := time.Now().Add(Deadline())
	if err := r.listener.SetDeadline(end); err != nil {
		return nil, -1, "", err
	}
	conn, err := r.listener.AcceptUnix()
	if err != nil {
		return nil, -1, "", err
	}
	if err := conn.SetDeadline(end); err != nil {
		return nil, -1, "", err
	}
	data, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(64*4))
	n, controlLen, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return nil, -1, "", err
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlLen])
	if err != nil {
		return nil, -1, "", err
	}
	if n == 0 || n == len(data) || len(messages) != 1 {
		return nil, -1, "", fmt.Errorf("%d bytes and %d control messages: want some and one", n, len(messages))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, -1, "", err
	}
	if len(fds) != 1 {
		return nil, -1, "", fmt.Errorf("%d descriptors: want one", len(fds))
	}
	unix.CloseOnExec(fds[0])
	return conn, fds[0], string(data[:n]), nil
}

// pollable makes a file whose reads take a deadline, and closes it with the test.
func pollable(t testing.TB, fd int, name string) *os.File {
	t.Helper()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(os.NewSyscallError("fcntl O_NONBLOCK", err))
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { file.Close() })
	return file
}

// OpenPTY makes a pseudo terminal of the host's. The slave is in blocking mode, as a login shell's is.
func OpenPTY(t testing.TB, rows, cols uint16) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open /dev/ptmx: %v", err)
	}
	master = pollable(t, fd, "pty master")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(os.NewSyscallError("ioctl TIOCSPTLCK", err))
	}
	Resize(t, master, rows, cols)
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(os.NewSyscallError("ioctl TIOCGPTPEER", errno))
	}
	slave = os.NewFile(peer, "pty slave")
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// Resize sets a terminal's size, which sends SIGWINCH to its foreground process group.
func Resize(t testing.TB, master *os.File, rows, cols uint16) {
	t.Helper()
	err := control(master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err != nil {
		t.Fatal(os.NewSyscallError("ioctl TIOCSWINSZ", err))
	}
}

// control reaches the descriptor without Fd, which would make the file blocking for good.
func control(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) { result = do(int(fd)) })
	return errors.Join(err, result)
}

// Expect reads until the text has come, and gives all that came up to and with it. One byte at a time, so that what
// follows stays for the next call.
func Expect(t testing.TB, from *os.File, text string) string {
	t.Helper()
	if err := from.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	var b [1]byte
	for !strings.HasSuffix(seen.String(), text) {
		if _, err := from.Read(b[:]); err != nil {
			t.Fatalf("waiting for %q: %v after %q", text, err, seen.String())
		}
		seen.WriteByte(b[0])
	}
	return seen.String()
}

// Pipe makes a pipe whose reading end takes deadlines. Both ends are closed with the test, if not before.
func Pipe(t testing.TB) (reader, writer *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(os.NewSyscallError("pipe2", err))
	}
	reader = pollable(t, fds[0], "pipe reader")
	writer = os.NewFile(uintptr(fds[1]), "pipe writer")
	t.Cleanup(func() { writer.Close() })
	return reader, writer
}
