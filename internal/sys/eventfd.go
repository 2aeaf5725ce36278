package sys

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Eventfd returns a new eventfd(2), which never blocks. The caller owns the descriptor.
func Eventfd() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("eventfd2", err)
	}
	return fd, nil
}

// EventfdTake returns the number of events so far, and begins anew from 0.
func EventfdTake(fd int) (uint64, error) {
	var b [8]byte
	_, err := retryEINTRInt(func() (int, error) { return unix.Read(fd, b[:]) })
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	if err != nil {
		return 0, os.NewSyscallError("read", err)
	}
	return binary.NativeEndian.Uint64(b[:]), nil
}

// EventfdAdd adds one event.
func EventfdAdd(fd int) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	return Write(fd, b[:])
}
