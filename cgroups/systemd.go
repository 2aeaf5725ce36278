package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups/devbpf"
	"tare/cgroups/systemd"
	"tare/cgroups/v2"
	"tare/internal/sys"
)

// unitCgroup is the Manager of a cgroup that systemd makes, as a unit, and has delegated to us: what it does beside making
// and removing it is what cgroupfs does.
type unitCgroup struct {
	cgroupfs
	unit    systemd.Unit
	bus     string // whose systemd: see systemd.Find
	started bool   // there was such a unit, and it was ours
	foreign bool   // there is such a unit, and it is somebody else's
	plan    *unitPlan

	latePids *LateLimit // as cgroupfs has it for memory: the scope is not there yet when the init stage gets its descriptors
}

// unitPlan is what is to be done when there is a process, as a scope cannot be without one.
type unitPlan struct {
	client     *systemd.Client
	tree       *v2.Tree // of what is systemd's to give
	properties []systemd.Property
	settings   []v2.Setting
	program    []sys.BPFInsn
}

// newUnitManager plans a container's cgroup in the tree, which is nil on hosts without cgroup v2, and becomes the Manager's.
func newUnitManager(cfg Config, res *specs.LinuxResources, tree *v2.Tree, program []sys.BPFInsn) (Manager, error) {
	defer closeTree(tree)
	if tree == nil || tree.Mount == unifiedRoot {
		return nil, ErrSystemdOnV1
	}
	settings, err := v2.Settings(res)
	if err != nil {
		return nil, err
	}
	m, err := newUnitCgroup(cfg, tree.Mount, settings, devices(res), program)
	if err != nil {
		return nil, err // not m, which would be a Manager of a nil pointer
	}
	return m, nil
}

func newUnitCgroup(cfg Config, mount string, settings []v2.Setting, rules []specs.LinuxDeviceCgroup, program []sys.BPFInsn) (_ *unitCgroup, err error) {
	m := &unitCgroup{}
	settings, limit, raised := v2.PidsToStart(settings)
	if raised != "" {
		m.latePids = &LateLimit{Value: limit, Until: raised}
	}
	settings, m.late = memoryToStart(settings)
	m.plan = &unitPlan{settings: settings, program: program}
	m.mount, m.ownDevicesOnly = mount, cfg.OwnDevicesOnly
	if m.bus, err = systemd.Find(); err != nil {
		return nil, err
	}
	slice := "system.slice"
	if m.user() {
		slice = "user.slice"
	}
	if m.unit, err = systemd.ParseUnit(cfg.Path, cfg.ID, slice); err != nil {
		return nil, err
	}
	if m.plan.client, err = systemd.Connect(m.bus); err != nil {
		return nil, err
	}
	if err := m.prepare(cfg, rules); err != nil {
		m.dropPlan()
		return nil, err
	}
	return m, nil
}

// user says that it is a user's systemd.
func (m *unitCgroup) user() bool { return m.bus != systemd.System }

// prepare asks systemd what it needs to know for the unit's place and properties.
func (m *unitCgroup) prepare(cfg Config, rules []specs.LinuxDeviceCgroup) error {
	base, err := m.plan.client.ControlGroup()
	if err != nil {
		return err
	}
	m.cg = v2.At(m.mount + base + m.unit.Path())
	if err := m.checkFree(); err != nil {
		return err
	}
	if m.plan.tree, err = v2.OpenTree(m.mount + base); err != nil {
		return err
	}
	if err := checkControllers(m.plan.tree, m.plan.settings); err != nil {
		if m.user() {
			err = fmt.Errorf("%w; or it is not delegated to the user's systemd (Delegate= of user@.service)", err)
		}
		return err
	}
	all := append(m.unit.Properties("tare container "+cfg.ID), systemd.Properties(m.plan.settings)...)
	if !m.user() { // which has no say about devices, as the user has none
		all = append(all, systemd.Devices(m.allRules(rules))...)
	}
	m.plan.properties, err = systemd.Annotated(all, cfg.Annotations)
	return err
}

