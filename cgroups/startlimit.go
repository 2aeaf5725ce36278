package cgroups

import (
	"os"

	"tare/cgroups/v2"
)

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

// LateLimit is a memory.max under which the runtime's own stage could not live: it is written when the workload has been
// executed. Until then, and if the runtime is killed at that very moment, Until holds.
type LateLimit struct {
	Value string `json:"value"` // bytes
	Until string `json:"until"` // bytes: what the file has so far; if it has something else, somebody changed the limit since
}

func memoryToStart(settings []v2.Setting) ([]v2.Setting, *LateLimit) {
	settings, limit, raised := v2.MemoryToStart(settings)
	if raised == "" {
		return settings, nil
	}
	return settings, &LateLimit{Value: limit, Until: raised}
}

func (m *cgroupfs) Started() error {
	if m.absent || m.late == nil {
		return nil
	}
	m.cg.Settle(m.late.Value)
	return m.cg.ReplaceValue("memory.max", m.late.Until, m.late.Value)
}
