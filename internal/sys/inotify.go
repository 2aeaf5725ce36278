package sys

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// InotifyInit returns a new inotify(7) instance, which never blocks. The caller owns the descriptor.
func InotifyInit() (int, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("inotify_init1", err)
	}
	return fd, nil
}

// InotifyWatch adds a path to those that the instance watches for the events of mask (IN_*).
func InotifyWatch(fd int, path string, mask uint32) error {
	err := retryEINTR(func() error { _, err := unix.InotifyAddWatch(fd, path, mask); return err })
	if err != nil {
		return &fs.PathError{Op: "inotify_add_watch", Path: path, Err: err}
	}
	return nil
}

// InotifyDrain reads and forgets what has been reported so far, so that the descriptor is not ready until the next event.
func InotifyDrain(fd int) error {
	buf := make([]byte, 4096) // room for the longest event: a header and a name of NAME_MAX
	for {
		_, err := retryEINTRInt(func() (int, error) { return unix.Read(fd, buf) })
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return os.NewSyscallError("read", err)
		}
	}
}