// checkFree refuses a unit that is in use: what belongs to another container, or to the host, must not get into our state, by
// which it would be killed and removed. A slice is in use if it is there: systemd would take the start of one for a change.
func (m *unitCgroup) checkFree() error {
	used, err := m.cg.Populated()
	if err == nil && m.unit.IsSlice() {
		_, absent := sys.StatfsType(m.cg.Dir)
		used = absent == nil
	}
	if err == nil && used {
		err = fmt.Errorf("unit %s: %w: %s", m.unit.Name, systemd.ErrActive, m.cg.Dir)
	}
	return err
}

// allRules are the rules with the default ones behind them, where those hold.
func (m *unitCgroup) allRules(rules []specs.LinuxDeviceCgroup) []specs.LinuxDeviceCgroup {
	if m.ownDevicesOnly {
		return rules
	}
	return append(append([]specs.LinuxDeviceCgroup{}, rules...), devbpf.DefaultRules()...)
}

// Create starts the unit if it is a slice. A scope begins with its first process: see Adopt.
func (m *unitCgroup) Create() error {
	if m.plan == nil {
		return errors.New("this cgroup was loaded, created or closed before: it is not to be created") // a mistake in tare
	}
	if m.unit.IsSlice() {
		return m.start(0)
	}
	return nil
}

// Dir is nil as long as the scope waits for its first process.
func (m *unitCgroup) Dir() (*os.File, error) {
	if m.plan != nil {
		return nil, nil
	}
	return m.cgroupfs.Dir()
}

// Adopt starts the scope with its first process; it returns when all limits and the device program hold.
func (m *unitCgroup) Adopt(pid int) error {
	if m.plan == nil {
		return nil
	}
	return m.start(pid)
}

// AddProcess moves a process into the unit, or has systemd do it, where a user may not.
func (m *unitCgroup) AddProcess(pid int) error {
	err := m.cgroupfs.AddProcess(pid)
	if !m.user() || !errors.Is(err, unix.EACCES) {
		return err
	}
	return m.ask(func(c *systemd.Client) error { return c.Attach(m.unit, pid) })
}

// start has systemd start the unit, with that process in it unless it is 0, and then does what systemd has no property for.
func (m *unitCgroup) start(pid int) error {
	program, err := loadProgram(m.plan.program, m.user()) // First, as it may be refused and leaves nothing.
	if err != nil {
		return err
	}
	if program >= 0 {
		defer sys.Close(program)
	}
	err = m.plan.client.Start(m.unit, m.unit.With(m.plan.properties, pid))
	m.noDeviceRules = program < 0
	m.started, m.foreign = err == nil, errors.Is(err, systemd.ErrActive)
	if err != nil {
		return err
	}
	if err := m.checkPlace(pid); err != nil {
		return err
	}
	cg, err := v2.Adopt(m.plan.tree, strings.TrimPrefix(m.cg.Dir, m.plan.tree.Mount), m.plan.settings)
	if err != nil {
		return err
	}
	m.cg = cg
	m.dropPlan()
	if program < 0 {
		return nil
	}
	return attach(cg, program)
}

// checkPlace sees that the process is where the limits are. Not every systemd says so if it could not move it.
func (m *unitCgroup) checkPlace(pid int) error {
	if pid == 0 {
		return nil
	}
	text, err := sys.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return fmt.Errorf("find the cgroup of process %d: %w", pid, err)
	}
	own, _ := unifiedPath(text)
	if want := strings.TrimPrefix(m.cg.Dir, m.mount); own != want {
		return fmt.Errorf("unit %s: process %d is in cgroup %q, not in %q, where systemd was to move it", m.unit.Name, pid, own, want)
	}
	return nil
}

// Kill leaves a unit alone of which it is not known that it is ours: a runtime that died before it could say so took its init
// process with it.
func (m *unitCgroup) Kill() error {
	if !m.started {
		return nil
	}
	return m.cgroupfs.Kill()
}

