package libcontainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/launch"
	"tare/libcontainer/proto"

	"golang.org/x/sys/unix"
)

const (
	// lockTimeout is how long a command waits for another one at the same container.
	lockTimeout = 10 * time.Second
	// quickAnswer is the time after which it is worth a look whether the init process can answer at all.
	quickAnswer = 100 * time.Millisecond
	// answerTimeout is how long an init process may take to come from its fifo.
	answerTimeout = 10 * time.Second
)

// hookError is a start that failed by a hook.
type hookError struct{ err error }

func (e *hookError) Error() string { return e.err.Error() }

func (e *hookError) Unwrap() error { return e.err }

// Start lets the workload of a created container run, and returns when it does. When a startContainer or
// poststart hook fails the container is destroyed, and its poststop hooks are run; runtime.md, lifecycle steps 7 and 9.
func (c *Container) Start() error {
	if err := c.dir.Lock(lockTimeout); err != nil {
		return err
	}
	if err := c.reload(); err != nil { // a create may have been at work until now
		return err
	}
	if err := checkAgent(c.state.Agent); err != nil { // it stays a created container then
		return err
	}
	notify, err := c.listenNotify()
	if err != nil {
		return err
	}
	defer notify.Close()
	init, err := c.openInit()
	if errors.Is(err, ErrNotRunning) {
		return ErrStopped
	}
	if err != nil {
		return err
	}
	defer sys.Close(init)
	if c.state.NoProcess {
		return errNoProcess // and the container stays created; runtime.md, start
	}
	err = c.releaseInit(init)
	if err == nil {
		err = c.limitLate(init)
	}
	if err == nil {
		if err = runPoststart(c.state); err != nil {
			err = &hookError{err}
		}
	}
	if hook, ok := errors.AsType[*hookError](err); ok {
		if deleteErr := c.delete(DeleteOptions{Force: true, Warn: func(string) {}}); deleteErr != nil {
			return fmt.Errorf("%w; and destroying the container: %w", hook, deleteErr)
		}
	}
	if err != nil {
		return err
	}
	return notify.forward(init, c.state.InitPid)
}

// limitLate has the limit hold that left no room for the start. A workload that it cannot be set for does not go on.
func (c *Container) limitLate(init int) error {
	if s := c.state.Cgroup; s == nil || s.Late == nil && s.LatePids == nil {
		return nil
	}
	cg, err := c.cgroup()
	if err != nil {
		return err
	}
	defer cg.Close()
	if err := cg.Started(); err != nil {
		return errors.Join(err, sys.PidfdSendSignal(init, unix.SIGKILL))
	}
	return nil
}

// started says of a container whose workload has been released that there is nothing to start. What runs again after a resume is
// not running now.
func (c *Container) started() error {
	if c.frozen() {
		return fmt.Errorf("%w: it has been started, and resume lets it go on", ErrPaused)
	}
	return ErrStarted
}

// releaseInit lets the init process go on from its fifo, and follows it until it has executed the workload: it
// says that it goes, and keeps the fifo open until then, or to say what went wrong.
func (c *Container) releaseInit(init int) error {
	fifo, err := c.dir.OpenFifo()
	if errors.Is(err, fs.ErrNotExist) {
		return c.started()
	}
	if err != nil {
		return err
	}
	defer fifo.Close()
	fd := int(fifo.Fd())
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(init), Events: unix.POLLIN}}
	n, err := sys.Poll(fds, int(quickAnswer/time.Millisecond))
	if err == nil && n == 0 && c.frozen() {
		return fmt.Errorf("%w: resume it first", ErrPaused)
	}
	if err == nil && n == 0 {
		n, err = sys.Poll(fds, int(answerTimeout/time.Millisecond))
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("init process %d: no answer within %v: is it stopped?", c.state.InitPid, answerTimeout)
	}
	if fds[0].Revents == 0 {
		return ErrStopped
	}
	// It goes on now, and is no created container any more, whatever becomes of this process.
	if err := c.dir.RemoveFifo(); err != nil {
		return err
	}
	said, err := c.follow(fd, init)
	if err != nil {
		return err
	}
	switch {
	case said == "0":
		return nil
	case len(said) < 2: // it died
		return ErrStopped
	}
	err = startError(errors.New(said[2:]))
	if said[1] == proto.SaidHookFailure {
		err = &hookError{err}
	}
	return err
}

// maxSaid bounds what is believed of the init process's last words.
const maxSaid = 64 << 10

// hearOut reads all that the init process has to say, to the end of the fifo.
func (c *Container) hearOut(fifo int) (string, error) {
	var said []byte
	buf := make([]byte, 4096)
	for len(said) < maxSaid {
		if err := c.awaitWord(fifo); err != nil {
			return "", err
		}
		n, err := unix.Read(fifo, buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return "", &os.PathError{Op: "read", Path: "exec.fifo", Err: err}
		}
		if n == 0 {
			break
		}
		said = append(said, buf[:n]...)
	}
	return string(said), nil
}

// awaitWord waits for a word of the init process, or its end. An agent may have to answer before the workload is executed.
func (c *Container) awaitWord(fifo int) error {
	if c.state.Agent != nil {
		return launch.AwaitAnswered(fifo)
	}
	_, err := sys.Poll([]unix.PollFd{{Fd: int32(fifo), Events: unix.POLLIN}}, -1)
	return err
}
