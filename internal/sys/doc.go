// Package sys is the one door to the kernel: a typed wrapper for each system call that tare uses, close-on-exec
// from birth, restarted after EINTR, its error an *os.PathError or *os.SyscallError that keeps the errno.
// A wrapper says whom a descriptor belongs to. The package imports nothing of tare.
package sys
