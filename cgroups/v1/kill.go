package v1

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

// at is the directory that stands for all: the one that freezes, or the first.
func (g *Group) at() string {
	if d := g.dir("freezer"); d != nil {
		return d.Path()
	}
	return g.Dirs[0].Path()
}

// Pids lists the processes of the cgroup and of those below it. The error wraps fs.ErrNotExist if it is gone.
func (g *Group) Pids() ([]int, error) { return pids(g.at()) }

func pids(path string) ([]int, error) {
	dir, err := open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	all, err := v2.PidsBelow(int(dir.Fd()))
	if err != nil {
		return nil, fmt.Errorf("list the processes of cgroup %s: %w", path, err)
	}
	return all, nil
}

// Populated says whether there are any. Zombies are none. A cgroup that is gone has none.
func (g *Group) Populated() (bool, error) {
	all, err := g.Pids()
	if v2.Gone(err) {
		return false, nil
	}
	return len(all) > 0, err
}

// killTimeout is how long Kill goes on to find new processes.
const killTimeout = 2 * time.Second

// Kill sends SIGKILL to all processes, frozen or not. A frozen one makes no others, but dies only once it is thawed: so each
// round freezes, kills and thaws, until nobody is left or the time is over.
func (g *Group) Kill() error {
	deadline := time.Now().Add(killTimeout)
	for {
		_ = g.freeze(killTimeout/8, -1)
		all, err := g.Pids()
		for _, pid := range all {
			if e := unix.Kill(pid, unix.SIGKILL); e != nil && !errors.Is(e, unix.ESRCH) && err == nil {
				err = fmt.Errorf("kill process %d: %w", pid, e)
			}
		}
		_ = g.ThawAll()
		switch {
		case v2.Gone(err):
			return nil
		case err != nil:
			return fmt.Errorf("kill cgroup %s: %w", g.at(), err)
		case len(all) == 0, time.Now().After(deadline): // each has its signal; Remove tells who does not die of it
			return nil
		}
		awaitEnd(all[0], time.Now().Add(killTimeout/8))
	}
}

// awaitEnd waits for the end of a process. v1 tells of no event when a cgroup becomes empty.
func awaitEnd(pid int, deadline time.Time) {
	fd, err := sys.PidfdOpen(pid)
	if err != nil { // it has ended
		return
	}
	defer sys.Close(fd)
	_, _ = sys.WaitExit(fd, int(max(time.Until(deadline).Milliseconds(), 0)))
}

func timedOut(timeout time.Duration, pids []int) error {
	if len(pids) > 5 {
		return fmt.Errorf("%w after %v: %d processes are left, such as %v", v2.ErrTimeout, timeout, len(pids), pids[:5])
	}
	return fmt.Errorf("%w after %v: the processes %v are left", v2.ErrTimeout, timeout, pids)
}

// Remove removes the directories and those that the container made in them, once they are empty. It kills nobody.
func (g *Group) Remove(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	var errs []error
	for i := range g.Dirs {
		if err := remove(g.Dirs[i].Path(), deadline, timeout); err != nil {
			errs = append(errs, fmt.Errorf("remove cgroup %s: %w", g.Dirs[i].Path(), err))
		}
	}
	return errors.Join(errs...)
}

func remove(path string, deadline time.Time, timeout time.Duration) error {
	for {
		err := sys.CgroupRmdir(unix.AT_FDCWD, path)
		if errors.Is(err, unix.EROFS) { // said even of what is not there
			if _, absent := sys.StatfsType(path); v2.Gone(absent) {
				return nil
			}
		}
		if err == nil || v2.Gone(err) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return v2.Errno(err)
		}
		left, err := empty(path)
		if v2.Gone(err) || err == nil && len(left) == 0 && sys.CgroupRmdir(unix.AT_FDCWD, path) == nil {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return v2.Errno(err)
		}
		if time.Now().After(deadline) {
			return timedOut(timeout, left)
		}
		if len(left) > 0 {
			awaitEnd(left[0], deadline)
			continue
		}
		pause(time.Millisecond) // one has left the list, but not yet the cgroup
	}
}

// empty removes the cgroups below a directory, and lists who is in the way.
func empty(path string) ([]int, error) {
	dir, err := open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	left, err := v2.PidsBelow(int(dir.Fd()))
	if err != nil {
		return nil, err
	}
	return left, v2.RemoveBelow(int(dir.Fd()))
}
