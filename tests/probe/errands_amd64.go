package main

import "golang.org/x/sys/unix"

// int80 makes a call of i386 without arguments. It gives what the kernel returns: an errno is negative.
func int80(number int32) int32

const getpid386, getpid64, x32Bit = 20, 39, 1 << 30

func i386Errand() error {
	if r := int80(getpid386); r < 0 {
		return unix.Errno(-r)
	}
	return nil
}

// x32Errand is ENOSYS on most kernels, after the filter was asked.
func x32Errand() error {
	if _, _, errno := unix.Syscall(getpid64|x32Bit, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
