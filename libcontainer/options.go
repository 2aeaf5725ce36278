package libcontainer

// CreateOptions is what a caller of create or run says beside the bundle. All paths are absolute or empty.
type CreateOptions struct {
	Root   string // the state root
	ID     string
	Bundle string

	PidFile       string // gets the init process's pid, by rename, as the last act
	ConsoleSocket string // AF_UNIX stream socket that receives the master of the container's terminal
	PidfdSocket   string // AF_UNIX stream socket that receives a pidfd of the init process

	NoPivot       bool // MS_MOVE and chroot in place of pivot_root: for a host whose root is the initramfs
	NoNewKeyring  bool // keep the caller's session keyring
	SystemdCgroup bool
	Rootless      string // "auto", "true" or "false"

	PreserveFDs  int    // descriptors 3 to 3+PreserveFDs-1 (after the listening sockets) stay open in the workload
	ListenFDs    int    // sockets of systemd's socket activation, from descriptor 3 on
	NotifySocket string // the caller's NOTIFY_SOCKET

	Warn func(text string) // gets what is worth a line in the log and no error; nil drops it
}

// RunOptions are those of a run.
type RunOptions struct {
	CreateOptions
	Detach      bool // return once the workload runs
	Keep        bool // leave the stopped container's state and cgroup after its exit
	NoSubreaper bool // do not adopt the workload's orphans while waiting

	// RecordSeccomp is a file that gets the least seccomp profile for the workload, added to what it has. Not with Detach.
	RecordSeccomp string
}

// ExecOptions are those of an exec. All paths are absolute or empty, but ProcessFile.
type ExecOptions struct {
	Root string // the state root
	ID   string

	// The process is what ProcessFile describes as JSON, or else the one of the container's config with Changes.
	ProcessFile string
	Changes     ProcessChanges

	Detach        bool     // return once the process runs
	IgnorePaused  bool     // start it in a paused container, where it waits like all others
	Cgroups       []string // sub-cgroups of the container's for the process: at most one on cgroup v2
	PidFile       string
	ConsoleSocket string
	PidfdSocket   string
	PreserveFDs   int

	Warn func(text string)
}

// ProcessChanges make another process of that of a container's config.
type ProcessChanges struct {
	Args            []string
	Cwd             string   // empty: no change
	Env             []string // appended: the last entry for a name counts
	UID, GID        *uint32
	AdditionalGIDs  []uint32 // appended
	Capabilities    []string // added to the bounding, effective and permitted ones
	NoNewPrivileges *bool
	ApparmorProfile string // empty: no change, like
	SelinuxLabel    string
	Terminal        bool // the config's does not count
}
