package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func memoryLimits(m specs.LinuxMemory) specs.LinuxResources { return specs.LinuxResources{Memory: &m} }

func cpuLimits(c specs.LinuxCPU) specs.LinuxResources { return specs.LinuxResources{CPU: &c} }

func blockLimits(b specs.LinuxBlockIO) specs.LinuxResources { return specs.LinuxResources{BlockIO: &b} }

func unifiedLimits(u map[string]string) specs.LinuxResources { return specs.LinuxResources{Unified: u} }

func networkLimits(n specs.LinuxNetwork) specs.LinuxResources {
	return specs.LinuxResources{Network: &n}
}

// disk is a block device of the host, as config.json names it and as io.max does.
func disk(t *testing.T) (specs.LinuxBlockIODevice, string) {
	t.Helper()
	d, name := findDisk()
	if name == "" {
		t.Skip("this host has no block device")
	}
	return d, name
}

// findDisk finds one that is no loop and no memory; name is "" where there is none.
func findDisk() (device specs.LinuxBlockIODevice, name string) {
	files, _ := filepath.Glob("/sys/block/*/dev")
	for _, file := range files {
		if of := filepath.Base(filepath.Dir(file)); strings.HasPrefix(of, "loop") || strings.HasPrefix(of, "zram") {
			continue
		}
		var d specs.LinuxBlockIODevice
		text, _ := os.ReadFile(file)
		if _, err := fmt.Sscanf(string(text), "%d:%d", &d.Major, &d.Minor); err == nil {
			return d, strings.TrimSpace(string(text))
		}
	}
	return specs.LinuxBlockIODevice{}, ""
}

// What each field of linux.resources says is in the files when create returns.
func TestLimitsInFiles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, tt := range []struct {
		name       string
		controller string
		resources  specs.LinuxResources
		files      map[string]string
	}{
		{"memory limit", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20))}), map[string]string{"memory.max": "67108864", "memory.low": "0", "memory.swap.max": "max"}},
		{"memory without limits", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(-1)), Reservation: new(int64(0)), Swap: new(int64(-1))}), map[string]string{"memory.max": "max", "memory.low": "0", "memory.swap.max": "max"}},
		{"memory reservation", "memory", memoryLimits(specs.LinuxMemory{Reservation: new(int64(32 << 20))}), map[string]string{"memory.max": "max", "memory.low": "33554432"}},
		{"memory reservation of all", "memory", memoryLimits(specs.LinuxMemory{Reservation: new(int64(-1))}), map[string]string{"memory.low": "max"}},
		{"swap", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(96 << 20))}), map[string]string{"memory.max": "67108864", "memory.swap.max": "33554432"}},
		{"swap none", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(64 << 20))}), map[string]string{"memory.swap.max": "0"}},
		{"swap without limit", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(-1))}), map[string]string{"memory.max": "67108864", "memory.swap.max": "max"}},
		{"swap with memory unlimited", "memory", memoryLimits(specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(64 << 20))}), map[string]string{"memory.max": "max", "memory.swap.max": "67108864"}},
		{
			"memory that is so anyway", "memory",
			//lint:ignore SA1019 what a config.json may still say
			memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20)), Kernel: new(int64(-1)), KernelTCP: new(int64(-1)), DisableOOMKiller: new(false), UseHierarchy: new(true), CheckBeforeUpdate: new(true)}),
			map[string]string{"memory.max": "67108864"},
		},
		{"shares", "cpu", cpuLimits(specs.LinuxCPU{Shares: new(uint64(1024))}), map[string]string{"cpu.weight": "100", "cpu.max": "max 100000"}},
		{"shares least", "cpu", cpuLimits(specs.LinuxCPU{Shares: new(uint64(2))}), map[string]string{"cpu.weight": "1"}},
		{"shares most", "cpu", cpuLimits(specs.LinuxCPU{Shares: new(uint64(262144))}), map[string]string{"cpu.weight": "10000"}},
		{"shares between", "cpu", cpuLimits(specs.LinuxCPU{Shares: new(uint64(512))}), map[string]string{"cpu.weight": "59"}},
		{"shares unset", "cpu", cpuLimits(specs.LinuxCPU{Shares: new(uint64(0))}), map[string]string{"cpu.weight": "100"}},
		{"quota", "cpu", cpuLimits(specs.LinuxCPU{Quota: new(int64(20000))}), map[string]string{"cpu.max": "20000 100000"}},
		{"quota none", "cpu", cpuLimits(specs.LinuxCPU{Quota: new(int64(-1)), Period: new(uint64(50000))}), map[string]string{"cpu.max": "max 50000"}},
		{"period", "cpu", cpuLimits(specs.LinuxCPU{Period: new(uint64(50000))}), map[string]string{"cpu.max": "max 50000"}},
		{"burst", "cpu", cpuLimits(specs.LinuxCPU{Quota: new(int64(20000)), Period: new(uint64(50000)), Burst: new(uint64(20000))}), map[string]string{"cpu.max": "20000 50000", "cpu.max.burst": "20000"}},
		{"idle", "cpu", cpuLimits(specs.LinuxCPU{Idle: new(int64(1)), Shares: new(uint64(512))}), map[string]string{"cpu.idle": "1"}},
		{"not idle", "cpu", cpuLimits(specs.LinuxCPU{Idle: new(int64(0)), Shares: new(uint64(512))}), map[string]string{"cpu.idle": "0", "cpu.weight": "59"}},
		{"realtime unset", "cpu", cpuLimits(specs.LinuxCPU{RealtimeRuntime: new(int64(0)), RealtimePeriod: new(uint64(0))}), map[string]string{"cpu.max": "max 100000"}},
		{"cpus and mems", "cpuset", cpuLimits(specs.LinuxCPU{Cpus: "0", Mems: "0"}), map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0", "cpuset.cpus.effective": "0", "cpuset.mems.effective": "0"}},
		{"pids", "pids", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(77))}}, map[string]string{"pids.max": "77"}},
		{"pids without limit", "pids", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}}, map[string]string{"pids.max": "max"}},
		{"network unset", "cpu", networkLimits(specs.LinuxNetwork{ClassID: new(uint32(0))}), nil},
		{"unified", "memory", unifiedLimits(map[string]string{"memory.high": "33554432", "cgroup.max.descendants": "3\n"}), map[string]string{"memory.high": "33554432", "cgroup.max.descendants": "3"}},
		{
			"unified over all else", "memory",
			specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: new(int64(77))},
				CPU: &specs.LinuxCPU{Shares: new(uint64(1024))}, Unified: map[string]string{"memory.max": "33554432", "pids.max": "19", "cpu.weight": "7"},
			},
			map[string]string{"memory.max": "33554432", "pids.max": "19", "cpu.weight": "7"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			NeedController(t, tt.controller)
			hasFiles(t, limitedTo(t, tt.resources), tt.files)
		})
	}
}

