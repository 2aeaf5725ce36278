package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// mountCgroup shows the container its cgroup: on cgroup v1 as mountHierarchies does. Type cgroup2 is cgroup v2 in any case, and so is
// the other one where nothing of the container's is on v1.
//
// In a cgroup namespace of its own the container's cgroup is the root of a new cgroup2 mount. Without one, a new mount would show the
// host's whole tree, so the container's directory is bound, read-only: what is mounted there is the host's own (CVE-2023-25809).
func (r *Rootfs) mountCgroup(m *mount) error {
	if m.Type == "cgroup" && len(r.opts.Hierarchies) > 0 {
		return r.mountHierarchies(m)
	}
	d, err := r.destination(m.Destination, dirMount)
	if err != nil {
		return err
	}
	defer d.close()
	o := m.opts
	if m.Type == "cgroup" {
		o.Data = nil // for v1: names of controllers
	}
	top := o.Attrs
	if r.opts.CgroupNS {
		fd, err := newMount("cgroup2", m.Source, "", &o, o.Attrs.Set|o.Recursive.Set)
		if err == nil {
			defer sys.Close(fd)
			return r.finish(fd, &d, dirMount, o.Propagation)
		}
		// A user namespace that does not own the cgroup namespace, or whose host hides parts of its own.
		if !errors.Is(err, unix.EPERM) || r.opts.CgroupPath == "" {
			return err
		}
	} else {
		top.Set |= unix.MOUNT_ATTR_RDONLY
		top.Clear &^= unix.MOUNT_ATTR_RDONLY
	}
	return r.bindCgroup(&d, top, &o)
}

func (r *Rootfs) bindCgroup(d *destination, top mountopt.Attrs, o *mountopt.Options) error {
	if r.opts.CgroupPath == "" {
		return fmt.Errorf("%w: without a namespace of type \"cgroup\" in linux.namespaces, only a container with a cgroup of its own can see it", ErrRefused)
	}
	tree, err := sys.OpenTree(unix.AT_FDCWD, r.opts.CgroupPath, unix.OPEN_TREE_CLONE)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	// Nothing is mounted below: what is for the whole tree is for its top.
	top.Set |= o.Recursive.Set &^ unix.MOUNT_ATTR__ATIME
	if err := r.attach(tree, d.fd, mountopt.Attrs{}, top); err != nil {
		return err
	}
	if err := r.isolateTree(tree, false); err != nil {
		return err
	}
	return r.propagateAll(tree, o.Propagation)
}
