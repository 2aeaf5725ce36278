package check

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/document"
)

// search is for one program.
type search struct {
	view    *view
	ids     *ids
	pointer string
	env     []string
	cwd     string
	hooked  bool // something may come that is not there yet
	depth   int  // of interpreters
	host    bool // the root is this host's
}

func (s *search) variable(name string) (value string, set bool) {
	for _, e := range s.env {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value, set = v, true
		}
	}
	return value, set
}

// dirs are the directories of PATH, as a create knows them.
func (s *search) dirs() []string {
	list, set := s.variable("PATH")
	if !set {
		list = "/bin:/usr/bin"
	}
	dirs := strings.Split(list, ":")
	for i, dir := range dirs {
		dirs[i] = s.file(dir)
	}
	return dirs
}

// file is a path that may begin at the working directory.
func (s *search) file(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join("/", s.cwd, name)
}

// severe is what comes of a file that is not there.
func (s *search) severe() Severity {
	if s.hooked {
		return Warning
	}
	return Error
}

// program finds what execvp(3) would execute, and looks at it.
func (c *checker) program(s *search, name string) {
	if strings.Contains(name, "/") {
		f, err := s.view.walk(s.file(name))
		if err != nil {
			c.noProgram(s, name, err)
			return
		}
		defer f.close()
		c.executable(s, f, name)
		return
	}
	var hidden *hiddenError
	var denied *file
	deniedPath := ""
	defer func() { denied.close() }()
	for _, dir := range s.dirs() {
		f, err := s.view.walk(path.Join(dir, name))
		switch h := (*hiddenError)(nil); {
		case errors.As(err, &h) && hidden == nil:
			hidden = h
		case err == nil && f.barred == "" && !f.isDir() && s.ids.may(&f.stat, 1):
			defer f.close()
			c.executable(s, f, path.Join(dir, name))
			return
		case err == nil && denied == nil && !f.isDir():
			denied, deniedPath = f, path.Join(dir, name)
		default:
			f.close()
		}
	}
	switch {
	case denied != nil:
		c.executable(s, denied, deniedPath)
	case hidden != nil:
		c.noProgram(s, name, hidden)
	default:
		c.notInPath(s, name)
	}
}

// notInPath says so in the words of a create.
func (c *checker) notInPath(s *search, name string) {
	if c.emptyRoot() {
		return // which is what there is to say
	}
	f := Finding{
		ID: "program-missing", Severity: s.severe(), Pointer: s.pointer,
		Message: fmt.Sprintf("exec: %q: executable file not found in $PATH: it is in none of %s", name, strings.Join(s.dirs(), ", ")),
		Why:     "execvp(3): a name without a slash is looked for in the directories of PATH, in the container",
		Mend:    "install it in the root file system, or write its whole path",
	}
	if near := c.likely(s, name); near != "" {
		f.Mend = "did you mean " + quote(near) + "?"
	}
	if s.hooked {
		f.Message += ", unless a hook brings it along"
	}
	c.add(f)
}

// likely is the program in PATH with a name most like the given one.
func (c *checker) likely(s *search, name string) string {
	var all []string
	for _, dir := range s.dirs() {
		if f, err := s.view.walk(dir); err == nil {
			names, _ := c.names(f)
			all = append(all, names...)
			f.close()
		}
	}
	return document.Nearest(all, name)
}

// namesLimit is how many entries of a directory are looked at.
const namesLimit = 10000

// names are entries of a directory.
func (c *checker) names(f *file) ([]string, error) {
	if f.fd < 0 || !f.isDir() {
		return nil, nil
	}
	dir, err := c.proc.ReopenFD(f.fd, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, errno(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(namesLimit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// noProgram says why there is nothing at the program's path.
func (c *checker) noProgram(s *search, name string, err error) {
	var hidden *hiddenError
	if errors.As(err, &hidden) {
		c.add(Finding{
			ID: "program-unknown", Severity: Note, Pointer: s.pointer,
			Message: fmt.Sprintf("it cannot be known whether %s is there: %v", quote(name), hidden),
			Why:     "what a mount shows is known when it is made", Mend: "look at " + at("mounts", hidden.cover.index),
		})
		return
	}
	if c.emptyRoot() && !s.host {
		return
	}
	var absent *absentError
	if !errors.As(err, &absent) {
		c.unseen(s.pointer, quote(name), err)
		return
	}
	f := Finding{
		ID: "program-missing", Severity: s.severe(), Pointer: s.pointer, Why: "execve(2): " + errnoName(absent.errno),
		Message: fmt.Sprintf("exec: %q: stat %s: %v", name, name, absent.errno),
		Mend:    "install it in the root file system, or correct the path",
	}
	switch {
	case absent.errno == unix.EACCES:
		c.unseen(s.pointer, quote(name), absent)
		return
	case absent.errno == unix.ELOOP:
		f.Mend = absent.path + " is a loop of symbolic links: mend them"
	case absent.cover != nil && absent.cover.fresh:
		f.Message += ": " + absent.cover.at + " is a new tmpfs, which is empty"
		f.Mend = "put the program elsewhere, or take away the mount " + at("mounts", absent.cover.index)
	case absent.full != path.Clean(name) && !s.host:
		f.Message += ": it leads to " + absent.full + ", which is not there"
	}
	if s.hooked {
		f.Message += ", unless a hook brings it along"
	}
	if s.host {
		f.Mend = "install it on this host, or correct the path"
	}
	c.add(f)
}
