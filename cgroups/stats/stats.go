package stats

// Stats is what a cgroup has used, and what it may use. Its JSON is the data of an event of type "stats".
type Stats struct {
	CPU     CPU                `json:"cpu"`
	CPUSet  CPUSet             `json:"cpuset"`
	Memory  Memory             `json:"memory"`
	Pids    Pids               `json:"pids"`
	BlockIO BlockIO            `json:"blkio"`
	Hugetlb map[string]Hugetlb `json:"hugetlb"`        // by page size: "2MB"
	Rdma    map[string]Rdma    `json:"rdma,omitempty"` // by device
	Misc    map[string]Misc    `json:"misc,omitempty"` // by resource
}

// CPU times are in nanoseconds.
type CPU struct {
	Usage      CPUUsage   `json:"usage"`
	Throttling Throttling `json:"throttling"`
	PSI        *PSI       `json:"psi,omitempty"`
}

// CPUUsage has the times of single CPUs on cgroup v1 only.
type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	PerCPU       []uint64 `json:"percpu,omitempty"`
	PerCPUKernel []uint64 `json:"percpu_kernel,omitempty"`
	PerCPUUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling is what the CPU bandwidth limit did.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"` // ns
	Bursts           uint64 `json:"bursts,omitempty"`        // periods in which a burst was used
	BurstTime        uint64 `json:"burstTime,omitempty"`     // ns
}

// PSI is pressure stall information (Documentation/accounting/psi.rst).
type PSI struct {
	Some Pressure `json:"some"`
	Full Pressure `json:"full"`
}

// Pressure is the share of time, in percent, that was lost waiting.
type Pressure struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"` // µs
}

// CPUSet is where the processes may run and allocate; all but the lists is cgroup v1's.
type CPUSet struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// Memory is in bytes.
type Memory struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryEntry       `json:"usage,omitzero"`
	Swap      MemoryEntry       `json:"swap,omitzero"` // memory and swap together, as cgroup v1 counts
	Kernel    MemoryEntry       `json:"kernel,omitzero"`
	KernelTCP MemoryEntry       `json:"kernelTCP,omitzero"`
	Raw       map[string]uint64 `json:"raw,omitempty"` // memory.stat
	PSI       *PSI              `json:"psi,omitempty"`
	Events    map[string]uint64 `json:"events,omitempty"` // memory.events: low, high, max, oom, oom_kill, ...
}

// MemoryEntry is one kind of memory. Without a limit, Limit is the largest number.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"` // the most ever used
	Failcnt uint64 `json:"failcnt"`
}

// Pids counts tasks.
type Pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`   // 0: none
	Peak    uint64 `json:"peak,omitempty"`    // the most ever; cgroup v2, from Linux 6.1 on
	Failcnt uint64 `json:"failcnt,omitempty"` // forks refused
}

// BlockIO has one entry for each device and kind of operation.
type BlockIO struct {
	IoServiceBytesRecursive []BlockIOEntry `json:"ioServiceBytesRecursive,omitempty"` // bytes
	IoServicedRecursive     []BlockIOEntry `json:"ioServicedRecursive,omitempty"`     // requests
	IoQueuedRecursive       []BlockIOEntry `json:"ioQueueRecursive,omitempty"`
	IoServiceTimeRecursive  []BlockIOEntry `json:"ioServiceTimeRecursive,omitempty"`
	IoWaitTimeRecursive     []BlockIOEntry `json:"ioWaitTimeRecursive,omitempty"`
	IoMergedRecursive       []BlockIOEntry `json:"ioMergedRecursive,omitempty"`
	IoTimeRecursive         []BlockIOEntry `json:"ioTimeRecursive,omitempty"`
	SectorsRecursive        []BlockIOEntry `json:"sectorsRecursive,omitempty"`
	PSI                     *PSI           `json:"psi,omitempty"`
}

// BlockIOEntry is one count of one device.
type BlockIOEntry struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	Op    string `json:"op,omitempty"` // "Read", "Write", "Discard"
	Value uint64 `json:"value,omitempty"`
}

// Hugetlb is in bytes; Failcnt counts refusals.
type Hugetlb struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// Rdma counts handles and objects of one device.
type Rdma struct {
	Handles uint64 `json:"hcaHandles"`
	Objects uint64 `json:"hcaObjects"`
}

// Misc is one resource of the misc controller.
type Misc struct {
	Usage  uint64 `json:"usage"`
	Max    uint64 `json:"max,omitempty"`
	Events uint64 `json:"events,omitempty"` // refusals
}
