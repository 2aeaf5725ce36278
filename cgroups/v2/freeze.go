package v2

import (
	"fmt"
	"time"

	"tare/internal/sys"
)

// Freeze stops all processes of the cgroup and those below, and waits until they stand still. If they do not in time, or
// before the descriptor interrupt is ready to be read (-1: there is none), they are let run again.
func (c *Cgroup) Freeze(timeout time.Duration, interrupt int) error {
	err := c.setFrozen("freeze", "1", true, timeout, interrupt)
	if err != nil && c.dir != nil {
		_ = sys.CgroupWrite(c.fd(), "cgroup.freeze", "0")
	}
	return err
}

// Thaw lets the processes run, and waits until they do.
func (c *Cgroup) Thaw(timeout time.Duration) error {
	return c.setFrozen("thaw", "0", false, timeout, -1)
}

func (c *Cgroup) setFrozen(verb, value string, frozen bool, timeout time.Duration, interrupt int) error {
	w, err := c.watch()
	if err != nil {
		return fmt.Errorf("%s cgroup %s: %w", verb, c.Dir, err)
	}
	defer w.close()
	w.interrupt = interrupt
	if err := sys.CgroupWrite(c.fd(), "cgroup.freeze", value); err != nil {
		return fmt.Errorf("%s cgroup %s: %w", verb, c.Dir, err)
	}
	done, err := w.until("frozen", frozen, time.Now().Add(timeout))
	switch {
	case err != nil:
		return fmt.Errorf("%s cgroup %s: %w", verb, c.Dir, err)
	case !done && frozen:
		return fmt.Errorf("%s cgroup %s: %w after %v: a process in it is in an uninterruptible sleep", verb, c.Dir, ErrTimeout, timeout)
	case !done:
		return fmt.Errorf("%s cgroup %s: %w after %v: a cgroup above it is frozen", verb, c.Dir, ErrTimeout, timeout)
	}
	return nil
}
