package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
)

// capsXattr holds a file's capabilities: the one extended attribute without which a copy does not work.
const capsXattr = "security.capability"

// copyUp copies what is in the directory from, with modes, owners, links and devices, into the directory to, which
// nobody else can reach yet. Both are O_PATH and borrowed. from is the image's, maybe shared with somebody who changes it meanwhile:
// each name is opened below its directory, without following links, and read only if it is a regular file.
func (r *Rootfs) copyUp(from, to int) error {
	// Modes are given with the file, and a mode= of the tmpfs itself stays.
	dir, err := r.proc.ReopenFD(from, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.copyEntry(from, to, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *Rootfs) copyEntry(from, to int, name string) error {
	src, err := sys.Openat(from, name, unix.O_PATH|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) { // removed meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	defer sys.Close(src)
	st, err := sys.Fstat(src)
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		err = copyLink(src, to, name)
	case unix.S_IFDIR:
		err = r.copyDir(src, to, name, &st)
	case unix.S_IFREG:
		err = r.copyFile(src, to, name, &st)
	default:
		err = sys.Mknodat(to, name, st.Mode, uint64(st.Rdev))
	}
	if err != nil || st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return err
	}
	return r.owned(sys.Fchownat(to, name, int(st.Uid), int(st.Gid)))
}

// owned is the error of a chown, but for an owner that the user namespace has no id for: such a file becomes root's.
func (r *Rootfs) owned(err error) error {
	if r.opts.UserNS && errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func copyLink(src, to int, name string) error {
	text, err := sys.Readlinkat(src, "") // of an O_PATH link itself
	if err != nil {
		return err
	}
	return sys.Symlinkat(text, to, name)
}

func (r *Rootfs) copyDir(src, to int, name string, st *unix.Stat_t) error {
	if err := sys.Mkdirat(to, name, 0o700); err != nil {
		return err
	}
	dst, err := fsroot.OpenAt(to, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer sys.Close(dst)
	if err := r.copyUp(src, dst); err != nil {
		return err
	}
	// Last: what is made in a set-group-id directory inherits that, and mkdir would not take the bit.
	if err := r.owned(sys.Fchown(dst, int(st.Uid), int(st.Gid))); err != nil {
		return err
	}
	return sys.Fchmodat(to, name, st.Mode&0o7777) // nobody else reaches the directory: it is what we made
}

func (r *Rootfs) copyFile(src, to int, name string, st *unix.Stat_t) error {
	in, err := r.proc.ReopenFD(src, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	fd, err := sys.Openat2(to, name, unix.OpenHow{
		Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW,
		Mode:  uint64(st.Mode & 0o777), Resolve: unix.RESOLVE_BENEATH,
	})
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), name)
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	// In this order: a new owner takes set-id bits and capabilities away.
	if err := r.owned(sys.Fchown(fd, int(st.Uid), int(st.Gid))); err != nil {
		return err
	}
	if st.Mode&0o7000 != 0 {
		if err := sys.Fchmodat(to, name, st.Mode&0o7777); err != nil { // nobody else reaches the directory
			return err
		}
	}
	if value, ok := sys.Fgetxattr(int(in.Fd()), capsXattr); ok {
		return sys.Fsetxattr(fd, capsXattr, value)
	}
	return nil
}
