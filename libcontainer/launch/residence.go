package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/namespace"

	"golang.org/x/sys/unix"
)

// Residence says where a container's processes live.
type Residence struct {
	flags int // CLONE_NEW* of the namespaces that are others than ours
	early bool
}

// FindResidence compares the namespaces of the process pid with the caller's.
func FindResidence(proc *procfs.Handle, pid int) (r Residence, err error) {
	theirs, err := proc.Open(strconv.Itoa(pid)+"/ns", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return r, fmt.Errorf("look at the container's namespaces: %w", err)
	}
	defer theirs.Close()
	ours, err := proc.Open("self/ns", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return r, err
	}
	defer ours.Close()
	if r.flags, err = differences(int(theirs.Fd()), int(ours.Fd())); err != nil {
		return r, fmt.Errorf("look at the container's namespaces: %s: %w", theirs.Name(), err)
	}
	r.early = r.flags&unix.CLONE_NEWPID != 0 && r.flags&unix.CLONE_NEWUSER != 0 && !ownsPIDNamespace(int(theirs.Fd()))
	return r, nil
}

// differences gives the flags of the namespaces that two directories like /proc/PID/ns do not agree upon.
func differences(theirs, ours int) (flags int, err error) {
	for _, ns := range namespace.Kinds {
		a, err := sys.Readlinkat(theirs, ns.File)
		if errors.Is(err, unix.ENOENT) && ns.Flag != unix.CLONE_NEWNS {
			continue // a kernel without this type
		}
		if err != nil {
			return 0, err
		}
		b, err := sys.Readlinkat(ours, ns.File)
		if err != nil {
			return 0, err
		}
		if a != b {
			flags |= ns.Flag
		}
	}
	return flags, nil
}

// EntersEarly tells whether the raw stage enters the container's PID namespace: root of the container's user namespace,
// which the stage is later, has no say over it. What would be hidden from the container is not, then.
func (r Residence) EntersEarly() bool { return r.early }

// ownsPIDNamespace tells whether the PID namespace of the process with these namespaces belongs to its user namespace;
// ioctl_ns(2).
func ownsPIDNamespace(namespaces int) bool {
	fd, err := sys.Openat(namespaces, "pid", unix.O_RDONLY)
	if err != nil {
		return false
	}
	ns := os.NewFile(uintptr(fd), "pid namespace")
	defer ns.Close()
	owner, err := sys.OwningUserNamespace(ns)
	if err != nil {
		return false
	}
	defer owner.Close()
	st, err := sys.Fstat(int(owner.Fd()))
	if err != nil {
		return false
	}
	user, err := sys.Readlinkat(namespaces, "user")
	return err == nil && user == fmt.Sprintf("user:[%d]", st.Ino)
}
