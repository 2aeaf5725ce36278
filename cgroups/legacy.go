package cgroups

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups/stats"
	"tare/cgroups/v1"
	"tare/cgroups/v2"
	"tare/internal/sys"
)

// legacy is the Manager on hosts that have controllers on cgroup v1: the container's directories there, and its cgroup in the v2
// tree beside them, if there is one. With a v2 tree, that one has the processes counted, frozen and killed, and the device program.
type legacy struct {
	processes

	v2 *cgroupfs // nil where there is no v2 tree
	v1 *v1.Group

	// For Create.
	settings           []v2.Setting // those of v1
	rules              []v2.Setting // device rules, where there is no v2 tree
	rootless, optional bool

	pidsLimit, pidsRaised string // of v2.PidsToStart
	ownDevicesOnly        bool   // as in Config
}

// processes is what the v2 cgroup does, or the v1 ones where that is not there.
type processes interface {
	Kill() error
	Freeze(timeout time.Duration, interrupt int) error
	Thaw(timeout time.Duration) error
	Frozen() (bool, error)
	Pids() ([]int, error)
	Populated() (bool, error)
}

// newLegacy plans a container's cgroup with v1 hierarchies; tree is nil where there is no v2 tree, and becomes the Manager's.
func newLegacy(cfg Config, res *specs.LinuxResources, tree *v2.Tree, program []sys.BPFInsn) (Manager, error) {
	m := &legacy{v1: new(v1.Group), rootless: cfg.Rootless, ownDevicesOnly: cfg.OwnDevicesOnly}
	forV2, forV1 := split(res, tree)
	ofV2, err := v2.Settings(forV2)
	if err == nil {
		m.settings, err = v1.Settings(forV1)
	}
	if err == nil && tree == nil {
		m.rules, err = v1.Devices(devices(res), !cfg.OwnDevicesOnly)
	}
	if err != nil {
		closeTree(tree)
		return nil, err
	}
	m.optional = cfg.optional(slices.Concat(ofV2, m.settings))
	m.settings, m.pidsLimit, m.pidsRaised = v2.PidsToStart(m.settings)
	m.processes = m.v1
	err = m.place(cfg, tree == nil)
	if err == nil && tree != nil {
		m.v2, err = newCgroupfs(cfg, tree, ofV2, program, m.optional)
		m.processes = m.v2
	} else {
		closeTree(tree)
	}
	if err != nil && m.optional {
		return &cgroupfs{absent: true}, nil
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func closeTree(tree *v2.Tree) {
	if tree != nil {
		_ = tree.Close()
	}
}

// split divides limits by where their controllers are. What neither version has goes to v1, which says so.
func split(res *specs.LinuxResources, tree *v2.Tree) (forV2, forV1 *specs.LinuxResources) {
	if res == nil {
		return nil, nil
	}
	two, one := new(specs.LinuxResources), new(specs.LinuxResources)
	with := func(controller string) *specs.LinuxResources {
		if tree != nil && slices.Contains(tree.Controllers, controller) {
			return two
		}
		return one
	}
	with("memory").Memory = res.Memory
	with("pids").Pids = res.Pids
	with("io").BlockIO = res.BlockIO
	with("hugetlb").HugepageLimits = res.HugepageLimits
	with("rdma").Rdma = res.Rdma
	one.Network = res.Network
	switch cpu, cpuset := with("cpu"), with("cpuset"); {
	case res.CPU == nil:
	case cpu == cpuset:
		cpu.CPU = res.CPU
	default:
		times := *res.CPU
		times.Cpus, times.Mems = "", ""
		cpu.CPU, cpuset.CPU = &times, &specs.LinuxCPU{Cpus: res.CPU.Cpus, Mems: res.CPU.Mems}
	}
	rest := one
	if tree != nil {
		rest = two
	}
	rest.Devices, rest.Unified = res.Devices, res.Unified
	return two, one
}

// place says in which hierarchies the container gets a cgroup: see v1.Wanted for those that no limit needs. Alone, without a v2
// tree, they have to hold the device rules too.
func (m *legacy) place(cfg Config, alone bool) error {
	hierarchies, err := v1.Hierarchies()
	if err != nil {
		return err
	}
	for i := range hierarchies {
		h := &hierarchies[i]
		at, err := v1Path(cfg, h)
		if err != nil {
			return err
		}
		limited := slices.ContainsFunc(m.settings, func(s v2.Setting) bool { return h.Has(s.Controller()) })
		if limited || cfg.Shown || v1.Wanted(h, at, alone) {
			m.v1.Dirs = append(m.v1.Dirs, v1.Dir{Controllers: h.Controllers, Mount: h.Mount, Cgroup: at})
		}
	}
	if alone && len(m.v1.Dirs) == 0 {
		return ErrNoTree
	}
	if err := m.v1.Check(m.settings); err != nil || cfg.Rootless {
		return err
	}
	return m.v1.Check(m.rules)
}

// v1Path is where in a hierarchy the container's cgroup is. A relative path is below our own cgroup, which on v1 may have
// processes and others below it.
func v1Path(cfg Config, h *v1.Hierarchy) (string, error) {
	if strings.HasPrefix(cfg.Path, "/") {
		return join("/", cfg)
	}
	own, err := h.Own()
	if err != nil {
		return "", fmt.Errorf("%w: give an absolute linux.cgroupsPath (/linux/cgroupsPath)", err)
	}
	return join(own, cfg)
}

func (m *legacy) Create() error {
	err := m.v1.Create(m.settings, m.rules, m.rootless)
	if err == nil && m.v2 == nil && len(m.v1.Dirs) == 0 {
		err = fmt.Errorf("linux.cgroupsPath (/linux/cgroupsPath): %w: no hierarchy of cgroup v1 is ours to write there", unix.EACCES)
	}
	if v2.Denied(err) && m.optional {
		m.doWithout()
		return nil
	}
	if err != nil || m.v2 == nil {
		return err
	}
	err = m.v2.Create()
	if err != nil || m.v2.absent {
		m.v1.Undo()
	}
	if m.v2.absent {
		m.doWithout()
	}
	return err
}

// doWithout makes this the Manager of a container without a cgroup.
func (m *legacy) doWithout() {
	_ = m.Close()
	m.v2, m.v1 = &cgroupfs{absent: true}, new(v1.Group)
	m.processes = m.v2
}

func (m *legacy) Dir() (*os.File, error) {
	if m.v2 == nil {
		return nil, nil
	}
	return m.v2.Dir()
}

func (m *legacy) AtStart() (*StartLimit, error) {
	if m.pidsLimit == "" {
		if m.v2 == nil {
			return nil, nil
		}
		return m.v2.AtStart()
	}
	file, err := m.v1.Open("pids.max")
	if err != nil {
		return nil, err
	}
	return &StartLimit{File: file, Value: m.pidsLimit, Until: m.pidsRaised}, nil
}

func (m *legacy) Adopt(pid int) error { return m.v1.AddProcess(pid) }

func (m *legacy) AddProcess(pid int) error {
	if m.v2 != nil {
		if err := m.v2.AddProcess(pid); err != nil {
			return err
		}
	}
	return m.v1.AddProcess(pid)
}

// Kill has those die, too, whom the container has frozen in a cgroup of the v1 freezer, if it has one.
func (m *legacy) Kill() error {
	if err := m.processes.Kill(); err != nil || m.v2 == nil {
		return err
	}
	return m.v1.ThawAll()
}

// Remove takes the v2 cgroup first: when that is empty, so are the others.
func (m *legacy) Remove(timeout time.Duration) error {
	if m.v2 != nil {
		if err := m.v2.Remove(timeout); err != nil {
			return err
		}
	}
	return m.v1.Remove(timeout)
}

func (m *legacy) Update(res *specs.LinuxResources) error {
	if res == nil {
		return nil
	}
	if m.v2 == nil {
		return m.updateV1(res, func() error {
			if res.Devices == nil {
				return nil
			}
			return m.v1.UpdateDevices(res.Devices, !m.ownDevicesOnly)
		})
	}
	if m.v2.absent {
		return m.v2.Update(res)
	}
	tree, err := v2.OpenTree(m.v2.mount)
	if err != nil {
		return err
	}
	defer tree.Close()
	forV2, forV1 := split(res, tree)
	return m.updateV1(forV1, func() error { return m.v2.Update(forV2) })
}

// updateV1 changes limits on v1, and then the rest, which undoes itself if it fails.
func (m *legacy) updateV1(res *specs.LinuxResources, rest func() error) error {
	settings, err := v1.Settings(res)
	if err != nil {
		return err
	}
	if err := m.v1.Check(settings); err != nil {
		return err
	}
	undo, err := m.v1.Update(settings)
	if err != nil {
		return err
	}
	if err := rest(); err != nil {
		if lost := undo(); lost != nil {
			err = fmt.Errorf("%w; and then: %w", err, lost)
		}
		return err
	}
	return nil
}

func (m *legacy) Stats() (*stats.Stats, error) {
	s := &stats.Stats{Hugetlb: map[string]stats.Hugetlb{}}
	if m.v2 != nil {
		var err error
		if s, err = m.v2.Stats(); err != nil {
			return nil, err
		}
	}
	if err := m.v1.Stats(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (m *legacy) WatchOOM() (OOMWatch, error) {
	if m.v2 != nil && !m.v1.Has("memory") {
		return m.v2.WatchOOM()
	}
	w, err := m.v1.WatchOOM()
	if err != nil {
		return nil, err // not w, which would be an OOMWatch of a nil pointer
	}
	return w, nil
}

func (m *legacy) OOMKills() (uint64, error) {
	if m.v2 != nil && !m.v1.Has("memory") {
		return m.v2.OOMKills()
	}
	return m.v1.OOMKills()
}

func (m *legacy) Started() error {
	if m.v2 == nil {
		return nil
	}
	return m.v2.Started()
}

func (m *legacy) State() State {
	s := State{Driver: DriverCgroupfs, OwnDevicesOnly: m.ownDevicesOnly}
	if m.v2 != nil {
		s = m.v2.State()
	}
	s.V1 = m.v1.Dirs
	return s
}

func (m *legacy) Close() error {
	if m.v2 == nil {
		return nil
	}
	return m.v2.Close()
}

// HasFreezer says whether there is a cgroup of the v1 freezer, in which a frozen process does not die of SIGKILL until Kill.
func (s *State) HasFreezer() bool {
	group := v1.Group{Dirs: s.V1}
	return group.Has("freezer")
}

// loadLegacy returns the Manager of a state that has v1 directories.
func loadLegacy(s State) (Manager, error) {
	for i := range s.V1 {
		if !s.V1[i].Valid() {
			return nil, fmt.Errorf("state: cgroup %q is not below the cgroup hierarchy %q", s.V1[i].Path(), s.V1[i].Mount)
		}
	}
	m := &legacy{v1: &v1.Group{Dirs: s.V1}, ownDevicesOnly: s.OwnDevicesOnly}
	m.processes = m.v1
	if s.Path != "" {
		beside, err := loadCgroupfs(s)
		if err != nil {
			return nil, err
		}
		m.v2, m.processes = beside, beside
	}
	return m, nil
}
