package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tare/cgroups"
	"tare/internal/document"
	"tare/internal/sys"
	"tare/libcontainer/netdev"
	"tare/libcontainer/resctrl"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Sentinels, with the texts that callers of the command line match.
var (
	ErrInvalidID = errors.New("invalid container ID format: want letters, digits, _, +, - and ., 255 at most")
	ErrEmptyID   = errors.New("container id cannot be empty")
	ErrExist     = errors.New("container with given ID already exists")
	ErrNotExist  = errors.New("container does not exist")
	// ErrNoState is a directory without state.json: its create was killed, or is at its beginning.
	ErrNoState = errors.New("container has no state")
	// ErrBusy is a lock that another process did not give up in time.
	ErrBusy = errors.New("another command is at work on the container")
)

// State is the content of state.json.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	InitPid     int               `json:"init_process_pid"`   // 0 until there is one
	InitStart   uint64            `json:"init_process_start"` // field 22 of /proc/PID/stat: tells a later process with this pid apart
	Created     time.Time         `json:"created"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"` // poststart and poststop
	Cgroup      *cgroups.State    `json:"cgroup,omitempty"`
	OwnPidNS    bool              `json:"own_pid_namespace"` // with it, the end of init is the end of all
	Notify      bool              `json:"notify,omitempty"`  // made with NOTIFY_SOCKET set
	Creating    bool              `json:"creating,omitempty"`
	NoProcess   bool              `json:"no_process,omitempty"` // config.json names none: there is nothing to start
	// Streams are standard input, output and error as its maker gave them, named as CRIU does: pipe:[INODE], socket:[INODE], file[MOUNT:INODE], or empty
	// where there was none. A container with a terminal has none.
	Streams []string `json:"streams,omitempty"`
	Agent   *Agent   `json:"seccomp_agent,omitempty"`
	// NoNewKeyring tells that the container has the session keyring of who made it.
	NoNewKeyring bool    `json:"no_new_keyring,omitempty"`
	Ground       *Ground `json:"ground,omitempty"` // of a container without a mount namespace
	// Resources are the limits that hold since an update; before the first one they are those of the config.
	Resources *specs.LinuxResources `json:"resources,omitempty"`
	// NetDevices are those that an unfinished create has moved, or was about to. They are to be brought back.
	NetDevices []netdev.Device `json:"net_devices,omitempty"`
	IntelRdt   *resctrl.State  `json:"intel_rdt,omitempty"`
}

// Ground is what a root file system lay on before its container mounted it over itself in the runtime's mount namespace.
type Ground struct {
	Mount  uint64 `json:"mount"` // id, as mountinfo has it
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// Agent is who answers the notifications of the container's seccomp filter: linux.seccomp.listenerPath and listenerMetadata.
type Agent struct {
	Path     string `json:"path"`
	Metadata string `json:"metadata,omitempty"`
}

// maxID bounds an id by what a file name can be.
const maxID = 255

// CheckID tells whether id can name a container.
func CheckID(id string) error {
	if id == "" {
		return ErrEmptyID
	}
	if len(id) > maxID || id == "." || id == ".." {
		return ErrInvalidID
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_' || c == '+' || c == '-' || c == '.':
		default:
			return ErrInvalidID
		}
	}
	return nil
}

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
		return nil, fmt.Errorf("state root: %w", elsewhere(err))
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

// elsewhere tells a user who may not write to a state root how to have one.
func elsewhere(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w: set XDG_RUNTIME_DIR to a directory of yours, or name one with --root", err)
}

// taken tells whose id is in use.
func taken(path string) error {
	return fmt.Errorf("%w: %s: delete it, or take another", ErrExist, filepath.Base(path))
}

func makeDir(path string) (*Dir, error) {
	if err := os.Mkdir(path, 0o711); errors.Is(err, fs.ErrExist) {
		return nil, taken(path)
	} else if err != nil {
		return nil, fmt.Errorf("state directory: %w", elsewhere(err))
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
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, ErrNotExist
	case err != nil:
		return nil, err
	}
	return &Dir{f: f}, nil
}

// Path is the path of the directory.
func (d *Dir) Path() string { return d.f.Name() }

// Close closes the directory and gives up its lock.
func (d *Dir) Close() error { return d.f.Close() }

