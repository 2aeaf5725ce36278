package check

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// process looks for what is to be executed, and for where.
func (c *checker) process() {
	p := c.spec.Process
	if p == nil || len(p.Args) == 0 || p.Args[0] == "" {
		return
	}
	if path.IsAbs(p.Cwd) {
		c.cwd(p.Cwd)
	} else if strings.Contains(p.Args[0], "/") && !path.IsAbs(p.Args[0]) {
		return // there is no telling from where, which is an error of its own
	}
	if !strings.Contains(p.Args[0], "/") && c.hasProblem(at("process", "env")) {
		return // nor where to look
	}
	s := search{view: c.view, ids: c.ids, pointer: at("process", "args", 0), env: p.Env, cwd: p.Cwd, hooked: c.hooked()}
	name := p.Args[0]
	_, set := s.variable("PATH")
	if !set && !strings.Contains(name, "/") {
		c.add(Finding{
			ID: "path-unset", Severity: Warning, Pointer: at("process", "env"),
			Message: "has no PATH: " + quote(name) + " is looked for in /bin and /usr/bin only, and what it starts has no PATH either",
			Why:     "execvp(3); nothing of the host's environment reaches a container",
			Mend:    `add "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"`,
		})
	}
	c.program(&s, name)
}

// cwd looks at the working directory, which is made if it is missing.
func (c *checker) cwd(dir string) {
	f, err := c.view.walk(dir)
	var absent *absentError
	switch {
	case errors.As(err, &absent) && absent.errno == unix.ENOTDIR:
		c.add(Finding{
			ID: "cwd-no-directory", Severity: Error, Pointer: at("process", "cwd"), Message: absent.path + " is no directory",
			Why: "chdir(2): ENOTDIR", Mend: "name a directory of the container",
		})
	case errors.As(err, &absent) && absent.errno == unix.ENOENT:
		c.canMake(absent, at("process", "cwd"), "the working directory")
	}
	if err != nil {
		return
	}
	defer f.close()
	switch {
	case !f.isDir():
		c.add(Finding{
			ID: "cwd-no-directory", Severity: Error, Pointer: at("process", "cwd"), Message: quote(dir) + " is no directory, but " + kindOf(f.stat.Mode),
			Why: "chdir(2): ENOTDIR", Mend: "name a directory of the container",
		})
	case f.barred != "":
		// chdir(2) comes before the credentials, so that the process gets there all the same.
		barred := c.barred(f.barred, at("process", "cwd"))
		barred.Severity = Warning
		c.add(barred)
	}
}

// barred is about a directory that the container's user may not enter.
func (c *checker) barred(dir, pointer string) Finding {
	return Finding{
		ID: "no-search-permission", Severity: Error, Pointer: pointer,
		Message: fmt.Sprintf("the user (uid %d) may not enter the directory %s", c.spec.Process.User.UID, dir),
		Why:     "path_resolution(7): each directory on the way takes search permission",
		Mend:    "chmod o+x, or chown, " + dir + " in the root file system; or run as its owner",
	}
}

// hooked says whether a hook that runs before the program could bring files along.
func (c *checker) hooked() bool {
	h := c.spec.Hooks
	//lint:ignore SA1019 deprecated, but in use
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer) > 0
}
