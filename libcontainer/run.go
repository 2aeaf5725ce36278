package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
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
func Run(o RunOptions) (int, error) {
	runtime.LockOSThread()
	c := &creation{o: &o.CreateOptions, run: true}
	if !o.Detach {
		c.foreground = &foreground{signals: make(chan os.Signal, 64), armed: make(chan struct{})}
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
	if errors.Is(err, errDeleted) {
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
	if fg == nil {
		return 0, c.awaitNotify()
	}
	go func() { // beside the wait: a signal must come through before the workload is ready
		if err := c.awaitNotify(); err != nil {
			c.warn(err.Error())
		}
	}()
	// Commands like kill and delete may come now.
	if err := ct.dir.Unlock(); err != nil {
		return 0, err
	}
	code, err := fg.wait(c.init.Pid, c.init.Pidfd)
	if lockErr := ct.dir.Lock(lockTimeout); errors.Is(lockErr, ErrNotExist) {
		return code, errDeleted
	} else if lockErr != nil {
		err = errors.Join(err, lockErr)
	}
	return code, err
}

// errDeleted is a container that a delete was faster with: what has its id now is another one.
var errDeleted = errors.New("deleted meanwhile")

func (c *creation) awaitNotify() error {
	err := c.notify.forward(c.init.Pidfd, c.init.Pid)
	c.notify.Close()
	return err
}

// foreground stands between the caller and the workload.
type foreground struct {
	signals chan os.Signal
	armed   chan struct{} // closed once the usual signals come through signals
	proxy   *console.Proxy
}

// arm starts to catch signals, beside whatever else is to be done: to catch one takes the Go runtime a conversation
// of two threads. Until then a signal ends this process, and with it the unfinished container.
func (f *foreground) arm() {
	if f == nil {
		return
	}
	go func() {
		// SIGPIPE, or it would end this process when nobody reads the container's terminal any more.
		signal.Notify(f.signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
			unix.SIGWINCH, unix.SIGPIPE)
		close(f.armed)
	}()
}

// armRest catches every other signal that can be meant for the workload. Not SIGTSTP, SIGTTIN and SIGTTOU, which are
// the shell's to stop this process. The real-time ones are from 34 on: the C library keeps 32 and 33 for itself.
func (f *foreground) armRest() {
	signal.Notify(f.signals, unix.SIGALRM, unix.SIGCONT, unix.SIGABRT, unix.SIGPWR, unix.SIGIO, unix.SIGXCPU, unix.SIGXFSZ,
		unix.SIGVTALRM, unix.SIGSYS)
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
	case unix.SIGPIPE:
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
