package testutil

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// defaultSignals has everything that the tests start begin with the default action of the two signals that the C library keeps
// for its threads: its posix_spawn(3), by which make starts programs, ignores them in the child, and that is inherited.
func defaultSignals() error {
	var action [4]uint64 // struct sigaction: SIG_DFL, no flags, no mask
	for _, sig := range []uintptr{32, 33} {
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 {
			return os.NewSyscallError("rt_sigaction", errno)
		}
	}
	return nil
}