// limitedTo creates a container and gives its cgroup's directory.
func limitedTo(t *testing.T, resources specs.LinuxResources) string {
	t.Helper()
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Linux.Resources = &resources })
	return CgroupOf(t, c.Create(), "")
}

func hasFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for file, want := range files {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil && strings.HasPrefix(file, "memory.swap.") {
			continue // a kernel without swap
		}
		if got := CgroupFile(t, dir, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
}

func TestThrottlesInFiles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "io")
	dev, name := disk(t)
	list := func(rate uint64) []specs.LinuxThrottleDevice {
		return []specs.LinuxThrottleDevice{{LinuxBlockIODevice: dev, Rate: rate}}
	}
	for _, tt := range []struct {
		name      string
		resources specs.LinuxResources
		want      string
	}{
		{
			"all four", blockLimits(specs.LinuxBlockIO{
				ThrottleReadBpsDevice: list(1 << 20), ThrottleWriteBpsDevice: list(2 << 20), ThrottleReadIOPSDevice: list(100), ThrottleWriteIOPSDevice: list(200),
			}),
			name + " rbps=1048576 wbps=2097152 riops=100 wiops=200",
		},
		{"one", blockLimits(specs.LinuxBlockIO{ThrottleWriteIOPSDevice: list(200)}), name + " rbps=max wbps=max riops=max wiops=200"},
		{"none", blockLimits(specs.LinuxBlockIO{ThrottleReadBpsDevice: list(0)}), ""},
		{"unified, line by line", unifiedLimits(map[string]string{"io.max": name + " rbps=4096\n" + name + " wbps=8192\n"}), name + " rbps=4096 wbps=8192 riops=max wiops=max"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hasFiles(t, limitedTo(t, tt.resources), map[string]string{"io.max": tt.want})
		})
	}
}

