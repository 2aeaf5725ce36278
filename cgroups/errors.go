package cgroups

import "errors"

var (
	// ErrSystemd says that the cgroup was to be made by systemd.
	ErrSystemd = errors.New("systemd cgroup driver: not in this build yet")
	// ErrNoTree says that the host has no cgroups, or has them where nobody looks.
	ErrNoTree = errors.New("no cgroup v2 tree is mounted at /sys/fs/cgroup or /sys/fs/cgroup/unified, and no cgroup v1 hierarchy anywhere")
	// ErrOnV1 is wrapped by the refusal of a file of cgroup v2 (linux.resources.unified) whose controller the host has on v1.
	ErrOnV1 = errors.New("it has no files of v2 there, only the limits that have fields of their own")
	// ErrNoMemory says that no controller counts the container's memory.
	ErrNoMemory = errors.New("the container's cgroup has no memory controller")
	// ErrNoCgroup is the answer of a container without a cgroup of its own to what only a cgroup can do.
	ErrNoCgroup = errors.New("the container has no cgroup of its own")
)
