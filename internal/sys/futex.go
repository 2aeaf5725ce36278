package sys

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FutexWait waits until the word, which may be in memory shared with another process, is said to have changed, unless it is
// not value any more. It may return for no reason. futex(2).
func FutexWait(word *uint32, value uint32) error {
	const futexWait = 0
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(value), 0, 0, 0)
	if errno != 0 && !errors.Is(errno, unix.EAGAIN) && !errors.Is(errno, unix.EINTR) {
		return os.NewSyscallError("futex", errno)
	}
	return nil
}

// Yield lets another thread have the CPU. sched_yield(2).
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
