package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Setgroups sets the supplementary groups of the calling thread. setgroups(2).
func Setgroups(gids []uint32) error {
	var p unsafe.Pointer
	if len(gids) > 0 {
		p = unsafe.Pointer(&gids[0])
	}
	_, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(gids)), uintptr(p), 0)
	return syscallError("setgroups", errno)
}

// Setresgid sets the real, effective and saved gid of the calling thread. setresgid(2).
func Setresgid(gid uint32) error {
	_, _, errno := unix.RawSyscall(sysSetresgid, uintptr(gid), uintptr(gid), uintptr(gid))
	return syscallError("setresgid", errno)
}

// Setresuid sets the real, effective and saved uid of the calling thread. setresuid(2).
func Setresuid(uid uint32) error {
	_, _, errno := unix.RawSyscall(sysSetresuid, uintptr(uid), uintptr(uid), uintptr(uid))
	return syscallError("setresuid", errno)
}

// CapSets are the three capability sets of a thread that capset(2) knows; bit N is capability N.
type CapSets struct {
	Effective, Permitted, Inheritable uint64
}

// Capget reads the sets of the calling thread. capget(2).
func Capget() (CapSets, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	_, _, errno := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&d)), 0)
	return CapSets{
		Effective:   uint64(d[0].Effective) | uint64(d[1].Effective)<<32,
		Permitted:   uint64(d[0].Permitted) | uint64(d[1].Permitted)<<32,
		Inheritable: uint64(d[0].Inheritable) | uint64(d[1].Inheritable)<<32,
	}, syscallError("capget", errno)
}

// Capset sets the sets of the calling thread. capset(2).
func Capset(s CapSets) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	d := [2]unix.CapUserData{
		{Effective: uint32(s.Effective), Permitted: uint32(s.Permitted), Inheritable: uint32(s.Inheritable)},
		{Effective: uint32(s.Effective >> 32), Permitted: uint32(s.Permitted >> 32), Inheritable: uint32(s.Inheritable >> 32)},
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&d)), 0)
	return syscallError("capset", errno)
}

// DropBoundingCap takes capability c out of the bounding set of the calling thread. The kernel answers EINVAL
// for a capability that it does not know. prctl(2).
func DropBoundingCap(c int) error {
	return prctl("PR_CAPBSET_DROP", unix.PR_CAPBSET_DROP, uintptr(c), 0)
}

// HasBoundingCap tells whether capability c is in the bounding set; known is false for a capability that the
// kernel does not have. prctl(2).
func HasBoundingCap(c int) (has, known bool) {
	r, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0, 0)
	return r == 1, errno == 0
}

// ClearAmbientCaps empties the ambient set of the calling thread. prctl(2), Linux 4.3.
func ClearAmbientCaps() error {
	return prctl("PR_CAP_AMBIENT_CLEAR_ALL", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

// RaiseAmbientCap puts capability c into the ambient set; it must be permitted and inheritable. prctl(2).
func RaiseAmbientCap(c int) error {
	return prctl("PR_CAP_AMBIENT_RAISE", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c))
}

// Prlimit sets a resource limit of the process pid, 0 for the caller. prlimit(2).
func Prlimit(pid, resource int, soft, hard uint64) error {
	lim := unix.Rlimit{Cur: soft, Max: hard}
	_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	return syscallError("prlimit", errno)
}

// GetRlimit reads a resource limit of the process pid, 0 for the caller. prlimit(2).
func GetRlimit(pid, resource int) (soft, hard uint64, err error) {
	var lim unix.Rlimit
	_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), 0, uintptr(unsafe.Pointer(&lim)), 0, 0)
	return lim.Cur, lim.Max, syscallError("prlimit", errno)
}
