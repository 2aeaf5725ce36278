package cgroups

import (
	"errors"

	"tare/cgroups/v2"
)

var (
	// ErrSystemd says that the cgroup was to be made by systemd.
	ErrSystemd = errors.New("systemd cgroup driver: not in this build yet")
	// ErrNoUnified says that the host has no cgroup v2 tree at the usual places.
	ErrNoUnified = errors.New("no cgroup v2 tree at /sys/fs/cgroup or /sys/fs/cgroup/unified: cgroup v1 alone is not in this build yet")
	// ErrOnV1 is wrapped by the refusal of a limit whose controller a hybrid host has on cgroup v1.
	ErrOnV1 = errors.New("not available in the v2 tree")
	// ErrNoMemory says that no controller counts the container's memory.
	ErrNoMemory = v2.ErrNoMemory
	// ErrNoCgroup is the answer of a container without a cgroup of its own to what only a cgroup can do.
	ErrNoCgroup = errors.New("the container has no cgroup of its own")
)
