package v2

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Kill sends SIGKILL to all processes of the cgroup and those below, those that they are just making included, frozen or
// not. It does not wait for their end: WaitEmpty does. A cgroup that is gone has none.
func (c *Cgroup) Kill() error {
	if _, err := c.File(); err != nil {
		if gone(err) {
			return nil
		}
		return fmt.Errorf("kill cgroup %s: %w", c.Dir, err)
	}
	err := sys.CgroupWrite(c.fd(), "cgroup.kill", "1")
	switch {
	case err == nil, errors.Is(err, unix.ENODEV):
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP): // before Linux 5.14, or gone; threaded
		err = c.killEach(2 * time.Second)
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("kill cgroup %s: %w", c.Dir, err)
	}
	return nil
}

// killEach does by hand what cgroup.kill does: as frozen processes make no others, one round over the list is enough if
// freezing succeeds. If it does not, rounds are made until none is left or the time is over.
func (c *Cgroup) killEach(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	w, err := c.watch()
	if err != nil {
		return err
	}
	defer w.close()
	for {
		_ = c.Freeze(timeout/8, -1)
		pids, err := c.Pids()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
		// A frozen process dies of SIGKILL, but one that comes into being now must see its end too.
		if err := sys.CgroupWrite(c.fd(), "cgroup.freeze", "0"); err != nil {
			return err
		}
		soon := time.Now().Add(timeout / 8)
		if empty, err := w.until("populated", false, soon); empty || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return nil // each has its signal; WaitEmpty tells who does not die of it
		}
	}
}

// Pids lists the processes of the cgroup and of those below it, as numbers of our PID namespace. A process of another one
// that ours cannot see has none and is left out.
func (c *Cgroup) Pids() ([]int, error) {
	if _, err := c.File(); err != nil {
		return nil, err
	}
	pids, err := pidsBelow(c.fd())
	if err != nil {
		return nil, fmt.Errorf("list the processes of cgroup %s: %w", c.Dir, err)
	}
	return pids, nil
}

func pidsBelow(fd int) ([]int, error) {
	var pids []int
	err := walkBelow(fd, func(fd int) error {
		b, err := sys.CgroupRead(fd, "cgroup.procs")
		if errors.Is(err, unix.EOPNOTSUPP) { // a threaded one: its processes are those of a cgroup above
			err = nil
		}
		for line := range bytes.SplitSeq(b, []byte{'\n'}) {
			if pid, err := strconv.Atoi(string(line)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return err
	}, func(int, string) error { return nil })
	return pids, err
}
