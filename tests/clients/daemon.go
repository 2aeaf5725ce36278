package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// daemon is a manager's background process, or another that lives as long as a client is played.
type daemon struct {
	cmd  *exec.Cmd
	log  string // the file its output goes to
	done chan error
}

// startDaemon starts a command that lives until the scene's clean-up: then it gets SIGTERM, and SIGKILL after 20 s.
func (s *scene) startDaemon(name string, args ...string) *daemon {
	args = slices.Concat(s.within, args)
	d := &daemon{cmd: exec.Command(args[0], args[1:]...), log: filepath.Join(s.dir, name+".log"), done: make(chan error, 1)}
	out, err := os.Create(d.log)
	if err != nil {
		s.failf("%v", err)
	}
	defer out.Close()
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.Env, d.cmd.Dir = out, out, s.env, s.dir
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		s.failf("starting %s: %v", name, err)
	}
	s.logf("$ %s &", d.cmd)
	go func() { d.done <- d.cmd.Wait() }()
	s.cleanup(func() { d.stop(s) })
	return d
}

func (d *daemon) stop(s *scene) {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(20 * time.Second * time.Duration(s.slow)):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	if log, err := os.ReadFile(d.log); err == nil {
		s.logf("--- %s\n%s", d.log, log)
	}
}
