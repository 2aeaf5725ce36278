package libcontainer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"tare/internal/procfs"
	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// errSubCgroup has the words that callers know.
var errSubCgroup = errors.New("bad sub cgroup path")

// ownCgroup opens the cgroup that the process is to be born in: the container's, or one below it that --cgroup names. It is
// nil where nobody can be born in one. close closes it.
func (e *execution) ownCgroup() (dir *os.File, close func(), err error) {
	dir, err = e.cgroup.Dir()
	if err != nil || len(e.o.Cgroups) == 0 {
		return dir, func() {}, err
	}
	name := e.o.Cgroups[0]
	switch {
	case dir == nil:
		return nil, nil, fmt.Errorf("--cgroup %s: the container has no cgroup v2 of its own", name)
	case len(e.o.Cgroups) > 1:
		return nil, nil, errors.New("--cgroup: cgroup v2 has one path, without controllers")
	case strings.ContainsRune(name, ':'):
		return nil, nil, fmt.Errorf("--cgroup %s: on cgroup v2 a process is in one cgroup for all controllers: give a path alone", name)
	}
	return subCgroup(dir, name)
}

// subCgroup opens a cgroup below dir, or dir itself for "/". The container may have made it: no name leads out.
func subCgroup(dir *os.File, name string) (*os.File, func(), error) {
	below := path.Clean(strings.TrimLeft(name, "/"))
	if below == "." {
		return dir, func() {}, nil
	}
	if below == ".." || strings.HasPrefix(below, "../") {
		return nil, nil, fmt.Errorf("--cgroup: %w: %s is not below the container's cgroup", errSubCgroup, name)
	}
	fd, err := sys.CgroupOpenDir(int(dir.Fd()), below)
	if err != nil {
		return nil, nil, fmt.Errorf("--cgroup %s: %w: it has to be there, below the container's cgroup", name, errors.Unwrap(err))
	}
	f := os.NewFile(uintptr(fd), dir.Name()+"/"+below)
	return f, func() { f.Close() }, nil
}

// initCgroup opens the cgroup that the container's init process is in, where that is one below the container's: an init
// system, which shares out its cgroup, has to leave it itself.
func (e *execution) initCgroup(dir *os.File) (*os.File, func(), error) {
	proc, err := procfs.Open()
	if err != nil {
		return nil, nil, err
	}
	defer proc.Close()
	f, err := proc.Open(strconv.Itoa(e.container.state.InitPid)+"/cgroup", unix.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, nil, err
	}
	state := e.cgroup.State()
	own := strings.TrimPrefix(state.Path, state.Mount)
	for line := range strings.Lines(string(text)) {
		below, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"+own+"/")
		if ok {
			return subCgroup(dir, below)
		}
	}
	return nil, nil, unix.EBUSY
}

// stageTasks is more than the stage ever has in threads, with the process that it makes.
const stageTasks = 12

// hasRoom tells whether the cgroup, and those above it, can have the stage's threads. A container that is at its limit of
// processes gets one more all the same: to be moved into a cgroup is not limited (pids in cgroup-v2.rst), and it may
// take an exec to end what fills it.
func hasRoom(dir int) bool {
	for range unix.PathMax / 2 {
		limit, err := sys.CgroupReadSmall(dir, "pids.max")
		if err != nil {
			return true // the root, or no such controller
		}
		most, err := strconv.Atoi(strings.TrimSpace(string(limit)))
		if err == nil {
			current, err := sys.CgroupReadSmall(dir, "pids.current")
			if n, convErr := strconv.Atoi(strings.TrimSpace(string(current))); err != nil || convErr != nil || most-n < stageTasks {
				return false
			}
		}
		above, err := sys.CgroupOpen(dir, "..", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return true
		}
		defer sys.Close(above)
		dir = above
	}
	return true
}
