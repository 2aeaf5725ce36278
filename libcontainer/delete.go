package libcontainer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tare/cgroups"
	"tare/internal/document"
	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/hooks"
	"tare/libcontainer/resctrl"
	"tare/libcontainer/state"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	// promptExit is how long a killed process takes to end if nothing keeps it.
	promptExit = time.Second
	// exitTimeout is how long a killed process may take to end.
	exitTimeout = 10 * time.Second
	// removeTimeout is how long a cgroup may take to get empty.
	removeTimeout = 10 * time.Second
)

// DeleteOptions are those of a delete.
type DeleteOptions struct {
	// Force ends a running container, and finds nothing to do where there is none.
	Force bool
	Warn  func(text string) // gets what goes wrong in poststop hooks; nil drops it

	interrupt *hooks.Interrupt // ends poststop hooks, or nil
}

// Delete removes the container id under root with all that its create has made: processes, cgroup and state.
// It also removes what a create or delete that was killed has left.
func Delete(root, id string, o DeleteOptions) error {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	dir, err := state.Open(root, id)
	if errors.Is(err, ErrNotExist) && o.Force {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if o.Force {
		killBusy(dir)
	}
	if err := dir.Lock(lockTimeout); errors.Is(err, ErrNotExist) && o.Force {
		return nil
	} else if err != nil {
		return err
	}
	st, err := dir.Load()
	if errors.Is(err, state.ErrNoState) {
		return deleteRest(dir, o)
	}
	if err != nil && o.Force {
		return deleteUnknown(dir, id, err, o)
	}
	if err != nil {
		return err
	}
	return (&Container{root: root, dir: dir, state: st}).delete(o)
}

// deleteRest goes on with a delete that was killed in its poststop hooks, and removes what else has no state.
func deleteRest(dir *state.Dir, o DeleteOptions) error {
	st, err := dir.LoadRetired()
	if err == nil {
		if err := runPoststop(dir, st, o); err != nil {
			return err
		}
		return dir.Remove()
	}
	if err := dir.Remove(); err != nil || o.Force {
		return err
	}
	return ErrNotExist
}

// deleteUnknown frees the id of a container whose state cannot be read. Where there are processes in the cgroup that its config.json names, the
// state stays, as all that leads to them; they may be another container's, so nobody is killed.
func deleteUnknown(dir *state.Dir, id string, cause error, o DeleteOptions) error {
	if cg, err := configuredCgroup(dir, id); err == nil {
		defer cg.Close()
		if pids, err := cg.Pids(); err == nil && len(pids) > 0 {
			return fmt.Errorf("%w; and in its cgroup are processes, %v: end them first", cause, pids)
		}
		if err := cg.Remove(removeTimeout); err != nil {
			o.Warn(err.Error())
		}
	}
	o.Warn(cause.Error())
	return dir.Remove()
}

// configuredCgroup is the cgroup that a create would make from the container's config.json, with the driver that the path is for.
func configuredCgroup(dir *state.Dir, id string) (cgroups.Manager, error) {
	raw, err := dir.LoadConfig()
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := document.Decode(raw, &spec); err != nil {
		return nil, err
	}
	config := cgroups.Config{ID: id}
	if spec.Linux != nil {
		config.Path = spec.Linux.CgroupsPath
		config.Systemd = strings.Count(config.Path, ":") == 2 // slice:prefix:name
	}
	return cgroups.New(config, nil)
}

// killBusy ends the init process of a container that another command is at work on, a start that waits for a
// hook for instance: with it that command ends.
func killBusy(dir *state.Dir) {
	if !dir.Locked() {
		return
	}
	st, err := dir.Load()
	if err != nil {
		return
	}
	c := &Container{dir: dir, state: st}
	_ = c.signalInit(unix.SIGKILL)
}

// delete removes the container. Preconditions: its directory is locked.
func (c *Container) delete(o DeleteOptions) error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status == specs.StateRunning && !o.Force {
		if status, err = c.awaitDeath(); err != nil {
			return err
		}
	}
	if status != specs.StateStopped && status != specs.StateCreated && status != specs.StateCreating && !o.Force {
		return fmt.Errorf("cannot delete container %s that is not stopped: %s (kill it first, or use --force)", c.state.ID, status)
	}
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	if err := c.endAll(cg, status); err != nil {
		return err
	}
	if err := returnNetDevices(c.dir, c.state); err != nil && !o.Force {
		return err
	} else if err != nil {
		o.Warn(err.Error())
	}
	if err := cg.Remove(removeTimeout); err != nil {
		return err
	}
	if err := resctrl.Remove(c.state.IntelRdt); err != nil {
		return err
	}
	if err := clearGround(c.state); err != nil {
		return err
	}
	if err := runPoststop(c.dir, c.state, o); err != nil {
		return err
	}
	return c.dir.Remove()
}

// awaitDeath waits for the end of an init process that cannot but end: a delete often comes right after the kill. Any other is
// running, which is told at once.
func (c *Container) awaitDeath() (Status, error) {
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) {
		return specs.StateStopped, nil
	}
	if err != nil {
		return "", err
	}
	defer sys.Close(init)
	dying, err := c.initDying()
	if err == nil && dying {
		_, err = sys.WaitExit(init, int(exitTimeout/time.Millisecond))
	}
	if err != nil {
		return "", err
	}
	return c.Status()
}

func (c *Container) initDying() (bool, error) {
	proc, err := procfs.Open()
	if err != nil {
		return false, err
	}
	defer proc.Close()
	dying, err := proc.Dying(c.state.InitPid)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return true, nil // and gone
	}
	return dying, err
}

// endAll ends every process of the container. One that has stopped may have left some in its cgroup.
func (c *Container) endAll(cg cgroups.Manager, status Status) error {
	if status != specs.StateStopped {
		init, err := c.openInit()
		if err == nil {
			defer sys.Close(init)
			// With a PID namespace of its own the others end with init; but a frozen init ends by this alone on cgroup v1.
			if !c.state.OwnPidNS || status == StatePaused {
				if err := cg.Kill(); err != nil {
					return err
				}
			}
			return c.end(init, cg)
		}
		if !errors.Is(err, ErrNotRunning) {
			return err
		}
	}
	left, err := cg.Populated()
	if err != nil || !left {
		return err
	}
	return cg.Kill()
}

// end kills the init process and waits for its end.
func (c *Container) end(init int, cg cgroups.Manager) error {
	if err := sys.PidfdSendSignal(init, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	ended, err := sys.WaitExit(init, int(promptExit/time.Millisecond))
	for deadline := time.Now().Add(exitTimeout); err == nil && !ended && time.Now().Before(deadline); {
		// Frozen on cgroup v1, maybe: by a pause that was killed half-way, which does not show in the status, or by the
		// container itself, whose last write may come after our own.
		_ = cg.Kill()
		ended, err = sys.WaitExit(init, int(promptExit/time.Millisecond))
	}
	if err == nil && !ended {
		err = fmt.Errorf("init process %d: still there %v after SIGKILL: does it wait for a device or a network file system?", c.state.InitPid, exitTimeout)
	}
	return err
}
