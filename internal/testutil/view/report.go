package view

// Report is one process's view of its surroundings. Pointers, slices and maps are nil when the part could not be read.
type Report struct {
	Process    Process
	Privileges *Privileges // needs /proc
	FDs        []FD        // needs /proc; ascending, without the descriptor that listed them
	Limits     map[string]Limit
	Schedule   Schedule
	Attributes Attributes
	Signals    *Signals // needs /proc
	Terminal   Terminal
	UTS        UTS
	Clocks     Clocks
	Keyring    *Keyring
	Namespaces map[string]string // "mnt" to "mnt:[4026531841]"; needs /proc
	Mounts     []Mount           // needs /proc; in the order of mountinfo
	Cgroups    []string          // lines of /proc/self/cgroup
	Devices    []Device          // what /dev holds, one level deep; sorted by name
	Interfaces map[string]uint32 // network interface name to its IFF_* flags
	Sysctls    map[string]*string
}

// Process is identity and environment.
type Process struct {
	PID, PPID, SID, PGID int
	UID, EUID, GID, EGID int
	Groups               []int
	Cwd                  string // as getcwd(2) says it: a leading "(unreachable)" is kept
	Args, Env            []string
	Umask                int
	OOMScoreAdj          *int
	PersonaDomain        uint64 // personality(2), flags included
	Dumpable             int
	ParentDeathSignal    int
	Threads              *int
}

// Privileges is what /proc/self/status says about capabilities and seccomp. Capability sets are bit masks.
type Privileges struct {
	Inheritable, Permitted, Effective, Bounding, Ambient uint64

	NoNewPrivs     int
	Seccomp        int // 0 off, 1 strict, 2 filter
	SeccompFilters int
}

// FD is one open descriptor.
type FD struct {
	Number  int
	Target  string
	Flags   int // F_GETFL
	CloseOn bool
}

// Limit is one resource limit.
type Limit struct{ Soft, Hard uint64 }

// Schedule is CPU and I/O scheduling of the main thread.
type Schedule struct {
	Policy, Nice, Priority int
	CPUs                   []int
	IOClass, IOPriority    int
}

// Signals are masks with bit N-1 for signal N.
type Signals struct{ Blocked, Ignored uint64 }

// Terminal is what standard input is.
type Terminal struct {
	StdinTTY, StdoutTTY, StderrTTY bool

	Rows, Cols  uint16
	Controlling bool // /dev/tty can be opened
	Onlcr       bool
}

// UTS is what uname(2) names.
type UTS struct{ Hostname, Domainname, Machine string }

// Clocks are in nanoseconds.
type Clocks struct{ Monotonic, Boottime int64 }

// Keyring is the session keyring.
type Keyring struct {
	ID          int
	Description string // "keyring;uid;gid;permissions;name"
}

// Mount is one line of mountinfo.
type Mount struct {
	ID, Parent           int
	Device               string
	Root, Point, Options string
	Tags                 []string // "shared:1", "master:2", ...
	Type, Source, Super  string
}

// Device is a name in /dev.
type Device struct {
	Name         string
	Mode         uint32 // st_mode, type bits included
	Major, Minor uint32
	UID, GID     int
	Link         string // target, of a symbolic link
}

// Stat is one answer of the probe's stat command.
type Stat struct {
	Path         string
	Error        string // errno name, empty when the rest is valid
	Mode         uint32
	Major, Minor uint32 // of the device the inode is, not of the one it is on
	Dev, Ino     uint64
	UID, GID     int
	Nlink        uint64
	Size         int64
	Link         string
	Flags        uint64 // ST_* of statvfs(3)
}
