package cgroups

import "errors"

var (
	// ErrNoTree says that the host has no cgroups, or has them where nobody looks.
	ErrNoTree = errors.New("no cgroup v2 tree is mounted at /sys/fs/cgroup or /sys/fs/cgroup/unified, and no cgroup v1 hierarchy anywhere")
	// ErrOnV1 is wrapped by the refusal of a file of cgroup v2 (linux.resources.unified) whose controller the host has on v1.
	ErrOnV1 = errors.New("it has no files of v2 there, only the limits that have fields of their own")
	// ErrSystemdOnV1 is the answer of the systemd driver on a host whose controllers are on cgroup v1.
	ErrSystemdOnV1 = errors.New("systemd cgroup driver: the controllers are on cgroup v1: boot with systemd.unified_cgroup_hierarchy=1, or do without --systemd-cgroup")
	// ErrNoMemory says that no controller counts the container's memory.
	ErrNoMemory = errors.New("the container's cgroup has no memory controller")
	// ErrNoCgroup is the answer of a container without a cgroup of its own to what only a cgroup can do.
	ErrNoCgroup = errors.New("the container has no cgroup of its own")
)