// Reading is slowed down to what throttleReadBpsDevice and throttleReadIOPSDevice allow.
func TestThrottleSlowsReading(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "io")
	if os.Getenv("TARE_VM_GUEST") == "" {
		t.Skip("reads from a raw disk, which only the guest of tests/vm has to spare")
	}
	const size = 2 << 20
	dev := specs.LinuxBlockIODevice{Major: 259, Minor: 1}
	limit := func(rate uint64) []specs.LinuxThrottleDevice {
		return []specs.LinuxThrottleDevice{{LinuxBlockIODevice: dev, Rate: rate}}
	}
	for _, tt := range []struct {
		name        string
		limits      specs.LinuxBlockIO
		least, most int64 // milliseconds
	}{
		{"freely", specs.LinuxBlockIO{}, 0, 1500},
		{"bytes", specs.LinuxBlockIO{ThrottleReadBpsDevice: limit(size / 2)}, 1500, 20000},
		{"requests", specs.LinuxBlockIO{ThrottleReadIOPSDevice: limit(size / (64 << 10) / 2)}, 1500, 20000},
		{"writes alone", specs.LinuxBlockIO{ThrottleWriteBpsDevice: limit(4096), ThrottleWriteIOPSDevice: limit(2)}, 0, 1500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewContainer(t, Args("read-disk", "/dev/disk", fmt.Sprint(size)), func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/disk", Type: "b", Major: dev.Major, Minor: dev.Minor}}
				s.Linux.Resources = &specs.LinuxResources{
					BlockIO: &tt.limits,
					Devices: []specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Major: &dev.Major, Minor: &dev.Minor, Access: "r"}},
				}
			})
			res := c.Run().OK(t)
			var took int64
			if _, err := fmt.Sscan(res.Stdout, &took); err != nil || took < tt.least || took > tt.most {
				t.Errorf("it took %q ms, want %d to %d (%v)", res.Stdout, tt.least, tt.most, err)
			}
		})
	}
}

// The weight goes to BFQ's file where there is one, as it is, and else to io.cost's, by the formula.
func TestIOWeightInFiles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "io")
	for weight, converted := range map[uint16]int{10: 1, 100: 910, 500: 4950, 1000: 10000} {
		t.Run(fmt.Sprint(weight), func(t *testing.T) {
			t.Parallel()
			dir := limitedTo(t, blockLimits(specs.LinuxBlockIO{Weight: &weight}))
			file, want := "io.weight", fmt.Sprintf("default %d", converted)
			if _, err := os.Stat(filepath.Join(dir, "io.bfq.weight")); err == nil {
				file, want = "io.bfq.weight", fmt.Sprintf("default %d", weight)
			}
			hasFiles(t, dir, map[string]string{file: want})
		})
	}
}

func TestHugepageLimitInFiles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "hugetlb")
	dir := limitedTo(t, specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}})
	hasFiles(t, dir, map[string]string{"hugetlb.2MB.max": "4194304", "hugetlb.2MB.rsvd.max": "4194304"})
}

