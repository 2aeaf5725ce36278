package sys

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPacket_Descriptors(t *testing.T) {
	a, b, err := PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(a)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for sent := range 4 {
		fds := make([]int, sent)
		for i := range fds {
			fds[i] = int(null.Fd())
		}
		var rights []byte
		if sent > 0 {
			rights = unix.UnixRights(fds...)
		}
		if err := unix.Sendmsg(b, []byte("word"), rights, nil, 0); err != nil {
			t.Fatal(err)
		}
		before := openDescriptors(t)
		message, fd, err := RecvPacket(a)
		if err != nil || string(message) != "word" || (fd >= 0) != (sent > 0) {
			t.Errorf("%d sent: %q, descriptor %d, %v", sent, message, fd, err)
		}
		if fd >= 0 {
			unix.Close(fd)
		}
		if after := openDescriptors(t); after != before {
			t.Errorf("%d sent: %d descriptors stay open", sent, after-before)
		}
	}
	unix.Close(b)
	if message, fd, err := RecvPacket(a); len(message) != 0 || fd != -1 || err != nil {
		t.Errorf("the end: %q, %d, %v", message, fd, err)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
