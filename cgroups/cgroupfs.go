package cgroups

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tare/cgroups/devbpf"
	"tare/cgroups/v2"
	"tare/internal/sys"
)

// cgroupfs is the Manager of a cgroup that we make ourselves in a v2 tree.
type cgroupfs struct {
	mount string
	cg    *v2.Cgroup
	plan  *plan // what Create is to do; nil after Load

	absent         bool // there is no cgroup: see Manager
	ownDevicesOnly bool // as in Config
	noDeviceRules  bool // as in State
	late           *LateLimit
}

// plan is what Create is to do.
type plan struct {
	tree     *v2.Tree
	path     string // below the mount
	settings []v2.Setting
	program  []sys.BPFInsn // device rules

	rootless, optional bool // device rules, or all of it, may be done without where the kernel refuses them

	pidsLimit, pidsRaised string // of v2.PidsToStart
}

// newCgroupfs plans a container's cgroup in the tree, which becomes the Manager's. With optional, it is no error if the tree
// is not ours to write.
func newCgroupfs(cfg Config, tree *v2.Tree, settings []v2.Setting, program []sys.BPFInsn, optional bool) (*cgroupfs, error) {
	path, err := containerPath(cfg)
	if err == nil {
		err = checkControllers(tree, settings)
	}
	if err != nil {
		_ = tree.Close()
		return nil, err
	}
	settings, limit, raised := v2.PidsToStart(settings)
	settings, late := memoryToStart(settings)
	return &cgroupfs{
		mount: tree.Mount, cg: v2.At(tree.Mount + path), ownDevicesOnly: cfg.OwnDevicesOnly, late: late,
		plan: &plan{
			tree: tree, path: path, settings: settings, program: program, rootless: cfg.Rootless, optional: optional,
			pidsLimit: limit, pidsRaised: raised,
		},
	}, nil
}

func (m *cgroupfs) Create() error {
	if m.absent {
		return nil
	}
	if m.plan == nil || m.plan.tree == nil {
		return errors.New("this cgroup was loaded, created or closed before: it is not to be created") // a mistake in tare
	}
	err := m.create()
	_ = m.plan.tree.Close()
	m.plan.tree = nil
	if m.plan.optional && v2.Denied(err) {
		m.absent = true
		return nil
	}
	return err
}

func (m *cgroupfs) create() error {
	program, err := loadProgram(m.plan.program, m.plan.rootless) // First, as it may be refused and leaves nothing.
	if err != nil {
		return err
	}
	m.noDeviceRules = program < 0
	if program >= 0 {
		defer sys.Close(program)
	}
	cg, err := v2.Create(m.plan.tree, m.plan.path, m.plan.settings)
	if err != nil {
		return err
	}
	if program >= 0 {
		if err := attach(cg, program); err != nil {
			cg.Undo()
			return err
		}
	}
	m.cg = cg
	return nil
}

// loadProgram loads the device program. In a user namespace nobody can load one, and nobody can make a device node either: what
// there is to open is what the host's root lets the user open. A rootless container then has none, and the descriptor is -1.
func loadProgram(program []sys.BPFInsn, rootless bool) (int, error) {
	fd, err := devbpf.Load(program)
	if rootless && errors.Is(err, unix.EPERM) {
		return -1, nil
	}
	return fd, err
}

// attach attaches the device program. A cgroup that was there before us may have one of an earlier container.
func attach(cg *v2.Cgroup, program int) error {
	dir, err := cg.File()
	if err != nil {
		return err
	}
	if cg.Fresh() {
		return devbpf.Attach(int(dir.Fd()), program)
	}
	return devbpf.Replace(int(dir.Fd()), program)
}

func (m *cgroupfs) Dir() (*os.File, error) {
	if m.absent {
		return nil, nil
	}
	return m.cg.File()
}

func (m *cgroupfs) AtStart() (*StartLimit, error) {
	if m.absent || m.plan == nil || m.plan.pidsLimit == "" {
		return nil, nil
	}
	file, err := m.cg.Open("pids.max")
	if err != nil {
		return nil, err
	}
	return &StartLimit{File: file, Value: m.plan.pidsLimit, Until: m.plan.pidsRaised}, nil
}

func (m *cgroupfs) Adopt(int) error { return nil }

func (m *cgroupfs) AddProcess(pid int) error {
	if m.absent {
		return nil
	}
	return m.cg.AddProcess(pid)
}

func (m *cgroupfs) Kill() error {
	if m.absent {
		return nil
	}
	return m.cg.Kill()
}

func (m *cgroupfs) Freeze(timeout time.Duration, interrupt int) error {
	if m.absent {
		return ErrNoCgroup
	}
	return m.cg.Freeze(timeout, interrupt)
}

func (m *cgroupfs) Thaw(timeout time.Duration) error {
	if m.absent {
		return nil
	}
	return m.cg.Thaw(timeout)
}

func (m *cgroupfs) Frozen() (bool, error) {
	if m.absent {
		return false, nil
	}
	return m.cg.Frozen()
}

func (m *cgroupfs) Pids() ([]int, error) {
	if m.absent {
		return nil, ErrNoCgroup
	}
	return m.cg.Pids()
}

func (m *cgroupfs) Populated() (bool, error) {
	if m.absent {
		return false, nil
	}
	return m.cg.Populated()
}

func (m *cgroupfs) Remove(timeout time.Duration) error {
	if m.absent {
		return nil
	}
	return m.cg.Remove(timeout)
}

func (m *cgroupfs) OOMKills() (uint64, error) {
	if m.absent {
		return 0, nil
	}
	return m.cg.OOMKills()
}

func (m *cgroupfs) State() State {
	if m.absent {
		return State{Driver: DriverNone}
	}
	return State{
		Driver: DriverCgroupfs, Mount: strings.TrimSuffix(m.mount, "/"), Path: m.cg.Dir,
		OwnDevicesOnly: m.ownDevicesOnly, NoDeviceRules: m.noDeviceRules, Late: m.late,
	}
}

func (m *cgroupfs) Close() error {
	if m.plan != nil && m.plan.tree != nil {
		_ = m.plan.tree.Close()
		m.plan.tree = nil
	}
	if m.absent {
		return nil
	}
	return m.cg.Close()
}
