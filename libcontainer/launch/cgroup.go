package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// cgroupError explains a refusal of clone3(2) that is about the cgroup which the process was to be born in.
func cgroupError(err error, cgroup *os.File) error {
	if cgroup == nil {
		return err
	}
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: to have a process in %s takes write access to cgroup.procs of the cgroup that is above both it and our own: "+
			"run tare from within what is delegated", err, cgroup.Name())
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %s gives controllers to cgroups below it, and so can have no processes itself", err, cgroup.Name())
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %s is threaded, or below a threaded one", err, cgroup.Name())
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: a pids.max above %s, RLIMIT_NPROC, or a limit of the host's on processes is reached", err, cgroup.Name())
	}
	return err
}
