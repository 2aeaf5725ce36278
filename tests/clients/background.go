package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A background command runs beside those that follow.
type background struct {
	line      string
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	done      chan struct{} // closed at its end
}

// start begins a command. The scene's clean-up ends it, unless it has ended.
func (s *scene) start(args ...string) *background {
	b := &background{line: strings.Join(args, " "), cmd: s.command(args...), done: make(chan struct{})}
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.errs
	if err := b.cmd.Start(); err != nil {
		s.failf("starting %s: %v", b.line, err)
	}
	s.logf("$ %s & [%d]", b.line, b.cmd.Process.Pid)
	go func() {
		defer close(b.done)
		_ = b.cmd.Wait() // the state says it
	}()
	s.cleanup(func() {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		<-b.done
	})
	return b
}

// signal is for the whole group, as a terminal sends it.
func (b *background) signal(s *scene, sig syscall.Signal) {
	if err := syscall.Kill(-b.cmd.Process.Pid, sig); err != nil {
		s.failf("%s for %s: %v", sig, b.line, err)
	}
	s.logf("%s for %d", sig, b.cmd.Process.Pid)
}

// wait gives what became of the command, which has a minute left on an ordinary machine.
func (s *scene) wait(b *background) said {
	select {
	case <-b.done:
	case <-time.After(time.Minute * time.Duration(s.slow)):
		s.failf("%s does not end", b.line)
	}
	a := said{line: b.line, stdout: b.out.String(), stderr: b.errs.String(), code: b.cmd.ProcessState.ExitCode()}
	s.logf("%v", a)
	return a
}

// inContainer waits for a process with the text in its command line, and its root below the scene's directory; it gives its PID on the host.
func (s *scene) inContainer(text string) (pid int) {
	s.eventually("a process "+text+" in a container", func() error {
		if all := containerProcesses(s.dir, text); len(all) > 0 {
			pid = all[0]
			return nil
		}
		return fmt.Errorf("none is there")
	})
	return pid
}

func containerProcesses(dir, text string) []int {
	var all []int
	for _, p := range processesOf(dir) {
		number, line, _ := strings.Cut(p, " ")
		if pid, err := strconv.Atoi(number); err == nil && strings.Contains(line, text) && strings.Contains(rootMount(number), filepath.Base(dir)) {
			all = append(all, pid)
		}
	}
	return all
}

// statusLine is status of a text that a container has shown.
func statusLine(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "there is no " + key
}
