package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/console"
	"tare/libcontainer/hooks"

	"golang.org/x/sys/unix"
)

// foreground is what a run or an exec does that stands between the caller and the workload: it passes signals on, shows
// the terminal and reaps. A nil foreground, that of other commands, does nothing.
type foreground struct {
	armed  chan struct{} // closed once the usual signals are caught
	target chan int      // gets a pidfd of the workload
	proxy  atomic.Pointer[console.Proxy]
	hooks  atomic.Pointer[hooks.Interrupt] // of those that run when the workload has ended
}

func newForeground() *foreground {
	return &foreground{armed: make(chan struct{}), target: make(chan int, 1)}
}

// arm starts to catch signals, to pass them on to what aim names, beside whatever else is to be done: to catch one takes
// the Go runtime a conversation of two threads. Until then a signal ends this process, and with it the unfinished workload.
func (f *foreground) arm(terminal bool) {
	if f == nil {
		return
	}
	go func() {
		signals := make(chan os.Signal, 64)
		signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
		if terminal {
			// SIGPIPE, or it would end this process when nobody reads the terminal any more.
			signal.Notify(signals, unix.SIGWINCH, unix.SIGPIPE)
		}
		close(f.armed)
		f.pass(signals, <-f.target)
	}()
}

// aim says who is to get the signals.
func (f *foreground) aim(pidfd int) {
	if f != nil {
		f.target <- pidfd
	}
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

// restDelay is the age from which a workload gets the less usual signals: a short one need not wait for them to be caught.
const restDelay = 100 * time.Millisecond

func (f *foreground) pass(signals chan os.Signal, pidfd int) {
	rest := time.After(restDelay)
	for {
		select {
		case <-rest:
			catchRest(signals)
		case s := <-signals:
			f.forward(s.(syscall.Signal), pidfd)
		}
	}
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
	default:
		if err := sys.PidfdSendSignal(pidfd, s); errors.Is(err, unix.ESRCH) && slices.Contains(interrupting[:], s) {
			f.hooks.Load().Raise(s)
		}
	}
}

// awaitSignals waits until no signal of those that people send would end this process and leave a workload alone.
func (f *foreground) awaitSignals() {
	if f != nil {
		<-f.armed
	}
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
