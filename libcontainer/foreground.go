package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"tare/internal/sys"
	"tare/libcontainer/console"
	"tare/libcontainer/hooks"

	"golang.org/x/sys/unix"
)

// foreground is what a run or an exec does that stands between the caller and the workload: it passes signals on, shows
// the terminal and reaps. A nil foreground, that of other commands, does nothing.
type foreground struct {
	signals chan os.Signal // once they are caught
	proxy   atomic.Pointer[console.Proxy]
	hooks   atomic.Pointer[hooks.Interrupt] // of those that run when the workload has ended
	passed  chan syscall.Signal             // gets the first of those that interrupt that was passed on; nil where nobody asks
}

// arm starts to catch the signals that people send. Until then one ends this process, and with it the unfinished workload, or undoes a run. It
// takes the Go runtime a conversation of two threads for each of them: the time for it is while the stage is at work.
func (f *foreground) arm(terminal bool) {
	if f == nil {
		return
	}
	f.signals = make(chan os.Signal, 64)
	signal.Notify(f.signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	if terminal {
		// SIGPIPE, or it would end this process when nobody reads the terminal any more.
		signal.Notify(f.signals, unix.SIGWINCH, unix.SIGPIPE)
	}
}

// aim starts to pass signals on, those that have come since arm first.
func (f *foreground) aim(pidfd int) {
	if f == nil {
		return
	}
	go func() {
		for s := range f.signals {
			f.forward(s.(syscall.Signal), pidfd)
		}
	}()
}

// endHooks has a signal that finds no workload any more end the hook that is waited for.
func (f *foreground) endHooks(event *hooks.Interrupt) {
	if f != nil {
		f.hooks.Store(event)
	}
}

// show starts to show the terminal whose master comes through the socket.
func (f *foreground) show(socket int) error {
	master, err := sys.RecvFD(socket)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	proxy, err := console.NewProxy(master)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	f.proxy.Store(proxy)
	proxy.Start()
	return nil
}

// restDelay is the age, in milliseconds, from which a workload gets the less usual signals: a short one need not wait for them
// to be caught.
const restDelay = 100

// reap waits for the end of the workload, as reapUntil does.
func (f *foreground) reap(pid, pidfd int) (int, error) {
	if ended, _ := sys.WaitExit(pidfd, restDelay); !ended {
		catchRest(f.signals)
	}
	return reapUntil(pid)
}

// catchRest catches every other signal that can be meant for the workload. Not SIGTSTP, SIGTTIN and SIGTTOU, which are
// the shell's to stop this process, and not SIGCHLD, SIGURG, SIGPIPE and SIGPROF, which are this process's own. The real-time
// ones are from 35 on: C libraries keep 32 to 34 for themselves, and the Go runtime catches none of these. A fault of this process's ends it all the same: the Go
// runtime gives away only those SIGSEGV and the like that somebody has sent.
func catchRest(signals chan os.Signal) {
	signal.Notify(signals, unix.SIGWINCH, unix.SIGALRM, unix.SIGCONT, unix.SIGABRT,
		unix.SIGPWR, unix.SIGIO, unix.SIGXCPU, unix.SIGXFSZ, unix.SIGVTALRM, unix.SIGSYS,
		unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT)
	for s := syscall.Signal(35); s <= 64; s++ {
		signal.Notify(signals, s)
	}
}

func (f *foreground) forward(s syscall.Signal, pidfd int) {
	proxy := f.proxy.Load()
	switch {
	case s == unix.SIGPIPE:
	case s == unix.SIGWINCH && proxy != nil:
		_ = proxy.Resize()
	case !slices.Contains(interrupting[:], s):
		_ = sys.PidfdSendSignal(pidfd, s)
	default:
		select {
		case f.passed <- s:
		default:
		}
		if err := sys.PidfdSendSignal(pidfd, s); errors.Is(err, unix.ESRCH) {
			f.hooks.Load().Raise(s)
		}
	}
}

// passedOn has the signal that a process may have died of which was not the workload yet.
func (f *foreground) passedOn() <-chan syscall.Signal {
	if f == nil {
		return nil
	}
	return f.passed
}

// finish shows the rest of the terminal's output, and gives the caller's terminal back as it was.
func (f *foreground) finish() {
	if proxy := f.proxy.Swap(nil); proxy != nil {
		proxy.Finish()
	}
}

// reapUntil waits for children, orphans that a subreaper has adopted among them, until pid has ended. It returns the
// exit code, 128+N after signal N.
func reapUntil(pid int) (int, error) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case got == pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case got == pid:
			return ws.ExitStatus(), nil
		}
	}
}
