package libcontainer

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"time"

	"tare/cgroups"
	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/state"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Container is a container that was created.
type Container struct {
	root  string
	dir   *state.Dir
	state *state.State
}

// Load finds the container id under root. ErrNotExist: there is none.
func Load(root, id string) (*Container, error) {
	dir, err := state.Open(root, id)
	if err != nil {
		return nil, err
	}
	st, err := dir.Load()
	if errors.Is(err, state.ErrNoState) {
		err = ErrNotExist // not yet, or not any more
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &Container{root: root, dir: dir, state: st}, nil
}

// List loads all containers under root, and tells what it could not load, with its id. A root that is not there is
// fs.ErrNotExist.
func List(root string) (all []*Container, broken []error, err error) {
	ids, err := state.List(root)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		c, err := Load(root, id)
		if errors.Is(err, ErrNotExist) {
			if !left(root, id) {
				continue // it comes or goes right now
			}
			err = errors.New("has no state: an interrupted create or delete has left it, delete --force removes it")
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("container %s: %w", id, err))
			continue
		}
		all = append(all, c)
	}
	return all, broken, nil
}

// left tells whether there is a directory without a state that nobody works on: what a create that was killed at its
// beginning leaves.
func left(root, id string) bool {
	dir, err := state.Open(root, id)
	if err != nil {
		return false
	}
	defer dir.Close()
	if dir.Locked() || dir.Age() < settleTime {
		return false
	}
	_, err = dir.Load()
	return errors.Is(err, state.ErrNoState)
}

// settleTime is the age from which a directory without a state is no beginning of a create any more: it is made
// before it is locked.
const settleTime = time.Minute

// reload reads the state anew, with the lock held.
func (c *Container) reload() error {
	st, err := c.dir.Load()
	if errors.Is(err, state.ErrNoState) {
		return ErrNotExist
	}
	if err == nil {
		c.state = st
	}
	return err
}

// Close gives up what the Container holds open.
func (c *Container) Close() error { return c.dir.Close() }

// Status is what a container is doing: one of the spec's, or paused.
type Status = specs.ContainerState

// StatePaused is the status of a frozen container, beside those of the spec.
const StatePaused Status = "paused"

// Status asks the kernel.
func (c *Container) Status() (Status, error) {
	alive, err := c.initAlive()
	if err != nil {
		return "", err
	}
	if !alive {
		return c.statusWithoutInit(), nil
	}
	if c.state.Creating {
		return specs.StateCreating, nil
	}
	if c.frozen() {
		return StatePaused, nil
	}
	if c.dir.HasFifo() {
		return specs.StateCreated, nil
	}
	return specs.StateRunning, nil
}

// frozen tells whether the container's processes stand still.
func (c *Container) frozen() bool {
	cg, err := c.cgroup()
	if err != nil {
		return false
	}
	defer cg.Close()
	frozen, err := cg.Frozen()
	return err == nil && frozen
}

// statusWithoutInit tells a container that is still being made from one whose init process has ended.
func (c *Container) statusWithoutInit() Status {
	if c.state.InitPid == 0 && c.dir.Locked() {
		return specs.StateCreating
	}
	return specs.StateStopped
}

// initAlive tells whether the init process lives: the one with this pid may be another by now, or a zombie.
func (c *Container) initAlive() (bool, error) {
	if c.state.InitPid == 0 {
		return false, nil
	}
	proc, err := procfs.Open()
	if err != nil {
		return false, err
	}
	defer proc.Close()
	return c.initAliveBy(proc)
}

// initAliveBy is initAlive with a /proc that is open already.
func (c *Container) initAliveBy(proc *procfs.Handle) (bool, error) {
	stat, err := proc.Stat(c.state.InitPid)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return stat.StartTime == c.state.InitStart && stat.State != 'Z' && stat.State != 'X', nil
}

// openInit opens a pidfd of the init process. ErrNotRunning: it has ended. With the descriptor in hand the
// start time is compared once more, so that the process is this one however pids are used again.
func (c *Container) openInit() (int, error) {
	proc, err := procfs.Open()
	if err != nil {
		return -1, err
	}
	defer proc.Close()
	return c.openInitBy(proc)
}

// openInitBy is openInit with a /proc that is open already.
func (c *Container) openInitBy(proc *procfs.Handle) (int, error) {
	if c.state.InitPid == 0 {
		return -1, ErrNotRunning
	}
	fd, err := sys.PidfdOpen(c.state.InitPid)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return -1, ErrNotRunning
	}
	if err != nil {
		return -1, err
	}
	alive, err := c.initAliveBy(proc)
	if err == nil && !alive {
		err = ErrNotRunning
	}
	if err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}

// cgroup loads the manager of the container's cgroup.
func (c *Container) cgroup() (cgroups.Manager, error) {
	if c.state.Cgroup == nil {
		return cgroups.Load(cgroups.State{Driver: cgroups.DriverNone})
	}
	return cgroups.Load(*c.state.Cgroup)
}

// State is what `state` prints: the spec's, and what runc's callers read beside.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"` // on the host; 0 once stopped
	Status      Status            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// State asks the kernel how the container is.
func (c *Container) State() (*State, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	s := &State{
		Version: c.state.Version, ID: c.state.ID, Status: status, Bundle: c.state.Bundle, Rootfs: c.state.Rootfs,
		Created: c.state.Created, Annotations: c.state.Annotations, Owner: c.owner(),
	}
	if status != specs.StateStopped {
		s.Pid = c.state.InitPid
	}
	return s, nil
}

// owner names the user who made the container, or #uid.
func (c *Container) owner() string {
	uid, err := c.dir.Owner()
	if err != nil {
		return ""
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}
