package v2

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// watch is the cgroup's cgroup.events, kept open to wait on.
type watch struct {
	fd        int
	interrupt int // what ends the waiting when it is ready, -1 for nothing
	buf       [256]byte
}

func (c *Cgroup) watch() (*watch, error) {
	if _, err := c.File(); err != nil {
		return nil, err
	}
	fd, err := sys.CgroupOpen(c.fd(), "cgroup.events", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &watch{fd: fd, interrupt: -1}, nil
}

func (w *watch) close() { sys.Close(w.fd) }

// now reads the value of a key ("populated" or "frozen").
func (w *watch) now(key string) (bool, error) {
	n, err := sys.CgroupEvents(w.fd, w.buf[:])
	if err != nil {
		return false, err
	}
	return flatValue(w.buf[:n], key) != 0, nil
}

// until waits for a key to have that value, and says whether it has before the deadline.
func (w *watch) until(key string, value bool, deadline time.Time) (bool, error) {
	for {
		is, err := w.now(key)
		if err != nil || is == value {
			return err == nil, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLPRI}, {Fd: int32(w.interrupt), Events: unix.POLLIN}}
		if _, err := sys.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond)); err != nil {
			return false, err
		}
		if fds[1].Revents != 0 {
			return false, ErrInterrupted
		}
	}
}

// Populated says whether a process is in the cgroup or one below it. Zombies are none. A cgroup that is gone has none.
func (c *Cgroup) Populated() (bool, error) { return c.is("populated") }

// Frozen says whether all processes of the cgroup stand still, be it by its own cgroup.freeze or by that of one above it. A
// cgroup that is gone is not frozen.
func (c *Cgroup) Frozen() (bool, error) { return c.is("frozen") }

func (c *Cgroup) is(key string) (bool, error) {
	w, err := c.watch()
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cgroup %s: %w", c.Dir, err)
	}
	defer w.close()
	is, err := w.now(key)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cgroup %s: %w", c.Dir, err)
	}
	return is, nil
}

// WaitEmpty waits until no process is in the cgroup or one below it, or until the cgroup is gone.
func (c *Cgroup) WaitEmpty(timeout time.Duration) error {
	w, err := c.watch()
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait for cgroup %s to become empty: %w", c.Dir, err)
	}
	defer w.close()
	return c.waitEmpty(w, time.Now().Add(timeout), timeout)
}

func (c *Cgroup) waitEmpty(w *watch, deadline time.Time, timeout time.Duration) error {
	empty, err := w.until("populated", false, deadline)
	switch {
	case empty, gone(err):
		return nil
	case err != nil:
		return fmt.Errorf("wait for cgroup %s to become empty: %w", c.Dir, err)
	}
	pids, _ := c.Pids()
	if len(pids) > 5 {
		return fmt.Errorf("wait for cgroup %s to become empty: %w after %v: %d processes are left, such as %v", c.Dir, ErrTimeout, timeout, len(pids), pids[:5])
	}
	return fmt.Errorf("wait for cgroup %s to become empty: %w after %v: the processes %v are left", c.Dir, ErrTimeout, timeout, pids)
}
