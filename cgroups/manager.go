package cgroups

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/devbpf"
	"tare/cgroups/stats"
	"tare/cgroups/v1"
	"tare/cgroups/v2"
)

// Config is what decides on a container's cgroup, beside its limits.
type Config struct {
	ID       string
	Path     string // linux.cgroupsPath; "" stands for the id
	Systemd  bool   // systemd is to make the cgroup
	Rootless bool   // we are not the host's root: do without a cgroup if none is asked for, and without device rules

	Annotations map[string]string // those of the unit's properties are for systemd

	OwnDevicesOnly bool // without the default device rules: nothing but linux.resources.devices is allowed
	Shown          bool // the container gets to see its cgroup, and so needs one in every hierarchy of cgroup v1
}

// Manager is a container's cgroup.
//
// A rootless container whose config.json asks for no limit and no path may be left without one of its own: it then stays in
// its creator's, and Dir is nil, Adopt, AddProcess, Kill, Thaw and Remove do nothing, Populated and Frozen are false,
// OOMKills is 0, and Freeze, Pids, Update and Stats fail with ErrNoCgroup. Whoever kills has to know the init process.
type Manager interface {
	// Create makes the cgroup, writes the limits and attaches the device program. All of it holds when it returns, before a
	// process is in it; on failure nothing of it is left. Where Dir is nil afterwards, the rest of it is up to Adopt.
	Create() error
	// Dir returns the directory, opened with O_PATH, for CLONE_INTO_CGROUP. It belongs to the Manager. It is nil where
	// there is no cgroup to be born in.
	Dir() (*os.File, error)
	// Adopt moves a process that was born in Dir, or in our own cgroup where that is nil, into what else the cgroup consists of:
	// on cgroup v1 nobody can be born where he belongs, and systemd makes no scope without a process. It comes before the
	// process runs anything of the container's, and all limits hold when it returns. If it fails, Remove removes what there is
	// of the cgroup. A cgroup of v2 that we make ourselves is all there before.
	Adopt(pid int) error
	// AddProcess moves a process into the cgroup.
	AddProcess(pid int) error
	// Started says that the workload was executed: a limit that left no room for the start is written now.
	Started() error
	// Kill sends SIGKILL to all processes, frozen or not, and does not wait for their end. A cgroup that is gone has none.
	Kill() error
	// Freeze stops all processes, and waits until they stand still; if they do not in time they run again, and the error
	// wraps v2.ErrTimeout, or v2.ErrInterrupted if the descriptor interrupt was ready to be read before (-1: there is none).
	Freeze(timeout time.Duration, interrupt int) error
	// Thaw lets them run, and waits until they do.
	Thaw(timeout time.Duration) error
	// Frozen says whether they stand still, be it for a cgroup above.
	Frozen() (bool, error)
	// Pids lists the processes in the cgroup and below it, in no order. The error wraps fs.ErrNotExist if it is gone.
	Pids() ([]int, error)
	// Populated says whether there are any. Zombies are none.
	Populated() (bool, error)
	// Remove removes the cgroup and those that the container made in it, waiting until they are empty; the error of waiting in vain
	// wraps v2.ErrTimeout and lists who is left. It kills nobody, and leaves the cgroups above alone. A cgroup that is gone is no error.
	Remove(timeout time.Duration) error
	// Update changes the limits that res has and leaves the others as they are; the device rules too, if res.Devices is not
	// nil. All of it holds when it returns, or, on failure, nothing of it.
	Update(res *specs.LinuxResources) error
	// Stats tells what was used. What the host has no controller for is zero. The error wraps fs.ErrNotExist if the cgroup
	// is gone.
	Stats() (*stats.Stats, error)
	// WatchOOM tells of processes killed for want of memory; it fails with ErrNoMemory where nothing counts them.
	WatchOOM() (OOMWatch, error)
	// OOMKills counts the processes killed for want of memory, 0 without the memory controller.
	OOMKills() (uint64, error)
	// State is what Load needs to have the Manager again. It is known before Create, so that it can be on disk before it;
	// a rootless container's may change with Create, and systemd's with Create (a slice's) or Adopt (a scope's).
	State() State
	// Close gives back descriptors. The Manager stays usable.
	Close() error
}

