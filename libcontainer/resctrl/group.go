package resctrl

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/procfs"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// State is where a container is, for the commands after its create.
type State struct {
	Class   string `json:"class"`             // directory of its class of service, relative to the file system's root
	Monitor string `json:"monitor,omitempty"` // directory of its monitoring group
	// Own says that the class is this container's alone, made for it under its id: it goes with the container.
	Own bool `json:"own,omitempty"`
	// Fresh says that the class is to be made for an id that the config names: others may come into it, and it stays; but it goes
	// with a create that fails before.
	Fresh bool `json:"fresh,omitempty"`
}

// Committed is the state of a container that exists.
func (s *State) Committed() *State {
	if s == nil {
		return nil
	}
	c := *s
	c.Fresh = false
	return &c
}

// Group is a container's place in resctrl.
type Group struct {
	fs    fileSystem
	state State
	lines []string // to be written to a class that is made
	made  bool     // the class
	mon   bool     // the monitoring group was made
}

// Plan finds out where a container belongs, and refuses what cannot be. It makes and changes nothing.
func Plan(id string, rdt *specs.LinuxIntelRdt) (*Group, error) {
	fs, err := find()
	if err != nil {
		return nil, fieldError("", err)
	}
	g := &Group{fs: fs, lines: lines(rdt), state: State{Class: rdt.ClosID}}
	switch rdt.ClosID {
	case "":
		g.state.Class = id
	case "/":
		g.state.Class = "."
	}
	if err := g.plan(rdt); err != nil {
		fs.close()
		return nil, err
	}
	if rdt.EnableMonitoring {
		g.state.Monitor = path.Join(g.state.Class, "mon_groups", id)
	}
	return g, nil
}

func (g *Group) plan(rdt *specs.LinuxIntelRdt) error {
	schemata, err := g.fs.read(path.Join(g.state.Class, "schemata"))
	switch {
	case errors.Is(err, unix.ENOENT):
		return g.planNew(rdt)
	case err != nil:
		return fieldError("closID", err)
	case len(g.lines) == 0:
		return nil
	}
	if what := mismatch(g.lines, string(schemata), g.step()); what != "" {
		return fieldError("closID", fmt.Errorf("%s is there, with other values than the config has: %s", g.at(g.state.Class), what))
	}
	return nil
}

func (g *Group) planNew(rdt *specs.LinuxIntelRdt) error {
	if _, err := g.fs.read(g.state.Class); !errors.Is(err, unix.ENOENT) {
		return fieldError("closID", fmt.Errorf("%s is part of resctrl, not a class of service", g.at(g.state.Class)))
	}
	if rdt.ClosID != "" && len(g.lines) == 0 {
		return fieldError("closID", fmt.Errorf("%s is not there, and without a schema none is made", g.at(g.state.Class)))
	}
	g.state.Own, g.state.Fresh = rdt.ClosID == "", rdt.ClosID != ""
	return nil
}

// step is by how much memory bandwidth goes up, as far as the kernel says so.
func (g *Group) step() int {
	text, err := g.fs.read("info/MB/bandwidth_gran")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// Create makes what Plan has found missing, with its values: they hold before a process is in it. On failure nothing of it is
// left.
func (g *Group) Create() error {
	err := g.createClass()
	if err == nil && g.state.Monitor != "" {
		err = g.createMonitor()
	}
	if err != nil {
		return also(err, g.Undo())
	}
	return nil
}

func (g *Group) createClass() error {
	if !g.state.Own && !g.state.Fresh {
		return nil
	}
	if err := g.fs.mkdir(g.state.Class); err != nil {
		return fieldError("closID", fmt.Errorf("make %s: %w%s", g.at(g.state.Class), errno(err), fullHint(err, "classes of service")))
	}
	g.made = true
	return g.write(g.lines)
}

func (g *Group) createMonitor() error {
	if err := g.fs.mkdir(g.state.Monitor); err != nil {
		return fieldError("enableMonitoring", fmt.Errorf("make %s: %w%s", g.at(g.state.Monitor), errno(err), fullHint(err, "monitoring groups")))
	}
	g.mon = true
	return nil
}

func fullHint(err error, what string) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return ": the hardware has no more " + what
	case errors.Is(err, unix.ENOENT):
		return ": this hardware does not monitor"
	}
	return ""
}

