package rootfs

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// notifyPath is where the directory with the notify socket shows in the container.
const notifyPath = "/run/notify"

// Mount makes the mounts of the spec, in listed order, and the one for the notify socket.
func (r *Rootfs) Mount() error {
	defer sys.Umask(sys.Umask(0)) // mount points get the modes that we say
	for i := range r.spec.Mounts {
		m := mount{index: i, Mount: &r.spec.Mounts[i]}
		if err := r.mount(&m); err != nil {
			return fmt.Errorf("mounts[%d] (/mounts/%d): %w", i, i, err)
		}
	}
	if r.opts.NotifyDir == "" {
		return nil
	}
	return r.mount(&mount{index: -1, Mount: &specs.Mount{
		Destination: notifyPath,
		Source:      r.opts.NotifyDir,
		Options:     []string{"bind", "ro", "nosuid", "nodev", "noexec"},
	}})
}

// mount is one entry of the spec's mounts, on its way.
type mount struct {
	*specs.Mount
	index   int // in spec.Mounts; -1 for our own
	opts    mountopt.Options
	foreign bool // made by the runtime, outside of the container's namespaces
}

func (r *Rootfs) mount(m *mount) error {
	var err error
	if m.opts, err = mountopt.Parse(m.Options); err != nil {
		return err
	}
	switch {
	case m.opts.Has(mountopt.Remount):
		err = r.remount(m)
	case m.opts.IsBind(m.Type):
		return r.bind(m) // its errors name the source
	case m.Type == "cgroup" || m.Type == "cgroup2":
		err = r.mountCgroup(m)
	case m.Type == "sysfs":
		err = r.mountSysfs(m)
	default:
		err = r.mountNew(m)
	}
	if err != nil {
		return fmt.Errorf("mount %s on %s: %w", name(m), m.Destination, hint(m, err, r.opts.UserNS))
	}
	return nil
}

func name(m *mount) string {
	if m.Type == "" {
		return m.Source
	}
	return m.Type
}

// hint adds the usual cause.
func hint(m *mount, err error, userNS bool) error {
	switch {
	case errors.Is(err, unix.ENODEV) && m.Type == "":
		return fmt.Errorf("%w: a type, or the option bind, is missing", err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: is the %s module loaded?", err, m.Type)
	case errors.Is(err, unix.EPERM) && m.Type == "proc":
		return fmt.Errorf("%w: a user namespace needs a PID namespace of its own, and a host /proc with nothing mounted over it", err)
	case errors.Is(err, unix.EPERM) && m.Type == "mqueue":
		return fmt.Errorf("%w: a user namespace needs an IPC namespace of its own", err)
	case errors.Is(err, unix.EPERM) && userNS && !m.opts.Has(mountopt.Remount):
		return fmt.Errorf("%w: may a user namespace mount %s? If not, mount it on the host, and bind it", err, m.Type)
	case errors.Is(err, unix.EINVAL) && m.Type == "devpts":
		return fmt.Errorf("%w: is the group of its gid option mapped into the user namespace?", err)
	}
	return err
}

// source is the host path that m binds.
func (r *Rootfs) source(m *specs.Mount) string { return sourcePath(m, r.opts.Bundle) }

func sourcePath(m *specs.Mount, bundle string) string {
	if filepath.IsAbs(m.Source) {
		return m.Source
	}
	return filepath.Join(bundle, m.Source)
}

// remount changes the mount that is already at the destination. A filesystem's own flags and data need "remount" without "bind".
func (r *Rootfs) remount(m *mount) error {
	fd, err := r.root.Open(m.Destination)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	if !m.opts.IsBind(m.Type) {
		if err := reconfigure(fd, &m.opts); err != nil {
			return err
		}
	}
	err = r.setAttrs(fd, true, m.opts.Recursive)
	if err == nil {
		err = r.setAttrs(fd, false, m.opts.Attrs)
	}
	if errors.Is(err, unix.ENOSYS) {
		err = r.remountAttrs(fd, m.opts.Recursive, m.opts.Attrs)
	}
	if err != nil {
		return err
	}
	return r.propagateAll(fd, m.opts.Propagation)
}

func reconfigure(fd int, o *mountopt.Options) error {
	fs, err := sys.Fspick(fd)
	if err != nil {
		return err
	}
	defer sys.Close(fs)
	if err := configure(fs, o, o.SuperClear.ClearNames(), o.Data); err != nil {
		return err
	}
	return sys.FsconfigReconfigure(fs)
}

// readonlyLate says that m becomes read-only at the end only: mount points of later mounts, and devices, are made in it.
func readonlyLate(m *mount) bool {
	at := cleanDestination(m.Mount)
	return m.Type == "tmpfs" || at == "/dev" || strings.HasPrefix(at, "/dev/")
}

func cleanDestination(m *specs.Mount) string { return filepath.Clean("/" + m.Destination) }
