package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// ReadonlyPaths makes what linux.readonlyPaths lists read-only, with all that is mounted below. A path that does not exist is skipped.
func (r *Rootfs) ReadonlyPaths() error {
	if r.spec.Linux == nil {
		return nil
	}
	for i, unsafePath := range r.spec.Linux.ReadonlyPaths {
		if err := r.readonlyPath(unsafePath); err != nil {
			return fmt.Errorf("linux.readonlyPaths[%d] (/linux/readonlyPaths/%d): make %s read-only: %w", i, i, unsafePath, err)
		}
	}
	return nil
}

// readonlyPath covers a path with a read-only copy of what it is. The one descriptor serves from the look-up to the mount: steps that
// look the path up again could be sent to different files.
func (r *Rootfs) readonlyPath(unsafePath string) error {
	fd, err := r.openExisting(unsafePath)
	if err != nil || fd < 0 {
		return err
	}
	defer sys.Close(fd)
	tree, err := sys.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	err = r.attach(tree, fd, mountopt.Attrs{Set: unix.MOUNT_ATTR_RDONLY}, mountopt.Attrs{})
	if errors.Is(err, unix.ENOSYS) {
		// Linux 5.10 and 5.11: the top only, as every runtime did then.
		return r.restrict(tree, unix.MOUNT_ATTR_RDONLY)
	}
	return err
}

// openExisting opens an absolute path of the spec; -1 without an error when there is no such file.
func (r *Rootfs) openExisting(unsafePath string) (int, error) {
	if unsafePath == "" || unsafePath[0] != '/' {
		return -1, fmt.Errorf("not an absolute path: %w", unix.EINVAL)
	}
	fd, err := r.root.Open(unsafePath)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return -1, nil
	}
	return fd, err
}

// MaskedPaths makes what linux.maskedPaths lists unreadable: a directory is covered with an empty read-only one, anything else with the null
// device. A path that does not exist is skipped. Call it after ReadonlyPaths: a mask in a read-only path stays a mask, the other
// way round the read-only copy would be made of the mask.
func (r *Rootfs) MaskedPaths() error {
	if r.spec.Linux == nil || len(r.spec.Linux.MaskedPaths) == 0 {
		return nil
	}
	empty := cover{fd: -1}
	defer empty.close()
	for i, unsafePath := range r.spec.Linux.MaskedPaths {
		if err := r.maskPath(unsafePath, &empty); err != nil {
			return fmt.Errorf("linux.maskedPaths[%d] (/linux/maskedPaths/%d): mask %s: %w", i, i, unsafePath, err)
		}
	}
	return nil
}

func (r *Rootfs) maskPath(unsafePath string, empty *cover) error {
	fd, err := r.openExisting(unsafePath)
	if err != nil || fd < 0 {
		return err
	}
	defer sys.Close(fd)
	st, err := sys.Fstat(fd)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return r.null.put(fd)
	}
	if empty.fd < 0 {
		if empty.fd, err = r.newEmpty(); err != nil {
			return err
		}
	}
	return empty.put(fd)
}

// newEmpty makes an empty directory that stays empty.
func (r *Rootfs) newEmpty() (int, error) {
	o := mountopt.Options{
		SuperSet: mountopt.SuperReadOnly,
		Data: []mountopt.Datum{
			{Key: "nr_blocks", Value: "1", HasValue: true},
			{Key: "nr_inodes", Value: "1", HasValue: true},
			{Key: "mode", Value: "755", HasValue: true},
		},
	}
	return newMount("tmpfs", "tmpfs", r.labelOf("tmpfs", &o), &o, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

// cover is a mount that goes over many files: first itself, then copies of it. One superblock instead of one for each path; and before Linux
// 6.15 only an attached mount can be copied.
type cover struct {
	fd   int // -1: not made
	used bool
}

func (c *cover) put(target int) error {
	if c.fd < 0 {
		return fmt.Errorf("no null device to cover it with: %w", unix.ENODEV)
	}
	if !c.used {
		err := sys.MoveMount(c.fd, target)
		c.used = err == nil
		return err
	}
	again, err := sys.OpenTree(c.fd, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer sys.Close(again)
	return sys.MoveMount(again, target)
}

func (c *cover) close() {
	if c.fd >= 0 {
		sys.Close(c.fd)
	}
	c.fd = -1
}

// openNull gets the null device for masks: the container's, which Devices has just made or checked, and is checked again by what the
// descriptor is, or the host's. A path would not do: the image can put anything at /dev/null (CVE-2025-31133).
func (r *Rootfs) openNull(dev int) error {
	if r.spec.Linux == nil || len(r.spec.Linux.MaskedPaths) == 0 {
		return nil
	}
	rdev := unix.Mkdev(1, 3)
	if dev < 0 {
		fd, err := cloneNode("/dev/null", unix.S_IFCHR, rdev)
		if err != nil {
			return fmt.Errorf("null device for masked paths: %w", err)
		}
		r.null = cover{fd: fd}
		return nil
	}
	node, err := fsroot.OpenAt(dev, "null", unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("null device for masked paths: %w", err)
	}
	defer sys.Close(node)
	st, err := sys.Statx(node)
	null := device{kind: unix.S_IFCHR, rdev: rdev}
	if err == nil && !null.is(&st) {
		err = null.mismatch(&st)
	}
	if err == nil {
		r.null.fd, err = sys.OpenTree(node, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	}
	if err != nil {
		return fmt.Errorf("null device for masked paths: %w", err)
	}
	return nil
}
