package v1

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

// write writes settings. The kernel checks some files against each other (a limit of memory against that of memory and swap, a
// burst against the quota, a quota and its period against those above), and which order it takes depends on what holds now. So what it
// refuses with EINVAL is written again after the others, as long as that gets on.
func (g *Group) write(settings []v2.Setting) error {
	for {
		var refused []v2.Setting
		var first error
		for _, s := range settings {
			err := g.writeOne(s)
			if err != nil && !errors.Is(err, unix.EINVAL) {
				return err
			}
			if err != nil {
				refused = append(refused, s)
				first = cmp.Or(first, err)
			}
		}
		if len(refused) == 0 || len(refused) == len(settings) {
			return first
		}
		settings = refused
	}
}

func (g *Group) writeOne(s v2.Setting) error {
	file := g.file(s.File)
	if file == "" {
		return g.Check([]v2.Setting{s})
	}
	err := sys.CgroupWrite(unix.AT_FDCWD, file, s.Value)
	if s.OrFile != "" && errors.Is(err, unix.ENOENT) {
		s.File, s.Value = s.OrFile, s.OrValue
		file = g.file(s.File)
		err = sys.CgroupWrite(unix.AT_FDCWD, file, s.Value)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT) && (s.IfPresent || strings.HasPrefix(s.File, "memory.memsw.") && v2.NoSwap()):
		return nil
	}
	err = fmt.Errorf("%s: write %q to %s: %w", v2.Field(s.Pointer), s.Value, file, v2.Errno(err))
	if hint := hint(s, err); hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

func hint(s v2.Setting, err error) string {
	switch {
	case errors.Is(err, unix.ENOENT) && strings.HasPrefix(s.File, "memory.memsw."):
		return "the kernel does not count swap: it was built without, or started with swapaccount=0"
	case errors.Is(err, unix.ENOENT) && strings.HasPrefix(s.File, "blkio."):
		return "the kernel has no I/O scheduler with weights: CFQ until Linux 5.0, BFQ since"
	case errors.Is(err, unix.ENOENT):
		return "this kernel has no such file"
	case errors.Is(err, unix.EINVAL) && s.File == "memory.memsw.limit_in_bytes":
		return "it is the limit of memory and swap together, and cannot be less than that of memory"
	case errors.Is(err, unix.EINVAL) && s.File == rtRuntime:
		return "the cgroups above have no such time to give"
	case errors.Is(err, unix.EOPNOTSUPP) && strings.HasPrefix(s.File, "blkio."):
		return "the device does not have the I/O scheduler BFQ"
	case errors.Is(err, unix.EPERM) && strings.HasPrefix(s.File, "devices."):
		return "the cgroup above does not allow that device"
	}
	return v2.Hint(s, err)
}

// Update writes settings. If one fails, all are written back. If they hold, undo does that later.
func (g *Group) Update(settings []v2.Setting) (undo func() error, err error) {
	var before []v2.Setting
	for _, s := range settings {
		before = append(before, g.before(s)...)
	}
	slices.Reverse(before)
	undo = func() error {
		if err := g.write(before); err != nil {
			return fmt.Errorf("put back what was: %w", err)
		}
		return nil
	}
	if err := g.openRealtime(settings); err != nil {
		return nil, err
	}
	if err := g.write(settings); err != nil {
		if lost := undo(); lost != nil {
			err = fmt.Errorf("%w; and then: %w", err, lost)
		}
		return nil, err
	}
	return undo, nil
}

// before says what is to be written to have again what the setting is going to change.
func (g *Group) before(s v2.Setting) []v2.Setting {
	file := s.File
	text, err := g.read(file)
	if err != nil && s.OrFile != "" {
		file = s.OrFile
		text, err = g.read(file)
	}
	if err != nil {
		return nil // so writing will fail too
	}
	was := v2.Setting{File: file, Value: strings.TrimSpace(string(text)), Pointer: s.Pointer}
	key, _, keyed := strings.Cut(s.Value, " ")
	switch {
	case file == "memory.oom_control":
		was.Value = strconv.FormatUint(v2.FlatValue(text, "oom_kill_disable"), 10)
	case file == "cpu.idle" && was.Value == "0": // an idle cgroup loses its shares
		return append(g.before(v2.Setting{File: "cpu.shares", Pointer: s.Pointer}), was)
	case keyed:
		was.Value = key + " " + unset(file)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, key+" ") {
				was.Value = strings.TrimSpace(line)
			}
		}
	}
	return []v2.Setting{was}
}

// unset is the value of a key that a file does not list.
func unset(file string) string {
	if file == "rdma.max" {
		return "hca_handle=max hca_object=max"
	}
	return "0"
}

func (g *Group) read(name string) ([]byte, error) {
	file := g.file(name)
	if file == "" {
		return nil, unix.ENOENT
	}
	return sys.CgroupRead(unix.AT_FDCWD, file)
}

const (
	rtRuntime = "cpu.rt_runtime_us"
	rtPeriod  = "cpu.rt_period_us"
)

// openRealtime gives the cgroups above the container's the real-time share that it is to get, where they have less: they start
// with none, and can pass on no more than they have.
func (g *Group) openRealtime(settings []v2.Setting) error {
	i := slices.IndexFunc(settings, func(s v2.Setting) bool { return s.File == rtRuntime })
	d := g.dir("cpu")
	if i < 0 || d == nil || settings[i].Value == "-1" {
		return nil
	}
	want, _ := strconv.ParseUint(settings[i].Value, 10, 64)
	var above []string
	for at := path.Dir(d.Cgroup); at != "/"; at = path.Dir(at) {
		above = append(above, at)
	}
	for _, at := range slices.Backward(above) {
		has, err := sys.CgroupReadSmall(unix.AT_FDCWD, d.Mount+at+"/"+rtRuntime)
		if err != nil || v2.Number(has) >= want {
			continue // writing the container's will say so
		}
		parent := &Group{Dirs: []Dir{{Controllers: d.Controllers, Mount: d.Mount, Cgroup: at}}}
		share := slices.DeleteFunc(slices.Clone(settings), func(s v2.Setting) bool { return s.File != rtRuntime && s.File != rtPeriod })
		if err := parent.write(share); err != nil {
			return err
		}
	}
	return nil
}
