package launch

import (
	"errors"
	"fmt"
	"io"

	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/libcontainer/rootfs"

	"golang.org/x/sys/unix"
)

// Init is the init stage on its way, and later the container's first process.
type Init struct {
	Pid   int
	Pidfd int
	// OwnPidNS tells that the process is the first of a PID namespace: all others in it end with it.
	OwnPidNS bool

	link    proto.Link
	warn    func(string)
	sources []rootfs.Source // until they are handed over
	// relay tells how a process with a listener ended, if it could not say so; -1 for none.
	relay int
}

// killTimeout is how long a killed init process may take to end, in milliseconds.
const killTimeout = 10_000

// ErrInitGone is what the end of the socket means before its time.
var ErrInitGone = errors.New("the init stage died without a word")

// Restored is the Init of a child of ours that another program has made: there is no conversation with it.
func Restored(pid int, ownPIDNS bool) (i *Init, err error) {
	i = &Init{Pid: pid, OwnPidNS: ownPIDNS, link: proto.Link{FD: -1}, relay: -1}
	i.Pidfd, err = sys.PidfdOpen(pid)
	return i, err
}

// Configure hands over the config, with which the init stage sets to work.
func (i *Init) Configure(c *proto.Config) error {
	c.Sources = nil
	for _, s := range i.sources {
		c.Sources = append(c.Sources, s.Mount)
	}
	err := i.link.SendConfig(c)
	for _, s := range i.sources {
		if err == nil {
			err = i.link.SendSource(int(s.File.Fd()))
		}
		s.File.Close()
	}
	i.sources = nil
	return i.peerGone(err)
}

// AwaitMounted waits until the namespaces and mounts are there, and the runtime's hooks may run.
func (i *Init) AwaitMounted() error { return i.await(proto.KindMounted) }

// AwaitReady waits until only the start is missing.
func (i *Init) AwaitReady() error { return i.await(proto.KindReady) }

// Go lets the init stage go on.
func (i *Init) Go() error { return i.peerGone(i.link.Send(proto.KindGo)) }

// AwaitExec waits for the end of the socket after the last Go: in a run the workload is executed, in a create
// the init process waits at its fifo, or it has died.
func (i *Init) AwaitExec() error {
	if err := i.await(0); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Alive tells how the init process died, if it did.
func (i *Init) Alive() error {
	ended, err := sys.WaitExit(i.Pidfd, 0)
	if err != nil || !ended {
		return err
	}
	return i.epitaph()
}

// Close closes the conversation.
func (i *Init) Close() {
	for _, s := range i.sources {
		s.File.Close()
	}
	i.sources = nil
	sys.Close(i.link.FD)
	if i.relay >= 0 {
		sys.Close(i.relay)
	}
}

// Kill ends the init stage and waits for it.
func (i *Init) Kill() error {
	err := sys.PidfdSendSignal(i.Pidfd, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	ended, waitErr := sys.WaitExit(i.Pidfd, killTimeout)
	if waitErr == nil && !ended {
		waitErr = fmt.Errorf("init process %d: still there after SIGKILL: does it wait for a device or a network file system?", i.Pid)
	}
	if ended {
		if _, waitErr = sys.Wait(i.Pid); errors.Is(waitErr, unix.ECHILD) {
			waitErr = nil
		}
	}
	return errors.Join(err, waitErr)
}

// await receives until a message of kind k, passing on warnings. A failure of the init stage is returned; with
// k 0 the end of the socket is io.EOF.
func (i *Init) await(k proto.Kind) error {
	_, err := i.awaitValue(k)
	return err
}

func (i *Init) awaitValue(k proto.Kind) ([]byte, error) {
	for {
		got, value, err := i.link.Receive()
		switch {
		case errors.Is(err, io.EOF) && k != 0:
			return nil, i.epitaph()
		case err != nil:
			return nil, err
		case got == proto.KindWarning:
			i.warn(string(value))
		case got == proto.KindFailure:
			return nil, &InitError{Err: proto.DecodeFailure(value)}
		case got == k:
			return value, nil
		default:
			return nil, fmt.Errorf("%w from the init stage: kind %d, want %d", proto.ErrOutOfOrder, got, k)
		}
	}
}

// peerGone turns the error of a send to a dead init stage into what it had still to say.
func (i *Init) peerGone(err error) error {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return i.await(proto.KindReady)
	}
	return err
}

// epitaph says how the init stage died.
func (i *Init) epitaph() error {
	ended, err := sys.WaitExit(i.Pidfd, 5000)
	if err != nil || !ended {
		return ErrInitGone
	}
	ws, err := sys.Wait(i.Pid)
	switch {
	case err != nil:
		return ErrInitGone
	case ws.Signaled():
		return &ExitError{Signal: ws.Signal()}
	}
	return &ExitError{Status: ws.ExitStatus()}
}

// InitError is a failure in the init stage: that of the container, not of the runtime.
type InitError struct{ Err error }

func (e *InitError) Error() string { return e.Err.Error() }

func (e *InitError) Unwrap() error { return e.Err }

// ExitError is an init stage that died without a word: killed from outside, for instance for want of memory.
type ExitError struct {
	Status int
	Signal unix.Signal
}

func (e *ExitError) Unwrap() error { return ErrInitGone }

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("%v: ended by signal %d (%s)", ErrInitGone, int(e.Signal), unix.SignalName(e.Signal))
	}
	return fmt.Sprintf("%v: exit status %d", ErrInitGone, e.Status)
}
