package hooks

import (
	"fmt"
	"sync/atomic"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Interrupt is a signal to the runtime that ends the hook which it waits for, and only that one: hooks may take as long as
// they like, and a person at a terminal may not. A nil Interrupt does nothing.
type Interrupt struct {
	event  int // eventfd
	signal atomic.Int32
}

// NewInterrupt makes one, which lasts as long as the process.
func NewInterrupt() (*Interrupt, error) {
	event, err := sys.Eventfd()
	if err != nil {
		return nil, err
	}
	return &Interrupt{event: event}, nil
}

// Raise ends the hook that runs, or else the next one.
func (i *Interrupt) Raise(s unix.Signal) {
	if i != nil {
		i.signal.Store(int32(s))
		_ = sys.EventfdAdd(i.event)
	}
}

// Err says that it was raised, whether or not there was a hook to end; nil if it was not.
func (i *Interrupt) Err() error {
	if i == nil {
		return nil
	}
	s := unix.Signal(i.signal.Load())
	if s == 0 {
		return nil
	}
	return Interrupted(s)
}

// Interrupted is the error of what a signal has ended.
func Interrupted(s unix.Signal) error {
	return fmt.Errorf("interrupted by signal %d (%s)", int(s), unix.SignalName(s))
}

// Clear forgets what was raised before any hook ran: the next one runs.
func (i *Interrupt) Clear() {
	if i != nil {
		_, _ = sys.EventfdTake(i.event)
	}
}

func (i *Interrupt) take() error {
	i.Clear()
	return i.Err()
}

// descriptor is that of the event for poll(2), which passes over a negative one.
func (i *Interrupt) descriptor() int32 {
	if i == nil {
		return -1
	}
	return int32(i.event)
}
