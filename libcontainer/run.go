package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/console"

	"golang.org/x/sys/unix"
)

// Run creates a container and starts its workload. In the foreground it waits for the end, deletes the
// container and returns the workload's exit code, 128+N after signal N; detached it returns 0 when the workload
// runs. It is one process and one handshake where create and start are two.
// Preconditions: as for Create.
func Run(o RunOptions) (int, error) {
	c := &creation{o: &o.CreateOptions, run: true}
	if !o.Detach {
		c.foreground = newForeground()
		defer c.foreground.stop()
		if !o.NoSubreaper {
			if err := sys.SetChildSubreaper(); err != nil {
				return 0, err
			}
		}
	}
	if err := step.Run(c, createSteps); err != nil {
		return 0, err
	}
	c.init.Close()
	ct := &Container{root: o.Root, dir: c.dir, state: c.state}
	defer ct.Close()
	code, err := ct.attend(c)
	if err == nil && (o.Detach || o.Keep) {
		return code, nil
	}
	if deleteErr := ct.delete(DeleteOptions{Force: true, Warn: c.warn}); deleteErr != nil {
		err = errors.Join(err, deleteErr)
	}
	return code, err
}

// attend does what is left once the workload runs, and waits for its end in the foreground.
func (ct *Container) attend(c *creation) (int, error) {
	fg := c.foreground
	if fg != nil && c.console.ours > 0 {
		master, err := sys.RecvFD(c.console.ours)
		if err != nil {
			return 0, fmt.Errorf("terminal: %w", err)
		}
		if fg.proxy, err = console.NewProxy(master); err != nil {
			return 0, fmt.Errorf("terminal: %w", err)
		}
		fg.proxy.Start()
	}
	if err := runPoststart(c.state); err != nil {
		return 0, err
	}
	if c.o.NotifySocket != "" {
		if err := c.notify.forward(c.init.Pidfd, c.init.Pid); err != nil {
			return 0, err
		}
		c.notify.Close()
	}
	if fg == nil {
		return 0, nil
	}
	// Commands like kill and delete may come now.
	if err := ct.dir.Unlock(); err != nil {
		return 0, err
	}
	code, err := fg.wait(c.init.Pid, c.init.Pidfd)
	if lockErr := ct.dir.Lock(lockTimeout); lockErr != nil && !errors.Is(lockErr, ErrNotExist) {
		err = errors.Join(err, lockErr)
	}
	return code, err
}

// foreground stands between the caller and the workload.
type foreground struct {
	signals chan os.Signal
	armed   chan struct{} // closed once the usual signals come through signals
	proxy   *console.Proxy
}

// newForeground starts to catch signals, beside whatever else is to be done: to catch one takes the Go runtime a
// conversation of two threads, and all of them together some milliseconds.
func newForeground() *foreground {
	f := &foreground{signals: make(chan os.Signal, 64), armed: make(chan struct{})}
	go func() {
		signal.Notify(f.signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
		close(f.armed)
	}()
	return f
}

// armRest catches every other signal that can be meant for the workload. The real-time ones are from 34 on: the C
// library keeps 32 and 33 for itself.
func (f *foreground) armRest() {
	signal.Notify(f.signals, unix.SIGALRM, unix.SIGCONT, unix.SIGABRT, unix.SIGPWR, unix.SIGIO, unix.SIGXCPU, unix.SIGXFSZ,
		unix.SIGVTALRM, unix.SIGSYS, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	for s := syscall.Signal(34); s <= 64; s++ {
		signal.Notify(f.signals, s)
	}
}

// restDelay is the age from which a workload gets the unusual signals: a short one need not wait for them to be caught.
const restDelay = 100 * time.Millisecond

// awaitSignals waits until no signal of those that people send would end this process and leave a workload alone.
func (f *foreground) awaitSignals() {
	if f != nil {
		<-f.armed
	}
}

func (f *foreground) stop() {
	signal.Stop(f.signals)
	if f.proxy != nil {
		f.proxy.Finish()
		f.proxy = nil
	}
}

// wait passes signals on to the workload and reaps what is adopted, until the workload ends.
func (f *foreground) wait(pid, pidfd int) (int, error) {
	ended := make(chan result, 1)
	go func() { ended <- reapUntil(pid) }()
	old := time.After(restDelay)
	for {
		select {
		case <-old:
			go f.armRest()
		case s := <-f.signals:
			f.forward(s.(syscall.Signal), pidfd)
		case r := <-ended:
			if f.proxy != nil {
				f.proxy.Finish()
				f.proxy = nil
			}
			return r.code, r.err
		}
	}
}

func (f *foreground) forward(s syscall.Signal, pidfd int) {
	switch s {
	case unix.SIGWINCH:
		if f.proxy != nil {
			_ = f.proxy.Resize()
			return
		}
		_ = sys.PidfdSendSignal(pidfd, s)
	default:
		_ = sys.PidfdSendSignal(pidfd, s)
	}
}

// result is how the workload ended.
type result struct {
	code int
	err  error
}

// reapUntil waits for children, orphans that a subreaper has adopted among them, until pid has ended.
func reapUntil(pid int) result {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return result{err: os.NewSyscallError("wait4", err)}
		case got == pid && ws.Signaled():
			return result{code: 128 + int(ws.Signal())}
		case got == pid:
			return result{code: ws.ExitStatus()}
		}
	}
}
