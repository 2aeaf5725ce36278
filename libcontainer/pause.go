package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"tare/cgroups/v2"

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
	defer cg.Close()
	interrupt, err := awaitInterrupt()
	if err != nil {
		return err
	}
	defer interrupt.stop()
	err = cg.Freeze(freezeTimeout, int(interrupt.pipe.Fd()))
	if !errors.Is(err, v2.ErrInterrupted) {
		return err
	}
	if err := cg.Thaw(freezeTimeout); err != nil {
		return fmt.Errorf("interrupted (%v); and then: %w", <-interrupt.by, err)
	}
	return fmt.Errorf("interrupted (%v): all processes run again", <-interrupt.by)
}

// interrupt makes a signal that would end this process something to poll(2) for: so whoever is at work ends it himself, and
// nobody undoes what he is still doing.
type interrupt struct {
	pipe    *os.File       // hung up by a signal
	by      chan os.Signal // which it was
	signals chan os.Signal
}

func awaitInterrupt() (*interrupt, error) {
	pipe, other, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	i := &interrupt{pipe: pipe, by: make(chan os.Signal, 1), signals: make(chan os.Signal, 1)}
	signal.Notify(i.signals, unix.SIGINT, unix.SIGTERM)
	go func() {
		if s, ok := <-i.signals; ok {
			i.by <- s
		}
		other.Close()
	}()
	return i, nil
}

func (i *interrupt) stop() {
	signal.Stop(i.signals)
	close(i.signals)
	i.pipe.Close()
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
