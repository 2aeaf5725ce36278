package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
)

// bind mounts a file or directory of the host. Options of a filesystem mean nothing to a bind mount, as in mount(2): bundle.Warnings tells of them.
func (r *Rootfs) bind(m *mount) error {
	for _, d := range m.opts.Data {
		if d.Key == "idmap" || d.Key == "ridmap" { // between other options; without the mappings the files would be somebody else's
			return fmt.Errorf("bind %s on %s: option %q (/mounts/%d/options): has to be an option of its own, or given as uidMappings and gidMappings: %w",
				m.Source, m.Destination, d, m.index, unix.EINVAL)
		}
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
	if err := r.isolateTree(tree, m.foreign); err != nil {
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
