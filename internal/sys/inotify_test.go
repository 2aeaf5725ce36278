package sys

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestInotifyDrain(t *testing.T) {
	dir := t.TempDir()
	fd, err := InotifyInit()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := InotifyWatch(fd, dir, unix.IN_CREATE|unix.IN_ONLYDIR); err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		t.Helper()
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Millisecond/1e6))
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	for range 2 {
		if ready() {
			t.Error("ready without an event")
		}
		for range 300 { // more than one read takes
			f, err := os.CreateTemp(dir, "x")
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		if !ready() {
			t.Error("not ready after events")
		}
		if err := InotifyDrain(fd); err != nil {
			t.Error(err)
		}
	}
	if err := InotifyWatch(fd, dir+"/none", unix.IN_MODIFY); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}
