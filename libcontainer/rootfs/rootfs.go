package rootfs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/procfs"
	"tare/internal/sys"
)

// ErrRefused says that config.json or the root file system asks for something that would break the container's walls.
var ErrRefused = errors.New("refused")

// Options are the facts that are not in the spec.
type Options struct {
	Path        string      // host path of the root file system: absolute, and trusted by the caller
	Bundle      string      // bundle directory, absolute: the base of relative bind sources
	Inherited   bool        // in the runtime's mount namespace, where nothing may be touched but what is below Path
	NoPivot     bool        // MS_MOVE and chroot in place of pivot_root, which cannot leave an initramfs
	UserNS      bool        // in a user namespace: devices are bound from the host, as nobody may make them there
	CgroupNS    bool        // in a cgroup namespace of the container's, new or joined
	CgroupPath  string      // host directory of the container's cgroup v2 ("": none), bound where there is no cgroup namespace
	Hierarchies []Hierarchy // where the container has a cgroup on cgroup v1
	// CallersCgroups says that the container has no cgroup of its own: Hierarchies are whoever called the runtime's, not to be written to.
	CallersCgroups bool
	// Source gives the detached mount that the runtime made for mounts[i], if it made one: see OpenSources. It is asked in the order of
	// the spec's mounts, each once at most. The descriptor becomes the Rootfs's. nil: there are none.
	Source    func(i int) (fd int, ok bool, err error)
	NotifyDir string // host directory to bind at /run/notify ("": none)
}

// Rootfs is the file system of one container on its way. Its methods belong to one locked thread.
type Rootfs struct {
	spec *specs.Spec
	opts Options
	proc *procfs.Handle
	root *fsroot.Root

	shared    bool           // "/" may still be a peer of the host's mounts: what we do there would show on the host
	noSetattr bool           // the kernel has no mount_setattr(2)
	null      cover          // null device for masked files
	deferred  []deferredAttr // mounts that become read-only when everything is made in them
	identity  rootIdentity   // of the root directory, to refuse a mount over it
}

// deferredAttr is a mount that Readonly makes read-only.
type deferredAttr struct {
	mount       int // descriptor
	index       int // in spec.Mounts
	destination string
}

// Open cuts the mount namespace off from the host's as linux.rootfsPropagation says, mounts the root file system
// over itself, with all that is mounted in it, and keeps a handle on the result. The spec and proc are borrowed until the last call.
func Open(spec *specs.Spec, o Options, proc *procfs.Handle) (*Rootfs, error) {
	r := &Rootfs{spec: spec, opts: o, proc: proc, null: cover{fd: -1}}
	dir, err := sys.Openat(unix.AT_FDCWD, o.Path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("root file system (/root/path): %w", err)
	}
	defer sys.Close(dir)
	if err := r.isolate(dir); err != nil {
		return nil, err
	}
	tree, err := r.cloneRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("mount root file system %s over itself: %w", o.Path, err)
	}
	r.root = fsroot.New(tree)
	if err := r.identify(); err != nil {
		r.root.Close()
		return nil, err
	}
	return r, nil
}

