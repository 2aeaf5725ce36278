package sys

import "golang.org/x/sys/unix"

// GracePeriod waits until a grace period of RCU has gone by, which is how MEMBARRIER_CMD_GLOBAL works where there is more than one CPU;
// on a single one it returns at once. EINVAL on a kernel that was booted with nohz_full=. membarrier(2), Linux 4.3.
func GracePeriod() error {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
	return syscallError("membarrier", errno)
}
