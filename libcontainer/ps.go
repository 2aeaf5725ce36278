package libcontainer

import (
	"errors"
	"io/fs"
	"slices"
)

// Pids lists the container's processes by their pids on the host, in ascending order. A container that has stopped has none,
// unless it shares a PID namespace and its first process has left others behind.
func (c *Container) Pids() ([]int, error) {
	cg, err := c.cgroup()
	if err != nil {
		return nil, err
	}
	defer cg.Close()
	pids, err := cg.Pids()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	slices.Sort(pids)
	return pids, err
}
