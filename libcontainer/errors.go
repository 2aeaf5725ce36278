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

	errExecStopped  = errors.New("cannot exec in a stopped container")
	errExecPaused   = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	errExecCreating = errors.New("cannot exec in a container that is still being created")
	errNoProcess    = errors.New("process (/process): missing in config.json: there is nothing to start")
	ErrPaused       = errors.New("cannot start a container in the paused state")
)

// startError puts an error of the init process's birth into the words that managers know: Docker and Podman
// find the exit codes 126 and 127 in what follows.
func startError(err error) error {
	const what = "unable to start container process"
	if init, ok := errors.AsType[*launch.InitError](err); ok && !strings.HasPrefix(init.Error(), "exec: ") {
		return fmt.Errorf("%s: error during container init: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