// write writes lines to the class's schemata, each for itself as the kernel takes no domain twice in one write.
func (g *Group) write(lines []string) error {
	for _, line := range lines {
		if err := g.fs.write(path.Join(g.state.Class, "schemata"), line+"\n"); err != nil {
			return fieldError("", fmt.Errorf("write %q to %s: %w%s", line, g.at(g.state.Class+"/schemata"), errno(err), g.lastWords()))
		}
	}
	return nil
}

// lastWords are what the kernel says about the last error.
func (g *Group) lastWords() string {
	text, err := g.fs.read("info/last_cmd_status")
	words := strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
	if err != nil || words == "" || words == "ok" {
		return ""
	}
	return " (" + words + ")"
}

// Add puts a process, one thread of it, into the class and the monitoring group.
func (g *Group) Add(pid int) error {
	for _, dir := range [...]string{g.state.Class, g.state.Monitor} {
		if dir == "" {
			continue
		}
		if err := g.fs.write(path.Join(dir, "tasks"), strconv.Itoa(pid)); err != nil {
			return fieldError("", fmt.Errorf("move process %d to %s: %w%s", pid, g.at(dir), errno(err), g.lastWords()))
		}
	}
	return nil
}

// Undo takes back Create. A class that others can have come into by now stays.
func (g *Group) Undo() error {
	var err error
	if g.mon {
		err = g.remove(g.state.Monitor)
	}
	if g.made {
		err = errors.Join(err, g.removeClass())
	}
	g.mon, g.made = false, false
	return err
}

func (g *Group) removeClass() error {
	if g.state.Fresh {
		if tasks, err := g.fs.read(path.Join(g.state.Class, "tasks")); err != nil || anyLives(strings.Fields(string(tasks))) {
			return nil
		}
	}
	return g.remove(g.state.Class)
}

// anyLives leaves out zombies, which are in their class until their parent has looked.
func anyLives(tasks []string) bool {
	proc, err := procfs.Open()
	if err != nil {
		return len(tasks) > 0
	}
	defer proc.Close()
	for _, task := range tasks {
		pid, _ := strconv.Atoi(task)
		if stat, err := proc.Stat(pid); err == nil && stat.State != 'Z' && stat.State != 'X' {
			return true
		}
	}
	return false
}

func (g *Group) remove(dir string) error {
	if err := g.fs.rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove %s: %w", g.at(dir), errno(err))
	}
	return nil
}

// State is what Load needs.
func (g *Group) State() *State {
	s := g.state
	return &s
}

// Close closes the Group.
func (g *Group) Close() { g.fs.close() }

// Load is the Group of a container that was created, or whose create was killed.
func Load(s *State) (*Group, error) {
	fs, err := find()
	if err != nil {
		return nil, err
	}
	return &Group{fs: fs, state: *s}, nil
}

// Remove removes what is the container's alone; of one that was not created to the end, all that was made for it. A file system
// that is not mounted any more has nothing.
func Remove(s *State) error {
	if s == nil || s.Monitor == "" && !s.Own && !s.Fresh {
		return nil
	}
	g, err := Load(s)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer g.Close()
	g.mon, g.made = s.Monitor != "", s.Own || s.Fresh
	return g.Undo()
}

// SetSchemata changes the values of the container's class, which restore takes back. If one cannot be had, the others are what
// they were.
func (g *Group) SetSchemata(rdt *specs.LinuxIntelRdt) (restore func() error, err error) {
	before, err := g.fs.read(path.Join(g.state.Class, "schemata"))
	if err != nil {
		return nil, fieldError("", err)
	}
	restore = func() error {
		var old []string
		for line := range strings.SplitSeq(strings.TrimSpace(string(before)), "\n") {
			old = append(old, strings.TrimSpace(line))
		}
		return g.write(old)
	}
	if err := g.write(lines(rdt)); err != nil {
		return nil, also(err, restore())
	}
	return restore, nil
}

func (g *Group) at(dir string) string { return path.Join(g.fs.path(), dir) }

func fieldError(field string, err error) error {
	if field == "" {
		return fmt.Errorf("linux.intelRdt (/linux/intelRdt): %w", err)
	}
	return fmt.Errorf("linux.intelRdt.%s (/linux/intelRdt/%s): %w", field, field, err)
}

// errno drops a path that the message has already.
func errno(err error) error {
	if e, ok := errors.AsType[unix.Errno](err); ok {
		return e
	}
	return err
}

func also(err, second error) error {
	if second == nil {
		return err
	}
	return fmt.Errorf("%w; and %w", err, second)
}
