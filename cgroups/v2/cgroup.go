package v2

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Tree is a mounted cgroup v2 hierarchy.
type Tree struct {
	Mount       string   // where it is mounted
	Controllers []string // those that its root has: on a hybrid host, few or none

	fd int
}

// OpenTree opens the hierarchy mounted there. It is to be closed.
func OpenTree(mount string) (*Tree, error) {
	fd, err := sys.CgroupOpenMount(mount)
	if err != nil {
		return nil, err
	}
	controllers, err := sys.CgroupReadSmall(fd, "cgroup.controllers")
	if err != nil {
		sys.Close(fd)
		return nil, fmt.Errorf("list the controllers of %s: %w", mount, err)
	}
	return &Tree{Mount: mount, Controllers: strings.Fields(string(controllers)), fd: fd}, nil
}

// Close gives back the tree's descriptor; the cgroups made in it stay usable.
func (t *Tree) Close() error { return unix.Close(t.fd) }

// Cgroup is one cgroup. It is not safe for concurrent use.
type Cgroup struct {
	Dir string // its directory's absolute path

	dir  *os.File // opened at the first need
	made []string // absolute paths of what Create made, from the top
}

// At returns the cgroup with that directory, without looking at it.
func At(dir string) *Cgroup { return &Cgroup{Dir: dir} }

// File returns the cgroup's directory, opened with O_PATH: good for CLONE_INTO_CGROUP, BPF_PROG_ATTACH and openat. It belongs
// to the Cgroup.
func (c *Cgroup) File() (*os.File, error) {
	if c.dir != nil {
		return c.dir, nil
	}
	fd, err := sys.CgroupOpenMount(c.Dir)
	if err != nil {
		return nil, err
	}
	c.dir = os.NewFile(uintptr(fd), c.Dir)
	return c.dir, nil
}

// Open opens one of the cgroup's files for reading and writing. It belongs to the caller.
func (c *Cgroup) Open(file string) (*os.File, error) {
	if _, err := c.File(); err != nil {
		return nil, err
	}
	fd, err := sys.CgroupOpen(c.fd(), file, unix.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open %s/%s: %w", c.Dir, file, errno(err))
	}
	return os.NewFile(uintptr(fd), c.Dir+"/"+file), nil
}

// fd is the directory's descriptor, which must be open.
func (c *Cgroup) fd() int { return int(c.dir.Fd()) }

// Close gives back the descriptor, if there is one. The Cgroup stays usable.
func (c *Cgroup) Close() error {
	if c.dir == nil {
		return nil
	}
	err := c.dir.Close()
	c.dir = nil
	return err
}

// AddProcess moves a process into the cgroup. To be born in it (CLONE_INTO_CGROUP) is better: a migration takes a lock that
// all forks of the host wait for.
func (c *Cgroup) AddProcess(pid int) error {
	if _, err := c.File(); err != nil {
		return err
	}
	err := sys.CgroupWrite(c.fd(), "cgroup.procs", fmt.Sprint(pid))
	if err == nil {
		return nil
	}
	err = fmt.Errorf("move process %d into cgroup %s: %w", pid, c.Dir, errno(err))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: it is threaded, or below a threaded one", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: it gives controllers to cgroups below it, and so can have no processes itself", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: moving needs write access to the common parent of the old and the new cgroup", err)
	}
	return err
}

// gone says that the cgroup has been removed: ENOENT for a path and for a file below an open directory, ENODEV for a file
// that was open.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV)
}

// HasValue says whether a file has that value. A cgroup that is gone has none.
func (c *Cgroup) HasValue(file, value string) (bool, error) {
	_, err := c.File()
	var now []byte
	if err == nil {
		now, err = sys.CgroupReadSmall(c.fd(), file)
	}
	if err != nil && !gone(err) {
		return false, fmt.Errorf("read %s/%s: %w", c.Dir, file, errno(err))
	}
	return err == nil && strings.TrimSpace(string(now)) == value, nil
}

// ReplaceValue writes value to a file that still has the value until.
func (c *Cgroup) ReplaceValue(file, until, value string) error {
	still, err := c.HasValue(file, until)
	if err != nil || !still {
		return err
	}
	if err := sys.CgroupWrite(c.fd(), file, value); err != nil && !gone(err) {
		return fmt.Errorf("write %q to %s/%s: %w", value, c.Dir, file, errno(err))
	}
	return nil
}
