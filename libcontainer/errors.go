package libcontainer

import (
	"errors"
	"fmt"
	"strings"

	"tare/libcontainer/launch"
	"tare/libcontainer/state"
)

// Sentinels. Callers of the command line match their texts, so they stay as they are.
var (
	ErrInvalidID  = state.ErrInvalidID
	ErrEmptyID    = state.ErrEmptyID
	ErrExist      = state.ErrExist
	ErrNotExist   = state.ErrNotExist
	ErrNotRunning = errors.New("container not running")
	ErrNotPaused  = errors.New("container not paused")
	ErrStarted    = errors.New("cannot start an already running container")
	ErrStopped    = errors.New("cannot start a container that has stopped")
	ErrPaused     = errors.New("cannot start a container in the paused state")

	errExecStopped  = errors.New("cannot exec in a stopped container")
	errExecPaused   = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	errExecCreating = errors.New("cannot exec in a container that is still being created")
	errNoProcess    = errors.New("process (/process): missing in config.json: there is nothing to start")
)

// RefusedError is that of a state root which is somebody else's.
type RefusedError = state.RefusedError

// startError puts an error of the init process's birth into the words that managers know: Docker and Podman
// find the exit codes 126 and 127 in what follows.
func startError(err error) error {
	const what = "unable to start container process"
	if init, ok := errors.AsType[*launch.InitError](err); ok && !strings.HasPrefix(init.Error(), "exec: ") {
		return fmt.Errorf("%s: error during container init: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// also puts a second error behind a first one, in one line.
func also(err, second error) error {
	if err == nil || second == nil {
		return errors.Join(err, second)
	}
	return fmt.Errorf("%w; and %w", err, second)
}

// execStartError puts an error of the stage into the words that managers know; see startError.
func execStartError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("unable to start container process: %w", err)
}
