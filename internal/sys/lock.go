package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Flock locks the open file for itself alone; with wait unset a lock held elsewhere is EWOULDBLOCK. flock(2).
func Flock(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	err := retryEINTR(func() error { return unix.Flock(int(f.Fd()), how) })
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}

// Funlock gives up the lock of the open file. flock(2).
func Funlock(f *os.File) error {
	return os.NewSyscallError("flock", unix.Flock(int(f.Fd()), unix.LOCK_UN))
}
