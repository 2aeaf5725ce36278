package state

import (
	"errors"
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
