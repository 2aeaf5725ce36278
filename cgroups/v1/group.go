package v1

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

// Dir is the container's cgroup in one hierarchy.
type Dir struct {
	Controllers []string `json:"controllers"`
	Mount       string   `json:"mount"`
	Cgroup      string   `json:"cgroup"` // below Mount, with a slash before it
}

// Path is the directory.
func (d *Dir) Path() string { return d.Mount + d.Cgroup }

// Valid says that the directory is below its mount, as what a state file names gets removed.
func (d *Dir) Valid() bool {
	return strings.HasPrefix(d.Mount, "/") && path.Clean(d.Mount) == d.Mount &&
		strings.HasPrefix(d.Cgroup, "/") && path.Clean(d.Cgroup) == d.Cgroup && d.Cgroup != "/"
}

// Group is a container's cgroup: a directory in each of its hierarchies. It is not safe for concurrent use.
type Group struct {
	Dirs []Dir

	made []string // what Create made, from the top of each hierarchy
}

// Wanted says whether the container is to have a cgroup of its own in a hierarchy that no limit of its needs, at that place: where
// those who watch look for it, where a service manager keeps it from its creator's processes, where we freeze and list it if
// there is no v2 tree, and where somebody has made the cgroup above, which may have limits for all that is to be below.
func Wanted(h *Hierarchy, cgroup string, alone bool) bool {
	for _, name := range h.Controllers {
		switch name {
		case "memory", "cpu", "cpuacct", "pids", "blkio":
			return true
		case "devices", "freezer":
			if alone {
				return true
			}
		}
		if strings.HasPrefix(name, "name=") {
			return true
		}
	}
	above := path.Dir(cgroup)
	if above == "/" {
		return false
	}
	_, err := sys.StatfsType(h.Mount + above)
	return err == nil
}

// dir finds the directory with that controller.
func (g *Group) dir(controller string) *Dir {
	for i := range g.Dirs {
		if slices.Contains(g.Dirs[i].Controllers, controller) {
			return &g.Dirs[i]
		}
	}
	return nil
}

// Has says whether the container has a cgroup of its own for that controller.
func (g *Group) Has(controller string) bool { return g.dir(controller) != nil }

// file is the path of a file, whose name begins with the controller's; "" if there is no cgroup with that one.
func (g *Group) file(name string) string {
	controller, _, _ := strings.Cut(name, ".")
	if d := g.dir(controller); d != nil {
		return d.Path() + "/" + name
	}
	return ""
}

// Check says whether there is a hierarchy for every setting.
func (g *Group) Check(settings []v2.Setting) error {
	for _, s := range settings {
		if !g.Has(s.Controller()) {
			return fmt.Errorf("%s: no cgroup hierarchy with the %s controller is mounted: it needs `mount -t cgroup -o %s`, or a kernel that has it",
				v2.Field(s.Pointer), s.Controller(), s.Controller())
		}
	}
	return nil
}

// errParentGone: somebody else's Undo took away a parent that both thought to be there.
var errParentGone = errors.New("removed meanwhile")

// Create makes the directories, with all that are missing above, and writes the settings. A directory that is there already is
// taken if no process is in it. On failure, what was made is removed again. With lenient, a hierarchy that is not ours to write is
// done without if no setting needs it; device rules are none that do, as who may not write them may make no devices either.
func (g *Group) Create(settings, devices []v2.Setting, lenient bool) error {
	kept := make([]Dir, 0, len(g.Dirs))
	for _, d := range g.Dirs {
		err := g.enter(&d)
		for tries := 0; tries < 3 && errors.Is(err, errParentGone); tries++ {
			err = g.enter(&d)
		}
		if v2.Denied(err) && lenient && user(&d, settings) == nil {
			continue
		}
		if err != nil {
			g.Undo()
			return forSake(&d, settings, err)
		}
		kept = append(kept, d)
	}
	g.Dirs = kept
	err := g.openRealtime(settings)
	if err == nil {
		err = g.write(settings)
	}
	if err == nil && g.Has("devices") {
		err = g.write(devices)
	}
	if err != nil {
		g.Undo()
	}
	return err
}

// user is the first setting that needs the directory.
func user(d *Dir, settings []v2.Setting) *v2.Setting {
	for i := range settings {
		if slices.Contains(d.Controllers, settings[i].Controller()) {
			return &settings[i]
		}
	}
	return nil
}

