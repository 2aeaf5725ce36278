package check

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

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
	fs, err := sys.Fstatfs(f.fd)
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
