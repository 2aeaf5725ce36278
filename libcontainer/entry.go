package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"tare/internal/sys"
	"tare/libcontainer/attr"
	"tare/libcontainer/bundle"
	"tare/libcontainer/launch"
	"tare/libcontainer/proto"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The steps of this file are what an exec has to do with its stage, as those of birth.go are for a create: start it, give it its orders, put the
// process that comes of it where it belongs.

// enter starts the stage, in the container's cgroup if there is a way to be born in it.
func (e *execution) enter() error {
	restore, err := lendOOMScore(e.process)
	if err != nil {
		return err
	}
	defer restore()
	dir, closeDir, err := e.ownCgroup()
	if err != nil {
		return err
	}
	defer closeDir()
	e.orders = e.newOrders()
	if e.born = dir != nil && (len(e.o.Cgroups) > 0 || hasRoom(int(dir.Fd()))); !e.born {
		dir = nil
	}
	err = e.enterWith(dir)
	if e.born && len(e.o.Cgroups) == 0 && errors.Is(err, unix.EACCES) {
		e.born = false // where a user may not move a process there, systemd may
		err = e.enterWith(nil)
	}
	if e.born && len(e.o.Cgroups) == 0 && isInner(err) {
		below, closeBelow, findErr := e.initCgroup(dir)
		if findErr == nil {
			defer closeBelow()
			err = e.enterWith(below)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		return errExecStopped
	}
	return execStartError(err)
}

// isInner tells whether a process was refused by a cgroup that gives controllers to others below it, or is threaded.
func isInner(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP) }

func (e *execution) enterWith(cgroup *os.File) error {
	return withAffinity(e.process.ExecCPUAffinity, func() (err error) {
		e.entrant, err = launch.Enter(launch.EnterOptions{
			Target: e.target, Residence: e.residence, Root: e.root, Config: e.orders, Exe: e.exe, Proc: e.proc, Cgroup: cgroup,
			Console: e.console.file(), Warn: e.warn,
		})
		return err
	})
}

// withAffinity calls start on the CPUs that a process is to have before it is in its cgroup.
func withAffinity(cpus *specs.CPUAffinity, start func() error) error {
	if cpus == nil || cpus.Initial == "" {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := sys.GetAffinity()
	if err == nil {
		err = sys.SetAffinity(0, bundle.CPUs(cpus.Initial))
	}
	if err != nil {
		return fmt.Errorf("process.execCPUAffinity.initial (/process/execCPUAffinity/initial): %s: %w", cpus.Initial, err)
	}
	defer func() { _ = before.Set() }()
	return start()
}

// newOrders is what the stage is told, without the filter and what launch knows.
func (e *execution) newOrders() *proto.Config {
	return &proto.Config{
		ID: e.o.ID, Spec: e.spec(),
		NoNewKeyring: e.container.state.NoNewKeyring, PreserveFDs: e.o.PreserveFDs,
	}
}

// spec has of the container what is said of all its processes.
func (e *execution) spec() *specs.Spec {
	spec := &specs.Spec{Process: e.process}
	if l := &e.config.Linux; l.Personality != nil || l.MemoryPolicy != nil {
		spec.Linux = &specs.Linux{Personality: l.Personality, MemoryPolicy: l.MemoryPolicy}
	}
	return spec
}

func (e *execution) kill() error { return e.entrant.Kill() }

// configure does for the stage what it may not do itself, and sends it on its way.
func (e *execution) configure() error {
	if err := raiseLimits(e.entrant.StagePid(), e.process); err != nil {
		return err
	}
	if err := setIOPriority(e.entrant.StagePid(), e.process); err != nil {
		return err
	}
	if err := e.entrant.Configure(); err != nil {
		return execStartError(err)
	}
	e.foreground.arm(e.console.ours > 0)
	e.exe.Settle()
	return nil
}

func (e *execution) awaitExecution() error {
	agent := newAgent(e.container.state, e.agent, specs.StateRunning)
	if err := e.entrant.Await(agent, e.place); err != nil {
		return execStartError(e.explain(err))
	}
	return nil
}

// place puts the process where it belongs, and stands between it and the caller from here on.
func (e *execution) place(pid, pidfd int) error {
	put := e.cgroup.AddProcess
	if e.born {
		put = e.cgroup.Adopt
	}
	if err := put(pid); err != nil {
		return err
	}
	if err := e.container.enterRdt(pid); err != nil {
		return err
	}
	if err := e.schedule(pid); err != nil {
		return err
	}
	e.foreground.aim(pidfd)
	if e.console.ours > 0 {
		return e.foreground.show(e.console.ours) // before the process asks for the terminal's size
	}
	return nil
}

// schedule says when and where the process runs, from outside: a move to a cgroup forgets the CPUs that a process has chosen
// (until Linux 6.2), and a policy need not outlive the fork of the stage (SCHED_FLAG_RESET_ON_FORK), or forbids one.
func (e *execution) schedule(pid int) error {
	if cpus := e.process.ExecCPUAffinity; cpus != nil && cpus.Final != "" {
		if err := sys.SetAffinity(pid, bundle.CPUs(cpus.Final)); err != nil {
			return fmt.Errorf("process.execCPUAffinity.final (/process/execCPUAffinity/final): %s: %w: has the container's cgroup any of these CPUs?", cpus.Final, err)
		}
	}
	if s := e.process.Scheduler; s != nil {
		return attr.SetScheduler(pid, s)
	}
	return nil
}

// explain says of an execve(2) that failed what it was for, and of an init process that has gone meanwhile that it has.
func (e *execution) explain(err error) error {
	if failed, ok := errors.AsType[*nsenter.Error](err); ok && failed.Executing() {
		return proto.ExecError(e.process.Args[0], failed.Errno)
	}
	if errors.Is(err, unix.ESRCH) {
		return errExecStopped
	}
	return err
}
