package launch

import (
	"errors"
	"fmt"
	"os"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/nsenter"

	"golang.org/x/sys/unix"
)

// EnterOptions say how a process joins a container.
type EnterOptions struct {
	Target    int // pidfd of the container's init process. Borrowed
	Residence Residence
	Root      *os.File      // the container's root, where its mount namespace is ours; nil: that of its namespace
	Config    *proto.Config // as in Options; Exec and the numbers of descriptors are filled in

	Exe     *Exe
	Proc    *procfs.Handle // for the stage, too. Borrowed
	Cgroup  *os.File
	Console *os.File
	Warn    func(text string)
}

// Entrant is a process on its way into a container.
type Entrant struct {
	Pid   int // of the process, once Await has returned
	Pidfd int

	stage  *Init
	config *proto.Config
	report int // pipe; -1 where the stage itself becomes the process
	gate   int // pipe, with report
}

// Enter starts the stage that becomes, or makes, the process. It waits for its config, and dies with the calling process.
func Enter(o EnterOptions) (*Entrant, error) {
	l, err := newLine(o.Exe, o.Proc)
	if err != nil {
		return nil, err
	}
	defer l.close()
	e := &Entrant{config: o.Config, report: -1, Pidfd: -1}
	req := &nsenter.Request{
		Exe: l.exe, Args: l.args(), Env: initEnv(), Cgroup: o.Cgroup, Join: o.Residence.join(o.Target),
	}
	inherit(o.Config, req, l, o.Console)
	o.Config.Fifo, o.Config.PidsMax, o.Config.StartSocket = -1, -1, -1
	closePipes, err := e.prepare(&o, req)
	if err == nil {
		defer closePipes()
		e.stage, err = start(req, l.ours, o.Warn)
	}
	if err == nil && o.Residence.flags&unix.CLONE_NEWUSER != 0 {
		if err = ownStreams(l.proc, e.stage.Pid, o.Config.Spec.Process); err != nil {
			return nil, errors.Join(err, e.Kill())
		}
	}
	if err != nil {
		sys.Close(l.ours)
		e.closePipes()
		return nil, err
	}
	return e, nil
}

// join lists the namespaces that the raw stage enters.
func (r Residence) join(target int) (all []nsenter.Join) {
	flags := r.flags
	if flags&unix.CLONE_NEWPID != 0 {
		flags &^= unix.CLONE_NEWPID
		if r.early {
			all = append(all, nsenter.Join{Type: unix.CLONE_NEWPID, FD: target})
		}
	}
	if flags != 0 {
		all = append(all, nsenter.Join{Type: flags, FD: target})
	}
	return all
}

// prepare says in the config whether the stage is to make the process in the container's PID namespace. It returns what
// closes the stage's ends of the pipes.
func (e *Entrant) prepare(o *EnterOptions, req *nsenter.Request) (closePipes func(), err error) {
	o.Config.Exec = &proto.Exec{Target: -1, Report: -1, Gate: -1, Root: -1}
	if o.Root != nil {
		o.Config.Exec.Root = int(o.Root.Fd())
		req.Inherit = append(req.Inherit, o.Config.Exec.Root)
	}
	if o.Residence.early || o.Residence.flags&unix.CLONE_NEWPID == 0 {
		return func() {}, nil
	}
	read, write, err := sys.Pipe()
	if err != nil {
		return nil, err
	}
	wait, gate, err := sys.Pipe()
	if err != nil {
		sys.Close(read)
		sys.Close(write)
		return nil, err
	}
	e.report, e.gate = read, gate
	o.Config.Exec.Target, o.Config.Exec.Report, o.Config.Exec.Gate = o.Target, write, wait
	req.Inherit = append(req.Inherit, o.Target, write, wait)
	return func() { sys.Close(write); sys.Close(wait) }, nil
}

// StagePid is the pid of the stage, whose limits the process inherits.
func (e *Entrant) StagePid() int { return e.stage.Pid }

// Configure hands over the config, with which the stage sets to work.
func (e *Entrant) Configure() error { return e.stage.Configure(e.config) }

// Await waits until the process is there, but for its execution, has place put it where it belongs, and waits until it is
// executed. The agent is nil if the filter has no notifications.
func (e *Entrant) Await(agent Agent, place func(pid, pidfd int) error) error {
	if e.report < 0 {
		return e.awaitStage(agent, place)
	}
	if agent != nil {
		return e.awaitNotified(agent, place)
	}
	if err := e.stage.AwaitExec(); err != nil {
		return err
	}
	return e.hear(func(pid int) error { return e.admit(pid, place) })
}

// awaitStage is Await where the stage becomes the process.
func (e *Entrant) awaitStage(agent Agent, place func(pid, pidfd int) error) error {
	err := e.stage.AwaitReady()
	if err == nil {
		err = place(e.stage.Pid, e.stage.Pidfd)
	}
	if err == nil {
		err = e.stage.Go()
	}
	if err == nil {
		err = e.stage.Execute(agent)
	}
	if err == nil {
		e.Pid, e.Pidfd = e.stage.Pid, e.stage.Pidfd
	}
	return err
}

// admit lets a process go that the stage has made. What may trace the process can have written to the pipe in the stage's
// stead: so it is believed no number of a process that is not ours.
func (e *Entrant) admit(pid int, place func(pid, pidfd int) error) (err error) {
	if !sys.IsChild(pid) {
		return fmt.Errorf("process %d: %w", pid, errForged)
	}
	pidfd, err := sys.PidfdOpen(pid)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = sys.Wait(pid)
		return err
	}
	e.Pid, e.Pidfd = pid, pidfd
	if err := place(pid, pidfd); err != nil {
		return err
	}
	return sys.Write(e.gate, []byte{1})
}

// errForged is the answer of somebody else than the stage.
var errForged = errors.New("the container says that it is the one that was made, and it is not")

// Close ends the conversation, and takes leave of the stage, which has ended unless it is the process itself.
func (e *Entrant) Close() {
	e.stage.Close()
	if e.report < 0 {
		return
	}
	e.closePipes()
	sys.Close(e.stage.Pidfd)
	_, _ = sys.Wait(e.stage.Pid)
}

func (e *Entrant) closePipes() {
	if e.report >= 0 {
		sys.Close(e.report)
		sys.Close(e.gate)
	}
}

// Kill ends the stage, and the process, and waits for them.
func (e *Entrant) Kill() error {
	err := e.stage.Kill()
	if e.Pid != 0 && e.Pid != e.stage.Pid {
		err = errors.Join(err, (&Init{Pid: e.Pid, Pidfd: e.Pidfd}).Kill())
		sys.Close(e.Pidfd)
	}
	sys.Close(e.stage.Pidfd)
	e.stage.Close()
	e.closePipes()
	return err
}
