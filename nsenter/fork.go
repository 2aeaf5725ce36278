package nsenter

import (
	"syscall"
	_ "unsafe" // for go:linkname
)

// The fork hooks of the Go runtime, as syscall.forkAndExecInChild calls them. Go keeps their names and
// signatures, other programs depend on them in the same way (golang.org/issue/67401).

// beforeFork blocks all signals and poisons the stack guard, so that a stack growth in the child is a clean
// crash and not a corrupted parent.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

// afterForkInChild resets the signal handlers, which would run code of a runtime that is not there any more,
// and unblocks the signals.
//
//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// rawVforkSyscall makes a system call with CLONE_VM and CLONE_VFORK: both parent and child return from it. See vfork.s.
func rawVforkSyscall(trap, a1, a2, a3 uintptr) (r1 uintptr, errno syscall.Errno)
