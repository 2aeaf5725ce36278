package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A second process in a container.

func (p *podman) exec(s *scene) {
	id := p.sleeping(s, "--env BOTH=container --workdir /home")
	script := `echo "$BOTH $ONE $(id -u) $(id -g) $(pwd)"; echo error >&2; exit 5`
	a := s.code(5, p.cmd("exec", "--env", "ONE=1", "--user", "1234:50", "--workdir", "/tmp", id, "sh", "-c", script)...)
	s.want("output", a.stdout, "container 1 1234 50 /tmp\n")
	s.want("standard error", a.stderr, "error\n")
	s.want("by default", s.must(p.cmd("exec", id, "sh", "-c", "echo $(id -u) $(pwd)")...), "0 /home")
	if a := s.feed("fed\n", p.cmd("exec", "--interactive", id, "cat")...); a.stdout != "fed\n" || a.code != 0 {
		s.failf("input: %v", a)
	}
	s.want("a descriptor that is kept", s.must("sh", "-c", quoted(p.cmd("exec", "--preserve-fds", "1", id, "sh", "-c", "cat <&3"))+" 3<<'E'\nkept\nE"), "kept")
	s.must(p.cmd("exec", "--detach", id, "sleep", "2000")...)
	s.eventually("a second process in the background", func() error {
		if all := s.must(p.cmd("top", id, "args")...); !strings.Contains(all, "sleep 2000") {
			return fmt.Errorf("there is %q", all)
		}
		return nil
	})
	p.execInside(s, id)
}

// execInside checks that a second process is where the first is.
func (p *podman) execInside(s *scene, id string) {
	pid := p.pid(s, id)
	for _, kind := range []string{"mnt", "pid", "net", "ipc", "uts"} {
		s.want("namespace "+kind, s.must(p.cmd("exec", id, "readlink", "/proc/self/ns/"+kind)...), s.namespace(pid, kind))
	}
	if !p.cgroups {
		return
	}
	before := entriesOf(s, pid)
	s.must(p.cmd("exec", "--detach", id, "sleep", "2001")...)
	s.eventually("a second process in the container's cgroup", func() error {
		if now := entriesOf(s, pid); now != before+1 {
			return fmt.Errorf("%d processes, before it %d", now, before)
		}
		return nil
	})
}

// entriesOf counts the processes in the cgroup of one.
func entriesOf(s *scene, pid int) int {
	dir, err := cgroupOf(pid, "pids")
	if err != nil {
		s.failf("%v", err)
	}
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		s.failf("%v", err)
	}
	return len(strings.Fields(string(procs)))
}

func (p *podman) execMissing(s *scene) {
	for _, runtime := range []string{s.runtime.Name, plain} {
		id := s.must(p.cmd("--runtime", runtime, "run", "--detach", "--network", "none", reference, "sleep", "1000")...)
		s.cleanup(func() { s.try(p.cmd("rm", "--force", "--time", "0", "--ignore", id)...) })
		try := func(code int, command, words string) {
			a := s.code(code, p.cmd("exec", id, command)...)
			s.contains("error with the runtime "+runtime, a.stderr, command, words)
			s.want("output of what failed", a.stdout, "")
		}
		try(127, "no-such-command", "not found")
		try(127, "/no/such/command", "o such file or directory")
		try(126, "/etc", "ermission denied")
		a := s.try(p.cmd("exec", "--workdir", "/no/such", id, "true")...)
		if a.code == 0 || !strings.Contains(a.stderr, "/no/such") {
			s.failf("a working directory that is not there: %v", a)
		}
		s.want("the container is well", s.must(p.cmd("exec", id, "echo", "well")...), "well")
		s.must(p.cmd("stop", "--time", "0", id)...)
		s.code(255, p.cmd("exec", id, "true")...) // podman's own refusal
	}
}

func (p *podman) execTerminal(s *scene) {
	id := p.sleeping(s, "")
	a := s.terminal(31, 97, p.cmd("exec", "--interactive", "--tty", id, "sh", "-c", sized(31, 97)+"; tty; exit 8")...)
	if a.code != 8 || a.stdout != "31 97\n/dev/pts/0\n" {
		s.failf("with a terminal: %v", a)
	}
	if a := s.try(p.cmd("exec", "--tty", id, "tty")...); a.code != 0 || a.stdout != "/dev/pts/0\r\n" {
		s.failf("a terminal for the process alone: %v", a)
	}
	if a := s.terminal(24, 80, p.cmd("exec", "--interactive", "--tty", id, "no-such-command")...); a.code != 127 {
		s.failf("no such command, with a terminal: %v", a)
	}
}
