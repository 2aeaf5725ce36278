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
	Config    *proto.Config // as in Options; Exec and the numbers of descriptors are filled in

	Exe     *Exe
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
}

// Enter starts the stage that becomes, or makes, the process. It waits for its config, and dies with the calling process.
func Enter(o EnterOptions) (*Entrant, error) {
	if err := hide(); err != nil {
		return nil, err
	}
	exe, err := o.Exe.await()
	if err != nil {
		return nil, err
	}
	proc, err := procfs.Open()
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	ours, theirs, err := sys.Socketpair()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	e := &Entrant{config: o.Config, report: -1, Pidfd: -1}
	req := &nsenter.Request{
		Exe: exe, Args: []string{Arg0, fmt.Sprint(theirs)}, Env: initEnv(), Cgroup: o.Cgroup, Join: o.Residence.join(o.Target),
	}
	inherit(o.Config, req, proc, theirs, o.Console)
	o.Config.Fifo, o.Config.PidsMax = -1, -1
	closePipe, err := e.prepare(&o, req)
	if err == nil {
		defer closePipe()
		e.stage, err = start(req, ours, o.Warn)
	}
	if err != nil {
		unix.Close(ours)
		if e.report >= 0 {
			unix.Close(e.report)
		}
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
// closes the stage's end of the pipe.
func (e *Entrant) prepare(o *EnterOptions, req *nsenter.Request) (closePipe func(), err error) {
	o.Config.Exec = &proto.Exec{Target: -1, Report: -1}
	if o.Residence.early || o.Residence.flags&unix.CLONE_NEWPID == 0 {
		return func() {}, nil
	}
	read, write, err := sys.Pipe()
	if err != nil {
		return nil, err
	}
	e.report = read
	*o.Config.Exec = proto.Exec{Target: o.Target, Report: write}
	req.Inherit = append(req.Inherit, o.Target, write)
	return func() { unix.Close(write) }, nil
}

// StagePid is the pid of the stage, whose limits and cgroup the process inherits.
func (e *Entrant) StagePid() int { return e.stage.Pid }

// Configure hands over the config, with which the stage sets to work.
func (e *Entrant) Configure() error { return e.stage.Configure(e.config) }

// Await waits until the process is executed.
func (e *Entrant) Await() error {
	if err := e.stage.AwaitExec(); err != nil {
		return err
	}
	if e.report < 0 {
		e.Pid, e.Pidfd = e.stage.Pid, e.stage.Pidfd
		return nil
	}
	return e.hear()
}

// hear learns what the stage has made. What may trace the process can have written to the pipe in its stead: so it is
// believed no number of a process that is not ours.
func (e *Entrant) hear() error {
	pid, err := nsenter.Hear(e.report)
	if pid != 0 && !sys.IsChild(pid) {
		return fmt.Errorf("process %d: %w", pid, errForged)
	}
	if pid == 0 {
		if _, said := errors.AsType[*nsenter.Error](err); !said {
			err = e.stage.epitaph()
		}
		return err
	}
	if err == nil {
		e.Pidfd, err = sys.PidfdOpen(pid)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = sys.Wait(pid)
		return err
	}
	e.Pid = pid
	return nil
}

// errForged is the answer of somebody else than the stage.
var errForged = errors.New("the container says that it is the one that was made, and it is not")

// Close ends the conversation, and takes leave of the stage, which has ended unless it is the process itself.
func (e *Entrant) Close() {
	e.stage.Close()
	if e.report < 0 {
		return
	}
	unix.Close(e.report)
	unix.Close(e.stage.Pidfd)
	_, _ = sys.Wait(e.stage.Pid)
}

// Kill ends the stage, and the process, and waits for them.
func (e *Entrant) Kill() error {
	err := e.stage.Kill()
	if e.Pid != 0 && e.Pid != e.stage.Pid {
		err = errors.Join(err, (&Init{Pid: e.Pid, Pidfd: e.Pidfd}).Kill())
		unix.Close(e.Pidfd)
	}
	unix.Close(e.stage.Pidfd)
	e.stage.Close()
	if e.report >= 0 {
		unix.Close(e.report)
	}
	return err
}
