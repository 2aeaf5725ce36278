package check

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/bundle"
)

// Options say how to look.
type Options struct {
	ConfigOnly    bool   // look at nothing but the config: not at this host, nor at the root file system
	SystemdCgroup bool   // systemd is to make the cgroup
	Rootless      string // true, false or auto: as for a create
}

// Path checks the bundle at path: its directory, or its config file, which may have any name then. The error says that there
// is none to look at.
func Path(path string, o Options) (*Report, error) {
	dir, config := path, "config.json"
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		dir, config = filepath.Split(path)
	}
	e, err := bundle.Examine(dir, config, !o.ConfigOnly)
	if err != nil {
		return nil, err
	}
	c := &checker{o: o, e: e, spec: e.Spec, root: os.Geteuid() == 0 && !procfs.InUserNS()}
	c.text()
	if e.Spec != nil {
		c.problems()
		c.contradictions()
	}
	if e.Spec != nil && !o.ConfigOnly {
		c.host()
	}
	for i := range c.found {
		f := &c.found[i]
		if f.Line == 0 {
			f.Line, f.Column = e.Locate(f.Pointer)
		}
	}
	r := &Report{Bundle: e.Dir, Config: e.File, Findings: c.found}
	r.finish()
	return r, nil
}

// checker is one check in the making.
type checker struct {
	o    Options
	e    *bundle.Examination
	spec *specs.Spec
	root bool // the caller is the host's root
	proc *procfs.Handle
	view *view // nil where there is no root file system
	ids  *ids

	found []Finding
}

func (c *checker) add(f Finding) {
	if len(c.found) < limit {
		c.found = append(c.found, f)
	}
}

// at makes a JSON pointer.
func at(steps ...any) string { return bundle.Pointer(steps...) }

// host compares the config with this host and the root file system. What the config itself got wrong is left out where it is
// looked at.
func (c *checker) host() {
	proc, err := procfs.Open()
	if err != nil {
		c.add(Finding{
			ID: "no-proc", Severity: Note, Message: "nothing of this host was looked at: " + err.Error(),
			Why: "the kernel tells of itself in /proc", Mend: "mount a procfs on /proc",
		})
		return
	}
	defer proc.Close()
	c.proc, c.ids = proc, idsOf(c.spec)
	c.kernel()
	c.labels()
	c.namespaces()
	c.mappings()
	c.limits()
	c.cgroup()
	c.seccomp()
	c.sysctls()
	c.netDevices()
	if c.openView() {
		defer c.view.close()
		c.rootfs()
		c.mounts()
		c.devices()
		c.process()
		c.hooks()
	}
}

// openView opens the root file system. That it cannot be is found by the bundle's checks.
func (c *checker) openView() bool {
	if c.e.Rootfs == "" {
		return false
	}
	fd, err := sys.Openat(unix.AT_FDCWD, c.e.Rootfs, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	c.view = &view{root: fsroot.New(fd), ids: c.ids}
	return true
}

// unseen notes that a look was not possible.
func (c *checker) unseen(pointer, what string, err error) {
	f := Finding{
		ID: "not-looked-at", Severity: Note, Pointer: pointer, Message: fmt.Sprintf("%s: %v", what, err),
		Why: "a check looks with the privileges of who calls it",
	}
	if !c.root {
		f.Mend = "call check as root to have it looked at"
	}
	c.add(f)
}
