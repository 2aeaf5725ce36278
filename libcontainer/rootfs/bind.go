package rootfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// bind mounts a file or directory of the host.
func (r *Rootfs) bind(m *mount) error {
	if len(m.opts.Data) > 0 {
		return fmt.Errorf("bind %s on %s: option %q (/mounts/%d/options) is none of a bind mount: %w",
			m.Source, m.Destination, m.opts.Data[0], m.index, unix.EINVAL)
	}
	tree, err := r.openSource(m)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	st, err := sys.Fstat(tree)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT == unix.S_IFLNK: // only with copy-symlink
		err = r.copySymlink(m)
	default:
		err = r.bindTree(m, tree, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	}
	if err != nil {
		return fmt.Errorf("bind %s on %s: %w", m.Source, m.Destination, err)
	}
	return nil
}

func (r *Rootfs) bindTree(m *mount, tree int, isDir bool) error {
	k := fileMount
	if isDir {
		k = dirMount
		if cleanDestination(m.Mount) == "/proc" {
			proc, err := procfs.IsRoot(tree)
			if err != nil {
				return err
			}
			if proc {
				k = procMount
			}
		}
	}
	d, err := r.destination(m.Destination, k)
	if err != nil {
		return err
	}
	defer d.close()
	if err := r.attach(tree, d.fd, m.opts.Recursive, m.opts.Attrs); err != nil {
		return err
	}
	if err := r.propagateAll(tree, m.opts.Propagation); err != nil {
		return err
	}
	if k.strict() {
		return r.confirm(&d, tree)
	}
	return nil
}

// openSource returns the detached copy of what m binds: the one that the parent opened, or one made here.
func (r *Rootfs) openSource(m *mount) (int, error) {
	if fd, ok := r.opts.Sources[m.index]; ok {
		delete(r.opts.Sources, m.index)
		return fd, nil
	}
	return cloneSource(m.Mount, &m.opts, r.opts.Bundle)
}

func cloneSource(m *specs.Mount, o *mountopt.Options, bundle string) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE)
	if o.Has(mountopt.Recursive) {
		flags |= unix.AT_RECURSIVE
	}
	if o.Has(mountopt.CopySymlink) {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	path := sourcePath(m, bundle)
	fd, err := sys.OpenTree(unix.AT_FDCWD, path, flags)
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return -1, &os.PathError{Op: "open bind source", Path: path, Err: pe.Err}
	}
	return fd, err
}

// copySymlink makes the source, which is a link, anew at the destination. The same link there already is fine.
func (r *Rootfs) copySymlink(m *mount) error {
	text, err := sys.Readlinkat(unix.AT_FDCWD, r.source(m.Mount))
	if err != nil {
		return err
	}
	dir, name, err := r.root.Parent(cleanDestination(m.Mount))
	if err != nil {
		return err
	}
	defer sys.Close(dir)
	err = sys.Symlinkat(text, dir, name)
	if errors.Is(err, unix.EEXIST) {
		if there, e := sys.Readlinkat(dir, name); e == nil && there == text {
			return nil
		}
	}
	return err
}

// OpenSources makes detached copies of all bind sources of the spec, for a container whose user namespace may not reach them. The parent
// calls it, with the privileges and in the mount namespace of the caller of tare. bundle is absolute. The files belong to the caller; the init
// stage gets their descriptors as Options.Sources.
func OpenSources(spec *specs.Spec, bundle string) (map[int]*os.File, error) {
	sources := map[int]*os.File{}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		o, err := mountopt.Parse(m.Options)
		if err == nil && isBind(m, &o) && !o.Has(mountopt.Remount) {
			fd := -1
			if fd, err = cloneSource(m, &o, bundle); err == nil {
				sources[i] = os.NewFile(uintptr(fd), "mounts/"+strconv.Itoa(i))
			}
		}
		if err != nil {
			for _, f := range sources {
				f.Close()
			}
			return nil, fmt.Errorf("mounts[%d] (/mounts/%d): %w", i, i, err)
		}
	}
	return sources, nil
}