// What cgroup v2 cannot hold is refused by name, never left out.
func TestLimitsRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !CgroupV2() {
		t.Skip("needs cgroup v2: v1 has most of these limits")
	}
	for name, tt := range map[string]struct {
		resources specs.LinuxResources
		field     string
	}{
		"swappiness":       {memoryLimits(specs.LinuxMemory{Swappiness: new(uint64(60))}), "/linux/resources/memory/swappiness"},
		"disableOOMKiller": {memoryLimits(specs.LinuxMemory{DisableOOMKiller: new(true)}), "/linux/resources/memory/disableOOMKiller"},
		//lint:ignore SA1019 what a config.json may still say
		"kernel":                 {memoryLimits(specs.LinuxMemory{Kernel: new(int64(1 << 20))}), "/linux/resources/memory/kernel"},
		"kernelTCP":              {memoryLimits(specs.LinuxMemory{KernelTCP: new(int64(1 << 20))}), "/linux/resources/memory/kernelTCP"},
		"useHierarchy":           {memoryLimits(specs.LinuxMemory{UseHierarchy: new(false)}), "/linux/resources/memory/useHierarchy"},
		"swap below memory":      {memoryLimits(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(32 << 20))}), "/linux/resources/memory/swap"},
		"swap alone":             {memoryLimits(specs.LinuxMemory{Swap: new(int64(32 << 20))}), "/linux/resources/memory/swap"},
		"realtimeRuntime":        {cpuLimits(specs.LinuxCPU{RealtimeRuntime: new(int64(1000))}), "/linux/resources/cpu/realtimeRuntime"},
		"realtimePeriod":         {cpuLimits(specs.LinuxCPU{RealtimePeriod: new(uint64(1000))}), "/linux/resources/cpu/realtimePeriod"},
		"burst above quota":      {cpuLimits(specs.LinuxCPU{Quota: new(int64(2000)), Burst: new(uint64(3000))}), "/linux/resources/cpu/burst"},
		"a CPU that is not":      {cpuLimits(specs.LinuxCPU{Cpus: "4000"}), "/linux/resources/cpu/cpus"},
		"leafWeight":             {blockLimits(specs.LinuxBlockIO{LeafWeight: new(uint16(100))}), "/linux/resources/blockIO/leafWeight"},
		"leafWeight of a device": {blockLimits(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LeafWeight: new(uint16(100))}}}), "/linux/resources/blockIO/weightDevice/0/leafWeight"},
		"weight of no device": {
			blockLimits(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 4095}, Weight: new(uint16(100))}}}),
			"/linux/resources/blockIO/weightDevice/0/weight",
		},
		"throttle of no device": {
			blockLimits(specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 4095}, Rate: 1}}}),
			"/linux/resources/blockIO/throttleReadBpsDevice/0",
		},
		"classID":              {networkLimits(specs.LinuxNetwork{ClassID: new(uint32(1))}), "/linux/resources/network/classID"},
		"priorities":           {networkLimits(specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "eth0", Priority: 1}}}), "/linux/resources/network/priorities"},
		"a page size":          {specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3MB", Limit: 3 << 20}}}, "/linux/resources/hugepageLimits/0"},
		"rdma of no device":    {specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx4_9": {HcaHandles: new(uint32(2))}}}, "/linux/resources/rdma/mlx4_9"},
		"unified elsewhere":    {unifiedLimits(map[string]string{"../memory.max": "1"}), "/linux/resources/unified/..~1memory.max"},
		"unified controller":   {unifiedLimits(map[string]string{"quantum.max": "1"}), "/linux/resources/unified/quantum.max"},
		"unified file":         {unifiedLimits(map[string]string{"cgroup.nothing": "1"}), "/linux/resources/unified/cgroup.nothing"},
		"unified value":        {unifiedLimits(map[string]string{"cgroup.max.depth": "deep"}), "/linux/resources/unified/cgroup.max.depth"},
		"unified misc of none": {unifiedLimits(map[string]string{"misc.max": "nothing 1"}), "/linux/resources/unified/misc.max"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, func(s *specs.Spec) { s.Linux.Resources = &tt.resources })
			c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, tt.field)
			c.Tare("state", c.ID).Exit(t, 1)
			if left, _ := filepath.Glob("/sys/fs/cgroup/tare-test-*/" + c.ID); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// The limit is the workload's: our own stage before it, with its threads and hooks, does not have to fit.
func TestPidsLimitTight(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "pids")
	if !IsTare() {
		t.Skip("the others take 0 for no limit, or for 1, and runc does not start under a few")
	}
	for limit := range int64(6) {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			edit := func(s *specs.Spec) {
				s.Version = "1.3.0" // from which on 0 is a limit
				s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
				s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "true"}}}}
			}
			c := NewContainer(t, edit, Args("sleep"))
			pid := c.Create()
			dir := CgroupOf(t, pid, "")
			c.Start()
			hasFiles(t, dir, map[string]string{"pids.max": fmt.Sprint(limit)})
		})
	}
}

// What update set between create and start holds after the start too.
func TestPidsLimitChangedBeforeStart(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "pids")
	if !IsTare() {
		t.Skip("about how tare starts under tight limits")
	}
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}}
	})
	dir := CgroupOf(t, c.Create(), "")
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte("99"), 0); err != nil {
		t.Fatal(err)
	}
	c.Start()
	hasFiles(t, dir, map[string]string{"pids.max": "99"})
}

func TestCpusetBinds(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "cpuset")
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil || own.Count() < 2 {
		t.Skipf("needs two CPUs: this process has %d (%v)", own.Count(), err)
	}
	c := NewContainer(t, func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "1"}} })
	if r := c.Report(); fmt.Sprint(r.Schedule.CPUs) != "[1]" {
		t.Errorf("the workload may run on CPUs %v", r.Schedule.CPUs)
	}
}
