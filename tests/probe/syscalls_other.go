//go:build !amd64

package main

import "golang.org/x/sys/unix"

// forks: the younger architectures have neither fork nor vfork.
func forks(uintptr) bool { return false }

// changes tells the calls whose success alters the process for those after it.
func changes(nr uintptr) bool {
	switch nr {
	case unix.SYS_UMASK, unix.SYS_SETSID, unix.SYS_VHANGUP, unix.SYS_BRK:
		return true
	}
	return false
}