// OOMWatch wakes whoever polls it when the count of OOM kills may have changed, or the cgroup is gone.
type OOMWatch interface {
	FD() int                // to poll(2) for POLLIN; it belongs to the OOMWatch
	Kills() (uint64, error) // the count now, or fs.ErrNotExist if the cgroup is gone; FD is quiet until the next change
	Close() error
}

// The drivers, as State names them.
const (
	DriverCgroupfs = "cgroupfs" // through the files of cgroup v2, and v1 where controllers are there
	DriverSystemd  = "systemd"  // cgroup v2, made by systemd
	DriverNone     = "none"     // no cgroup of its own
)

// State is what a later command needs to find the cgroup again without looking for it. It is part of state.json.
type State struct {
	Driver string `json:"driver"`
	Mount  string `json:"mount,omitempty"` // where the v2 tree is mounted
	Path   string `json:"path,omitempty"`  // the cgroup's directory, absolute, below Mount

	V1 []v1.Dir `json:"v1,omitempty"` // those on cgroup v1; Mount and Path may be missing then

	Unit     string `json:"unit,omitempty"`    // with systemd, whose cgroup it is
	Bus      string `json:"bus,omitempty"`     // of a user's systemd; later commands may have no environment to find it by
	UnitMade bool   `json:"started,omitempty"` // systemd has made the unit

	OwnDevicesOnly bool `json:"ownDevicesOnly,omitempty"` // as in Config, for Update
	NoDeviceRules  bool `json:"noDeviceRules,omitempty"`  // made by who may load no program: Update does without, as Create did

	Late     *LateLimit `json:"lateMemory,omitempty"` // for Started
	LatePids *LateLimit `json:"latePids,omitempty"`   // with systemd: of pids.max
}

// New says which cgroup the container gets, and checks that all its limits can be held there. It changes nothing.
func New(cfg Config, res *specs.LinuxResources) (Manager, error) {
	program, err := devbpf.Program(devices(res), !cfg.OwnDevicesOnly)
	if err != nil {
		return nil, err
	}
	tree, err := openTree()
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Systemd:
		return newUnitManager(cfg, res, tree, program)
	case tree == nil || tree.Mount == unifiedRoot:
		return newLegacy(cfg, res, tree, program)
	}
	settings, err := v2.Settings(res)
	if err != nil {
		_ = tree.Close()
		return nil, err
	}
	optional := cfg.optional(settings)
	m, err := newCgroupfs(cfg, tree, settings, program, optional)
	if err != nil && optional {
		return &cgroupfs{absent: true}, nil
	}
	if err != nil {
		return nil, err // not m, which would be a Manager of a nil pointer
	}
	return m, nil
}

func devices(res *specs.LinuxResources) []specs.LinuxDeviceCgroup {
	if res == nil {
		return nil
	}
	return res.Devices
}

// optional says that the container can do without a cgroup.
func (cfg Config) optional(settings []v2.Setting) bool {
	return cfg.Rootless && cfg.Path == "" && !slices.ContainsFunc(settings, func(s v2.Setting) bool {
		return s.File != "pids.max" || s.Value != "max" // which is what holds without a cgroup
	})
}

// Load returns the Manager that had that state. It does not look whether the cgroup is there.
func Load(s State) (Manager, error) {
	switch {
	case s.Driver == DriverNone:
		return &cgroupfs{absent: true}, nil
	case s.Driver == DriverCgroupfs && len(s.V1) > 0:
		return loadLegacy(s)
	case s.Driver != DriverCgroupfs && s.Driver != DriverSystemd:
		return nil, fmt.Errorf("state: unknown cgroup driver %q", s.Driver)
	}
	m, err := loadCgroupfs(s)
	if err != nil {
		return nil, err
	}
	if s.Driver == DriverSystemd {
		return loadUnit(s, m)
	}
	return m, nil
}

func loadCgroupfs(s State) (*cgroupfs, error) {
	// State files are ours, but what is in them gets removed: so no path above or outside of the tree.
	if s.Mount == "" || path.Clean(s.Path) != s.Path || !strings.HasPrefix(s.Path, s.Mount+"/") {
		return nil, fmt.Errorf("state: cgroup %q is not below the cgroup tree %q", s.Path, s.Mount)
	}
	return &cgroupfs{
		mount: s.Mount, cg: v2.At(s.Path),
		ownDevicesOnly: s.OwnDevicesOnly, noDeviceRules: s.NoDeviceRules, late: s.Late,
	}, nil
}
