package initproc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"tare/internal/sys"
	"tare/libcontainer/console"
	"tare/libcontainer/creds"
	"tare/libcontainer/hooks"
	"tare/libcontainer/proto"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The steps of this file turn the init stage into the workload.

// started is the first byte through the fifo. After it the fifo stays open until the execution closes it, so
// that `start` sees the end: nothing more is success, a proto.Said* and a text is not.
const started = '0'

// capabilities are what the workload has, and what it takes until then: CAP_SYS_NICE for its scheduler, and CAP_SYS_ADMIN for
// its filter.
type capabilities struct {
	final      sys.CapSets
	filtering  sys.CapSets // once it is scheduled
	scheduling bool        // there is more than filtering
	extra      bool        // there is more than final, until the filter is loaded
}

// program is the workload's execve(2), laid out in memory before the filter forbids who knows what.
type program struct {
	path       *byte
	argv, envv []*byte
}

func (p *initProc) process() *specs.Process { return p.cfg.Spec.Process }

// ownStreams gives the standard streams to the workload's user. Those that are not the container's to give, the runtime has given.
func (p *initProc) ownStreams() error {
	process := p.process()
	if process == nil || process.Terminal {
		return nil
	}
	return console.OwnStreams(int(process.User.UID))
}

func (p *initProc) noNewPrivs() error {
	if p.process() == nil || !p.process().NoNewPrivileges {
		return nil
	}
	return sys.SetNoNewPrivs()
}

// becomeUser takes on the workload's identity. seccomp(2) wants CAP_SYS_ADMIN or no_new_privs: without the
// latter the capability is kept back until the filter is loaded, so that the filter need not allow any of what
// is done here.
func (p *initProc) becomeUser() error {
	process := p.process()
	if process == nil {
		return nil
	}
	var filtering, scheduling uint64
	if p.cfg.Seccomp != nil && !process.NoNewPrivileges {
		filtering = 1 << unix.CAP_SYS_ADMIN
	}
	if process.Scheduler != nil && p.cfg.Exec == nil {
		scheduling = 1 << unix.CAP_SYS_NICE
	}
	final, warnings, err := creds.Apply(process, creds.Options{SetgroupsDenied: p.setgroupsDenied, Keep: filtering | scheduling})
	for _, w := range warnings {
		p.warn(w)
	}
	p.caps = capabilities{
		final: final, filtering: final, scheduling: scheduling&^final.Effective != 0, extra: filtering&^final.Effective != 0,
	}
	p.caps.filtering.Effective |= filtering
	p.caps.filtering.Permitted |= filtering
	return err
}

func (p *initProc) setgroupsDenied() bool {
	f, err := p.proc.Open("self/setgroups", unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 16))
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// changeDir goes to process.cwd, as root: a user may be given a directory that the way to is closed for. What
// root cannot enter, a network file system's for instance, is left to changeDirAsUser.
func (p *initProc) changeDir() error {
	process := p.process()
	if process == nil {
		return nil
	}
	err := sys.Chdir(process.Cwd)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		p.cwdLeft = true
		return nil
	}
	return cwdError(err)
}

// changeDirAsUser makes sure of the working directory. One outside of the container, which a leaked descriptor
// would lead to, has no path in here, as getcwd(2) tells (CVE-2024-21626).
func (p *initProc) changeDirAsUser() error {
	process := p.process()
	if process == nil {
		return nil
	}
	if p.cwdLeft {
		if err := sys.Chdir(process.Cwd); err != nil {
			return cwdError(err)
		}
	}
	cwd, err := sys.Getcwd()
	if err == nil && !strings.HasPrefix(cwd, "/") {
		err = fmt.Errorf("%s is outside of the container", process.Cwd)
	}
	return cwdError(err)
}

func cwdError(err error) error {
	if err != nil {
		return fmt.Errorf("process.cwd (/process/cwd): %w", err)
	}
	return nil
}

// findExecutable prepares the execution, so that nothing has to be allocated or looked up after the filter.
func (p *initProc) findExecutable() (err error) {
	process := p.process()
	if process == nil {
		return nil
	}
	path, err := lookPath(process.Args[0], process.Env)
	if err != nil {
		return err
	}
	p.env = p.environment()
	if p.program.path, err = unix.BytePtrFromString(path); err != nil {
		return fmt.Errorf("process.args (/process/args): %w", err)
	}
	if p.program.argv, err = syscall.SlicePtrFromStrings(process.Args); err != nil {
		return fmt.Errorf("process.args (/process/args): %w", err)
	}
	if p.program.envv, err = syscall.SlicePtrFromStrings(p.env); err != nil {
		return fmt.Errorf("process.env (/process/env): %w", err)
	}
	return nil
}

