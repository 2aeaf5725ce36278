package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe of blocking descriptors, which the caller closes. pipe2(2).
func Pipe() (read, write int, err error) {
	var p [2]int
	if err = unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	return p[0], p[1], nil
}

// Pread reads from an offset of a file, in one call. pread(2).
func Pread(fd int, b []byte, offset int64) (int, error) {
	n, err := retryEINTRInt(func() (int, error) { return unix.Pread(fd, b, offset) })
	if err != nil {
		return 0, os.NewSyscallError("pread", err)
	}
	return n, nil
}

// SetCloseOnExec has an execution close the descriptor. fcntl(2).
func SetCloseOnExec(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return os.NewSyscallError("fcntl F_SETFD", err)
}

// CloseOnExecFrom has an execution close every descriptor from low on. The flag is of Linux 5.11; before it,
// what was born close-on-exec stays so and the rest is the caller's to mark. close_range(2).
func CloseOnExecFrom(low int) error {
	err := unix.CloseRange(uint(low), 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return os.NewSyscallError("close_range", err)
}

// IsInherited tells whether fd is a descriptor that the caller of this program passed on: ours are all close-on-exec. fcntl(2).
func IsInherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
