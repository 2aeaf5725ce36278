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

// executable looks at the file that was found: may it be executed, and can the kernel?
func (c *checker) executable(s *search, f *file, name string) {
	denied := Finding{
		ID: "program-not-executable", Severity: Error, Pointer: s.pointer,
		Message: fmt.Sprintf("exec: %q: permission denied: ", name), Why: "execve(2): EACCES",
	}
	switch mode := f.stat.Mode & 0o7777; {
	case f.isDir():
		denied.Message = fmt.Sprintf("exec: %q: is a directory: permission denied", name)
		denied.Mend = "name the program in it"
	case f.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		denied.Message += "it is " + kindOf(f.stat.Mode) + ", not a regular file"
		denied.Mend = "name a program"
	case mode&0o111 == 0:
		denied.Message += fmt.Sprintf("its mode is %#o, which nobody may execute", mode)
		denied.Mend = "chmod +x it" + c.where(s)
	case f.barred != "":
		denied = c.barred(f.barred, s.pointer)
	case !s.ids.may(&f.stat, 1):
		denied.Message += fmt.Sprintf("the user (uid %d) may not execute it: its mode is %#o, its owner %d:%d", c.userID(), mode, f.stat.Uid, f.stat.Gid)
		denied.Mend = "chmod o+x it" + c.where(s) + ", or run as its owner"
	case c.onNoexec(f):
		denied.Message += "it lies on a mount with the option noexec"
		denied.Mend = "take noexec away from the mount, or put the program elsewhere"
	default:
		c.content(s, f, name)
		return
	}
	c.add(denied)
}

func (c *checker) userID() uint32 {
	if c.spec.Process == nil {
		return 0
	}
	return c.spec.Process.User.UID
}

func (c *checker) where(s *search) string {
	if s.host {
		return ""
	}
	return " in the root file system"
}

func (c *checker) onNoexec(f *file) bool {
	if f.cover != nil && f.cover.noexec {
		return true
	}
	fs, err := fstatfs(f.fd)
	return err == nil && fs.Flags&unix.ST_NOEXEC != 0
}

// content looks at what kind of program it is.
func (c *checker) content(s *search, f *file, name string) {
	opened, err := c.proc.ReopenFD(f.fd, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		c.unseen(s.pointer, "what "+name+" is", errno(err))
		return
	}
	defer opened.Close()
	head := make([]byte, scriptLimit)
	n, err := opened.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		c.unseen(s.pointer, "what "+name+" is", errno(err))
		return
	}
	head = head[:n]
	switch {
	case strings.HasPrefix(string(head), "\x7fELF"):
		c.elf(s, opened, head, name)
	case strings.HasPrefix(string(head), "#!"):
		c.script(s, head, name)
	case c.interpreted(head, path.Base(f.path)) != "":
	default:
		c.noFormat(s, head, name)
	}
}

// noFormat is about a file that the kernel does not know how to execute.
func (c *checker) noFormat(s *search, head []byte, name string) {
	f := Finding{
		ID: "program-format", Severity: Error, Pointer: s.pointer, Message: fmt.Sprintf("exec: %q: exec format error: it is no ELF file and does not begin with #!", name),
		Why:  "execve(2): ENOEXEC",
		Mend: "is it a script? Then its first line must be that of its interpreter, such as #!/bin/sh",
	}
	switch {
	case len(head) == 0:
		f.Message = fmt.Sprintf("exec: %q: exec format error: the file is empty", name)
		f.Mend = "was it copied in full? Put the program there anew"
	case strings.HasPrefix(string(head), "\xef\xbb\xbf"):
		f.Message += ", but with a byte order mark"
		f.Mend = "save it as UTF-8 without a byte order mark"
	}
	c.add(f)
}

// errnoName is how manuals name the numbers that a look-up can end with.
func errnoName(n unix.Errno) string {
	switch n {
	case unix.ENOENT:
		return "ENOENT"
	case unix.ENOTDIR:
		return "ENOTDIR"
	case unix.ELOOP:
		return "ELOOP"
	case unix.EACCES:
		return "EACCES"
	}
	return n.Error()
}

// kindOf names a kind of file.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFLNK:
		return "a symbolic link"
	}
	return "a file"
}

// quote makes any string fit for a message.
func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}
