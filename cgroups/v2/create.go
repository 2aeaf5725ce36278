package v2

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// useful lists the controllers to have in a container's cgroup even if nothing is limited, for their statistics.
func useful(controller string) bool {
	switch controller {
	case "cpu", "cpuset", "io", "memory", "hugetlb", "pids", "rdma", "misc":
		return true
	}
	return false
}

// Create makes the cgroup at path, which begins with a slash and is relative to the tree's root, and all that are missing
// above it; makes their controllers available in it; and writes the settings. A cgroup that is there already is taken if no
// process is in it. On failure, what was made is removed again.
//
// A process in a cgroup above, which forbids that cgroup to give controllers to others, is never moved.
func Create(t *Tree, path string, settings []Setting) (*Cgroup, error) {
	for tries := 0; ; tries++ {
		c := &Cgroup{Dir: t.Mount + path}
		err := c.create(t, path, settings)
		if err == nil {
			return c, nil
		}
		c.Undo()
		// Somebody else's Undo may have taken away a parent that both thought to be there.
		if !errors.Is(err, errParentGone) || tries == 3 {
			return nil, err
		}
	}
}

var errParentGone = errors.New("removed meanwhile")

// Undo removes what Create made, and closes the cgroup. What others use by now stays.
func (c *Cgroup) Undo() {
	_ = c.Close()
	for _, dir := range slices.Backward(c.made) {
		_ = sys.CgroupRmdir(unix.AT_FDCWD, dir)
	}
	c.made = nil
}

// Fresh says that Create made the cgroup, rather than found it.
func (c *Cgroup) Fresh() bool { return slices.Contains(c.made, c.Dir) }

func (c *Cgroup) create(t *Tree, at string, settings []Setting) error {
	above, name := path.Split(at)
	parent, err := c.parent(t, path.Clean(above), settings)
	if err != nil {
		return err
	}
	if parent != t.fd {
		defer sys.Close(parent)
	}
	fd, err := c.enter(parent, name, c.Dir)
	if err != nil {
		return forLimits(settings, err)
	}
	c.dir = os.NewFile(uintptr(fd), c.Dir)
	// A cgroup born below a frozen one is frozen too, so a fresh one is looked at as well.
	e, err := sys.CgroupReadSmall(fd, "cgroup.events")
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", c.Dir, err)
	}
	if flatValue(e, "populated") != 0 {
		return fmt.Errorf("cgroup %s: %w", c.Dir, ErrNotEmpty)
	}
	if flatValue(e, "frozen") != 0 {
		return fmt.Errorf("cgroup %s: %w", c.Dir, ErrFrozen)
	}
	if !c.Fresh() {
		settings = c.inOrder(settings)
	}
	for _, s := range settings {
		if _, err := c.write(s); err != nil {
			return err
		}
	}
	return nil
}

// parent returns a descriptor of the cgroup that the new one is to be in, after making it if need be, and after enabling
// the controllers on all the way. In the common case, all is there and one file is read.
func (c *Cgroup) parent(t *Tree, at string, settings []Setting) (int, error) {
	wanted := t.wanted(settings)
	if at == "/" {
		return t.fd, enable(t.fd, t.Mount, wanted, settings)
	}
	fd, err := sys.CgroupOpenDir(t.fd, at[1:])
	switch {
	case err == nil && len(missing(fd, wanted)) == 0:
		return fd, nil
	case err == nil:
		sys.Close(fd)
	case !errors.Is(err, unix.ENOENT):
		return -1, fmt.Errorf("open cgroup %s%s: %w", t.Mount, at, errno(err))
	}

	fd = t.fd
	dir := t.Mount
	for name := range strings.SplitSeq(at[1:], "/") {
		err := enable(fd, dir, wanted, settings)
		next := -1
		if err == nil {
			dir += "/" + name
			next, err = c.enter(fd, name, dir)
			err = forLimits(settings, err)
		}
		if fd != t.fd {
			sys.Close(fd)
		}
		if err != nil {
			return -1, err
		}
		fd = next
	}
	if err := enable(fd, dir, wanted, settings); err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}

