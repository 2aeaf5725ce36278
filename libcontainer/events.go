package libcontainer

import (
	"errors"
	"math"
	"time"

	"tare/cgroups"
	"tare/cgroups/stats"
	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Event is what `events` prints a line of.
type Event struct {
	Type string `json:"type"` // "stats" or "oom"
	ID   string `json:"id"`
	Data *Stats `json:"data,omitempty"` // of stats
}

// Stats is what a container uses and may use. What follows its cgroup's is what callers of runc know and no cgroup counts.
type Stats struct {
	*stats.Stats
	IntelRdt          struct{}   `json:"intel_rdt"`
	NetworkInterfaces []struct{} `json:"network_interfaces"` // null: those that the runtime has made
}

// Stats tells what a container uses now. It must not have stopped.
func (c *Container) Stats() (*Event, error) {
	alive, err := c.initAlive()
	if err != nil {
		return nil, err
	}
	if !alive {
		return nil, ErrNotRunning
	}
	cg, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	defer cg.Close()
	return c.statsEvent(cg)
}

func (c *Container) statsEvent(cg cgroups.Manager) (*Event, error) {
	s, err := cg.Stats()
	if err != nil {
		return nil, err
	}
	if s.Hugetlb == nil {
		s.Hugetlb = map[string]stats.Hugetlb{} // {}, as readers know it, and not null
	}
	return &Event{Type: "stats", ID: c.state.ID, Data: &Stats{Stats: s}}, nil
}

// EventsOptions are those of Events.
type EventsOptions struct {
	Interval time.Duration      // between two stats
	Emit     func(*Event) error // gets each event; its error ends Events
	Reader   int                // a pipe or socket at whose hang-up nobody reads any more; -1: there is none
}

// Events emits the stats of the container after each interval, and at once when a process was killed for want of memory. It
// returns when the container ends, or its reader.
func (c *Container) Events(o EventsOptions) error {
	init, err := c.openInit()
	if err != nil {
		return err
	}
	defer sys.Close(init)
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	w := &eventWatch{c: c, o: o, cg: cg, fds: []unix.PollFd{
		watchEnd:    {Fd: int32(init), Events: unix.POLLIN},
		watchReader: {Fd: int32(o.Reader)}, // a hang-up is told without being asked for; poll(2) skips -1
		watchOOM:    {Fd: -1},
	}}
	if err := w.watchOOM(); err != nil {
		return err
	}
	defer w.close()
	return w.run()
}

// The places of descriptors in an eventWatch.
const (
	watchEnd = iota
	watchReader
	watchOOM
)

// eventWatch is an Events at work.
type eventWatch struct {
	c     *Container
	o     EventsOptions
	cg    cgroups.Manager
	fds   []unix.PollFd
	oom   cgroups.OOMWatch // nil where nothing counts kills
	kills uint64
}

func (w *eventWatch) watchOOM() error {
	oom, err := w.cg.WatchOOM()
	switch {
	case errors.Is(err, cgroups.ErrNoCgroup): // nothing to tell, today or later
		return cgroups.ErrNoCgroup
	case errors.Is(err, cgroups.ErrNoMemory):
		return nil
	}
	if err != nil {
		return w.unlessEnded(err)
	}
	if w.kills, err = oom.Kills(); err != nil {
		oom.Close()
		return w.unlessEnded(err)
	}
	w.oom, w.fds[watchOOM] = oom, unix.PollFd{Fd: int32(oom.FD()), Events: unix.POLLIN}
	return nil
}

func (w *eventWatch) close() {
	if w.oom != nil {
		w.oom.Close()
	}
}

func (w *eventWatch) run() error {
	next := time.Now().Add(w.o.Interval)
	for {
		if _, err := sys.Poll(w.fds, pollTimeout(time.Until(next))); err != nil {
			return err
		}
		if w.fds[watchReader].Revents != 0 {
			return nil
		}
		ended := w.fds[watchEnd].Revents != 0
		if w.fds[watchOOM].Revents != 0 || ended && w.oom != nil { // its end may be its first process's death by OOM
			if err := w.emitOOM(); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		if time.Now().Before(next) {
			continue
		}
		if err := w.emitStats(); err != nil {
			return err
		}
		next = time.Now().Add(w.o.Interval)
	}
}

// pollTimeout is what poll(2) takes: milliseconds, rounded up so that it does not return in vain.
func pollTimeout(d time.Duration) int {
	ms := (max(d, 0) + time.Millisecond - 1) / time.Millisecond
	return int(min(ms, math.MaxInt32))
}

func (w *eventWatch) emitOOM() error {
	kills, err := w.oom.Kills()
	if err != nil || kills <= w.kills {
		return w.unlessEnded(err)
	}
	w.kills = kills
	return w.o.Emit(&Event{Type: "oom", ID: w.c.state.ID})
}

func (w *eventWatch) emitStats() error {
	event, err := w.c.statsEvent(w.cg)
	if err != nil {
		return w.unlessEnded(err)
	}
	return w.o.Emit(event)
}

// unlessEnded drops the error of looking into the cgroup of a container that has ended: it may be gone.
func (w *eventWatch) unlessEnded(err error) error {
	if err == nil {
		return nil
	}
	if ended, waitErr := sys.WaitExit(int(w.fds[watchEnd].Fd), 0); waitErr == nil && ended {
		return nil
	}
	return err
}
