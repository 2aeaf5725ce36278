package rootfs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// Hierarchy is one of cgroup v1, in which the container has a cgroup.
type Hierarchy struct {
	Controllers []string // such as cpu and cpuacct; of one without any, its name: name=systemd
	Path        string   // host directory of the container's cgroup
}

// dir is the name of its directory, where everybody looks for it.
func (h *Hierarchy) dir() string {
	return strings.TrimPrefix(strings.Join(h.Controllers, ","), "name=")
}

// mountHierarchies shows the container its cgroups on a host with cgroup v1: a tmpfs with a directory for each hierarchy, links
// for controllers that share one, and on a hybrid host the v2 cgroup in "unified".
//
// The options are for each of the mounts in it. The tmpfs itself is read-only with them. Without a cgroup namespace, the views are
// the host's own: so they are read-only unless the config has the option rw, and in any case in a user namespace, and where the
// cgroups are not the container's (CVE-2022-0492, CVE-2023-25809).
func (r *Rootfs) mountHierarchies(m *mount) error {
	d, err := r.destination(m.Destination, dirMount)
	if err != nil {
		return err
	}
	defer d.close()
	attr := m.opts.Attrs.Set | m.opts.Recursive.Set
	rw := (m.opts.Attrs.Clear|m.opts.Recursive.Clear)&unix.MOUNT_ATTR_RDONLY != 0
	if !r.opts.CgroupNS && (!rw || r.opts.UserNS || r.opts.CallersCgroups) {
		attr |= unix.MOUNT_ATTR_RDONLY
	}
	top := mountopt.Options{Data: []mountopt.Datum{{Key: "mode", Value: "755", HasValue: true}}}
	fd, err := newMount("tmpfs", "tmpfs", r.labelOf("tmpfs", &top), &top, attr&^unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	if err := r.finish(fd, &d, dirMount, nil); err != nil {
		return err
	}
	for i := range r.opts.Hierarchies {
		h := &r.opts.Hierarchies[i]
		if err := r.mountHierarchy(fd, h, attr); err != nil {
			return fmt.Errorf("%s: %w", h.dir(), err)
		}
	}
	if r.opts.CgroupPath != "" {
		if err := r.mountView(fd, "unified", "cgroup2", r.opts.CgroupPath, nil, attr); err != nil {
			return fmt.Errorf("unified: %w", err)
		}
	}
	if attr&unix.MOUNT_ATTR_RDONLY != 0 {
		if err := r.restrict(fd, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	return r.propagateAll(fd, m.opts.Propagation)
}

func (r *Rootfs) mountHierarchy(tmpfs int, h *Hierarchy, attr uint64) error {
	var data []mountopt.Datum
	for _, c := range h.Controllers {
		if name, named := strings.CutPrefix(c, "name="); named {
			data = append(data, mountopt.Datum{Key: "none"}, mountopt.Datum{Key: "name", Value: name, HasValue: true})
			continue
		}
		data = append(data, mountopt.Datum{Key: c})
		if len(h.Controllers) > 1 {
			if err := sys.Symlinkat(h.dir(), tmpfs, c); err != nil {
				return err
			}
		}
	}
	return r.mountView(tmpfs, h.dir(), "cgroup", h.Path, data, attr)
}

// mountView mounts one view in the directory of that name: in a cgroup namespace, whose root the container's cgroup is, the
// hierarchy itself, and otherwise the directory of the cgroup.
func (r *Rootfs) mountView(tmpfs int, name, fstype, path string, data []mountopt.Datum, attr uint64) error {
	if err := sys.Mkdirat(tmpfs, name, 0o755); err != nil {
		return err
	}
	target, err := sys.Openat(tmpfs, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer sys.Close(target)
	if r.opts.CgroupNS {
		// The superblock is the host's: read-only is the mount.
		fd, err := newMount(fstype, "cgroup", "", &mountopt.Options{Data: data}, attr)
		if err == nil {
			defer sys.Close(fd)
			return sys.MoveMount(fd, target)
		}
		if !errors.Is(err, unix.EPERM) { // a user namespace that does not own the cgroup namespace
			return err
		}
	}
	tree, err := sys.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	if err := r.attach(tree, target, mountopt.Attrs{}, mountopt.Attrs{Set: attr &^ unix.MOUNT_ATTR__ATIME}); err != nil {
		return err
	}
	return r.isolateTree(tree, false)
}
