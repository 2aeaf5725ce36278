package proto

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExecError(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		unix.ENOEXEC: `exec: "/x": exec format error: is it a program for another architecture, or a script without #!?`,
		unix.ENOENT:  `exec: "/x": no such file or directory: its interpreter or loader is missing in the root file system`,
		unix.EACCES:  `exec: "/x": permission denied`,
		unix.E2BIG:   `exec: "/x": argument list too long`,
	} {
		err := ExecError("/x", errno)
		if fmt.Sprint(err) != want || !errors.Is(err, errno) {
			t.Errorf("%v: %q, want %q", errno, err, want)
		}
	}
}