// forSake names the limit that a cgroup was to be made for.
func forSake(d *Dir, settings []v2.Setting, err error) error {
	if v2.Denied(err) {
		err = fmt.Errorf("%w: it is not ours to write: on cgroup v1 only the host's root makes cgroups", err)
	}
	if s := user(d, settings); s != nil {
		return fmt.Errorf("%s: %w", v2.Field(s.Pointer), err)
	}
	return err
}

// Undo removes what Create made. What others use by now stays.
func (g *Group) Undo() {
	for _, dir := range slices.Backward(g.made) {
		_ = sys.CgroupRmdir(unix.AT_FDCWD, dir)
	}
	g.made = nil
}

// enter makes one directory.
func (g *Group) enter(d *Dir) error {
	err := g.mkdir(d.Path())
	if errors.Is(err, unix.ENOENT) {
		err = g.makeAbove(d)
		if err == nil {
			err = g.mkdir(d.Path())
		}
		if errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("make cgroup %s: the one above was %w", d.Path(), errParentGone)
		}
	}
	if errors.Is(err, unix.EEXIST) {
		err = checkEmpty(d)
	}
	if err == nil && slices.Contains(d.Controllers, "cpuset") {
		err = fillCpuset(d)
	}
	if err == nil && slices.Contains(d.Controllers, "freezer") {
		err = checkThawed(d)
	}
	return err
}

func (g *Group) mkdir(dir string) error {
	err := sys.CgroupMkdir(unix.AT_FDCWD, dir)
	if err != nil {
		return fmt.Errorf("make cgroup %s: %w", dir, v2.Errno(err))
	}
	g.made = append(g.made, dir)
	return nil
}

// makeAbove makes the missing levels above a directory.
func (g *Group) makeAbove(d *Dir) error {
	dir := d.Mount
	for name := range strings.SplitSeq(path.Dir(d.Cgroup)[1:], "/") {
		dir += "/" + name
		if err := g.mkdir(dir); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return nil
}

// checkEmpty refuses a directory that was there with processes in it.
func checkEmpty(d *Dir) error {
	pids, err := sys.CgroupRead(unix.AT_FDCWD, d.Path()+"/cgroup.procs")
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("open cgroup %s: %w: it is the name of a control file", d.Path(), v2.Errno(err))
	case v2.Gone(err):
		return fmt.Errorf("open cgroup %s: it was %w", d.Path(), errParentGone)
	case err != nil:
		return fmt.Errorf("open cgroup %s: %w", d.Path(), v2.Errno(err))
	case len(pids) > 0:
		return fmt.Errorf("cgroup %s: %w", d.Path(), v2.ErrNotEmpty)
	}
	return nil
}

// fillCpuset gives the cgroup, and those above it that have none, the CPUs and memory nodes of the one above: a cgroup
// without them can have no process.
func fillCpuset(d *Dir) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := inherit(d.Mount, d.Cgroup, file); err != nil {
			return fmt.Errorf("give cgroup %s the %s of the one above: %w", d.Path(), file, v2.Errno(err))
		}
	}
	return nil
}

func inherit(mount, cgroup, file string) (string, error) {
	b, err := sys.CgroupRead(unix.AT_FDCWD, mount+cgroup+"/"+file)
	value := strings.TrimSpace(string(b))
	if err != nil || value != "" || cgroup == "/" {
		return value, err
	}
	if value, err = inherit(mount, path.Dir(cgroup), file); err != nil {
		return "", err
	}
	return value, sys.CgroupWrite(unix.AT_FDCWD, mount+cgroup+"/"+file, value)
}

// AddProcess moves a process, with all its threads, into each of the directories.
func (g *Group) AddProcess(pid int) error {
	for i := range g.Dirs {
		err := sys.CgroupWrite(unix.AT_FDCWD, g.Dirs[i].Path()+"/cgroup.procs", fmt.Sprint(pid))
		if err != nil {
			return fmt.Errorf("move process %d into cgroup %s: %w", pid, g.Dirs[i].Path(), v2.Errno(err))
		}
	}
	return nil
}

// Open opens a file of the container's cgroups for reading and writing. It belongs to the caller.
func (g *Group) Open(file string) (*os.File, error) {
	path := g.file(file)
	fd, err := sys.CgroupOpen(unix.AT_FDCWD, path, unix.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, v2.Errno(err))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// open opens one of the directories for what has to hold on to it.
func open(path string) (*os.File, error) {
	fd, err := sys.CgroupOpenMount(path)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
