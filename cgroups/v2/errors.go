package v2

import "errors"

var (
	// ErrNotSupported is wrapped by the errors of Settings about what cgroup v2 has no file for.
	ErrNotSupported = errors.New("not supported on cgroup v2")
	// ErrNotEmpty says that a container's cgroup has processes before the container's.
	ErrNotEmpty = errors.New("the cgroup has processes in it: linux.cgroupsPath (/linux/cgroupsPath) must name one that nobody else uses")
	// ErrFrozen says that a cgroup, or one above it, is frozen, so that no process would run in it.
	ErrFrozen = errors.New("the cgroup, or one above it, is frozen")
	// ErrNoMemory says that the cgroup has no memory controller.
	ErrNoMemory = errors.New("the cgroup has no memory controller")
	// ErrInterrupted is wrapped by a freezing that somebody has lost patience with.
	ErrInterrupted = errors.New("interrupted")
	// ErrTimeout is wrapped by whatever waited in vain.
	ErrTimeout = errors.New("timed out")
)
