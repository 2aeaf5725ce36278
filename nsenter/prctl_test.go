package nsenter

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// deathSignal is the signal that the calling thread gets when its parent dies. PR_GET_PDEATHSIG in prctl(2).
func deathSignal() int {
	var sig int32
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0); errno != 0 {
		panic(errno)
	}
	return int(sig)
}
