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

// Affinity is a set of CPUs, as large as the most that a kernel is built for. Words are of the size of the kernel's.
type Affinity [8192 / wordBits]uint

const wordBits = 32 << (^uint(0) >> 63)

// SetAffinityAll lets the calling thread run on every CPU that its cpuset allows. sched_setaffinity(2).
func SetAffinityAll() error {
	var all Affinity
	for i := range all {
		all[i] = ^uint(0)
	}
	return all.setOf(0)
}

// SetAffinity lets the thread pid, the calling one with 0, run on those of the CPUs that its cpuset allows; EINVAL if that is none.
func SetAffinity(pid int, cpus []int) error {
	var a Affinity
	for _, n := range cpus {
		if n < len(a)*wordBits {
			a[n/wordBits] |= 1 << (n % wordBits)
		}
	}
	return a.setOf(pid)
}

// GetAffinity gives the CPUs that the calling thread may run on. sched_getaffinity(2).
func GetAffinity() (a Affinity, err error) {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(a), uintptr(unsafe.Pointer(&a)))
	return a, syscallError("sched_getaffinity", errno)
}

// Set lets the calling thread run on these CPUs. sched_setaffinity(2).
func (a *Affinity) Set() error { return a.setOf(0) }

func (a *Affinity) setOf(pid int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(pid), unsafe.Sizeof(*a), uintptr(unsafe.Pointer(a)))
	return syscallError("sched_setaffinity", errno)
}
