package main

import "golang.org/x/sys/unix"

// forks tells the calls that succeed without an argument and come back twice.
func forks(nr uintptr) bool { return nr == unix.SYS_FORK || nr == unix.SYS_VFORK }

// changes tells the calls whose success alters the process for those after it.
func changes(nr uintptr) bool {
	switch nr {
	case unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_UMASK, unix.SYS_SETSID, unix.SYS_ALARM, unix.SYS_VHANGUP, unix.SYS_BRK:
		return true
	}
	return false
}
