package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Mkdirat makes the directory name in dirfd; the umask applies.
func Mkdirat(dirfd int, name string, mode uint32) error {
	return nodeError("mkdirat", name, retryEINTR(func() error { return unix.Mkdirat(dirfd, name, mode) }))
}

// Mknodat makes the file name in dirfd; mode holds the type and the permissions, the umask applies. It never follows or
// opens what is there: EEXIST.
func Mknodat(dirfd int, name string, mode uint32, dev uint64) error {
	return nodeError("mknodat", name, retryEINTR(func() error { return unix.Mknodat(dirfd, name, mode, int(dev)) }))
}

// Symlinkat makes the symbolic link name in dirfd that says target.
func Symlinkat(target string, dirfd int, name string) error {
	return nodeError("symlinkat", name, retryEINTR(func() error { return unix.Symlinkat(target, dirfd, name) }))
}

// Unlinkat removes the name in dirfd, which is no directory.
func Unlinkat(dirfd int, name string) error {
	return nodeError("unlinkat", name, retryEINTR(func() error { return unix.Unlinkat(dirfd, name, 0) }))
}

// Fchown gives the file behind fd, which may be O_PATH, to uid and gid (-1: as it is).
func Fchown(fd, uid, gid int) error {
	return os.NewSyscallError("fchownat", retryEINTR(func() error {
		return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
	}))
}

// Fchownat gives the file name in dirfd, not what it links to, to uid and gid (-1: as it is).
func Fchownat(dirfd int, name string, uid, gid int) error {
	return nodeError("fchownat", name, retryEINTR(func() error {
		return unix.Fchownat(dirfd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// Fchmodat sets the permissions of the file name in dirfd. It follows links, as fchmodat(2) always does before Linux 6.6: give it
// only names that cannot be exchanged (a descriptor's number in /proc/self/fd).
func Fchmodat(dirfd int, name string, mode uint32) error {
	return nodeError("fchmodat", name, retryEINTR(func() error { return unix.Fchmodat(dirfd, name, mode, 0) }))
}

// Fgetxattr reads an extended attribute of at most 4096 bytes; ok is false when the file has none or the filesystem knows none.
func Fgetxattr(fd int, name string) (value []byte, ok bool) {
	buf := make([]byte, 4096)
	n, err := unix.Fgetxattr(fd, name, buf)
	if err != nil || n == 0 {
		return nil, false
	}
	return buf[:n], true
}

// Fsetxattr sets an extended attribute.
func Fsetxattr(fd int, name string, value []byte) error {
	return nodeError("fsetxattr", name, unix.Fsetxattr(fd, name, value, 0))
}

func nodeError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}
