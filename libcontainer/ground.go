package libcontainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/namespace"
	"tare/libcontainer/state"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A container without a mount namespace has the runtime's (config-linux.md, Namespaces). Its root file system is mounted over
// itself there as elsewhere, with all of the container's mounts below that mount: one unmount takes them all away.

// findGround looks at where a root file system lies, if its container is to mount in the runtime's namespace; nil if not.
func findGround(spec *specs.Spec, rootfs string) (*state.Ground, error) {
	if namespace.Has(spec.Linux, specs.MountNamespace) {
		return nil, nil
	}
	return groundOf(rootfs)
}

func groundOf(path string) (*state.Ground, error) {
	fd, err := sys.Openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer sys.Close(fd)
	st, err := sys.Statx(fd)
	if err != nil {
		return nil, err
	}
	return &state.Ground{Mount: st.Mnt_id, Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}, nil
}

// clearGround unmounts what the container has mounted, if it has. It is the mount which shows the very directory that it covers: what
// others may have mounted there since stays.
func clearGround(st *state.State) error {
	if st.Ground == nil {
		return nil
	}
	now, err := groundOf(st.Rootfs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if now.Mount == st.Ground.Mount || now.Device != st.Ground.Device || now.Inode != st.Ground.Inode {
		return nil
	}
	below, err := mountParents()
	if _, here := below[st.Ground.Mount]; err == nil && !here {
		return nil // the container's mounts are, or were, in another mount namespace
	}
	if err == nil && below[now.Mount] != st.Ground.Mount {
		err = fmt.Errorf("%s is covered by another mount of itself: is it the root of another container? Then delete that first", st.Rootfs)
	}
	if err == nil {
		// A bind can be a peer of the host's mount, and is until the container has made it a slave: an unmount in the one is an
		// unmount in the other, and MNT_DETACH unmounts each mount of the tree. mount_namespaces(7).
		err = sys.Mount("", st.Rootfs, "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	if err == nil {
		err = sys.Umount(st.Rootfs, unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("take away the container's mounts: %w", err)
	}
	return nil
}

// mountParents gives of each mount of the namespace the one that it lies on.
func mountParents() (map[uint64]uint64, error) {
	table, err := sys.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	parents := make(map[uint64]uint64)
	for line := range strings.Lines(string(table)) {
		var mount, parent uint64
		if _, err := fmt.Sscan(line, &mount, &parent); err != nil {
			return nil, fmt.Errorf("line %q of /proc/thread-self/mountinfo: %w", line, err)
		}
		parents[mount] = parent
	}
	return parents, nil
}

// openRoot opens the root directory of the init process, which the caller has a pidfd of.
func (c *Container) openRoot(proc *procfs.Handle) (*os.File, error) {
	path := strconv.Itoa(c.state.InitPid) + "/root"
	fd, err := sys.Openat(int(proc.File().Fd()), path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	root := os.NewFile(uintptr(fd), "/proc/"+path)
	alive, err := c.initAliveBy(proc) // still: it was this process's root
	if err == nil && !alive {
		err = unix.ESRCH
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}
