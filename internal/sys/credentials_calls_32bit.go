//go:build 386 || arm

package sys

import "golang.org/x/sys/unix"

// The plain calls of these architectures have ids of 16 bits.
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresgid = unix.SYS_SETRESGID32
	sysSetresuid = unix.SYS_SETRESUID32
)
