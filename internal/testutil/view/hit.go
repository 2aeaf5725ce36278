package view

// Hit is one thing that an attacker of the probe's (proc-hammer and its like) got at. Comm and Exe say of what program, as it was right after.
type Hit struct {
	PID    int
	Comm   string
	Exe    string // link target of /proc/PID/exe, if readable
	What   string // "seize", "vm_readv", "pidfd_getfd 3", "fd/3", "cwd", "root", "exe", "mem", "environ"
	Target string // what the link or descriptor leads to
	Inode  string // "device:inode" of that, where it is a file
	Dir    bool   // it is a directory
}
