package v2

import (
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// walk goes through a cgroup and those below it, which the container may have made, as deep as it liked: names make paths
// too long for the kernel, and a descriptor a level would be more than RLIMIT_NOFILE allows. So it holds one, and comes back
// by "..", which leads nowhere else: a cgroup is never moved to another parent.
type walk struct {
	root, at int        // descriptors: where it began, and where it is
	rest     [][]string // the names still to go to, of each level from the root to where it is
}

// walkBelow calls enter for the cgroup with that directory, and for each below it, those above first; and leave for all but
// that one, with the directory that it is in, those below first. What goes away meanwhile is left out.
func walkBelow(root int, enter func(fd int) error, leave func(parent int, name string) error) error {
	w := &walk{root: root, at: root}
	defer func() { w.move(root) }()
	if err := w.enter(enter); err != nil {
		return err
	}
	for {
		names := w.rest[len(w.rest)-1]
		var err error
		switch {
		case len(names) > 0:
			err = w.down(names[0], enter)
		case len(w.rest) == 1:
			return nil
		default:
			err = w.up(leave)
		}
		if err != nil {
			return err
		}
	}
}

// enter calls f where the walk is, and then looks what is below.
func (w *walk) enter(f func(fd int) error) error {
	err := f(w.at)
	var names []string
	if err == nil {
		names, err = sys.CgroupChildren(w.at)
	}
	if gone(err) && len(w.rest) > 0 {
		names, err = nil, nil
	}
	w.rest = append(w.rest, names)
	return err
}

func (w *walk) down(name string, enter func(fd int) error) error {
	fd, err := sys.CgroupOpenDir(w.at, name)
	if gone(err) {
		w.next()
		return nil
	}
	if err != nil {
		return err
	}
	w.move(fd)
	return w.enter(enter)
}

func (w *walk) up(leave func(parent int, name string) error) error {
	w.rest = w.rest[:len(w.rest)-1]
	parent := w.root
	if len(w.rest) > 1 {
		var err error
		if parent, err = sys.CgroupOpen(w.at, "..", unix.O_PATH|unix.O_DIRECTORY); err != nil {
			return err
		}
	}
	w.move(parent)
	name := w.rest[len(w.rest)-1][0]
	w.next()
	if err := leave(parent, name); err != nil && !gone(err) {
		return err
	}
	return nil
}

// next is done with the first of the names.
func (w *walk) next() {
	top := &w.rest[len(w.rest)-1]
	*top = (*top)[1:]
}

func (w *walk) move(to int) {
	if w.at != w.root {
		sys.Close(w.at)
	}
	w.at = to
}
