package sys

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenTree opens path, relative to dirfd, as the root of a mount tree. flags are OPEN_TREE_CLONE, AT_RECURSIVE,
// AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. The descriptor belongs to the caller; a clone is detached, and is gone with the
// descriptor unless MoveMount attached it. Linux 5.2, open_tree(2).
func OpenTree(dirfd int, path string, flags uint) (fd int, err error) {
	err = retryEINTR(func() error {
		fd, err = unix.OpenTree(dirfd, path, flags|unix.O_CLOEXEC) // OPEN_TREE_CLOEXEC is O_CLOEXEC
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	return fd, nil
}

// MoveMount attaches the mount from on top of what to refers to. Both descriptors are borrowed; from then refers to the
// attached mount. Linux 5.2, move_mount(2).
func MoveMount(from, to int) error {
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	return os.NewSyscallError("move_mount", retryEINTR(func() error {
		return unix.MoveMount(from, "", to, "", flags)
	}))
}

// MountSetattr sets the attributes of the mount whose root fd refers to; with recursive, of all mounts below too, all of
// them or none. Linux 5.12 (ENOSYS before), mount_setattr(2).
func MountSetattr(fd int, recursive bool, attr unix.MountAttr) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return os.NewSyscallError("mount_setattr", retryEINTR(func() error {
		return unix.MountSetattr(fd, "", flags, &attr)
	}))
}

// Fsopen makes a context for a new filesystem of the named type. The descriptor belongs to the caller. Linux 5.2.
func Fsopen(fstype string) (fd int, err error) {
	err = retryEINTR(func() error {
		fd, err = unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "fsopen", Path: fstype, Err: err}
	}
	return fd, nil
}

// Fspick makes a context for the filesystem mounted at fd, to reconfigure it. The descriptor belongs to the caller. Linux 5.2.
func Fspick(fd int) (fs int, err error) {
	err = retryEINTR(func() error {
		fs, err = unix.Fspick(fd, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
		return err
	})
	if err != nil {
		return -1, os.NewSyscallError("fspick", err)
	}
	return fs, nil
}

// FsconfigFlag sets the option key, which has no value, in the context fs.
func FsconfigFlag(fs int, key string) error {
	return fsError(fs, key, retryEINTR(func() error { return unix.FsconfigSetFlag(fs, key) }))
}

// FsconfigString sets the option key in the context fs. The kernel takes at most 255 bytes of value (EINVAL).
func FsconfigString(fs int, key, value string) error {
	return fsError(fs, key, retryEINTR(func() error { return unix.FsconfigSetString(fs, key, value) }))
}

// FsconfigFD sets an option of a filesystem context to an open file. fsconfig(2).
func FsconfigFD(fs int, key string, fd int) error {
	return fsError(fs, key, retryEINTR(func() error { return unix.FsconfigSetFd(fs, key, fd) }))
}

// FsconfigCreate makes the filesystem that the context fs describes.
func FsconfigCreate(fs int) error {
	return fsError(fs, "", retryEINTR(func() error { return unix.FsconfigCreate(fs) }))
}

// FsconfigReconfigure applies the context fs to its filesystem.
func FsconfigReconfigure(fs int) error {
	return fsError(fs, "", retryEINTR(func() error { return unix.FsconfigReconfigure(fs) }))
}

// Fsmount makes a detached mount, with the attributes MOUNT_ATTR_*, of the filesystem that FsconfigCreate made. The
// descriptor belongs to the caller.
func Fsmount(fs int, attr uint64) (fd int, err error) {
	err = retryEINTR(func() error {
		fd, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attr))
		return err
	})
	if err != nil {
		return -1, fsError(fs, "", err)
	}
	return fd, nil
}

// fsError adds what the filesystem itself says to err: its words wait in the context, one for each read(2).
func fsError(fs int, key string, err error) error {
	if err == nil {
		return nil
	}
	what := "create filesystem"
	if key != "" {
		what = "option " + key
	}
	if log := fsLog(fs); log != "" {
		return fmt.Errorf("%s: %s: %w", what, log, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// fsLog reads the errors and warnings of the context fs, without their levels ("e tmpfs: Bad value for 'mode'").
func fsLog(fs int) string {
	var lines []string
	buf := make([]byte, 1024)
	for range 16 { // the kernel keeps 8
		n, err := unix.Read(fs, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 { // ENODATA: no more
			break
		}
		line := strings.TrimSpace(string(buf[:n]))
		if len(line) > 2 && line[1] == ' ' {
			line = line[2:]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

// Mount is the classic mount(2), for what the newer calls cannot do. Both paths are followed: give it none of a container.
func Mount(source, target, fstype string, flags uintptr, data string) error {
	err := retryEINTR(func() error { return unix.Mount(source, target, fstype, flags, data) })
	if err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}

// Umount detaches the mount at path with umount2(2); flags are MNT_DETACH, UMOUNT_NOFOLLOW.
func Umount(path string, flags int) error {
	err := retryEINTR(func() error { return unix.Unmount(path, flags) })
	if err != nil {
		return &os.PathError{Op: "umount", Path: path, Err: err}
	}
	return nil
}

// PivotRoot makes newRoot the root mount and puts the old one on putOld. pivot_root(2).
func PivotRoot(newRoot, putOld string) error {
	if err := unix.PivotRoot(newRoot, putOld); err != nil {
		return &os.PathError{Op: "pivot_root", Path: newRoot, Err: err}
	}
	return nil
}
