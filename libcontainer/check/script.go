package check

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

const (
	// scriptLimit is BINPRM_BUF_SIZE: what the kernel looks at of a file to see how to execute it.
	scriptLimit = 256

	// interpreterDepth is how many scripts may be each other's interpreters (fs/exec.c).
	interpreterDepth = 4
)

// script looks for the interpreter that a script names in its first line.
func (c *checker) script(s *search, head []byte, name string) {
	line, _, whole := strings.Cut(string(head[2:]), "\n")
	line = strings.Trim(line, " \t\x00")
	interpreter, argument, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	f := Finding{ID: "interpreter-missing", Severity: s.severe(), Pointer: s.pointer, Why: "execve(2): ENOENT, if the interpreter of a script is not there: the error names the script"}
	switch {
	case interpreter == "":
		f.ID, f.Severity = "program-format", Error
		f.Message, f.Mend = fmt.Sprintf("exec: %q: exec format error: its first line names no interpreter", name), "write one, such as #!/bin/sh"
		f.Why = "execve(2): ENOEXEC"
	case strings.HasSuffix(line, "\r"):
		f.ID, f.Severity = "script-crlf", Error
		f.Message = fmt.Sprintf("%s is a script with Windows line endings: its interpreter is %q", quote(name), strings.TrimSpace(strings.Fields(line)[0])+"\r")
		f.Mend = "save it with line feeds alone: sed -i 's/\\r$//' " + name
		if argument != "" {
			f.Message = fmt.Sprintf("%s is a script with Windows line endings: its interpreter gets the argument %q", quote(name), argument)
		}
	case !whole && len(head) == scriptLimit && argument == "":
		f.ID, f.Severity = "program-format", Error
		f.Message, f.Mend = fmt.Sprintf("%s is a script whose first line has more than %d bytes", quote(name), scriptLimit), "shorten it"
		f.Why = "execve(2): ENOEXEC"
	case s.depth >= interpreterDepth:
		f.ID, f.Severity = "interpreter-loop", Error
		f.Message, f.Mend = fmt.Sprintf("%s: too many interpreters that are scripts themselves", quote(name)), "name a program in the first line"
		f.Why = "execve(2): ELOOP"
	default:
		c.interpreter(s, f, name, interpreter, argument)
		return
	}
	c.add(f)
}

// interpreter looks at the one that a script has.
func (c *checker) interpreter(s *search, f Finding, name, interpreter, argument string) {
	found, err := s.view.walk(s.file(interpreter))
	if absent := (*absentError)(nil); errors.As(err, &absent) {
		f.Message = fmt.Sprintf("%s is a script for %s, which is not there", quote(name), interpreter)
		f.Mend = "install " + interpreter + c.where(s) + ", or name another interpreter in the script's first line"
		c.add(f)
	}
	if err != nil {
		return
	}
	defer found.close()
	again := *s
	again.depth++
	c.executable(&again, found, interpreter)
	if path.Base(interpreter) == "env" && argument != "" {
		c.env(&again, f, name, argument)
	}
}

// env looks for what `env` is to find for a script. The container starts, and ends at once, if it does not.
func (c *checker) env(s *search, f Finding, name, argument string) {
	words := strings.Fields(strings.TrimPrefix(argument, "-S "))
	if len(words) == 0 || strings.ContainsAny(words[0], "=-/") {
		return
	}
	for _, dir := range s.dirs() {
		file, err := s.view.walk(path.Join(dir, words[0]))
		file.close()
		if hidden := (*hiddenError)(nil); err == nil || errors.As(err, &hidden) {
			return
		}
	}
	f.Severity = Warning
	f.Message = fmt.Sprintf("%s is a script for %s, which is in none of %s", quote(name), words[0], strings.Join(s.dirs(), ", "))
	f.Why = "env(1) ends with status 127"
	f.Mend = "install " + words[0] + c.where(s) + ", or correct PATH in process.env"
	c.add(f)
}
