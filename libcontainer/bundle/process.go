package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Ranges of /proc/PID/oom_score_adj (proc(5)) and of a terminal's size (struct winsize has 16 bits, ioctl_tty(2)).
const (
	oomScoreLimit    = 1000
	consoleSizeLimit = 1<<16 - 1
)

// checkProcess looks at what is executed, and how. That there is no process at all is legal until start.
func checkProcess(r *report, spec *specs.Spec) {
	p := spec.Process
	if p == nil {
		return
	}
	r.checkPath(p.Cwd, "process", "cwd")
	checkArgs(r, p.Args)
	for i, entry := range p.Env {
		checkEnv(r, entry, "process", "env", i)
	}
	if adj := p.OOMScoreAdj; adj != nil && (*adj < -oomScoreLimit || *adj > oomScoreLimit) {
		r.add("/process/oomScoreAdj", "must be from %d to %d, got %d", -oomScoreLimit, oomScoreLimit, *adj)
	}
	if size := p.ConsoleSize; size != nil && p.Terminal { // to be ignored without a terminal
		if size.Height > consoleSizeLimit {
			r.add("/process/consoleSize/height", "must be at most %d, got %d", consoleSizeLimit, size.Height)
		}
		if size.Width > consoleSizeLimit {
			r.add("/process/consoleSize/width", "must be at most %d, got %d", consoleSizeLimit, size.Width)
		}
	}
	if cpus := p.ExecCPUAffinity; cpus != nil {
		r.checkList(cpus.Initial, "process", "execCPUAffinity", "initial")
		r.checkList(cpus.Final, "process", "execCPUAffinity", "final")
	}
}

func checkArgs(r *report, args []string) {
	if len(args) == 0 {
		r.add("/process/args", "must have at least one entry, the program")
		return
	}
	if args[0] == "" {
		// The words are those of a program that is not there: Docker and Podman find exit code 127 in them.
		r.add("/process/args/0", `exec: "": executable file not found in $PATH: must not be empty, want the program`)
	}
	for i, arg := range args {
		if hasNUL(arg) {
			r.add(at("process", "args", i), "must not contain a NUL byte, got %s", quote(arg))
		}
	}
}

// checkEnv finds fault with an entry of an environment.
func checkEnv(r *report, entry string, steps ...any) {
	switch equals := strings.IndexByte(entry, '='); {
	case equals < 0:
		r.add(at(steps...), "must be NAME=VALUE, got %s", quote(entry))
	case equals == 0:
		r.add(at(steps...), "must be NAME=VALUE, the name is empty in %s", quote(entry))
	case hasNUL(entry):
		r.add(at(steps...), "must not contain a NUL byte, got %s", quote(entry))
	}
}
