package v1

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

const freezerState = "freezer.state"

// Freeze stops all processes, and waits until they stand still. If they do not in time, or before the descriptor interrupt is
// ready to be read (-1: there is none), they are let run again.
func (g *Group) Freeze(timeout time.Duration, interrupt int) error {
	err := g.freeze(timeout, interrupt)
	if err != nil {
		_ = g.setState("THAWED")
		return fmt.Errorf("freeze %w", err)
	}
	return nil
}

// freeze: the freezer of v1 has no event to wait for: its state is looked at, and looking is what makes it FROZEN from FREEZING. A
// process that forks at the wrong moment leaves it FREEZING for ever; to thaw and freeze again helps.
func (g *Group) freeze(timeout time.Duration, interrupt int) error {
	deadline := time.Now().Add(timeout)
	for looks := 0; ; looks++ {
		if looks%25 == 24 {
			if err := g.setState("THAWED"); err != nil {
				return err
			}
		}
		if looks%25 == 0 || looks%25 == 24 {
			if err := g.setState("FROZEN"); err != nil {
				return err
			}
		}
		frozen, err := g.isState("FROZEN")
		if frozen || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s: %w after %v: a process in it is in an uninterruptible sleep", g.at(), v2.ErrTimeout, timeout)
		}
		n, err := sys.Poll([]unix.PollFd{{Fd: int32(interrupt), Events: unix.POLLIN}}, 1)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("cgroup %s: %w", g.at(), v2.ErrInterrupted)
		}
	}
}

// Thaw lets the processes run.
func (g *Group) Thaw(time.Duration) error {
	if err := g.setState("THAWED"); err != nil {
		return fmt.Errorf("thaw %w", err)
	}
	if thawed, err := g.isState("THAWED"); !thawed && err == nil {
		return fmt.Errorf("thaw cgroup %s: %w: a cgroup above it is frozen", g.at(), v2.ErrTimeout)
	}
	return nil
}

// ThawAll lets the processes run in the cgroups, too, that the container made and froze itself: a frozen process does not die of
// SIGKILL, and the first of a PID namespace not before all others.
func (g *Group) ThawAll() error {
	d := g.dir("freezer")
	if d == nil {
		return nil
	}
	dir, err := open(d.Path())
	if err == nil {
		defer dir.Close()
		err = v2.WalkBelow(int(dir.Fd()),
			func(fd int) error { return sys.CgroupWrite(fd, freezerState, "THAWED") },
			func(int, string) error { return nil })
	}
	if err != nil && !v2.Gone(err) {
		return fmt.Errorf("thaw cgroup %s: %w", d.Path(), v2.Errno(err))
	}
	return nil
}

// Frozen says whether all processes stand still, be it by a cgroup above. A cgroup that is gone is not frozen.
func (g *Group) Frozen() (bool, error) {
	frozen, err := g.isState("FROZEN")
	if v2.Gone(err) {
		return false, nil
	}
	return frozen, err
}

func (g *Group) setState(state string) error {
	file := g.file(freezerState)
	if file == "" {
		return errNoFreezer
	}
	if err := sys.CgroupWrite(unix.AT_FDCWD, file, state); err != nil {
		return fmt.Errorf("cgroup %s: %w", g.at(), v2.Errno(err))
	}
	return nil
}

var errNoFreezer = errors.New("the container's cgroup: no hierarchy with the freezer controller is mounted")

func (g *Group) isState(state string) (bool, error) {
	text, err := g.read(freezerState)
	if err != nil {
		return false, fmt.Errorf("cgroup %s: %w", g.at(), v2.Errno(err))
	}
	return strings.TrimSpace(string(text)) == state, nil
}

// checkThawed refuses a directory that is frozen, be it for one above: who enters it stops.
func checkThawed(d *Dir) error {
	text, err := sys.CgroupReadSmall(unix.AT_FDCWD, d.Path()+"/"+freezerState)
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", d.Path(), v2.Errno(err))
	}
	if string(text) != "THAWED\n" {
		return fmt.Errorf("cgroup %s: %w", d.Path(), v2.ErrFrozen)
	}
	return nil
}

// pause waits a moment, where the kernel tells of no event.
func pause(d time.Duration) { _, _ = sys.Poll(nil, int(d.Milliseconds())) }
