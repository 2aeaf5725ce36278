package sys

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openat2 answers EAGAIN when a rename or a mount anywhere on the system met its ".." or its root check. Under a rename
// storm 32 tries fail now and then, 128 nearly never; the time bound is for a machine that is slower than the storm.
const (
	openat2Tries    = 128
	openat2Patience = 2 * time.Millisecond
)

// Openat2 opens path below the directory dirfd as how says, with O_CLOEXEC. The descriptor belongs to the caller.
// EAGAIN is tried again, at least 128 times and for at least 2 ms. openat2(2).
func Openat2(dirfd int, path string, how unix.OpenHow) (int, error) {
	how.Flags |= unix.O_CLOEXEC
	var start time.Time
	for try := 0; ; try++ {
		fd, err := unix.Openat2(dirfd, path, &how)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			if try == 0 {
				start = time.Now()
			}
			if try < openat2Tries || time.Since(start) < openat2Patience {
				continue
			}
		}
		return -1, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
}

// Openat opens path relative to dirfd (or unix.AT_FDCWD) with O_CLOEXEC, following what the kernel follows: for trusted paths. The
// descriptor belongs to the caller.
func Openat(dirfd int, path string, flags int) (fd int, err error) {
	err = retryEINTR(func() error {
		fd, err = unix.Openat(dirfd, path, flags|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// Close closes a descriptor. What its error could tell of, a write that was put off, none of ours does.
func Close(fd int) { _ = unix.Close(fd) }

// Fchdir makes the directory fd the working directory.
func Fchdir(fd int) error {
	return os.NewSyscallError("fchdir", unix.Fchdir(fd))
}

// Chdir makes path the working directory.
func Chdir(path string) error {
	if err := unix.Chdir(path); err != nil {
		return &os.PathError{Op: "chdir", Path: path, Err: err}
	}
	return nil
}

// Chroot makes path the root directory.
func Chroot(path string) error {
	if err := unix.Chroot(path); err != nil {
		return &os.PathError{Op: "chroot", Path: path, Err: err}
	}
	return nil
}

// Umask sets the file mode creation mask of the process and returns the one before.
func Umask(mask int) int { return unix.Umask(mask) }

// Fstat describes the file behind fd, which may be O_PATH.
func Fstat(fd int) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := retryEINTR(func() error { return unix.Fstat(fd, &st) })
	return st, os.NewSyscallError("fstat", err)
}

// Statx describes the file behind fd with its mount id: basic fields, STATX_MNT_ID and the attributes (Linux 5.8).
func Statx(fd int) (unix.Statx_t, error) {
	var st unix.Statx_t
	err := retryEINTR(func() error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st)
	})
	return st, os.NewSyscallError("statx", err)
}

// Filesystem describes the filesystem and the mount that fd lies on: f_type and the ST_* flags.
type Filesystem struct {
	Type  uint32 // a *_MAGIC number; they all fit 32 bits
	Flags uint64 // ST_RDONLY (1), ST_NOSUID (2), ...
}

// Fstatfs describes the filesystem of fd.
func Fstatfs(fd int) (Filesystem, error) {
	var st unix.Statfs_t
	err := retryEINTR(func() error { return unix.Fstatfs(fd, &st) })
	if err != nil {
		return Filesystem{}, os.NewSyscallError("fstatfs", err)
	}
	return Filesystem{Type: uint32(st.Type), Flags: uint64(st.Flags)}, nil
}

// Readlinkat reads the symbolic link name in the directory dirfd. The error is EINVAL for another kind of file.
func Readlinkat(dirfd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax) // a link's text is shorter: PATH_MAX counts the final NUL
	n, err := 0, error(nil)
	err = retryEINTR(func() error {
		n, err = unix.Readlinkat(dirfd, name, buf)
		return err
	})
	if err != nil {
		return "", &os.PathError{Op: "readlinkat", Path: name, Err: err}
	}
	return string(buf[:n]), nil
}

// Getcwd gives the path of the working directory. One that cannot be reached from the root starts with
// "(unreachable)". getcwd(2), which a Go program must call bare: os.Getwd believes $PWD.
func Getcwd() (string, error) {
	var b [unix.PathMax]byte
	n, err := unix.Getcwd(b[:])
	if err != nil {
		return "", os.NewSyscallError("getcwd", err)
	}
	return string(b[:max(n-1, 0)]), nil
}

// Mode gives the type and permissions of the file at path. stat(2).
func Mode(path string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Mode, nil
}

// AccessExec tells whether the effective user may execute the file. faccessat2(2), Linux 5.8. The error is bare.
func AccessExec(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}
