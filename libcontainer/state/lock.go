package state

import (
	"errors"
	"fmt"
	"time"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Lock locks the directory against other commands. One that holds it is waited for as long as given, and then
// ErrBusy. A directory that was removed meanwhile is ErrNotExist.
func (d *Dir) Lock(wait time.Duration) error {
	err := sys.Flock(d.f, false)
	if errors.Is(err, unix.EWOULDBLOCK) && wait > 0 {
		// flock(2) takes no deadline: a thread waits in it, and the process ends before it if need be.
		locked := make(chan error, 1)
		go func() { locked <- sys.Flock(d.f, true) }()
		select {
		case err = <-locked:
		case <-time.After(wait):
			return fmt.Errorf("%w: waited %v for its lock", ErrBusy, wait)
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	if gone, err := sys.Unlinked(d.f); err != nil || gone {
		return errors.Join(err, ErrNotExist)
	}
	return nil
}

// Locked tells whether a command is at work on the container. Preconditions: the caller is not.
func (d *Dir) Locked() bool {
	other, err := open(d.Path())
	if err != nil {
		return false
	}
	defer other.Close()
	return errors.Is(sys.Flock(other.f, false), unix.EWOULDBLOCK)
}

// Unlock gives up the lock.
func (d *Dir) Unlock() error { return sys.Funlock(d.f) }
