package proto

import (
	"tare/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Config is all that the init stage is told. It obeys: what can be computed or refused was, before the fork.
// Descriptors are numbers that the init stage inherits; -1 is none.
type Config struct {
	ID     string
	Bundle string // absolute
	Rootfs string // absolute

	// Spec is the container's config without what the runtime has dealt with: linux.seccomp and
	// linux.resources are nil, of the hooks only createContainer and startContainer are there.
	Spec    *specs.Spec
	Seccomp *seccomp.Program // nil for no filter

	NoPivot      bool
	NoNewKeyring bool
	Start        bool // start at the runtime's word on the socket (run), not at the fifo (create and start)

	UserNS     bool   // in a user namespace of the container's
	CgroupPath string // host directory of the container's cgroup, for a cgroup mount without a cgroup namespace

	Hierarchies    []Hierarchy // where the container has a cgroup on cgroup v1
	CallersCgroups bool        // it has none: Hierarchies are where the runtime is

	Proc    int   // /proc of the runtime, verified
	Fifo    int   // O_PATH of exec.fifo, with Start unset
	Console int   // connected stream socket that gets the terminal's master
	Sources []int // mounts, ascending, that the runtime made in the init stage's stead: the descriptors follow in that order, one by one

	// PidsMax is the cgroup's pids.max, to which PidsLimit is written when only the execution is missing, if PidsUntil is what
	// it has then.
	PidsMax              int
	PidsLimit, PidsUntil string
	// StartSocket is the listening socket at which the stage meets `start`, where Seccomp has a listener to pass on.
	StartSocket int

	ListenFDs   int    // descriptors from 3 on that belong to the workload
	PreserveFDs int    // descriptors after those
	NotifyDir   string // host directory with notify.sock, mounted at /run/notify

	Exec *Exec // of a process that joins a container; nil for the container's first one
}

// Exec is what a process is told that joins a container, whose Spec has but that process.
type Exec struct {
	Target int // pidfd of the container's init process, whose PID namespace is to be joined; -1: the stage is where it belongs
	Report int // pipe for what becomes of the process that is made in it, and
	Gate   int // pipe that it waits at; see nsenter.Spawn. Without them the stage says Ready, and waits for Go
	Root   int // the container's root directory, where the mount namespace is the runtime's; -1: it is that of the namespace
}

// Hierarchy is one of cgroup v1.
type Hierarchy struct {
	Controllers []string
	Path        string // host directory of the container's cgroup in it
}

// Failure is an error that crosses the socket and keeps its sentence and its errno.
type Failure struct {
	Message string
	Errno   uint32
}
