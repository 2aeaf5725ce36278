package libcontainer

import (
	"errors"
	"fmt"
	"os"

	"tare/cgroups"
	"tare/internal/document"
	"tare/internal/procfs"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/launch"
	"tare/libcontainer/proto"
	"tare/libcontainer/state"

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
		sys.Close(e.target)
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

func (e *execution) sendPidfd() error { return sendPidfd(e.o.PidfdSocket, e.entrant.Pidfd, "setns") }

func (e *execution) writePidFile() error { return writePidFile(e.o.PidFile, e.entrant.Pid) }
