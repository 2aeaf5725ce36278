package sys

import "golang.org/x/sys/unix"

// KernelRelease is what the kernel calls its version, for messages. uname(2).
func KernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
