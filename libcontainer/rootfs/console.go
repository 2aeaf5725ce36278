package rootfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
)

// Console mounts the terminal slave on /dev/console, which becomes the process's own. slave is borrowed. It must be of a devpts that is mounted in
// our namespace: after Pivot, of the container's own.
//
// The node is bound by the descriptor that is the terminal, not by the name /dev/pts/N, which the container can put anything under (CVE-2025-52565).
func (r *Rootfs) Console(slave *os.File) error {
	if err := r.console(int(slave.Fd())); err != nil {
		return fmt.Errorf("mount terminal on /dev/console: %w", err)
	}
	return nil
}

func (r *Rootfs) console(slave int) error {
	fs, err := sys.Fstatfs(slave)
	if err != nil {
		return err
	}
	st, err := sys.Fstat(slave)
	if err != nil {
		return err
	}
	// Unix98 slaves have the majors 136 to 143.
	major := unix.Major(uint64(st.Rdev))
	if fs.Type != unix.DEVPTS_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFCHR || major < 136 || major > 143 {
		return fmt.Errorf("%w: it is %s, not a pseudo-terminal", ErrRefused, describe(st.Mode, uint64(st.Rdev)))
	}
	tree, err := sys.OpenTree(slave, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	target, err := r.consoleTarget()
	if err != nil {
		return err
	}
	defer sys.Close(target)
	return sys.MoveMount(tree, target)
}

// consoleTarget returns the file /dev/console to mount on, made if need be; a link there is neither followed nor covered.
func (r *Rootfs) consoleTarget() (int, error) {
	dev, err := r.root.MkdirAll("/dev", 0o755)
	if err != nil {
		return -1, err
	}
	defer sys.Close(dev)
	fd, err := fsroot.CreateFileAt(dev, "console", 0o600)
	if errors.Is(err, unix.ELOOP) {
		return -1, fmt.Errorf("%w: /dev/console is a symbolic link", ErrRefused)
	}
	if err != nil {
		return -1, err
	}
	st, err := sys.Fstat(fd)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFCHR {
		err = fmt.Errorf("%w: /dev/console is %s", ErrRefused, describe(st.Mode, uint64(st.Rdev)))
	}
	if err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}