// Remove waits until nobody is in the cgroup, and has the unit stopped. A scope that is empty ends by itself, too.
func (m *unitCgroup) Remove(timeout time.Duration) error {
	if m.foreign {
		return nil
	}
	_, err := sys.StatfsType(m.cg.Dir)
	if gone := errors.Is(err, unix.ENOENT); gone && m.started && !m.unit.IsSlice() {
		return m.cgroupfs.Close() // and so is the unit: nobody needs to be asked
	}
	if err := m.cg.WaitEmpty(timeout); err != nil {
		return err
	}
	err = m.ask(func(c *systemd.Client) error { return c.Stop(m.unit) })
	switch {
	case err == nil:
		return m.cg.Remove(timeout)
	case m.started && !m.unit.IsSlice():
		// systemd hangs, and ends the scope when it comes back and sees that it is empty: which it would not see of a cgroup
		// that we had removed.
		return m.cgroupfs.Close()
	}
	return err
}

// ask has a conversation with systemd.
func (m *unitCgroup) ask(f func(c *systemd.Client) error) error {
	client, err := systemd.Connect(m.bus)
	if err != nil {
		return err
	}
	defer client.Close()
	return f(client)
}

// Update tells systemd first what it knows too: from then on it writes the new values, whenever it does.
func (m *unitCgroup) Update(res *specs.LinuxResources) error {
	return m.update(res, func(settings []v2.Setting) error {
		properties := systemd.Properties(settings)
		if res.Devices != nil && !m.user() {
			properties = append(properties, systemd.NewDevices(m.allRules(res.Devices))...)
		}
		if len(properties) == 0 {
			return nil
		}
		if err := m.ask(func(c *systemd.Client) error { return c.Set(m.unit, properties) }); err != nil {
			return err
		}
		_, err := m.cg.Apply(settings) // systemd has just written its own, in coarser units
		return err
	})
}

// Started tells systemd, too, of the limits that left no room for the start. Somebody else's change in between holds.
func (m *unitCgroup) Started() error {
	var settings []v2.Setting
	for file, late := range map[string]*LateLimit{"memory.max": m.late, "pids.max": m.latePids} {
		if late == nil {
			continue
		}
		if still, err := m.cg.HasValue(file, late.Until); err != nil {
			return err
		} else if still {
			settings = append(settings, v2.Setting{File: file, Value: late.Value})
		}
	}
	if len(settings) == 0 {
		return nil
	}
	if m.late != nil {
		m.cg.Settle(m.late.Value)
	}
	if err := m.ask(func(c *systemd.Client) error { return c.Set(m.unit, systemd.Properties(settings)) }); err != nil {
		return err
	}
	_, err := m.cg.Apply(settings) // systemd knows no pids.max of 0
	return err
}

func (m *unitCgroup) State() State {
	s := m.cgroupfs.State()
	s.Driver, s.Unit, s.Bus, s.UnitMade, s.LatePids = DriverSystemd, m.unit.Name, m.bus, m.started, m.latePids
	return s
}

// loadUnit makes the Manager of a unit out of that of its cgroup.
func loadUnit(s State, m *cgroupfs) (Manager, error) {
	unit := systemd.Unit{Name: s.Unit}
	if !unit.Valid() || path.Base(s.Path) != unit.Name {
		return nil, fmt.Errorf("state: cgroup %q is not that of a unit %q", s.Path, s.Unit)
	}
	return &unitCgroup{cgroupfs: *m, unit: unit, bus: s.Bus, started: s.UnitMade, latePids: s.LatePids}, nil
}

func (m *unitCgroup) Close() error {
	m.dropPlan()
	return m.cgroupfs.Close()
}

// dropPlan gives back what the plan holds.
func (m *unitCgroup) dropPlan() {
	if m.plan == nil {
		return
	}
	if m.plan.client != nil {
		m.plan.client.Close()
	}
	if m.plan.tree != nil {
		_ = m.plan.tree.Close()
	}
	m.plan = nil
}
