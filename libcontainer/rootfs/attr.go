package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// attach gives the detached mount tree its attributes, first those for the whole tree and then those for its top, and moves it onto target.
func (r *Rootfs) attach(tree, target int, all, top mountopt.Attrs) error {
	err := r.setAttrs(tree, true, all)
	if err == nil {
		err = r.setAttrs(tree, false, top)
	}
	late := errors.Is(err, unix.ENOSYS)
	if err != nil && !late {
		return err
	}
	if err := sys.MoveMount(tree, target); err != nil {
		return err
	}
	if late {
		return r.remountAttrs(tree, all, top)
	}
	return nil
}

// setAttrs changes the attributes of a mount or a tree of mounts.
//
// In a user namespace the flags that a mount brought along are locked: they cannot be cleared, and its access-time mode cannot be
// changed (EPERM). Nothing that we set can fail for that, so what is locked stays, and the rest is set.
func (r *Rootfs) setAttrs(fd int, recursive bool, a mountopt.Attrs) error {
	if a.IsZero() {
		return nil
	}
	if r.noSetattr {
		return unix.ENOSYS
	}
	err := sys.MountSetattr(fd, recursive, unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear})
	if errors.Is(err, unix.EPERM) && a.Clear != 0 && r.opts.UserNS {
		a = mountopt.Attrs{Set: a.Set &^ unix.MOUNT_ATTR__ATIME}
		if a.IsZero() {
			return nil
		}
		err = sys.MountSetattr(fd, recursive, unix.MountAttr{Attr_set: a.Set})
	}
	r.noSetattr = errors.Is(err, unix.ENOSYS)
	return err
}

// restrict adds attributes to an attached mount, with what the kernel has for it.
func (r *Rootfs) restrict(fd int, set uint64) error {
	a := mountopt.Attrs{Set: set}
	err := r.setAttrs(fd, false, a)
	if errors.Is(err, unix.ENOSYS) {
		return r.remountAttrs(fd, mountopt.Attrs{}, a)
	}
	return err
}

// remountAttrs is setAttrs for Linux 5.10 and 5.11, which have no mount_setattr(2): mount(2) can do it to one mount, and
// only once that is attached, so that for an instant the mount is there without its attributes.
func (r *Rootfs) remountAttrs(fd int, all, top mountopt.Attrs) error {
	if !all.IsZero() {
		return fmt.Errorf("recursive mount options need Linux 5.12: %w", unix.ENOSYS)
	}
	fs, err := sys.Fstatfs(fd)
	if err != nil {
		return err
	}
	// A remount replaces all flags, and may drop none that is locked.
	flags := remountFlags(fs.Flags, top)
	return r.proc.WithPath(fd, func(path string) error {
		return sys.Mount("", path, "", flags, "")
	})
}

// remountFlags are mount(2)'s flags for a mount that has the ST_* flags and gets the change a.
func remountFlags(has uint64, a mountopt.Attrs) uintptr {
	const (
		stRelatime    = 0x1000
		stNosymfollow = 0x2000
	)
	flags := uint64(unix.MS_REMOUNT | unix.MS_BIND)
	for _, f := range [...]struct{ st, attr, ms uint64 }{
		{unix.ST_RDONLY, unix.MOUNT_ATTR_RDONLY, unix.MS_RDONLY},
		{unix.ST_NOSUID, unix.MOUNT_ATTR_NOSUID, unix.MS_NOSUID},
		{unix.ST_NODEV, unix.MOUNT_ATTR_NODEV, unix.MS_NODEV},
		{unix.ST_NOEXEC, unix.MOUNT_ATTR_NOEXEC, unix.MS_NOEXEC},
		{unix.ST_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME, unix.MS_NODIRATIME},
		{stNosymfollow, unix.MOUNT_ATTR_NOSYMFOLLOW, unix.MS_NOSYMFOLLOW},
	} {
		if (has&f.st != 0 || a.Set&f.attr != 0) && a.Clear&f.attr == 0 {
			flags |= f.ms
		}
	}
	atime := a.Set & unix.MOUNT_ATTR__ATIME
	given := a.Clear&unix.MOUNT_ATTR__ATIME != 0
	switch {
	case given && atime == unix.MOUNT_ATTR_NOATIME, !given && has&unix.ST_NOATIME != 0:
		flags |= unix.MS_NOATIME
	case given && atime == unix.MOUNT_ATTR_RELATIME, !given && has&stRelatime != 0:
		flags |= unix.MS_RELATIME
	default:
		flags |= unix.MS_STRICTATIME
	}
	return uintptr(flags)
}

// propagate sets the propagation type (MS_SHARED, ..., with or without MS_REC) of an attached mount.
func (r *Rootfs) propagate(fd int, flags uint32) error {
	if !r.noSetattr {
		err := sys.MountSetattr(fd, flags&unix.MS_REC != 0, unix.MountAttr{Propagation: uint64(flags &^ unix.MS_REC)})
		if r.noSetattr = errors.Is(err, unix.ENOSYS); !r.noSetattr {
			return err
		}
	}
	return r.proc.WithPath(fd, func(path string) error {
		return sys.Mount("", path, "", uintptr(flags), "")
	})
}

func (r *Rootfs) propagateAll(fd int, list []uint32) error {
	for _, flags := range list {
		if err := r.propagate(fd, flags); err != nil {
			return fmt.Errorf("set propagation: %w", err)
		}
	}
	return nil
}
