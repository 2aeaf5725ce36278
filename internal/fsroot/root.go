package fsroot

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// inRoot confines every look-up. (os.Root is no boundary for us: it followed a final link with a trailing slash, CVE-2026-39822.)
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// step confines the look-up of a single name in a directory held open.
const step = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// maxLinks bounds how many missing links' targets are followed by hand, as MAXSYMLINKS does in the kernel.
const maxLinks = 40

// dirMode is the mode of directories made on the way to a file.
const dirMode = 0o755

// Root is a directory that paths are resolved in.
type Root struct {
	fd int
}

// New takes over fd, a descriptor (O_PATH will do) of the directory.
func New(fd int) *Root { return &Root{fd: fd} }

// FD is the directory's descriptor. It stays the Root's.
func (r *Root) FD() int { return r.fd }

// Close closes the directory.
func (r *Root) Close() { sys.Close(r.fd) }

// Open returns a descriptor (O_PATH) of the file at unsafePath; a link at its end is followed, inside the root.
func (r *Root) Open(unsafePath string) (int, error) {
	return r.lookup("open", unsafePath, unix.O_PATH, 0)
}

// OpenNoFollow is Open, but returns a link at the end of unsafePath itself. With a trailing slash that is no directory: ENOTDIR.
func (r *Root) OpenNoFollow(unsafePath string) (int, error) {
	return r.lookup("open", strings.TrimRight(unsafePath, "/")+slash(unsafePath), unix.O_PATH|unix.O_NOFOLLOW|wantDir(unsafePath), 0)
}

// OpenStrict is Open, but with no link anywhere in unsafePath: ELOOP.
func (r *Root) OpenStrict(unsafePath string) (int, error) {
	return r.lookup("open", unsafePath, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
}

// OpenDir returns a descriptor (O_PATH) of the directory at unsafePath.
func (r *Root) OpenDir(unsafePath string) (int, error) {
	return r.lookup("open", unsafePath, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// Stat describes the file at unsafePath; a link at its end is followed, inside the root.
func (r *Root) Stat(unsafePath string) (unix.Stat_t, error) {
	fd, err := r.Open(unsafePath)
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer sys.Close(fd)
	return sys.Fstat(fd)
}

func (r *Root) lookup(op, unsafePath string, flags, resolve uint64) (int, error) {
	fd, err := sys.Openat2(r.fd, unsafePath, unix.OpenHow{Flags: flags, Resolve: inRoot | resolve})
	return fd, pathError(op, unsafePath, err)
}

// wantDir: a trailing slash demands a directory; the kernel would follow a final link for it even with O_NOFOLLOW.
func wantDir(unsafePath string) uint64 {
	if strings.HasSuffix(unsafePath, "/") {
		return unix.O_DIRECTORY
	}
	return 0
}

// slash keeps the root's own name when TrimRight took all of it.
func slash(unsafePath string) string {
	if unsafePath != "" && strings.Trim(unsafePath, "/") == "" {
		return "/"
	}
	return ""
}

// pathError gives err the operation and the path that the caller knows.
func pathError(op, unsafePath string, err error) error {
	if err == nil {
		return nil
	}
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return &os.PathError{Op: op, Path: unsafePath, Err: err}
}
