package libcontainer

import (
	"errors"
	"fmt"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Kill sends sig to the init process, or with all to every process of the container. A container that has
// stopped is ErrNotRunning, with all it is fine.
func (c *Container) Kill(sig unix.Signal, all bool) error {
	// Without a PID namespace of their own the others do not end with the first: SIGKILL is meant for all. And on cgroup v1
	// it needs the cgroup to end who is frozen, by us or by the container itself.
	wide := all || (sig == unix.SIGKILL && (!c.state.OwnPidNS || c.state.Cgroup != nil && c.state.Cgroup.HasFreezer()))
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) {
		if !wide {
			return err
		}
		if leftErr := c.signalAll(sig); leftErr != nil {
			return leftErr
		}
		if all {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	defer sys.Close(init)
	if wide {
		return c.signalAll(sig)
	}
	err = sys.PidfdSendSignal(init, sig)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	return err
}

// signalAll sends sig to every process in the container's cgroup, or to init alone where there is none.
func (c *Container) signalAll(sig unix.Signal) error {
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	if sig == unix.SIGKILL {
		if err := cg.Kill(); err != nil {
			return err
		}
		return c.signalInit(sig) // where there is no cgroup, or it left it
	}
	pids, err := cg.Pids()
	if err != nil {
		return c.signalInit(sig)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
	}
	return nil
}

func (c *Container) signalInit(sig unix.Signal) error {
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer sys.Close(init)
	if err := sys.PidfdSendSignal(init, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
