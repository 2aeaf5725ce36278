package view

// Attributes are those that a process has by one system call or label each, and hands on.
type Attributes struct {
	SchedulerFlags            uint64 // SCHED_FLAG_*
	Runtime, Deadline, Period uint64 // of SCHED_DEADLINE, in nanoseconds

	MemoryMode  int // MPOL_*, with MPOL_F_* flags
	MemoryNodes []int
	MemoryError string // errno name, of a kernel without NUMA

	AppArmor string // "name (mode)", or empty
	SELinux  string
	Keyring  string // SELinux context of the session keyring
}
