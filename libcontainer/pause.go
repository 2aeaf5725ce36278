package libcontainer

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// freezeTimeout is how long processes may take to stand still, or to run again. One in an uninterruptible sleep, as on a
// network file system whose server is gone, does not.
const freezeTimeout = 10 * time.Second

// Pause stops every process of a created or running container where it is. If they do not stand still in time they all run
// again.
func (c *Container) Pause() error {
	status, err := c.lockedStatus()
	if err != nil {
		return err
	}
	if status != specs.StateCreated && status != specs.StateRunning {
		return fmt.Errorf("%w: it is %s", ErrNotRunning, status)
	}
	return c.freeze()
}

// freeze has nobody who loses patience leave the container half frozen: a signal that would end this process ends the
// freezing.
func (c *Container) freeze() error {
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() {
		done <- cg.Freeze(freezeTimeout)
		cg.Close()
	}()
	select {
	case err := <-done:
		return err
	case s := <-signals:
		if err := c.thaw(); err != nil {
			return fmt.Errorf("interrupted (%v); and then: %w", s, err)
		}
		return fmt.Errorf("interrupted (%v): all processes run again", s)
	}
}

func (c *Container) thaw() error {
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	return cg.Thaw(freezeTimeout)
}

// Resume lets the processes of a paused container run.
func (c *Container) Resume() error {
	status, err := c.lockedStatus()
	if err != nil {
		return err
	}
	if status == specs.StateStopped || status == specs.StateCreating {
		return fmt.Errorf("%w: it is %s", ErrNotPaused, status)
	}
	// Even if it does not look paused: of a Pause that was killed some processes may stand still, and others not yet.
	if err := c.thaw(); err != nil {
		return err
	}
	if status != StatePaused {
		return fmt.Errorf("%w: it is %s", ErrNotPaused, status)
	}
	return nil
}

// lockedStatus locks the container against other commands, until Close, and says what it is doing then.
func (c *Container) lockedStatus() (Status, error) {
	if err := c.dir.Lock(lockTimeout); err != nil {
		return "", err
	}
	if err := c.reload(); err != nil { // a create may have been at work until now
		return "", err
	}
	return c.Status()
}
