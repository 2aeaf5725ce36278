package cgroups

import "os"

// StartLimit is a limit too tight for the runtime's own stage in the container: whoever executes the workload writes it as the
// last thing before.
type StartLimit struct {
	File  *os.File // the cgroup's file, which belongs to the receiver
	Value string
	Until string // what the file has so far; if it has something else, somebody changed the limit since, and that holds
}

// StartLimiter is a Manager that may have such a limit.
type StartLimiter interface {
	// AtStart is nil if there is none.
	AtStart() (*StartLimit, error)
}
