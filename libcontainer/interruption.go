package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"tare/internal/sys"
	"tare/libcontainer/hooks"
	"tare/libcontainer/launch"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// interruption has a signal end a creation cleanly: what was made is undone, and the poststop hooks run. A run in the foreground has one from
// its first step on: it is a person's. Others have one while they wait for hooks, which may take for ever, and which the signal kills;
// else it ends the process as it always did, and what is left is found by the manager's delete. A nil interruption does nothing.
type interruption struct {
	event   *hooks.Interrupt
	signals chan os.Signal
	caught  chan struct{} // closed once the signals are caught
	raised  chan struct{} // has something in it once there was one
	obeyed  chan struct{} // closed once no more signal will be obeyed
	init    atomic.Int32  // a pidfd of our own, which is there for as long as the signals are caught; 0 before there is an init process
}

// interrupting are the signals by which people and managers end a command.
var interrupting = [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

func newInterruption() (*interruption, error) {
	event, err := hooks.NewInterrupt()
	if err != nil {
		return nil, err
	}
	return &interruption{event: event, raised: make(chan struct{}, 1)}, nil
}

// catch begins to catch signals, beside what the caller does: it takes the Go runtime a conversation of two threads for each of them.
func (i *interruption) catch() {
	i.signals = make(chan os.Signal, len(interrupting))
	i.caught, i.obeyed = make(chan struct{}), make(chan struct{})
	go func() {
		for _, s := range interrupting {
			if !signal.Ignored(s) { // by nohup(1), for instance: it stays so
				signal.Notify(i.signals, s)
			}
		}
		close(i.caught)
		i.obey()
	}()
}

// obey ends the runtime's hooks, and those that the init process runs with it.
func (i *interruption) obey() {
	defer close(i.obeyed)
	for s := range i.signals {
		i.event.Raise(s.(syscall.Signal))
		select {
		case i.raised <- struct{}{}:
		default: // it is not the first
		}
		i.killInit()
	}
	if init := i.init.Load(); init > 0 {
		sys.Close(int(init))
	}
}

func (i *interruption) killInit() {
	if init := i.init.Load(); init > 0 {
		_ = sys.PidfdSendSignal(int(init), unix.SIGKILL)
	}
}

// awaitCaught makes sure, before anything is made, that no signal can leave it behind.
func (c *creation) awaitCaught() error {
	if !c.interruption.watches() {
		return nil
	}
	<-c.interruption.caught
	return c.interruption.event.Err()
}

// watch has signals end the init process, too. Without a foreground they are caught from here on, if there are hooks to wait for.
func (c *creation) watch() (err error) {
	h := c.bundle.Spec.Hooks
	if c.interruption == nil && h != nil {
		if c.interruption, err = newInterruption(); err != nil {
			return err
		}
		if hasCreateHooks(h) {
			c.interruption.catch()
			<-c.interruption.caught
		}
	}
	c.foreground.endHooks(c.interruption.hooks())
	if !c.interruption.watches() {
		return nil
	}
	init, err := sys.PidfdOpen(c.init.Pid)
	if err != nil {
		return err
	}
	c.interruption.init.Store(int32(init))
	if c.interruption.event.Err() != nil { // obey came too early for it
		c.interruption.killInit()
	}
	return nil
}

func hasCreateHooks(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	return len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// watches says whether signals end the creation. The workload gets none meanwhile: the init process would die of it before
// the interruption was noticed, and nobody would know why.
func (i *interruption) watches() bool { return i != nil && i.signals != nil }

// end gives the signals their old meaning back. The error tells that there was one.
func (i *interruption) end() error {
	if !i.watches() {
		return nil
	}
	signal.Stop(i.signals)
	close(i.signals)
	<-i.obeyed
	i.signals = nil
	return i.event.Err()
}

// explain says of a failure whether it was for a signal. A terminal sends one to the init process, too, whose death may be noticed first: the
// signal then gets a moment to come.
func (c *creation) explain(err error) error {
	i := c.interruption
	if i == nil {
		return err
	}
	interrupted := i.event.Err()
	if interrupted == nil && errors.Is(err, launch.ErrInitGone) {
		select {
		case <-i.raised:
			interrupted = i.event.Err()
		case s := <-c.foreground.passedOn():
			interrupted = hooks.Interrupted(s)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if interrupted == nil {
		return err
	}
	return fmt.Errorf("%w: the container is not made", interrupted)
}

// hooks is what ends a hook of the runtime's.
func (i *interruption) hooks() *hooks.Interrupt {
	if i == nil {
		return nil
	}
	return i.event
}
