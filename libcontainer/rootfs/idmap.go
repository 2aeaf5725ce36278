package rootfs

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// isIDMapped says whether m asks for an id mapping: by an option, or by mappings alone, which older callers give without one.
func isIDMapped(m *specs.Mount, o *mountopt.Options) bool {
	return o.Has(mountopt.IDMap|mountopt.RIDMap) || len(m.UIDMappings)+len(m.GIDMappings) > 0
}

// openIDMapped makes the detached mount of m, idmapped. It is not for the init stage: the kernel wants CAP_SYS_ADMIN over the user namespace that
// the file system was mounted in, which for the host's file systems no container's user namespace gives.
//
// A new file system is made here, too, and so belongs to the caller's user namespace: to idmap one of the container's own, whose ids are the
// container's already, would mean nothing.
func openIDMapped(spec *specs.Spec, m *mount, o *SourceOptions) (int, error) {
	ns, err := o.UserNS(m.index)
	if err != nil {
		return -1, err
	}
	if m.opts.IsBind(m.Type) {
		fd, err := cloneSource(m.Mount, &m.opts, o.Bundle)
		if err == nil {
			err = idmap(fd, m, sourcePath(m.Mount, o.Bundle), ns)
		}
		if err != nil {
			return -1, fmt.Errorf("idmapped bind %s on %s: %w", m.Source, m.Destination, hintIDMap(err))
		}
		return fd, nil
	}
	fd, err := newIDMappable(spec, m)
	if err == nil {
		err = idmap(fd, m, "", ns)
	}
	if err != nil {
		return -1, fmt.Errorf("idmapped mount %s on %s: %w", name(m), m.Destination, hint(m, hintIDMap(err), false))
	}
	return fd, nil
}

// newIDMappable makes a new file system for m. Those that show a namespace would show the runtime's: the kernel can idmap none of
// them, but it is not for a later kernel to decide whose processes the container sees.
func newIDMappable(spec *specs.Spec, m *mount) (int, error) {
	switch m.Type {
	case "proc", "sysfs", "mqueue", "cgroup", "cgroup2", "devpts":
		return -1, fmt.Errorf("%w: %s shows what is the container's own, and cannot be idmapped", ErrRefused, m.Type)
	}
	r := &Rootfs{spec: spec}
	o, label, attr, _ := r.newOptions(m)
	return newMount(m.Type, m.Source, label, &o, attr)
}

// idmap gives the detached mount fd, or with the option ridmap the tree of mounts below it, the id maps of the user namespace. It closes fd
// when it cannot.
func idmap(fd int, m *mount, source string, ns *os.File) error {
	recursive := m.opts.Has(mountopt.RIDMap)
	err := sys.MountSetattr(fd, recursive, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())})
	if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w: %s", err, whyNotIDMapped(fd, source, recursive, ns))
	}
	if err != nil {
		sys.Close(fd)
	}
	return err
}

// hintIDMap adds the usual cause.
func hintIDMap(err error) error {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: idmapped mounts need Linux 5.12", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: it takes CAP_SYS_ADMIN over the user namespace that the file system was mounted in, which an ordinary user "+
			"has not, and a source that is not idmapped already", err)
	}
	return err
}
