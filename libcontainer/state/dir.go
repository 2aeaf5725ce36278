package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// What can be in the directory; see the package's comment.
const (
	stateName   = "state.json"
	stagedName  = ".staged.json"
	retiredName = ".retired.json"
	configName  = "config.json"
	fifoName    = "exec.fifo"
	notifyName  = "notify"
	netnsName   = "netns"
	startName   = "start.sock"
)

// Dir is the open directory of one container.
type Dir struct {
	f *os.File
}

// Reserve makes the directory of a new container under root and locks it.
func Reserve(root, id string) (*Dir, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if err := sys.MakeDirs(root, 0o700); err != nil {
		return nil, fmt.Errorf("state root: %w", refused(err))
	}
	path := filepath.Join(root, id)
	for {
		d, err := makeDir(path)
		if !errors.Is(err, ErrNotExist) {
			return d, err
		}
		// A delete was faster than our lock: its target is gone, the name is free again.
	}
}

// RefusedError is that of a state root which is somebody else's: whoever has named it knows how to name another.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

func refused(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &RefusedError{err}
}

// taken tells whose id is in use.
func taken(path string) error {
	return fmt.Errorf("%w: %s: delete it, or take another", ErrExist, filepath.Base(path))
}

func makeDir(path string) (*Dir, error) {
	if err := os.Mkdir(path, 0o711); errors.Is(err, fs.ErrExist) {
		return nil, taken(path)
	} else if err != nil {
		return nil, fmt.Errorf("state directory: %w", refused(err))
	}
	// The umask of the caller does not decide who may look: nor whether its maker may. If it is gone already, open says so.
	_ = os.Chmod(path, 0o711)
	d, err := open(path)
	if errors.Is(err, ErrNotExist) {
		return nil, err // deleted already: what has the name now is not ours to remove
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	if err := d.Lock(reserveTimeout); err != nil {
		d.Close()
		return nil, err
	}
	// Between our mkdir and our open the name may have changed hands: it is whose state is in it.
	if sys.ExistsAt(d.f, stateName) {
		d.Close()
		return nil, taken(path)
	}
	return d, nil
}

// reserveTimeout is how long a command may hold the lock of a directory that was made just now.
const reserveTimeout = 10 * time.Second

// Open opens the directory of the container id.
func Open(root, id string) (*Dir, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	return open(filepath.Join(root, id))
}

func open(path string) (*Dir, error) {
	f, err := sys.OpenDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNotExist
	case errors.Is(err, unix.ENOTDIR):
		return nil, noDirectory(filepath.Dir(path))
	case err != nil:
		return nil, refused(err)
	}
	return &Dir{f: f}, nil
}

// noDirectory tells a root that is no directory, in which nobody's container can be, from an id whose name a file has there.
func noDirectory(root string) error {
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		return ErrNotExist
	}
	return fmt.Errorf("state root %s: %w", root, unix.ENOTDIR)
}

// Path is the path of the directory.
func (d *Dir) Path() string { return d.f.Name() }

// Close closes the directory and gives up its lock.
func (d *Dir) Close() error { return d.f.Close() }

// Age is how long ago a name was last made or removed in the directory.
func (d *Dir) Age() time.Duration {
	st, err := d.f.Stat()
	if err != nil {
		return 0
	}
	return time.Since(st.ModTime())
}

// Owner is the uid of the directory's owner.
func (d *Dir) Owner() (uint32, error) { return sys.OwnerOf(d.f) }

// Remove removes the directory with all that is in it. One that was removed, and whose name another container may
// have by now, is left as it is.
func (d *Dir) Remove() error {
	if gone, err := sys.Unlinked(d.f); err != nil || gone {
		return err
	}
	for _, name := range []string{fifoName, startName, stagedName, configName, stateName, retiredName} {
		_ = sys.Unlinkat(int(d.f.Fd()), name)
	}
	if err := unix.Rmdir(d.Path()); err == nil {
		return nil
	}
	if err := d.UnpinNetwork(); err != nil {
		return err
	}
	return os.RemoveAll(d.Path())
}

// List names the containers under root. A root that is not there is fs.ErrNotExist.
func List(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, refused(err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
