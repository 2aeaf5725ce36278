package procfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

var (
	// ErrNotProc says that a directory is not the root of a procfs.
	ErrNotProc = errors.New("not the root of a procfs")
	// ErrOverMounted says that something is mounted over an entry of /proc, or that a link leads out of it.
	ErrOverMounted = errors.New("something is mounted over it (possible attack)")
)

// rootIno is the inode number of every procfs root (PROC_ROOT_INO): a bind mount of a directory further down has another.
const rootIno = 1

// How look-ups are confined. NO_MAGICLINKS: /proc/PID/{cwd,root,exe,fd/N} lead anywhere.
const confined = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS

// Handle is the verified root of a procfs.
type Handle struct {
	dir *os.File
}

// Open opens and verifies the system's /proc. When something else is there, it makes a private instance, which needs
// CAP_SYS_ADMIN. Close the handle.
func Open() (*Handle, error) {
	fd, err := sys.Openat(unix.AT_FDCWD, "/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err == nil {
		if err = verify(fd); err == nil {
			return &Handle{dir: os.NewFile(uintptr(fd), "/proc")}, nil
		}
		sys.Close(fd)
	}
	h, private := openPrivate()
	if private != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	return h, nil
}

// FromFile makes a Handle of an inherited descriptor, which it verifies and takes over; on an error dir stays the caller's.
func FromFile(dir *os.File) (*Handle, error) {
	if err := verify(int(dir.Fd())); err != nil {
		return nil, fmt.Errorf("procfs handle: %w", err)
	}
	return &Handle{dir: dir}, nil
}

// openPrivate makes a procfs that is mounted nowhere, so that nobody can mount anything over its entries.
func openPrivate() (*Handle, error) {
	fs, err := sys.Fsopen("proc")
	if err != nil {
		return nil, err
	}
	defer sys.Close(fs)
	if err := sys.FsconfigCreate(fs); err != nil {
		return nil, err
	}
	fd, err := sys.Fsmount(fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, err
	}
	return &Handle{dir: os.NewFile(uintptr(fd), "/proc")}, nil
}

func verify(fd int) error {
	if ok, err := IsRoot(fd); err != nil || ok {
		return err
	}
	return ErrNotProc
}

// IsRoot says whether fd is the root directory of a procfs.
func IsRoot(fd int) (bool, error) {
	fs, err := sys.Fstatfs(fd)
	if err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		return false, err
	}
	st, err := sys.Fstat(fd)
	return err == nil && st.Ino == rootIno, err
}

// File is the handle's O_PATH directory, to hand it to another process. It stays the handle's.
func (h *Handle) File() *os.File { return h.dir }

// Close closes the handle.
func (h *Handle) Close() error { return h.dir.Close() }

// Open opens unsafePath, which is relative to /proc, with flags (O_RDONLY, O_WRONLY, O_PATH, ...). "self" and "thread-self" are
// followed, no link leads out. An entry with something mounted over it is looked up in a private procfs; where none can
// be made, the error says ErrOverMounted. Close the file.
func (h *Handle) Open(unsafePath string, flags int) (*os.File, error) {
	fd, err := h.open(unsafePath, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/proc/"+unsafePath), nil
}

func (h *Handle) open(unsafePath string, flags int) (int, error) {
	fd, err := openBelow(int(h.dir.Fd()), unsafePath, flags)
	if !errors.Is(err, unix.EXDEV) {
		return fd, err
	}
	private, perr := openPrivate()
	if perr == nil {
		defer private.Close()
		fd, perr = openBelow(int(private.dir.Fd()), unsafePath, flags)
	}
	if perr != nil {
		return -1, fmt.Errorf("open /proc/%s: %w: %w", unsafePath, ErrOverMounted, err)
	}
	return fd, nil
}

func openBelow(dir int, unsafePath string, flags int) (int, error) {
	fd, err := sys.Openat2(dir, unsafePath, unix.OpenHow{Flags: uint64(flags), Resolve: confined})
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return -1, &os.PathError{Op: "open", Path: "/proc/" + unsafePath, Err: pe.Err}
	}
	return fd, err
}

// ReopenFD opens the file behind the descriptor fd anew, with flags: an O_PATH descriptor becomes one for reading or
// writing. Look at the file's type first: opening a device or a fifo can block and can have effects. Close the file.
func (h *Handle) ReopenFD(fd, flags int) (*os.File, error) {
	dir, name, err := h.fdEntry(fd)
	if err != nil {
		return nil, err
	}
	defer sys.Close(dir)
	again, err := sys.Openat(dir, name, flags)
	if err != nil {
		return nil, fmt.Errorf("reopen descriptor: %w", err)
	}
	return os.NewFile(uintptr(again), "/proc/self/fd/"+name), nil
}

// Chmod sets the permissions of the file behind fd, which may be O_PATH: fchmod(2) refuses that, and before Linux 6.6
// nothing else changes a mode without following links.
func (h *Handle) Chmod(fd int, mode uint32) error {
	dir, name, err := h.fdEntry(fd)
	if err != nil {
		return err
	}
	defer sys.Close(dir)
	return sys.Fchmodat(dir, name, mode)
}

// WithPath calls f with a path of the file behind fd, for the system calls that take no descriptor (mount(2)). The path
// is relative to a working directory that is set for the call, so it holds until f returns, and for the calling process only.
func (h *Handle) WithPath(fd int, f func(path string) error) (err error) {
	dir, name, err := h.fdEntry(fd)
	if err != nil {
		return err
	}
	defer sys.Close(dir)
	cwd, err := sys.Openat(unix.AT_FDCWD, ".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer sys.Close(cwd)
	if err := sys.Fchdir(dir); err != nil {
		return err
	}
	return errors.Join(f(name), sys.Fchdir(cwd))
}

// fdEntry opens self/fd and checks that nothing is mounted over fd's entry in it. To go through that entry is the one
// magic link that we follow: it leads to what the descriptor holds, whatever the path of that is now.
func (h *Handle) fdEntry(fd int) (dir int, name string, err error) {
	name = strconv.Itoa(fd)
	dir, err = h.open("self/fd", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, "", err
	}
	link, err := openBelow(dir, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		sys.Close(dir)
		if errors.Is(err, unix.EXDEV) {
			return -1, "", fmt.Errorf("open /proc/self/fd/%s: %w: %w", name, ErrOverMounted, err)
		}
		return -1, "", err
	}
	sys.Close(link)
	return dir, name, nil
}
