package sys

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// StatfsType returns the magic number of the file system at path (statfs(2)), such as unix.CGROUP2_SUPER_MAGIC.
func StatfsType(path string) (int64, error) {
	var st unix.Statfs_t
	if err := retryEINTR(func() error { return unix.Statfs(path, &st) }); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(uint32(st.Type)), nil // 32 bits everywhere; Type's width differs by architecture
}

// CgroupOpenMount opens the root of a cgroup tree as a place to reach others from (O_PATH). The caller owns the descriptor.
func CgroupOpenMount(path string) (int, error) {
	fd, err := retryEINTRInt(func() (int, error) {
		return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// CgroupOpenDir opens the cgroup at path below dir (O_PATH: enough to create and open entries below, for CLONE_INTO_CGROUP
// and for BPF_PROG_ATTACH), never leaving dir nor its mount. The caller owns the descriptor.
func CgroupOpenDir(dir int, path string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	// EAGAIN: a rename or a mount elsewhere raced with the walk (openat2(2)); nothing to wait for.
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(dir, path, &how)
		switch {
		case err == nil:
			return fd, nil
		case (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) && tries < 32:
		default:
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// CgroupOpen opens a file of the cgroup dir for reading or writing. The caller owns the descriptor.
func CgroupOpen(dir int, file string, flags int) (int, error) {
	fd, err := retryEINTRInt(func() (int, error) {
		return unix.Openat(dir, file, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: file, Err: err}
	}
	return fd, nil
}

// CgroupMkdir makes a cgroup below dir.
func CgroupMkdir(dir int, name string) error {
	if err := retryEINTR(func() error { return unix.Mkdirat(dir, name, 0o755) }); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

// CgroupRmdir removes the cgroup at path, relative to dir unless absolute.
func CgroupRmdir(dir int, path string) error {
	if err := retryEINTR(func() error { return unix.Unlinkat(dir, path, unix.AT_REMOVEDIR) }); err != nil {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

// CgroupWrite writes value to a file of the cgroup dir in one write(2), as the kernel parses them.
func CgroupWrite(dir int, file, value string) error {
	fd, err := CgroupOpen(dir, file, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := retryEINTR(func() error { _, err := unix.Write(fd, []byte(value)); return err }); err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// CgroupReadSmall returns the contents of a file of the cgroup dir that the kernel writes in one piece of less than a page
// (cgroup.controllers, cgroup.subtree_control, *.events): one read(2), with none to see the end.
func CgroupReadSmall(dir int, file string) ([]byte, error) {
	fd, err := CgroupOpen(dir, file, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n, err := retryEINTRInt(func() (int, error) { return unix.Read(fd, buf) })
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: file, Err: err}
	}
	return buf[:n], nil
}

// CgroupRead returns the contents of a file of the cgroup dir, of any length (cgroup.procs).
func CgroupRead(dir int, file string) ([]byte, error) {
	fd, err := CgroupOpen(dir, file, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, 4096)
	for {
		n, err := retryEINTRInt(func() (int, error) { return unix.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: file, Err: err}
		}
		if n == 0 {
			return buf, nil
		}
		buf = buf[:len(buf)+n]
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// CgroupEvents re-reads, from its start, a small file that is kept open to wait on (cgroup.events).
func CgroupEvents(fd int, buf []byte) (int, error) {
	n, err := retryEINTRInt(func() (int, error) { return unix.Pread(fd, buf, 0) })
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: "cgroup.events", Err: err}
	}
	return n, nil
}

// PollPri waits until the file has changed since it was last read (POLLPRI, as cgroup.events and memory.events say it) or
// the time is over, which it reports as false. A removed cgroup is a change too.
func PollPri(fd int, timeout time.Duration) (bool, error) {
	err := pollBy(fd, unix.POLLPRI, time.Now().Add(timeout))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// CgroupChildren lists the names of the cgroups below dir. The order is the kernel's.
func CgroupChildren(dir int) ([]string, error) {
	fd, err := CgroupOpen(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "cgroup")
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// retryEINTRInt is retryEINTR for calls that return a number.
func retryEINTRInt(f func() (int, error)) (n int, err error) {
	err = retryEINTR(func() (e error) { n, e = f(); return e })
	return n, err
}
