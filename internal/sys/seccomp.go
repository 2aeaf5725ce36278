package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeccompFlagKnown reports whether the running kernel knows the SECCOMP_FILTER_FLAG_* bits in flags. The kernel looks at the flags
// before the program, so a null program tells the two apart (EFAULT against EINVAL) and installs nothing.
func SeccompFlagKnown(flags uint) bool {
	if flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0 {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // which it is refused without
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), 0)
	return errno != unix.EINVAL
}

// SeccompNotification is a system call that waits for an answer: struct seccomp_notif of seccomp_unotify(2).
type SeccompNotification struct {
	ID     uint64
	Pid    uint32
	Flags  uint32
	Number uint32
	Arch   uint32 // AUDIT_ARCH_*
	IP     uint64
	Args   [6]uint64
}

// SeccompReceive waits for the next notification of a listener. ENOENT: whoever made the call was killed meanwhile.
func SeccompReceive(listener int) (*SeccompNotification, error) {
	n := &SeccompNotification{} // zero, or it is EINVAL
	return n, seccompIoctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// SeccompContinue answers the notification: the call goes on as if there was no filter. ENOENT: nobody waits for the answer any more.
// SECCOMP_USER_NOTIF_FLAG_CONTINUE, Linux 5.5.
func SeccompContinue(listener int, id uint64) error {
	response := struct { // struct seccomp_notif_resp
		id    uint64
		value int64
		errno int32
		flags uint32
	}{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	return seccompIoctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&response))
}

func seccompIoctl(listener int, request uintptr, argument unsafe.Pointer) error {
	return os.NewSyscallError("ioctl", retryEINTR(func() error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), request, uintptr(argument)); errno != 0 {
			return errno
		}
		return nil
	}))
}
