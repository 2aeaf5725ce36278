package sys

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func socketpair(t *testing.T) (a, b int) {
	t.Helper()
	a, b, err := Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(a); Close(b) })
	closeOnExec(t, "a socket", a)
	closeOnExec(t, "its peer", b)
	return a, b
}

func TestSendFD(t *testing.T) {
	a, b := socketpair(t)
	f, err := MemFile("f", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := SendFD(a, int(f.Fd()), "payload"); err != nil {
		t.Fatal(err)
	}
	fd, err := RecvFD(b)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	closeOnExec(t, "what was received", fd)
	got, err := Fstat(fd)
	want, wantErr := Fstat(int(f.Fd()))
	if err != nil || wantErr != nil || got.Ino != want.Ino || got.Dev != want.Dev {
		t.Errorf("another file came: %v, %v", err, wantErr)
	}
	if err := SendFD(a, -1, "payload"); !errors.Is(err, unix.EBADF) {
		t.Errorf("send a closed one: %v", err)
	}
}

// TestRecvFD_Wrong: what else comes is refused, and of it nothing stays open.
func TestRecvFD_Wrong(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		fds     []int
	}{
		{"no descriptor", "payload", nil},
		{"two", "payload", []int{0, 1}},
		{"many", "payload", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := socketpair(t)
			var rights []byte
			if tt.fds != nil {
				rights = unix.UnixRights(tt.fds...)
			}
			if err := unix.Sendmsg(a, []byte(tt.payload), rights, nil, 0); err != nil {
				t.Fatal(err)
			}
			before := countOpen()
			if fd, err := RecvFD(b); err == nil {
				t.Errorf("received %d", fd)
			}
			if after := countOpen(); after != before {
				t.Errorf("%d descriptors are open after, %d before", after, before)
			}
		})
	}
	t.Run("end", func(t *testing.T) {
		a, b := socketpair(t)
		_ = unix.Shutdown(a, unix.SHUT_WR)
		if fd, err := RecvFD(b); err == nil {
			t.Errorf("received %d", fd)
		}
	})
}

func countOpen() (n int) {
	for fd := range 1024 {
		if isOpen(fd) {
			n++
		}
	}
	return n
}

func TestWriteAndReadFull(t *testing.T) {
	a, b := socketpair(t)
	// More than a socket holds, so that it goes in parts.
	content := strings.Repeat("0123456789", 200_000)
	sent := make(chan error, 1)
	go func() { sent <- Write(a, []byte(content)) }()
	got := make([]byte, len(content))
	if n, err := ReadFull(b, got); err != nil || string(got[:n]) != content {
		t.Errorf("%d bytes, %v, want %d", n, err, len(content))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	_ = unix.Shutdown(b, unix.SHUT_RDWR)
	if err := Write(a, []byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("to a closed peer: %v, want EPIPE", err)
	}
	if _, err := ReadFull(-1, got); !errors.Is(err, unix.EBADF) {
		t.Errorf("read a closed descriptor: %v", err)
	}
}

func TestUnixSockets(t *testing.T) {
	t.Chdir(t.TempDir())
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	if _, err := ConnectUnix("s"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	fd, err := ConnectUnix("s")
	if err != nil {
		t.Fatal(err)
	}
	closeOnExec(t, "a connection", fd)
	Close(fd)
	if _, err := ConnectUnix("none"); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "connect none") {
		t.Errorf("no socket: %v", err)
	}
}

func TestUnixgram(t *testing.T) {
	// Longer than a socket address.
	dir := t.TempDir() + "/" + strings.Repeat("d", 200)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second replaces the first
		fd, err := ListenUnixgram(dir, "s", 0o622)
		if err != nil {
			t.Fatal(err)
		}
		defer Close(fd)
		closeOnExec(t, "a listening socket", fd)
		if fi, err := os.Stat(dir + "/s"); err != nil || fi.Mode() != os.ModeSocket|0o622 {
			t.Errorf("mode %v, %v", fi.Mode(), err)
		}
		t.Chdir(dir)
		pipe, w, err := Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer Close(pipe)
		defer Close(w)
		for _, with := range []int{-1, pipe} {
			if err := SendUnixgram("s", [][]byte{[]byte("A=1"), []byte("B=2")}, with); err != nil {
				t.Fatal(err)
			}
			b, oob := make([]byte, 100), make([]byte, 100)
			n, oobn, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_CMSG_CLOEXEC)
			if err != nil || string(b[:n]) != "A=1\nB=2" || (oobn > 0) != (with >= 0) {
				t.Errorf("received %q with %d bytes beside, %v", b[:n], oobn, err)
			}
		}
	}
	if err := SendUnixgram("none", nil, -1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no socket: %v", err)
	}
}

// A path that is longer than a socket address is no invalid argument: callers have state directories that deep.
func TestUnixSockets_LongPath(t *testing.T) {
	deep, _ := listenDeep(t, t.TempDir())
	gram, err := ListenUnixgram(deep, "gram", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(gram)
	before := countOpen()
	fd, err := ConnectUnix(deep + "/s")
	if err != nil {
		t.Fatal(err)
	}
	closeOnExec(t, "a connection", fd)
	Close(fd)
	if err := SendUnixgram(deep+"/gram", [][]byte{[]byte("READY=1")}, -1); err != nil {
		t.Error(err)
	}
	if _, err := ConnectUnix(deep + "/none"); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), deep+"/none: ") {
		t.Errorf("no socket: %v", err)
	}
	if _, err := ConnectUnix(deep + "/gram"); !errors.Is(err, unix.EPROTOTYPE) || !strings.Contains(err.Error(), "connect "+deep+"/gram: ") {
		t.Errorf("one of another type: %v", err)
	}
	if after := countOpen(); after != before {
		t.Errorf("%d descriptors are open after, %d before", after, before)
	}
}

// The name of an abstract socket has no descriptor to go by.
func TestUnixSockets_Abstract(t *testing.T) {
	longest := "@" + fmt.Sprintf("%-106d", os.Getpid())
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: longest}); err != nil {
		t.Fatal(err)
	}
	if err := SendUnixgram(longest, [][]byte{[]byte("READY=1")}, -1); err != nil {
		t.Error(err)
	}
	err = SendUnixgram(longest+"x", nil, -1)
	if !errors.Is(err, unix.ENAMETOOLONG) || !strings.HasSuffix(err.Error(), ": that of an abstract socket has at most 107 bytes") {
		t.Errorf("a byte more: %v", err)
	}
}
