package sys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// The functions below work in a directory of the runtime's own, where nobody else makes names.

// OpenDir opens the directory at path, which must not be a symbolic link.
func OpenDir(path string) (*os.File, error) {
	return OpenAt(nil, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// OpenAt opens name in dir, or from the working directory for a nil dir. openat(2).
func OpenAt(dir *os.File, name string, flags int) (*os.File, error) {
	at, path := unix.AT_FDCWD, name
	if dir != nil {
		at, path = int(dir.Fd()), filepath.Join(dir.Name(), name)
	}
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Openat(at, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadFile reads a file of the kernel's or of our own. Not so os.ReadFile: it starts the poller of the Go runtime,
// with descriptors that stay.
func ReadFile(path string) ([]byte, error) { return ReadFileAt(nil, path) }

// WriteFile writes to a file of the kernel's, in one write.
func WriteFile(path string, content []byte) error {
	f, err := OpenAt(nil, path, unix.O_WRONLY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := unix.Write(int(f.Fd()), content); err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// ReadFileAt reads the regular file name in dir.
func ReadFileAt(dir *os.File, name string) ([]byte, error) {
	f, err := OpenAt(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// readAll reads a file to its end: one of our own in two reads, as its size is known.
func readAll(f *os.File) ([]byte, error) {
	st, err := Fstat(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, max(st.Size, 511)+1) // the kernel's have no size, or a wrong one
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		case len(b) == cap(b):
			b = slices.Grow(b, cap(b))
		}
	}
}

// MakeDir makes a directory of exactly that mode. What is there already is fs.ErrExist, and stays as it is.
func MakeDir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // whatever the umask: an ordinary user could not even enter what it has made
}

// MakeDirs is MakeDir for a directory and those above it that are missing. One that is there already is fine.
func MakeDirs(path string, mode os.FileMode) error {
	err := MakeDir(path, mode)
	if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		if err := MakeDirs(filepath.Dir(path), mode); err != nil {
			return err
		}
		err = MakeDir(path, mode)
	}
	if st, statErr := os.Stat(path); errors.Is(err, fs.ErrExist) && statErr == nil {
		if st.IsDir() {
			return nil
		}
		return &os.PathError{Op: "mkdir", Path: path, Err: unix.ENOTDIR} // it exists: but that is not what is wrong with it
	}
	return err
}

// WriteFileAt writes the file name in dir, in the place of one that is there.
func WriteFileAt(dir *os.File, name string, content []byte, mode uint32) error {
	return writeFresh(int(dir.Fd()), dir.Name(), name, content, mode, exactly)
}

// RenameAt renames a file in dir, over one that has the name to.
func RenameAt(dir *os.File, from, to string) error {
	at := int(dir.Fd())
	if err := unix.Renameat(at, from, at, to); err != nil {
		return &os.PathError{Op: "rename", Path: filepath.Join(dir.Name(), to), Err: err}
	}
	return nil
}

// MkfifoAt makes a fifo of exactly that mode in dir, for that owner.
func MkfifoAt(dir *os.File, name string, mode uint32, uid, gid int) error {
	at, path := int(dir.Fd()), filepath.Join(dir.Name(), name)
	if err := unix.Mknodat(at, name, unix.S_IFIFO|mode, 0); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	if err := unix.Fchmodat(at, name, mode, 0); err != nil { // whatever the umask
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	if uid == os.Geteuid() && gid == os.Getegid() {
		return nil
	}
	if err := unix.Fchownat(at, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "chown", Path: path, Err: err}
	}
	return nil
}

// ExistsAt tells whether name is in dir.
func ExistsAt(dir *os.File, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// Unlinked tells whether the open directory was removed.
func Unlinked(dir *os.File) (bool, error) {
	st, err := Fstat(int(dir.Fd()))
	return st.Nlink == 0, err
}

// OwnerOf gives the uid of the open file's owner.
func OwnerOf(f *os.File) (uint32, error) {
	st, err := Fstat(int(f.Fd()))
	return st.Uid, err
}

// Owner gives the uid of the owner of what path names, as this process's user namespace sees it. stat(2).
func Owner(path string) (uint32, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Stat(path, &st) }); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Uid, nil
}
