package v2

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// delegateList is where the kernel says which files of a cgroup to give to whom it is delegated; cgroups(7).
const delegateList = "/sys/kernel/cgroup/delegate"

// delegated is the list of kernels that have none (before Linux 4.15), as the OCI specification has it.
const delegated = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n"

// Delegate makes the user the owner of the cgroup, who may then make others in it and move its processes among them. The limits
// stay ours.
func (c *Cgroup) Delegate(uid int) error {
	dir, err := c.File()
	if err != nil {
		return err
	}
	list, err := sys.ReadFile(delegateList)
	if errors.Is(err, unix.ENOENT) {
		list, err = []byte(delegated), nil
	}
	if err == nil {
		err = sys.Fchown(int(dir.Fd()), uid, -1)
	}
	if err != nil {
		return fmt.Errorf("give cgroup %s to user %d: %w", c.Dir, uid, errno(err))
	}
	for file := range strings.FieldsSeq(string(list)) {
		// Not every cgroup has all of them: memory.oom.group wants the controller.
		if err := sys.Fchownat(int(dir.Fd()), file, uid, -1); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("give %s/%s to user %d: %w", c.Dir, file, uid, errno(err))
		}
	}
	return nil
}
