package initproc

import (
	"fmt"
	"os"
	"strconv"

	"tare/internal/fsroot"
	"tare/internal/procfs"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/libcontainer/rootfs"

	"golang.org/x/sys/unix"
)

// initProc is the init stage at work.
type initProc struct {
	link proto.Link
	cfg  *proto.Config
	proc *procfs.Handle
	root *rootfs.Rootfs // while the container is made
	dir  *fsroot.Root   // its root directory

	umask   int      // of the caller
	cwdLeft bool     // process.cwd is still to be entered, by the user
	env     []string // of the workload
	caps    capabilities
	program program
	fifo    *os.File // open for writing, once the container was started by it
	courier *courier // of the filter's listener; nil where it has none
	waiting bool     // the runtime has left: the fifo is the only way to be heard

	hookFailed bool // a startContainer hook: the container is to be destroyed
}

// Main is the init stage. It returns when the workload could not be executed, with the exit status.
// Preconditions: the calling goroutine is locked to the main thread, and nothing else runs.
func Main(args []string) int {
	p := &initProc{}
	err := p.prepare(args)
	if err == nil {
		err = step.Run(p, p.steps())
	}
	p.report(err)
	return 1
}

func (p *initProc) steps() []step.Step[*initProc] {
	if p.cfg.Exec != nil {
		return execSteps
	}
	return createSteps
}

// prepare protects the process, and learns what it is to do. The kernel has it non-dumpable already, and dying
// with its parent; both are said again as some ways of getting here change the ids, which undoes them.
func (p *initProc) prepare(args []string) error {
	p.link.FD = -1
	if len(args) != 2 {
		return fmt.Errorf("the init stage is started by tare, not by hand")
	}
	fd, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("the init stage is started by tare, not by hand: %w", err)
	}
	p.link.FD = fd
	if err := sys.SetDumpable(false); err != nil {
		return err
	}
	if err := sys.SetParentDeathSignal(unix.SIGKILL); err != nil {
		return err
	}
	if err := sys.SetName("tare:[init]"); err != nil {
		return err
	}
	if err := sys.ResetTimerSlack(); err != nil { // nsenter.TimerSlack was for the runtime's own threads
		return err
	}
	sys.RestoreNofile()
	p.umask = sys.Umask(0) // modes are exact
	if p.cfg, err = p.link.ReceiveConfig(); err != nil {
		return err
	}
	if err := p.closeOnExec(); err != nil {
		return err
	}
	p.proc, err = procfs.FromFile(os.NewFile(uintptr(p.cfg.Proc), "/proc"))
	return err
}

// closeOnExec marks what was inherited for this stage alone.
func (p *initProc) closeOnExec() error {
	fds := []int{p.link.FD, p.cfg.Proc, p.cfg.Fifo, p.cfg.Console, p.cfg.PidsMax, p.cfg.StartSocket}
	if e := p.cfg.Exec; e != nil {
		fds = append(fds, e.Target, e.Report, e.Gate, e.Root)
	}
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		if err := sys.SetCloseOnExec(fd); err != nil {
			return err
		}
	}
	return nil
}

// report tells whoever listens what went wrong.
func (p *initProc) report(err error) {
	switch {
	case p.link.FD < 0:
		fmt.Fprintln(os.Stderr, "tare:", err)
	case p.fifo != nil:
		kind := byte(proto.SaidFailure)
		if p.hookFailed {
			kind = proto.SaidHookFailure
		}
		_ = sys.Write(int(p.fifo.Fd()), append([]byte{kind}, err.Error()...))
	case !p.waiting:
		_ = p.link.SendFailure(err)
	}
}

func (p *initProc) warn(text string) { _ = p.link.SendWarning(text) }