// Lock locks the directory against other commands. One that holds it is waited for as long as given, and then
// ErrBusy. A directory that was removed meanwhile is ErrNotExist.
func (d *Dir) Lock(wait time.Duration) error {
	err := sys.Flock(d.f, false)
	if errors.Is(err, unix.EWOULDBLOCK) && wait > 0 {
		// flock(2) takes no deadline: a thread waits in it, and the process ends before it if need be.
		locked := make(chan error, 1)
		go func() { locked <- sys.Flock(d.f, true) }()
		select {
		case err = <-locked:
		case <-time.After(wait):
			return fmt.Errorf("%w: waited %v for its lock", ErrBusy, wait)
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	if gone, err := sys.Unlinked(d.f); err != nil || gone {
		return errors.Join(err, ErrNotExist)
	}
	return nil
}

// Locked tells whether a command is at work on the container. Preconditions: the caller is not.
func (d *Dir) Locked() bool {
	other, err := open(d.Path())
	if err != nil {
		return false
	}
	defer other.Close()
	return errors.Is(sys.Flock(other.f, false), unix.EWOULDBLOCK)
}

// Save writes s. Readers see the state of before or s, never half of it.
func (d *Dir) Save(s *State) error {
	return sys.ReplaceFileAt(d.f, stateName, document.Encode(s), 0o600)
}

// Stage writes s for Commit, which makes it the state by a rename: what is known early need not be written late.
func (d *Dir) Stage(s *State) error {
	return sys.WriteFileAt(d.f, stagedName, document.Encode(s), 0o600)
}

// Commit makes what was staged last the state.
func (d *Dir) Commit() error { return sys.RenameAt(d.f, stagedName, stateName) }

// Retire takes the state away from all but LoadRetired: the container is gone, and what is to be done after it is not.
func (d *Dir) Retire() error {
	err := sys.RenameAt(d.f, stateName, retiredName)
	if errors.Is(err, fs.ErrNotExist) && sys.ExistsAt(d.f, retiredName) {
		return nil // by an earlier delete
	}
	return err
}

// LoadRetired reads the state of a container that is gone; ErrNoState for any other.
func (d *Dir) LoadRetired() (*State, error) { return d.load(retiredName) }

// Load reads what was saved last; ErrNoState before the first time, and after Retire.
func (d *Dir) Load() (*State, error) { return d.load(stateName) }

func (d *Dir) load(name string) (*State, error) {
	b, err := sys.ReadFileAt(d.f, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoState
	}
	if err != nil {
		return nil, err
	}
	var s State
	if err := document.Decode(b, &s); err != nil {
		return nil, &os.PathError{Op: "decode", Path: filepath.Join(d.Path(), name), Err: err}
	}
	return &s, nil
}

// SaveConfig keeps a copy of the container's config.json.
func (d *Dir) SaveConfig(raw []byte) error {
	return sys.ReplaceFileAt(d.f, configName, raw, 0o600)
}

// LoadConfig reads that copy.
func (d *Dir) LoadConfig() ([]byte, error) { return sys.ReadFileAt(d.f, configName) }

// MakeFifo makes the fifo that the init process waits at, for the owner that container root is on the host,
// and opens it with O_PATH. The caller closes it.
func (d *Dir) MakeFifo(uid, gid int) (*os.File, error) {
	if err := sys.MkfifoAt(d.f, fifoName, 0o622, uid, gid); err != nil {
		return nil, err
	}
	return sys.OpenAt(d.f, fifoName, unix.O_PATH|unix.O_NOFOLLOW)
}

// OpenFifo opens the fifo for reading, without waiting for the init process to come to it.
// fs.ErrNotExist says that the container was started.
func (d *Dir) OpenFifo() (*os.File, error) {
	return sys.OpenAt(d.f, fifoName, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW)
}

// HasFifo tells whether the container waits for its start.
func (d *Dir) HasFifo() bool { return sys.ExistsAt(d.f, fifoName) }

// RemoveFifo says that the container was started.
func (d *Dir) RemoveFifo() error { return sys.Unlinkat(int(d.f.Fd()), fifoName) }

// Unlock gives up the lock.
func (d *Dir) Unlock() error { return sys.Funlock(d.f) }

// MakeStartSocket makes the socket at which the stage meets who starts it, to pass a listener on. The caller closes it.
func (d *Dir) MakeStartSocket() (*os.File, error) { return sys.ListenUnixAt(d.f, startName) }

// ConnectStart connects to that socket. The caller closes the descriptor.
func (d *Dir) ConnectStart(deadline time.Time) (int, error) {
	return sys.ConnectUnixAt(d.f, startName, deadline)
}

// MakeNotifyDir makes NotifyDir.
func (d *Dir) MakeNotifyDir() error { return sys.MakeDir(d.NotifyDir(), 0o755) }

// NotifyDir is the path of the directory that the container finds its sd_notify(3) socket in.
func (d *Dir) NotifyDir() string { return filepath.Join(d.Path(), notifyName) }

// PinNetwork keeps the container's network namespace, with the host's devices that come into it, from going with its last
// process, until UnpinNetwork or Remove.
func (d *Dir) PinNetwork(ns *os.File) error { return sys.PinNamespace(d.f, netnsName, ns) }

// PinnedNetwork opens that namespace. The caller closes it.
func (d *Dir) PinnedNetwork() (*os.File, error) { return sys.PinnedNamespace(d.f, netnsName) }

// UnpinNetwork lets it go.
func (d *Dir) UnpinNetwork() error { return sys.UnpinNamespace(d.f, netnsName) }

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
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
