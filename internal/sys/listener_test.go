package sys

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenDeep listens at s in a directory below dir whose path is longer than a socket address.
func listenDeep(t *testing.T, dir string) (deep string, listener *os.File) {
	t.Helper()
	deep = filepath.Join(dir, strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := ListenUnixAt(openDir(t, deep), "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return deep, listener
}

func TestProbeUnix(t *testing.T) {
	dir := t.TempDir()
	deep, listener := listenDeep(t, dir)
	for range 3 { // which leaves no connection behind
		if err := ProbeUnix(deep + "/s"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := AcceptBy(int(listener.Fd()), time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the probe has connected: %v", err)
	}
	if st, err := os.Stat(deep + "/s"); err != nil || st.Mode() != os.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	gram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/gram", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer gram.Close()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for path, want := range map[string]error{
		deep + "/s": unix.ECONNREFUSED, deep + "/none": unix.ENOENT, dir + "/gram": unix.EPROTOTYPE, dir + "/file": unix.ECONNREFUSED,
		dir + "/none": unix.ENOENT,
	} {
		if err := ProbeUnix(path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

// connected makes both ends of a connection through the file system.
func connected(t *testing.T) (client, server int) {
	t.Helper()
	dir, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	listener, err := ListenUnixAt(dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	deadline := time.Now().Add(5 * time.Second)
	if client, err = ConnectUnixAt(dir, "s", deadline); err != nil {
		t.Fatal(err)
	}
	if server, err = AcceptBy(int(listener.Fd()), deadline); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(client); unix.Close(server) })
	return client, server
}

// Two descriptors, each with its message, come one by one, and close-on-exec.
func TestRecvFDBy(t *testing.T) {
	client, server := connected(t)
	if _, err := RecvFDBy(server, time.Now().Add(10*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing there: %v", err)
	}
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(t.TempDir(), "f")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := SendFD(client, int(f.Fd()), "x"); err != nil {
			t.Fatal(err)
		}
		files[i] = f
	}
	unix.Close(client)
	for i, f := range files {
		fd, err := RecvFDBy(server, time.Now().Add(time.Second))
		if err != nil {
			t.Fatal(i, err)
		}
		var got, want unix.Stat_t
		if err := errors.Join(unix.Fstat(fd, &got), unix.Fstat(int(f.Fd()), &want)); err != nil || got.Ino != want.Ino {
			t.Errorf("descriptor %d leads to another file, %v", i, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d stays open across an execution", i)
		}
		unix.Close(fd)
	}
	if _, err := RecvFDBy(server, time.Now().Add(time.Second)); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

// A payload that is larger than the socket's buffer goes with its descriptor in the first message, and no later than said.
func TestSendFDBy(t *testing.T) {
	deaf, _ := connected(t)
	payload := bytes.Repeat([]byte("0123456789"), 200_000)
	if err := SendFDBy(deaf, 0, payload, time.Now().Add(50*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody reads: %v", err)
	}
	client, server := connected(t)
	sent := make(chan error, 1)
	go func() {
		sent <- SendFDBy(client, 0, payload, time.Now().Add(10*time.Second))
		_ = unix.Shutdown(client, unix.SHUT_WR)
	}()
	var got []byte
	descriptors := 0
	for {
		b, oob := make([]byte, 1<<16), make([]byte, 256)
		n, oobn, _, _, err := unix.Recvmsg(server, b, oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		if oobn > 0 {
			if len(got) > 0 {
				t.Error("a descriptor in a later message")
			}
			descriptors++
		}
		if n == 0 {
			break
		}
		got = append(got, b[:n]...)
	}
	if err := <-sent; err != nil || descriptors != 1 || !bytes.Equal(got, payload) {
		t.Errorf("%v, %d descriptors, %d bytes of %d", err, descriptors, len(got), len(payload))
	}
	client, server = connected(t)
	unix.Close(server)
	if err := SendFDBy(client, 0, payload, time.Now().Add(time.Second)); !errors.Is(err, unix.EPIPE) {
		t.Errorf("nobody there: %v, want EPIPE", err)
	}
}

func TestFutexWait(t *testing.T) {
	word := uint32(1)
	if err := FutexWait(&word, 0); err != nil { // it is not 0
		t.Error(err)
	}
}
