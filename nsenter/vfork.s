#include "textflag.h"

// rawVforkSyscall of package syscall keeps its return address in a register, as parent and child return on the same
// stack. Reached by go:linkname, it would be called through a wrapper that has its own on the stack; assembly jumps
// to it as it is. The size of the arguments is left to it, as no code here touches them.

// func rawVforkSyscall(trap, a1, a2, a3 uintptr) (r1 uintptr, errno syscall.Errno)
TEXT ·rawVforkSyscall(SB), NOSPLIT|NOFRAME, $0
	JMP syscall·rawVforkSyscall(SB)
