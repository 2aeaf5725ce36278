package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// Source is a detached mount that the runtime made in the init stage's stead.
type Source struct {
	Mount int // index into spec.Mounts
	File  *os.File
}

// SourceOptions say which sources a container needs, and how they come about.
type SourceOptions struct {
	Bundle string // absolute
	Binds  bool   // all bind sources: the container's user namespace may not reach them
	// UserNS gives the user namespace whose maps mounts[i] gets. The file stays UserNS's.
	UserNS func(i int) (*os.File, error)
}

// wants says whether the runtime makes m.
func (o *SourceOptions) wants(m *mount) bool {
	return isIDMapped(m.Mount, &m.opts) || o.Binds && m.opts.IsBind(m.Type) && !m.opts.Has(mountopt.Remount)
}

// WantsSources says whether OpenSources has binds, or idmapped mounts, to open.
func WantsSources(spec *specs.Spec, o SourceOptions) (binds, idmapped bool) {
	for i := range spec.Mounts {
		m := mount{index: i, Mount: &spec.Mounts[i]}
		var err error
		if m.opts, err = mountopt.Parse(m.Options); err != nil || !o.wants(&m) {
			continue // its error is the init stage's to tell
		}
		if isIDMapped(m.Mount, &m.opts) {
			idmapped = true
		} else {
			binds = true
		}
	}
	return binds, idmapped
}

// OpenSources makes detached mounts of what the init stage could not make itself, in the order of the spec's mounts. The runtime calls it with its
// own privileges, on a thread in the container's mount namespace: what was copied into that with a user namespace keeps its locks then, and the
// container cannot clear a flag, or take a mount off another, that the host had put there. Files returned belong to the caller,
// also beside an error; the init stage gets them through Options.Source.
func OpenSources(spec *specs.Spec, o SourceOptions) (sources []Source, err error) {
	// Idmapped ones first: of these none can be left out.
	needed := 0
	for _, idmapped := range [...]bool{true, false} {
		for i := range spec.Mounts {
			m := mount{index: i, Mount: &spec.Mounts[i]}
			fd := -1
			if m.opts, err = mountopt.Parse(m.Options); err != nil {
				return sources, fieldError(i, err)
			}
			switch {
			case !o.wants(&m) || isIDMapped(m.Mount, &m.opts) != idmapped:
				continue
			case idmapped:
				fd, err = openIDMapped(spec, &m, &o)
			default:
				fd, err = cloneSource(m.Mount, &m.opts, o.Bundle)
			}
			switch {
			case err == nil:
				sources = append(sources, Source{i, os.NewFile(uintptr(fd), "mounts/"+strconv.Itoa(i))})
				if idmapped {
					needed++
				}
			case !idmapped && errors.Is(err, unix.EPERM): // what root itself may not take along is left to the init stage
			case !idmapped && errors.Is(err, unix.EMFILE):
				return inOrder(forgo(sources, needed)), nil
			default:
				return sources, fieldError(i, err)
			}
		}
	}
	return inOrder(sources), nil
}

func fieldError(i int, err error) error { return fmt.Errorf("mounts[%d] (/mounts/%d): %w", i, i, err) }

// forgo leaves some more mounts, the last ones but none of the first needed, to the init stage: the runtime has other uses for descriptors.
func forgo(sources []Source, needed int) []Source {
	keep := max(needed, len(sources)-16)
	for _, s := range sources[keep:] {
		s.File.Close()
	}
	return sources[:keep]
}

func inOrder(sources []Source) []Source {
	slices.SortFunc(sources, func(a, b Source) int { return cmp.Compare(a.Mount, b.Mount) })
	return sources
}

// takeSource returns the detached mount that the runtime made for m, if it did. It belongs to the caller from here on.
func (r *Rootfs) takeSource(m *mount) (fd int, ok bool, err error) {
	fd = -1
	if r.opts.Source != nil {
		fd, ok, err = r.opts.Source(m.index)
	}
	if m.foreign = ok; err == nil && !ok && isIDMapped(m.Mount, &m.opts) {
		err = errors.New("an idmapped mount that the runtime has not made") // rather than one that is not idmapped
	}
	return fd, ok, err
}

// openSource returns the detached copy of what m binds: the one that the runtime made, or one made here.
func (r *Rootfs) openSource(m *mount) (int, error) {
	if fd, ok, err := r.takeSource(m); ok || err != nil {
		return fd, err
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
	pe := (*os.PathError)(nil)
	if !errors.As(err, &pe) {
		return fd, err
	}
	err = &os.PathError{Op: "open bind source", Path: path, Err: pe.Err}
	if errors.Is(err, unix.EINVAL) && !o.Has(mountopt.Recursive) {
		// has_locked_children in fs/namespace.c
		err = fmt.Errorf("%w: with a user namespace a bind must take along what is mounted below its source: use rbind", err)
	}
	return -1, err
}
