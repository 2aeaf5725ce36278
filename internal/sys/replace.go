package sys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ReplaceFileAt writes the file name in dir by way of a new file that is renamed over it: a reader sees the
// old content or the new. It is not synced to a disk: state lives on a tmpfs, and after a crash of the whole
// host there is no container to know of.
func ReplaceFileAt(dir *os.File, name string, content []byte, mode uint32) error {
	return replaceFile(int(dir.Fd()), dir.Name(), name, content, mode, exactly)
}

// ReplaceFile is ReplaceFileAt for a path of the caller's, whose umask counts. What is a stream there is written to: in its
// place a file would be no gift to the host, if the path is /dev/null or /dev/stdout.
func ReplaceFile(path string, content []byte, mode uint32) error {
	stream, err := openStream(path)
	if err != nil {
		return err
	}
	if stream >= 0 {
		defer Close(stream)
		if err := Write(stream, content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	at, err := Openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer Close(at)
	return replaceFile(at, dir, name, content, mode, lessUmask)
}

// Whether a file has exactly the mode it is made with, or what the caller's umask leaves of it.
const (
	lessUmask = false
	exactly   = true
)

func replaceFile(at int, dir, name string, content []byte, mode uint32, exact bool) error {
	fresh := "." + name
	if err := writeFresh(at, dir, fresh, content, mode, exact); err != nil {
		return err
	}
	if err := unix.Renameat(at, fresh, at, name); err != nil {
		_ = unix.Unlinkat(at, fresh, 0)
		return &os.PathError{Op: "rename", Path: filepath.Join(dir, name), Err: err}
	}
	return nil
}

// writeFresh writes a file that was not there. What is there under the name was left by a runtime that was killed,
// or is a trap, a fifo or a link: it goes.
func writeFresh(at int, dir, name string, content []byte, mode uint32, exact bool) error {
	fail := func(op string, err error) error {
		return &os.PathError{Op: op, Path: filepath.Join(dir, name), Err: err}
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, name, flags, mode)
	if errors.Is(err, unix.EEXIST) {
		_ = unix.Unlinkat(at, name, 0)
		fd, err = unix.Openat(at, name, flags, mode)
	}
	if err != nil {
		return fail("create", err)
	}
	if exact {
		err = unix.Fchmod(fd, mode)
	}
	if err == nil {
		err = Write(fd, content)
	}
	unix.Close(fd)
	if err != nil {
		_ = unix.Unlinkat(at, name, 0)
		return fail("write", err)
	}
	return nil
}

// openStream opens for writing what stands at path if that is a character device, a FIFO, or a link to a descriptor of the caller's own, as
// /dev/stdout is. -1 without an error: there is nothing, or what can be replaced: a file, or any other link, which is not followed. A block device
// and a socket are neither: an error.
func openStream(path string) (fd int, err error) {
	handle, err := Openat(unix.AT_FDCWD, path, unix.O_PATH)
	if err != nil {
		return -1, nil // nothing, or nothing yet: to write says what is wrong
	}
	defer Close(handle)
	st, err := Fstat(handle)
	if err != nil {
		return -1, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFIFO:
	case unix.S_IFBLK, unix.S_IFSOCK:
		return -1, &os.PathError{Op: "write", Path: path, Err: unix.EOPNOTSUPP}
	default:
		if target, _ := os.Readlink(path); !strings.HasPrefix(target, "/proc/self/fd/") {
			return -1, nil
		}
	}
	// What was looked at is what is opened. O_NONBLOCK: a FIFO that nobody reads is ENXIO, not a wait without an end.
	fd, err = Openat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", handle), unix.O_WRONLY|unix.O_APPEND|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	_ = unix.SetNonblock(fd, false) // who reads may be slower than we write
	return fd, nil
}
