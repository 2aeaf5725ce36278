package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Pivot makes the container's root the root of the mount namespace and of the process, with "/" as working directory,
// and detaches everything of the host. Handles taken before stay what they were.
func (r *Rootfs) Pivot() error {
	if err := sys.Fchdir(r.root.FD()); err != nil {
		return err
	}
	if r.opts.Inherited { // the root of the mount namespace is not ours to change
		return enterDot()
	}
	if r.opts.NoPivot {
		return r.moveRoot()
	}
	old, err := sys.Openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer sys.Close(old)
	// With both names the working directory, the old root ends up on top of the new one, at the same place: no directory
	// is needed to put it in. pivot_root(2), NOTES.
	if err := sys.PivotRoot(".", "."); err != nil {
		return err
	}
	if r.shared {
		// What is mounted in the old root can still be a peer of the host's mounts: detaching would unmount those. Not
		// before the pivot, as the container's own shared mounts were below it then.
		if err := r.propagate(old, unix.MS_SLAVE|unix.MS_REC); err != nil {
			return fmt.Errorf("cut the old root off: %w", err)
		}
	}
	// umount2 goes to the top of what is mounted at ".": the old root.
	if err := sys.Umount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return sys.Chdir("/")
}

// moveRoot is Pivot where the root is an initramfs, which cannot be pivoted away from. It is weaker: the initramfs stays below, and a process
// that breaks out of the chroot finds it. At least it shall find no procfs and sysfs there that are not masked.
func (r *Rootfs) moveRoot() error {
	if r.shared {
		// An unmount shows wherever its parent mount is shared: only "/" itself, as the container's mounts below it may be shared.
		if err := sys.Mount("", "/", "", unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("cut the old root off: %w", err)
		}
	}
	for _, path := range [...]string{"/proc", "/sys"} {
		if err := hide(path); err != nil {
			return fmt.Errorf("hide the host's %s: %w", path, err)
		}
	}
	root, err := sys.Openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer sys.Close(root)
	if err := sys.MoveMount(r.root.FD(), root); err != nil {
		return err
	}
	return enterDot()
}

// Enter makes a directory the process's root, and its working directory.
func Enter(dir int) error {
	if err := sys.Fchdir(dir); err != nil {
		return err
	}
	return enterDot()
}

// enterDot makes the working directory the process's root.
func enterDot() error {
	if err := sys.Chroot("."); err != nil {
		return err
	}
	return sys.Chdir("/")
}

// hide unmounts what is mounted at path, with all below, or covers it.
func hide(path string) error {
	err := sys.Mount("", path, "", unix.MS_SLAVE|unix.MS_REC, "")
	if err == nil {
		err = sys.Umount(path, unix.MNT_DETACH)
	}
	// EINVAL: no mount of its own, or one that the user namespace locks. EPERM: no right to.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		err = sys.Mount("tmpfs", path, "tmpfs", unix.MS_RDONLY, "")
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// Propagation gives the container's root what linux.rootfsPropagation says.
func (r *Rootfs) Propagation() error {
	flags, err := r.rootPropagation()
	if err != nil || flags == 0 {
		return err
	}
	if err := r.propagate(r.root.FD(), flags); err != nil {
		return fmt.Errorf("set propagation of the root file system (/linux/rootfsPropagation): %w", err)
	}
	return nil
}

// Readonly makes the mounts read-only that had to be written to before (a "ro" tmpfs, /dev), and the root when root.readonly says so.
func (r *Rootfs) Readonly() error {
	for len(r.deferred) > 0 {
		d := r.deferred[0]
		r.deferred = r.deferred[1:]
		err := r.restrict(d.mount, unix.MOUNT_ATTR_RDONLY)
		sys.Close(d.mount)
		if err != nil {
			return fmt.Errorf("mounts[%d] (/mounts/%d): make %s read-only: %w", d.index, d.index, d.destination, err)
		}
	}
	if r.spec.Root == nil || !r.spec.Root.Readonly {
		return nil
	}
	if err := r.restrict(r.root.FD(), unix.MOUNT_ATTR_RDONLY); err != nil {
		return fmt.Errorf("make the root file system read-only (/root/readonly): %w", err)
	}
	return nil
}
