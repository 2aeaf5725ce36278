package v2

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Remove removes the cgroup and those below it, which the container may have made, once no process is in them any more; it
// kills none. The cgroups above stay, also those that Create made: others may have come to use them.
func (c *Cgroup) Remove(timeout time.Duration) error {
	err := sys.CgroupRmdir(unix.AT_FDCWD, c.Dir)
	if errors.Is(err, unix.EBUSY) {
		return c.removeBusy(timeout)
	}
	return c.removed(err)
}

// removed ends a removal with that error.
func (c *Cgroup) removed(err error) error {
	if errors.Is(err, unix.EROFS) { // said even of what is not there
		if _, absent := sys.StatfsType(c.Dir); gone(absent) {
			err = nil
		}
	}
	if err == nil || gone(err) {
		_ = c.Close()
		return nil
	}
	return fmt.Errorf("remove cgroup %s: %w", c.Dir, errno(err))
}

func (c *Cgroup) removeBusy(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	w, err := c.watch()
	if err != nil {
		return c.removed(err)
	}
	defer w.close()
	for {
		if err := c.waitEmpty(w, deadline, timeout); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", c.Dir, err)
		}
		err := removeBelow(c.fd())
		if err == nil {
			err = sys.CgroupRmdir(unix.AT_FDCWD, c.Dir)
		}
		if !errors.Is(err, unix.EBUSY) {
			return c.removed(err)
		}
		// Busy, but not populated: somebody made another one or went into it. What changes is looked at again at once, and
		// the rest after a moment: making a cgroup is no event.
		left := min(time.Until(deadline), 10*time.Millisecond)
		if left <= 0 {
			return fmt.Errorf("remove cgroup %s: %w after %v: %w: new ones come into being in it", c.Dir, ErrTimeout, timeout, errno(err))
		}
		if _, err := sys.PollPri(w.fd, left); err != nil {
			return err
		}
	}
}

// removeBelow removes all cgroups below one, the deepest first.
func removeBelow(fd int) error {
	return walkBelow(fd, func(int) error { return nil }, sys.CgroupRmdir)
}