// awaitStart waits for `start`. In a run the runtime waits too, and hears of a failure through the socket.
func (p *initProc) awaitStart() error {
	if p.cfg.Start {
		return p.checkProcess()
	}
	p.waiting = true
	sys.Close(p.link.FD) // tells the runtime that create is done
	fifo, err := p.proc.ReopenFD(p.cfg.Fifo, unix.O_WRONLY)
	if err != nil {
		return err
	}
	p.fifo = fifo
	sys.Close(p.cfg.Fifo)
	if err := sys.Write(int(fifo.Fd()), []byte{started}); err != nil {
		return err
	}
	return p.checkProcess()
}

// checkProcess refuses to start a container that has nothing to start, which it may have been created with.
func (p *initProc) checkProcess() error {
	if p.process() == nil {
		return errors.New("process (/process): missing: there is nothing to start")
	}
	return nil
}

func (p *initProc) startContainer() error {
	h := p.cfg.Spec.Hooks
	if h == nil {
		return nil
	}
	set := hooks.Set{Kind: "startContainer", Hooks: h.StartContainer, Env: p.process().Env}
	err := p.runHooks(&set, specs.StateCreated)
	p.hookFailed = err != nil
	return err
}

// freeAffinity lets the workload run on every CPU that its cgroup allows: a manager may keep the runtime itself
// on a few. A process that joins the container may have been born on those that it is meant for at first.
func (p *initProc) freeAffinity() error {
	if p.cfg.Exec != nil && p.process().ExecCPUAffinity != nil && p.process().ExecCPUAffinity.Initial != "" {
		return nil
	}
	return sys.SetAffinityAll()
}

// setLimits sets process.rlimits. The runtime has raised the hard limits that only it may raise.
func (p *initProc) setLimits() error {
	for i, l := range p.process().Rlimits {
		resource, err := creds.RlimitAt(p.process(), i)
		if err != nil {
			return err
		}
		if err := sys.Prlimit(0, resource, l.Soft, l.Hard); err != nil {
			return fmt.Errorf("process.rlimits[%d] (/process/rlimits/%d): set %s to %d:%d: %w", i, i, l.Type, l.Soft, l.Hard, err)
		}
	}
	return nil
}

// limitPids sets a pids.max that this stage with its threads could not live under. From here on no thread may be made.
func (p *initProc) limitPids() error {
	if p.cfg.PidsMax < 0 {
		return nil
	}
	var now [32]byte
	n, err := sys.Pread(p.cfg.PidsMax, now[:], 0)
	if err == nil && strings.TrimSpace(string(now[:n])) == p.cfg.PidsUntil {
		err = sys.Write(p.cfg.PidsMax, []byte(p.cfg.PidsLimit))
	}
	if err != nil {
		return fmt.Errorf("linux.resources.pids.limit (/linux/resources/pids/limit): %w", err)
	}
	return nil
}

func (p *initProc) setUmask() {
	umask := p.umask
	if u := p.process().User.Umask; u != nil {
		umask = int(*u)
	}
	sys.Umask(umask)
}

// tsync is a flag that would reach threads of the Go runtime, which have still to live until execve ends them. The workload
// starts with one thread.
const tsync = unix.SECCOMP_FILTER_FLAG_TSYNC

// exec becomes the workload. It returns only with an error.
func (p *initProc) exec() error {
	p.setUmask()
	if err := sys.CloseOnExecFrom(3 + p.cfg.ListenFDs + p.cfg.PreserveFDs); err != nil {
		return err
	}
	if err := p.limitPids(); err != nil {
		return err
	}
	s := p.layOut()
	if p.courier != nil {
		s.Relay, s.Flags = p.courier.relay, s.Flags|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return p.explain(s.Execute())
}

// layOut prepares what is left of the way to the workload.
func (p *initProc) layOut() *nsenter.Spawn {
	s := &nsenter.Spawn{Path: p.program.path, Argv: p.program.argv, Envv: p.program.envv, Caps: p.finalCaps()}
	if filter := p.cfg.Seccomp; filter != nil {
		s.Filter, s.Flags = filter.Filter, filter.Flags&^tsync
	}
	return s
}

// finalCaps are what is to be set once the filter is loaded: nothing if nothing is left to give up, or if the filter forbids capset(2). The
// execution takes CAP_SYS_ADMIN away then: what is permitted to a program follows from the bounding set, its file's capabilities and
// what is inheritable and ambient, and not from what was permitted before (capabilities(7)). Nobody meets the process in between, as it is not
// dumpable.
func (p *initProc) finalCaps() *sys.CapSets {
	filter := p.cfg.Seccomp
	if !p.caps.extra || filter != nil && !filter.Admits(unix.SYS_CAPSET) {
		return nil
	}
	return &p.caps.final
}

// explain puts the failure of an execution into words.
func (p *initProc) explain(err error) error {
	failed, ok := errors.AsType[*nsenter.Error](err)
	switch {
	case ok && failed.Executing():
		return proto.ExecError(p.process().Args[0], failed.Errno)
	case ok && failed.Loading():
		return fmt.Errorf("linux.seccomp (/linux/seccomp): %w", p.cfg.Seccomp.Explain(failed.Errno))
	}
	return err
}
