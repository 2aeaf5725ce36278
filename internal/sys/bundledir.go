package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotRegular says that a file is something else than a regular file: reading it might block, or never end.
var ErrNotRegular = errors.New("not a regular file")

// BundleDir is an open bundle directory. It is on the runtime's side and trusted: symbolic links are followed.
type BundleDir struct {
	fd   int
	path string
}

// OpenBundleDir opens the directory at path. Close it.
func OpenBundleDir(path string) (*BundleDir, error) {
	fd, err := Openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, &os.PathError{Op: "open bundle", Path: path, Err: errors.Unwrap(err)}
	}
	return &BundleDir{fd: fd, path: path}, nil
}

// Close closes the directory.
func (d *BundleDir) Close() { Close(d.fd) }

// ReadFile reads the regular file name, which may hold up to limit bytes. Errors are *os.PathError: ErrNotRegular, EFBIG.
func (d *BundleDir) ReadFile(name string, limit int64) ([]byte, error) {
	path := d.path + "/" + name
	// O_NONBLOCK: a fifo in the file's place must not hold the open up.
	fd, err := Openat(d.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	defer Close(fd)
	st, err := Fstat(fd)
	if err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: errors.Unwrap(err)}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &os.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	data, err := readAtMost(fd, st.Size, limit)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

// ReadStream reads the file at path to its end, up to limit bytes. It need not be a regular one: a pipe is waited for.
func ReadStream(path string, limit int64) ([]byte, error) {
	fd, err := Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer Close(fd)
	data, err := readAtMost(fd, 0, limit)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

// CheckDirectory says what is wrong when path, absolute or relative to the bundle, is no directory: an errno.
func (d *BundleDir) CheckDirectory(path string) error {
	var st unix.Stat_t
	err := retryEINTR(func() error { return unix.Fstatat(d.fd, path, &st, 0) })
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	return err
}

// readAtMost reads to the end of the file. Its size is a hint: a file may grow, and procfs says 0.
func readAtMost(fd int, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, tooLarge(limit)
	}
	data := make([]byte, 0, size+512)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		var n int
		err := retryEINTR(func() (err error) {
			n, err = unix.Read(fd, data[len(data):cap(data)])
			return err
		})
		if err != nil || n == 0 {
			return data, err
		}
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, tooLarge(limit)
		}
	}
}

func tooLarge(limit int64) error {
	return fmt.Errorf("larger than %d bytes: %w", limit, unix.EFBIG)
}
