package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"tare/cgroups"
	"tare/internal/document"
	"tare/internal/procfs"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/attr"
	"tare/libcontainer/bundle"
	"tare/libcontainer/launch"
	"tare/libcontainer/proto"
	"tare/libcontainer/state"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// execution is an exec at work.
type execution struct {
	o          *ExecOptions
	foreground *foreground // nil with Detach

	exe       *launch.Exe
	container *Container
	proc      *procfs.Handle
	target    int // pidfd of the container's init process
	residence launch.Residence
	root      *os.File // the container's, if its mount namespace is ours
	config    execConfig
	process   *specs.Process
	cgroup    cgroups.Manager
	orders    *proto.Config // for the stage
	agent     *state.Agent  // nil for a filter without notifications
	console   consoleEnd
	entrant   *launch.Entrant
	born      bool // in its cgroup; else the process is moved there
}

// execConfig is what an exec needs of the container's config, as it was at create.
type execConfig struct {
	Process *specs.Process `json:"process"`
	Linux   struct {
		Seccomp      *specs.LinuxSeccomp      `json:"seccomp"`
		Personality  *specs.LinuxPersonality  `json:"personality"`
		MemoryPolicy *specs.LinuxMemoryPolicy `json:"memoryPolicy"`
	} `json:"linux"`
}

// execSteps is the runtime's side of a process that joins a container.
var execSteps = []step.Step[*execution]{
	{Name: "descriptors", Run: (*execution).checkDescriptors}, // before anything is opened that could take their place
	{Name: "seal", Run: (*execution).seal, Undo: (*execution).closeExe},
	{Name: "container", Run: (*execution).find, Undo: (*execution).leave},
	{Name: "sealed runtime", Run: (*execution).reseal}, // starts again from main: before standard input is read
	{Name: "process", Run: (*execution).loadProcess},
	{Name: "terminal", Run: (*execution).checkTerminal},
	{Name: "labels", Run: (*execution).checkLabels},
	{Name: "outputs", Run: (*execution).checkOutputs},
	{Name: "console", Run: (*execution).openConsole, Undo: (*execution).closeConsole},
	{Name: "enter", Run: (*execution).enter, Undo: (*execution).kill},
	{Name: "seccomp", Run: (*execution).compileFilter}, // while the stage's Go runtime starts
	{Name: "configure", Run: (*execution).configure},
	{Name: "execute", Run: (*execution).awaitExecution},
	{Name: "pidfd", Run: (*execution).sendPidfd},
	{Name: "pid file", Run: (*execution).writePidFile}, // last: its presence says that all is done
}

// Exec runs one more process in a container. In the foreground it waits for its end and returns its exit code, 128+N after
// signal N; detached it returns 0 when the process runs.
func Exec(o ExecOptions) (int, error) {
	e := &execution{o: &o, target: -1}
	if !o.Detach {
		e.foreground = new(foreground)
		defer e.foreground.finish()
	}
	if err := step.Run(e, execSteps); err != nil {
		return 0, err
	}
	defer e.leave()
	e.entrant.Close()
	e.exe.Close()
	if o.Detach {
		return 0, nil
	}
	return e.foreground.reap(e.entrant.Pid, e.entrant.Pidfd)
}

func (e *execution) warn(text string) {
	if e.o.Warn != nil {
		e.o.Warn(text)
	}
}

func (e *execution) checkDescriptors() error { return checkInherited(0, e.o.PreserveFDs) }

func (e *execution) seal() error {
	e.exe = launch.Seal()
	return nil
}

func (e *execution) closeExe() error {
	e.exe.Close()
	return nil
}

// find finds the container, takes hold of its init process, and sees whether one more process may come.
func (e *execution) find() (err error) {
	if e.container, err = Load(e.o.Root, e.o.ID); err != nil {
		return err
	}
	if err = e.examine(); err != nil {
		return errors.Join(err, e.leave())
	}
	return nil
}

func (e *execution) examine() (err error) {
	if e.container.state.Creating {
		return errExecCreating
	}
	if e.proc, err = procfs.Open(); err != nil {
		return err
	}
	if e.target, err = e.container.openInitBy(e.proc); errors.Is(err, ErrNotRunning) {
		return errExecStopped
	} else if err != nil {
		return err
	}
	if e.cgroup, err = e.container.cgroup(); err != nil {
		return err
	}
	if !e.o.IgnorePaused {
		if frozen, err := e.cgroup.Frozen(); err == nil && frozen {
			return errExecPaused
		}
	}
	raw, err := e.container.dir.LoadConfig()
	if err != nil {
		return err
	}
	if err := document.Decode(raw, &e.config); err != nil {
		return fmt.Errorf("the container's saved config: %w", err)
	}
	e.residence, err = launch.FindResidence(e.proc, e.container.state.InitPid)
	if err == nil && e.container.state.Ground != nil {
		e.root, err = e.container.openRoot(e.proc)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return errExecStopped // just now
	}
	return err
}

// leave gives up what find has opened.
func (e *execution) leave() error {
	if e.target >= 0 {
		unix.Close(e.target)
	}
	if e.cgroup != nil {
		_ = e.cgroup.Close()
	}
	e.root.Close() // nil does no harm
	if e.proc != nil {
		_ = e.proc.Close()
	}
	return e.container.Close()
}

func (e *execution) reseal() error {
	if e.residence.EntersEarly() {
		return e.exe.Reseal()
	}
	return nil
}

func (e *execution) checkTerminal() error {
	return checkTerminal(e.process.Terminal, e.foreground != nil, e.o.ConsoleSocket)
}

func (e *execution) checkLabels() error { return checkLabels(e.process, "") }

func (e *execution) checkOutputs() error { return checkPidFile(e.o.PidFile) }

func (e *execution) compileFilter() (err error) {
	if e.orders.Seccomp, err = compileFilter(e.config.Linux.Seccomp); err == nil {
		e.agent, err = findAgent(e.orders.Seccomp, e.config.Linux.Seccomp, e.container.state.Bundle)
	}
	return err
}

func (e *execution) openConsole() error {
	if !e.process.Terminal {
		return nil
	}
	return e.console.open(e.o.ConsoleSocket)
}

func (e *execution) closeConsole() error {
	e.console.close()
	return nil
}

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

// execStartError puts an error of the stage into the words that managers know; see startError.
func execStartError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("unable to start container process: %w", err)
}

func (e *execution) sendPidfd() error { return sendPidfd(e.o.PidfdSocket, e.entrant.Pidfd, "setns") }

func (e *execution) writePidFile() error { return writePidFile(e.o.PidFile, e.entrant.Pid) }