// cloneRoot mounts a copy of the tree at dir over dir and returns the copy's descriptor. Nothing can be mounted into a detached tree
// before Linux 6.15, so the copy is attached where it came from; pivot_root wants a mount point anyway.
func (r *Rootfs) cloneRoot(dir int) (int, error) {
	tree, err := sys.OpenTree(dir, "", unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	if err := sys.MoveMount(tree, dir); err != nil {
		sys.Close(tree)
		return -1, err
	}
	if r.shared {
		// The copy is a peer of what it was copied from: a mount made in it would show on the host.
		if err := r.propagate(tree, unix.MS_SLAVE|unix.MS_REC); err != nil {
			sys.Close(tree)
			return -1, err
		}
	}
	return tree, nil
}

// isolate sets the propagation of the namespace's mounts before anything is mounted. Whatever linux.rootfsPropagation says,
// no mount of ours may reach the host, except below a bind mount that is shared on demand.
func (r *Rootfs) isolate(rootDir int) error {
	want, err := r.rootPropagation()
	if err != nil {
		return err
	}
	if r.opts.Inherited {
		r.shared = true
		return nil
	}
	flags := isolation(want)
	if want&unix.MS_SHARED != 0 {
		// "/" stays what it is, or a bind mount could not be shared with the host. Only the mount that the root
		// file system lies on must not be shared: our mount over it would show, and pivot_root refuses it (EINVAL).
		r.shared = true
		if err := r.isolateParent(rootDir); err != nil {
			return fmt.Errorf("make the mount of root file system %s private: %w", r.opts.Path, err)
		}
		return nil
	}
	// Not mount_setattr: that is Linux 5.12.
	if err := sys.Mount("", "/", "", uintptr(flags), ""); err != nil {
		return fmt.Errorf("set propagation of the mount namespace: %w", err)
	}
	return nil
}

// isolation is what cuts a tree of mounts off from the host's.
func isolation(want uint32) uint32 {
	if want&unix.MS_PRIVATE != 0 {
		return unix.MS_PRIVATE | unix.MS_REC
	}
	return unix.MS_SLAVE | unix.MS_REC
}

// isolateTree does what isolate does for a tree that was cloned in the host's mount namespace, as a foreign one and, where that is
// inherited, any: its mounts are still peers of the host's, and what the container mounts in them would show there.
func (r *Rootfs) isolateTree(tree int, foreign bool) error {
	if !foreign && !r.opts.Inherited {
		return nil
	}
	want, err := r.rootPropagation()
	if err != nil || want&unix.MS_SHARED != 0 && !r.opts.UserNS { // with a user namespace the kernel had made slaves of all
		return err
	}
	return r.propagate(tree, isolation(want))
}

// isolateParent makes the mount private that dir lies on. Its root is found by going up: mountinfo can be huge, and can miss
// mounts while others come and go.
func (r *Rootfs) isolateParent(dir int) error {
	up := dir
	defer func() {
		if up != dir {
			sys.Close(up)
		}
	}()
	for range unix.PathMax / 2 {
		st, err := sys.Statx(up)
		if err != nil {
			return err
		}
		if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
			return r.propagate(up, unix.MS_PRIVATE)
		}
		next, err := sys.Openat(up, "..", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		if up != dir {
			sys.Close(up)
		}
		up = next
	}
	return unix.ELOOP
}

// rootPropagation is linux.rootfsPropagation as flags; 0 when it is not set.
func (r *Rootfs) rootPropagation() (uint32, error) {
	if r.spec.Linux == nil || r.spec.Linux.RootfsPropagation == "" {
		return 0, nil
	}
	name := r.spec.Linux.RootfsPropagation
	flags := uint32(0)
	if short, ok := strings.CutPrefix(name, "r"); ok {
		name, flags = short, unix.MS_REC
	}
	switch name {
	case "shared":
		return flags | unix.MS_SHARED, nil
	case "slave":
		return flags | unix.MS_SLAVE, nil
	case "private":
		return flags | unix.MS_PRIVATE, nil
	case "unbindable":
		return flags | unix.MS_UNBINDABLE, nil
	}
	return 0, fmt.Errorf("root file system propagation (/linux/rootfsPropagation): unknown value %q", r.spec.Linux.RootfsPropagation)
}

// Root is the handle of the container's root directory, before and after Pivot. It stays the Rootfs's.
func (r *Rootfs) Root() *fsroot.Root { return r.root }

// Close gives back the descriptors that are left; the mounts stay. execve does the same.
func (r *Rootfs) Close() {
	for _, d := range r.deferred {
		sys.Close(d.mount)
	}
	r.null.close()
	r.root.Close()
	r.deferred = nil
}
