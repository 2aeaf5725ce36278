package check

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
)

// view is the tree of files that a process of the container will see: the root file system, and on it the mounts of the
// config, as far as they can be known before they are made.
type view struct {
	root   *fsroot.Root
	covers []cover
	ids    *ids // whose look it is
}

// cover is a mount that is to be made.
type cover struct {
	at     string // in the container, without links
	index  int    // in mounts
	fd     int    // O_PATH of the file or directory that a bind mount shows; -1 of anything else
	isDir  bool
	fresh  bool // a tmpfs, which begins empty
	copied bool // a tmpfs, which begins with what it covers
	noexec bool
}

// file is what a walk came to.
type file struct {
	path   string // in the container, without links
	fd     int    // O_PATH; -1 for a directory that a mount brings along
	stat   unix.Stat_t
	cover  *cover // what it lies on; nil: the root file system
	barred string // the first directory on the way that the process may not search, or ""

	borrowed bool // fd is the cover's
}

func (f *file) close() {
	if f != nil && f.fd >= 0 && !f.borrowed {
		sys.Close(f.fd)
	}
}

func (f *file) isDir() bool { return f.stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// absentError says that there is no such file.
type absentError struct {
	path  string // the first on the way that is not there
	full  string // all of it, links followed so far
	cover *cover // what it would lie on
	errno unix.Errno
}

func (e *absentError) Error() string { return e.path + ": " + e.errno.Error() }
func (e *absentError) Unwrap() error { return e.errno }

// hiddenError says that a path leads into a mount of which nothing can be known before it is made.
type hiddenError struct {
	full  string
	cover *cover
}

func (e *hiddenError) Error() string {
	return fmt.Sprintf("%s lies on the mount %s, which is still to be made", e.full, e.cover.at)
}

func (v *view) close() {
	for i := range v.covers {
		if v.covers[i].fd >= 0 {
			sys.Close(v.covers[i].fd)
		}
	}
	v.root.Close()
}

// maxLinks is the kernel's MAXSYMLINKS.
const maxLinks = 40

// walk follows unsafePath as the container's kernel would: links lead within the container, and mounts cover what is below.
// The file is the caller's to close.
func (v *view) walk(unsafePath string) (*file, error) {
	at, rest, links, barred := "/", strings.Split(unsafePath, "/"), 0, ""
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		f, err := v.open(path.Join(at, name), rest)
		if err != nil {
			return nil, err
		}
		switch f.stat.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := sys.Readlinkat(f.fd, "")
			f.close()
			if links++; err != nil || links > maxLinks {
				return nil, &absentError{f.path, f.path, f.cover, unix.ELOOP}
			}
			if strings.HasPrefix(target, "/") {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		case unix.S_IFDIR:
			if barred == "" && f.fd >= 0 && !v.ids.may(&f.stat, 1) {
				barred = f.path
			}
		default:
			if len(rest) > 0 {
				f.close()
				return nil, &absentError{f.path, path.Join(f.path, path.Join(rest...)), f.cover, unix.ENOTDIR}
			}
		}
		at = f.path
		f.close()
	}
	f, err := v.open(at, nil)
	if err == nil {
		f.barred = barred
	}
	return f, err
}

// open opens what is at a path of which the directories are known to be no links; rest is what is to be found below it.
func (v *view) open(clean string, rest []string) (*file, error) {
	c := v.covering(clean)
	f := &file{path: clean, fd: -1, cover: c}
	// Not before it is needed: links can make rest very long, and that for each of its names.
	full := func() string { return path.Join(clean, path.Join(rest...)) }
	var err error
	switch {
	case c == nil:
		f.fd, err = v.root.OpenNoFollow(clean)
	case c.fd >= 0 && c.at == clean:
		f.fd, f.borrowed = c.fd, true
	case c.fd >= 0:
		f.fd, err = fsroot.New(c.fd).OpenNoFollow(clean[len(c.at):])
	case c.at == clean:
		f.stat.Mode = unix.S_IFDIR | 0o755
		return f, nil
	case c.fresh:
		err = unix.ENOENT
	default:
		return nil, &hiddenError{full(), c}
	}
	if err == nil {
		if f.stat, err = sys.Fstat(f.fd); err == nil {
			return f, nil
		}
	}
	if errors.Is(err, unix.ENOENT) && v.leads(clean) {
		f.fd, f.stat.Mode = -1, unix.S_IFDIR|0o755
		return f, nil
	}
	return nil, &absentError{clean, full(), c, errno(err)}
}

// covering is the mount that a path lies on: the last one made at it or above it.
func (v *view) covering(clean string) *cover {
	for i := len(v.covers) - 1; i >= 0; i-- {
		if c := &v.covers[i]; below(clean, c.at) && !c.copied {
			return c
		}
	}
	return nil
}

// below says whether a clean path is dir, or lies in it.
func below(clean, dir string) bool {
	return clean == dir || dir == "/" || strings.HasPrefix(clean, dir+"/")
}

// leads says whether the directory will be made for a mount below it.
func (v *view) leads(clean string) bool {
	for i := range v.covers {
		if below(v.covers[i].at, clean) {
			return true
		}
	}
	return false
}

// errno is the number in err, EIO if there is none.
func errno(err error) unix.Errno {
	var n unix.Errno
	if errors.As(err, &n) {
		return n
	}
	return unix.EIO
}
