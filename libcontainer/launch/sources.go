package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/rootfs"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// openSources makes the mounts that the init stage could not: idmapped ones, and binds of what root of the container's user namespace may
// not reach. The init stage has not begun with its mount namespace.
func openSources(o *Options, ns *namespaces, proc *procfs.Handle, i *Init) (sources []rootfs.Source, err error) {
	maps := &mountMaps{spec: o.Spec, joined: ns.joined(unix.CLONE_NEWUSER)}
	defer maps.close()
	options := rootfs.SourceOptions{
		Bundle: o.Config.Bundle, UserNS: maps.userNS,
		// Root of the host may look where root of the user namespace may not.
		Binds: ns.has(unix.CLONE_NEWUSER) && mayMapIDs(),
	}
	binds, idmapped := rootfs.WantsSources(o.Spec, options)
	if !binds && !idmapped {
		return nil, nil
	}
	open := func() (err error) {
		sources, err = rootfs.OpenSources(o.Spec, options)
		return err
	}
	if !mayMapIDs() {
		return sources, open() // says of which mount it is that this user cannot have it
	}
	err = inMountNS(i, proc, open)
	if errors.Is(err, errNoEntry) && !idmapped {
		return nil, nil // the init stage may do without
	}
	return sources, err
}

// errNoEntry says that the caller's privileges are not enough for the init stage's mount namespace.
var errNoEntry = errors.New("enter the mount namespace of the init stage")

// inMountNS runs f on a thread of its own in the mount namespace of the init stage, with the same root directory.
func inMountNS(i *Init, proc *procfs.Handle, f func() error) error {
	done := make(chan error)
	go func() {
		// For good: nothing else may run on this thread, which ends with the goroutine.
		runtime.LockOSThread()
		err := enterMountNS(i, proc)
		if err != nil {
			err = fmt.Errorf("%w: %w", errNoEntry, err)
		} else {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func enterMountNS(i *Init, proc *procfs.Handle) error {
	if err := sys.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := sys.Setns(i.Pidfd, unix.CLONE_NEWNS); err != nil {
		return err
	}
	// setns(2) goes to the root of the namespace; the caller may be chrooted.
	root, err := sys.Openat(int(proc.File().Fd()), strconv.Itoa(i.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer sys.Close(root)
	if err := sys.Fchdir(root); err != nil {
		return err
	}
	return sys.Chroot(".")
}

// mountMaps gives idmapped mounts the user namespaces whose maps they get. Each list of maps costs one, however many mounts have it.
type mountMaps struct {
	spec   *specs.Spec
	joined *os.File // the container's user namespace, when it is there already
	made   []mountMap
}

type mountMap struct {
	maps *idMaps
	ns   *os.File
}

// userNS is that of mounts[i]: of the mount's own mappings or, without, of the container's. A new one of the container's own is
// made only with its init stage, so another one with the same maps stands in for it.
func (m *mountMaps) userNS(i int) (*os.File, error) {
	if !mayMapIDs() {
		return nil, fmt.Errorf("idmapped mounts: %w: an ordinary user has no privileges over the file systems of the host", unix.EPERM)
	}
	mnt := &m.spec.Mounts[i]
	maps := &idMaps{
		uid: mnt.UIDMappings, gid: mnt.GIDMappings,
		field: fmt.Sprintf("mounts[%d]", i), pointer: fmt.Sprintf("/mounts/%d", i),
	}
	if len(maps.uid) == 0 {
		if m.joined != nil {
			return m.joined, nil
		}
		maps = newIDMaps(m.spec.Linux)
	}
	if len(maps.uid) == 0 {
		return nil, errors.New("idmap without uidMappings and gidMappings needs a user namespace of the container's, other than the caller's")
	}
	for _, has := range m.made {
		if has.maps.same(maps) {
			return has.ns, nil
		}
	}
	ns, err := nsenter.NewUserNamespace(maps.write)
	if err != nil {
		return nil, err
	}
	m.made = append(m.made, mountMap{maps, ns})
	return ns, nil
}

func (m *mountMaps) close() {
	for _, made := range m.made {
		made.ns.Close()
	}
}
