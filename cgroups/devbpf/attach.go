package devbpf

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// programName tells ours from others on the same cgroup, such as systemd's.
const programName = "tare_device"

// Load hands the program to the kernel and returns its descriptor, which the caller owns. It may be closed once the program
// is attached.
func Load(program []sys.BPFInsn) (int, error) {
	fd, err := sys.BPFProgLoad(unix.BPF_PROG_TYPE_CGROUP_DEVICE, programName, program)
	if errors.Is(err, unix.EPERM) {
		return -1, fmt.Errorf("load the device program: %w: it needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, of the "+
			"host's user namespace (before Linux 5.11 also room in RLIMIT_MEMLOCK)", err)
	}
	if err != nil {
		return -1, fmt.Errorf("load the device program: %w", err)
	}
	return fd, nil
}

// Attach puts a loaded program on a cgroup that has none of ours: one that has just been made. cgroup is a descriptor of
// its directory (O_PATH is enough).
func Attach(cgroup, program int) error {
	return attach(cgroup, program, -1)
}

// Replace puts a loaded program on a cgroup in the place of ours that is there, or as a new one if none is. There is no
// instant at which neither or only a part of the rules holds.
func Replace(cgroup, program int) error {
	ids, err := sys.BPFProgQuery(cgroup, unix.BPF_CGROUP_DEVICE)
	if err != nil {
		return fmt.Errorf("look for the cgroup's device program: %w", err)
	}
	for _, id := range ids {
		old, err := sys.BPFProgOpen(id)
		if errors.Is(err, unix.ENOENT) {
			continue // detached since
		}
		if err != nil {
			return fmt.Errorf("look for the cgroup's device program: %w", err)
		}
		name, err := sys.BPFProgName(old)
		if err == nil && name == programName {
			err = attach(cgroup, program, old)
			sys.Close(old)
			return err
		}
		sys.Close(old)
		if err != nil {
			return fmt.Errorf("look for the cgroup's device program: %w", err)
		}
	}
	return attach(cgroup, program, -1)
}

func attach(cgroup, program, replace int) error {
	err := sys.BPFProgAttach(cgroup, program, unix.BPF_CGROUP_DEVICE, replace)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("attach the device program: %w: CAP_SYS_ADMIN is missing, or a parent cgroup's program allows no other", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("attach the device program: %w: does this kernel have CONFIG_CGROUP_BPF?", err)
	}
	return fmt.Errorf("attach the device program: %w", err)
}
