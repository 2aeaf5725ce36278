package check

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// errnoName is how manuals name the numbers that a look-up can end with.
func errnoName(n unix.Errno) string {
	switch n {
	case unix.ENOENT:
		return "ENOENT"
	case unix.ENOTDIR:
		return "ENOTDIR"
	case unix.ELOOP:
		return "ELOOP"
	case unix.EACCES:
		return "EACCES"
	}
	return n.Error()
}

// kindOf names a kind of file.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFLNK:
		return "a symbolic link"
	}
	return "a file"
}

// quote makes any string fit for a message.
func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}
