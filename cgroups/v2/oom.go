package v2

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// OOMKills counts the processes of the cgroup and those below that the kernel killed for want of memory, as it counts them
// (oom_kill of memory.events): of a group that died together (memory.oom.group) each one, and the first twice. Without the
// memory controller there are none.
func (c *Cgroup) OOMKills() (uint64, error) {
	if _, err := c.File(); err != nil {
		return 0, err
	}
	b, err := sys.CgroupReadSmall(c.fd(), "memory.events")
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the OOM kills of cgroup %s: %w", c.Dir, err)
	}
	return flatValue(b, "oom_kill"), nil
}

// OOMWatch tells when the count of OOM kills may have changed, or the cgroup may be gone.
type OOMWatch struct {
	dir    string
	notify int // inotify
	events int // memory.events, kept open
}

// WatchOOM begins to watch. The error wraps ErrNoMemory if the cgroup has no memory controller.
func (c *Cgroup) WatchOOM() (*OOMWatch, error) {
	w := &OOMWatch{dir: c.Dir, notify: -1, events: -1}
	if err := w.open(c); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("watch cgroup %s for OOM kills: %w", c.Dir, err)
	}
	return w, nil
}

func (w *OOMWatch) open(c *Cgroup) (err error) {
	if _, err = c.File(); err != nil {
		return err
	}
	if w.events, err = sys.CgroupOpen(c.fd(), "memory.events", unix.O_RDONLY); err != nil {
		if _, gone := sys.CgroupReadSmall(c.fd(), "cgroup.events"); gone == nil && errors.Is(err, unix.ENOENT) {
			return ErrNoMemory
		}
		return err
	}
	if w.notify, err = sys.InotifyInit(); err != nil {
		return err
	}
	// The kernel says nothing on a cgroup's files when it removes them (kernfs; poll(2) is not woken either): the end of a
	// cgroup is an event of the directory that it was in.
	if err = sys.InotifyWatch(w.notify, filepath.Dir(c.Dir), unix.IN_DELETE|unix.IN_ONLYDIR); err != nil {
		return err
	}
	return sys.InotifyWatch(w.notify, c.Dir+"/memory.events", unix.IN_MODIFY)
}

// FD is the descriptor to poll(2) for POLLIN. It belongs to the OOMWatch.
func (w *OOMWatch) FD() int { return w.notify }

// Kills is the count now. FD is quiet again until the next change. The error wraps fs.ErrNotExist if the cgroup is gone.
func (w *OOMWatch) Kills() (uint64, error) {
	// First, so that what happens after the count makes FD ready again.
	if err := sys.InotifyDrain(w.notify); err != nil {
		return 0, fmt.Errorf("watch cgroup %s for OOM kills: %w", w.dir, err)
	}
	var buf [512]byte
	n, err := sys.CgroupEvents(w.events, buf[:])
	if gone(err) {
		return 0, fmt.Errorf("cgroup %s: %w", w.dir, fs.ErrNotExist)
	}
	if err != nil {
		return 0, fmt.Errorf("count the OOM kills of cgroup %s: %w", w.dir, err)
	}
	return flatValue(buf[:n], "oom_kill"), nil
}

// Close ends the watch.
func (w *OOMWatch) Close() error {
	if w.events >= 0 {
		sys.Close(w.events)
	}
	if w.notify >= 0 {
		sys.Close(w.notify)
	}
	w.events, w.notify = -1, -1
	return nil
}
