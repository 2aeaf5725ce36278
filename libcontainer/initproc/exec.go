package initproc

import (
	"fmt"

	"tare/internal/fsroot"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/console"
	"tare/libcontainer/creds"
	"tare/libcontainer/rootfs"
	"tare/nsenter"
	"tare/seccomp"

	"golang.org/x/sys/unix"
)

// execSteps is the life of the stage of a process that joins a container. It begins in the namespaces of the container but
// the PID namespace, so that nobody in there meets it before it is no more than the process is to be.
var execSteps = []step.Step[*initProc]{
	{Name: "keyring", Run: (*initProc).joinKeyring},
	{Name: "root", Run: (*initProc).enterRoot},
	{Name: "terminal", Run: (*initProc).takeTerminal},
	{Name: "standard streams", Run: (*initProc).ownStreams},
	{Name: "personality", Run: (*initProc).setPersonality},
	{Name: "memory policy", Run: (*initProc).setMemoryPolicy},
	{Name: "labels", Run: (*initProc).setLabels},
	{Name: "courier", Run: (*initProc).hireCourier}, // as long as there can be one more thread
	{Name: "no new privileges", Run: (*initProc).noNewPrivs},
	{Name: "working directory", Run: (*initProc).changeDir},
	// For its next child. The last that takes the privileges; no thread can be made from this one after it.
	{Name: "pid namespace", Run: (*initProc).choosePIDNamespace},
	{Name: "credentials", Run: (*initProc).becomeUser},
	{Name: "working directory of the user", Run: (*initProc).changeDirAsUser},
	{Name: "executable", Run: (*initProc).findExecutable},
	{Name: "affinity", Run: (*initProc).freeAffinity},
	{Name: "execute", Run: (*initProc).handOn},
}

// enterRoot takes a handle of the container's root, which setns(2) has made this process's own: unless there was no mount
// namespace to join.
func (p *initProc) enterRoot() error {
	if root := p.cfg.Exec.Root; root >= 0 {
		if err := rootfs.Enter(root); err != nil {
			return fmt.Errorf("enter the container's root: %w", err)
		}
	}
	fd, err := sys.Openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	p.dir = fsroot.New(fd)
	return nil
}

// takeTerminal makes a terminal from the container's devpts. It is no /dev/console: that is the first process's. And it is
// not this stage's controlling one, but that of the process which is still to be made.
func (p *initProc) takeTerminal() error {
	return p.openTerminal(func(*console.Pty) error { return nil }, (*console.Pty).Streams)
}

func (p *initProc) choosePIDNamespace() error {
	if p.cfg.Exec.Target < 0 {
		return nil
	}
	err := sys.Setns(p.cfg.Exec.Target, unix.CLONE_NEWPID)
	if err != nil {
		return fmt.Errorf("join pid namespace: %w", err)
	}
	return nil
}

// handOn makes the process in the container's PID namespace, or becomes it if this stage is there already. It returns only
// with an error.
func (p *initProc) handOn() error {
	p.setUmask()
	if p.cfg.Exec.Target >= 0 {
		return p.spawn()
	}
	if err := p.ready(); err != nil {
		return err
	}
	if err := sys.Setsid(); err != nil {
		return err
	}
	if p.process().Terminal {
		if err := sys.SetControllingTerminal(0); err != nil {
			return err
		}
	}
	if err := p.setLimits(); err != nil {
		return err
	}
	if err := p.announce(); err != nil {
		return err
	}
	return p.exec()
}

// spawn forks the process and ends this one.
func (p *initProc) spawn() error {
	s := p.layOut()
	s.Terminal, s.Keep, s.Report, s.Gate = p.process().Terminal, 3+p.cfg.PreserveFDs, p.cfg.Exec.Report, p.cfg.Exec.Gate
	for i, l := range p.process().Rlimits {
		resource, err := creds.RlimitAt(p.process(), i)
		if err != nil {
			return err
		}
		s.Limits = append(s.Limits, nsenter.Limit{Resource: resource, Soft: l.Soft, Hard: l.Hard})
	}
	s.Early = p.cfg.Seccomp != nil && (s.Caps != nil || !p.caps.extra) && admitsAll(p.cfg.Seccomp, s.Calls())
	if c := p.courier; c != nil {
		c.early, c.fork = s.Early, !s.Early
		if err := p.announce(); err != nil {
			return err
		}
		if err := c.entrust(s); err != nil {
			return err
		}
	}
	s.Become()
	return nil
}

// admitsAll tells whether the filter can be in force while the process is still to be made.
func admitsAll(filter *seccomp.Program, calls []nsenter.Call) bool {
	for _, c := range calls {
		if !filter.Admits(c.Number, c.Args[:]...) {
			return false
		}
	}
	return true
}
