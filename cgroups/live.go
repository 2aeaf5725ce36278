package cgroups

import (
	"errors"
	"fmt"
	"reflect"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/devbpf"
	"tare/cgroups/stats"
	"tare/cgroups/v2"
	"tare/internal/sys"
)

func (m *cgroupfs) Update(res *specs.LinuxResources) error { return m.update(res, nil) }

// update changes limits and device rules. Whoever else is to know of it is told between the two: a systemd that is to let our
// program open a device, for instance.
func (m *cgroupfs) update(res *specs.LinuxResources, tell func([]v2.Setting) error) error {
	if res == nil || reflect.ValueOf(*res).IsZero() {
		return nil
	}
	if m.absent {
		return fmt.Errorf("change limits: %w", ErrNoCgroup)
	}
	program, err := m.loadRules(res.Devices)
	if err != nil {
		return err
	}
	if program >= 0 {
		defer sys.Close(program)
	}
	settings, err := m.changes(res)
	if err != nil {
		return err
	}
	undo, err := m.cg.Apply(settings)
	if err != nil {
		return err
	}
	if tell != nil {
		err = tell(settings)
	}
	if err == nil && program >= 0 {
		err = m.replaceProgram(program)
	}
	if err != nil {
		if lost := undo(); lost != nil {
			err = fmt.Errorf("%w; and then: %w", err, lost)
		}
	}
	return err
}

func (m *cgroupfs) replaceProgram(program int) error {
	dir, err := m.cg.File()
	if err != nil {
		return err
	}
	return devbpf.Replace(int(dir.Fd()), program)
}

// changes says what Update is to write, after seeing that there are controllers for it.
func (m *cgroupfs) changes(res *specs.LinuxResources) ([]v2.Setting, error) {
	settings, err := m.cg.Changes(res)
	if err != nil || len(settings) == 0 {
		return nil, err
	}
	tree, err := v2.OpenTree(m.mount)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return settings, checkControllers(tree, settings)
}

// loadRules loads the program for new device rules. Where there is none to be, the descriptor is -1.
func (m *cgroupfs) loadRules(rules []specs.LinuxDeviceCgroup) (int, error) {
	if rules == nil {
		return -1, nil
	}
	program, err := devbpf.Program(rules, !m.ownDevicesOnly)
	if err != nil || m.noDeviceRules {
		return -1, err
	}
	return devbpf.Load(program)
}

func (m *cgroupfs) Stats() (*stats.Stats, error) {
	if m.absent {
		return nil, fmt.Errorf("read statistics: %w", ErrNoCgroup)
	}
	return m.cg.Stats()
}

func (m *cgroupfs) WatchOOM() (OOMWatch, error) {
	if m.absent {
		return nil, fmt.Errorf("%w: %w", ErrNoMemory, ErrNoCgroup)
	}
	w, err := m.cg.WatchOOM()
	if errors.Is(err, v2.ErrNoMemory) {
		return nil, fmt.Errorf("watch cgroup %s for OOM kills: %w", m.cg.Dir, ErrNoMemory)
	}
	if err != nil {
		return nil, err // not w, which would be an OOMWatch of a nil pointer
	}
	return w, nil
}
