package libcontainer

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tare/internal/sys"
	"tare/libcontainer/hooks"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// interruption has a signal end a creation cleanly while it waits for hooks, which may take for ever: the hook is killed, what
// was made is undone, and the poststop hooks run. Without hooks there is nothing to wait for, and a signal ends the
// process as it always did. A nil interruption does nothing.
type interruption struct {
	event   *hooks.Interrupt
	signals chan os.Signal
	obeyed  chan struct{} // closed once no more signal will be obeyed
}

// interrupting are the signals by which people and managers end a command.
var interrupting = [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}

// watch begins to catch signals, if there are hooks.
func (c *creation) watch() error {
	h := c.bundle.Spec.Hooks
	if h == nil {
		return nil
	}
	event, err := hooks.NewInterrupt()
	if err != nil {
		return err
	}
	c.interruption = &interruption{event: event}
	c.foreground.endHooks(event)
	if !hasCreateHooks(h) {
		return nil
	}
	init, err := sys.PidfdOpen(c.init.Pid) // one of our own, which is there for as long as the signals are caught
	if err != nil {
		return err
	}
	c.interruption.signals, c.interruption.obeyed = make(chan os.Signal, len(interrupting)), make(chan struct{})
	for _, s := range interrupting {
		if !signal.Ignored(s) { // by nohup(1), for instance: it stays so
			signal.Notify(c.interruption.signals, s)
		}
	}
	go c.interruption.obey(init)
	return nil
}

func hasCreateHooks(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	return len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// obey ends the runtime's hooks, and those that the init process runs with it.
func (i *interruption) obey(init int) {
	defer close(i.obeyed)
	defer sys.Close(init)
	for s := range i.signals {
		i.event.Raise(s.(syscall.Signal))
		_ = sys.PidfdSendSignal(init, unix.SIGKILL)
	}
}

// watches says whether signals are for the hooks. The workload gets none until they are through: the init process would die of it before
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

// explain says of an init process that has died whether it was for a signal.
func (i *interruption) explain(err error) error {
	if i == nil || i.event.Err() == nil {
		return err
	}
	return fmt.Errorf("%w while hooks ran", i.event.Err())
}

// hooks is what ends a hook of the runtime's.
func (i *interruption) hooks() *hooks.Interrupt {
	if i == nil {
		return nil
	}
	return i.event
}