// enter makes the cgroup called name in parent, if it is not there, and opens it.
func (c *Cgroup) enter(parent int, name, dir string) (int, error) {
	switch err := sys.CgroupMkdir(parent, name); {
	case err == nil:
		c.made = append(c.made, dir)
	case errors.Is(err, unix.ENOENT):
		return -1, fmt.Errorf("make cgroup %s: the one above was %w", dir, errParentGone)
	case !errors.Is(err, unix.EEXIST):
		err = fmt.Errorf("make cgroup %s: %w", dir, errno(err))
		if errors.Is(err, unix.EAGAIN) {
			err = fmt.Errorf("%w: cgroup.max.descendants or cgroup.max.depth above it is reached", err)
		}
		if denied(err) {
			err = fmt.Errorf("%w: the cgroup above is not ours to write: it has to be delegated", err)
		}
		return -1, err
	}
	fd, err := sys.CgroupOpenDir(parent, name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return -1, fmt.Errorf("open cgroup %s: it was %w", dir, errParentGone)
	case errors.Is(err, unix.ENOTDIR):
		return -1, fmt.Errorf("open cgroup %s: %w: it is the name of a control file", dir, errno(err))
	case err != nil:
		return -1, fmt.Errorf("open cgroup %s: %w", dir, errno(err))
	}
	return fd, nil
}

// wanted lists the controllers that the cgroup is to have: those of its settings and the useful ones of the tree.
func (t *Tree) wanted(settings []Setting) []string {
	list := make([]string, 0, 8)
	for _, name := range t.Controllers {
		if useful(name) || neededBy(settings, name) != nil {
			list = append(list, name)
		}
	}
	return list
}

// neededBy returns the first setting that needs the controller, or nil.
func neededBy(settings []Setting, controller string) *Setting {
	for i := range settings {
		if settings[i].Controller() == controller {
			return &settings[i]
		}
	}
	return nil
}

// missing lists those of the wanted controllers that the cgroup does not give to the ones below it.
func missing(fd int, wanted []string) []string {
	if len(wanted) == 0 {
		return nil
	}
	b, err := sys.CgroupReadSmall(fd, "cgroup.subtree_control")
	if err != nil {
		return wanted // the attempt to write will say why
	}
	var list []string
	on := strings.Fields(string(b))
	for _, name := range wanted {
		if !slices.Contains(on, name) {
			list = append(list, name)
		}
	}
	return list
}

// enable makes the wanted controllers available below a cgroup. Only one that a setting needs is worth an error.
func enable(fd int, dir string, wanted []string, settings []Setting) error {
	const file = "cgroup.subtree_control"
	list := missing(fd, wanted)
	if len(list) == 0 {
		return nil
	}
	err := sys.CgroupWrite(fd, file, "+"+strings.Join(list, " +"))
	if err == nil {
		return nil
	}
	for _, name := range list { // all or none was written: see which can be had
		// Not one by one where the cgroup has processes: the kernel would take the controllers that threads can
		// share (cpu, cpuset, pids), and thereby make every cgroup below one that no process may enter.
		if len(list) > 1 && !denied(err) && !errors.Is(err, unix.EBUSY) {
			err = sys.CgroupWrite(fd, file, "+"+name)
		}
		if err == nil {
			continue
		}
		if s := neededBy(settings, name); s != nil {
			return fmt.Errorf("%s: enable the %s controller in %s/%s: %w%s", Field(s.Pointer), name, dir, file, errno(err), enableHint(name, err))
		}
	}
	return nil
}

func denied(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}

// forLimits adds to a refusal to make a cgroup which limit asks for one: without any, the container could do without.
func forLimits(settings []Setting, err error) error {
	if len(settings) == 0 || settings[0].Pointer == "" || !denied(err) {
		return err
	}
	return fmt.Errorf("%s: %w", Field(settings[0].Pointer), err)
}

func enableHint(controller string, err error) string {
	switch {
	case errors.Is(err, unix.EINVAL) && controller == "cpu":
		return ": with CONFIG_RT_GROUP_SCHED it can be enabled only while no real-time process is outside of the root cgroup"
	case errors.Is(err, unix.EBUSY):
		return ": it has processes of its own, and so cannot give controllers to cgroups below it"
	case errors.Is(err, unix.ENOENT):
		return ": it has not got it itself"
	case errors.Is(err, unix.EOPNOTSUPP):
		return ": it is threaded"
	case denied(err):
		return ": this cgroup is not ours to write: it has to be delegated, with that controller"
	}
	return ""
}
