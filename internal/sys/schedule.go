package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetScheduler gives the thread pid, the calling one with 0, its scheduling policy and what belongs to it. sched_setattr(2).
func SetScheduler(pid int, attr *unix.SchedAttr) error {
	return os.NewSyscallError("sched_setattr", unix.SchedSetAttr(pid, attr, 0))
}

// SetIOPriority gives the thread pid its I/O class and the priority in it. ioprio_set(2).
func SetIOPriority(pid, class, priority int) error {
	const whoProcess, classShift = 1, 13
	_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(pid), uintptr(class<<classShift|priority))
	return syscallError("ioprio_set", errno)
}

// SetPersonality gives the calling thread an execution domain, without flags. personality(2).
func SetPersonality(domain uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(domain), 0, 0)
	return syscallError("personality", errno)
}

// SetMemoryPolicy says from which nodes the calling thread gets its memory. set_mempolicy(2).
func SetMemoryPolicy(mode int, nodes []int) error {
	var mask []uint
	for _, n := range nodes {
		for n/wordBits >= len(mask) {
			mask = append(mask, 0)
		}
		mask[n/wordBits] |= 1 << (n % wordBits)
	}
	var p unsafe.Pointer
	bits := 0
	if len(mask) > 0 {
		p, bits = unsafe.Pointer(&mask[0]), len(mask)*wordBits+1 // the kernel reads one bit less than it is told
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SET_MEMPOLICY, uintptr(mode), uintptr(p), uintptr(bits))
	return syscallError("set_mempolicy", errno)
}
