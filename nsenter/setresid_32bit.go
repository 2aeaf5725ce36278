//go:build 386 || arm

package nsenter

import "golang.org/x/sys/unix"

// The plain calls of these architectures have ids of 16 bits.
const (
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
)
