//go:build !amd64

package main

import "golang.org/x/sys/unix"

func i386Errand() error { return unix.ENOSYS }

func x32Errand() error { return unix.ENOSYS }
