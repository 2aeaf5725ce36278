package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/nsenter"

	"golang.org/x/sys/unix"
)

// Agent is who gets the listener of a filter with notifications.
type Agent interface {
	// Dial connects. From then on it does not take long until Tell, if the process lives.
	Dial() error
	// Tell hands over the listener that the process pid has made.
	Tell(listener, pid int) error
}

// listenerTimeout is how long a stage may take to load its filter, once it has said that it does, and agentTimeout how long
// the execution may take after that, which the agent may have to answer.
const (
	listenerTimeout = 10 * time.Second
	agentTimeout    = 10 * time.Second
)

// Rejoin is the stage of a created container, that has come back to a socket.
func Rejoin(socket, pid, pidfd int) *Init {
	return &Init{Pid: pid, Pidfd: pidfd, link: proto.Link{FD: socket}, warn: func(string) {}, relay: -1}
}

// PassListener waits until the stage has loaded its filter, and passes the listener on. Then the stage executes the workload.
func (i *Init) PassListener(a Agent) error {
	if _, err := i.awaitLoading(a); err != nil {
		return err
	}
	return i.passListener(a, i.Pid)
}

// awaitLoading waits until only the filter is missing. early: the listener comes before the process is made.
func (i *Init) awaitLoading(a Agent) (early bool, err error) {
	value, err := i.awaitValue(proto.KindLoading)
	if err == nil {
		err = a.Dial()
	}
	if err == nil {
		err = i.Go()
	}
	return len(value) > 0, err
}

func (i *Init) passListener(a Agent, pid int) error {
	fd, err := i.takeListener()
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	if err := a.Tell(fd, pid); err != nil {
		return err
	}
	return i.Go()
}

func (i *Init) takeListener() (listener int, err error) {
	listener, i.relay, err = i.link.ReceiveListener(time.Now().Add(listenerTimeout))
	switch {
	case errors.Is(err, io.EOF):
		return -1, ErrInitGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("the process has not loaded it within %v", listenerTimeout)
	}
	if err != nil {
		return -1, fmt.Errorf("linux.seccomp (/linux/seccomp): %w", err)
	}
	return listener, nil
}

// AwaitAnswered waits until the descriptor, which the execution closes, has something to tell: an agent that does not answer
// must not keep the caller.
func AwaitAnswered(fd int) error {
	n, err := sys.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(agentTimeout/time.Millisecond))
	if err == nil && n == 0 {
		err = fmt.Errorf("linux.seccomp.listenerPath (/linux/seccomp/listenerPath): the workload was not executed within %v: does the agent answer?", agentTimeout)
	}
	return err
}

// Execute follows the stage to the execution of the workload. The agent is nil if the filter has no notifications.
func (i *Init) Execute(a Agent) error {
	if a == nil {
		return i.AwaitExec()
	}
	err := i.PassListener(a)
	if err == nil {
		err = AwaitAnswered(i.link.FD)
	}
	if err == nil {
		err = i.AwaitExec()
	}
	if err == nil {
		err = i.Fate()
	}
	return err
}

// Fate tells why a process that has said nothing was not executed, if it was not: its filter may have kept it from saying
// anything, and even from ending in an orderly way.
func (i *Init) Fate() error {
	if i.relay < 0 {
		return nil
	}
	err := nsenter.FateOf(i.relay)
	if errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("%w: has the agent ended?", err)
	}
	return err
}

// awaitNotified is Await where the process that the stage makes has a listener. It comes before the process is made, or, where
// the filter does not let that be made, when the process is already where it belongs.
func (e *Entrant) awaitNotified(a Agent, place func(pid, pidfd int) error) error {
	early, err := e.stage.awaitLoading(a)
	if err != nil {
		return err
	}
	passed := early
	born := func(pid int) error {
		if err := e.admit(pid, place); err != nil {
			return err
		}
		err := e.stage.passListener(a, pid)
		if passed = err == nil; errors.Is(err, ErrInitGone) {
			return nil // the process says why
		}
		return err
	}
	if early {
		listener, err := e.stage.takeListener()
		if err == nil {
			defer sys.Close(listener)
			err = e.stage.AwaitExec()
		}
		if err != nil {
			return err
		}
		born = func(pid int) error {
			return e.admit(pid, func(pid, pidfd int) error {
				if err := place(pid, pidfd); err != nil {
					return err
				}
				return a.Tell(listener, pid)
			})
		}
	}
	err = e.hear(func(pid int) error {
		if err := born(pid); err != nil {
			return err
		}
		return AwaitAnswered(e.report)
	})
	if err == nil && !passed {
		return e.stage.epitaph()
	}
	if err == nil {
		err = e.stage.Fate()
	}
	return err
}

// hear hears what becomes of the process that the stage makes.
func (e *Entrant) hear(born func(pid int) error) error {
	err := nsenter.Hear(e.report, born)
	if _, said := errors.AsType[*nsenter.Error](err); err != nil && e.Pid == 0 && !said && !errors.Is(err, errForged) {
		return e.stage.epitaph()
	}
	return err
}
