package v2

import (
	"errors"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestSettings(t *testing.T) {
	mem := func(limit, reservation, swap *int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: limit, Reservation: reservation, Swap: swap}}
	}
	cpuOf := func(c specs.LinuxCPU) *specs.LinuxResources { return &specs.LinuxResources{CPU: &c} }
	n := func(v int64) *int64 { return new(v) }
	u := func(v uint64) *uint64 { return new(v) }
	for _, tc := range []struct {
		name string
		res  *specs.LinuxResources
		want []string // "file=value", with "?" in front for IfPresent
	}{
		{"nil", nil, nil},
		{"empty", &specs.LinuxResources{Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, Pids: &specs.LinuxPids{}}, nil},
		{"memory", mem(n(4096), n(2048), nil), []string{"memory.max=4096", "memory.low=2048"}},
		{"memory zero is unset", mem(n(0), n(0), n(0)), nil},
		{"memory unlimited lifts swap", mem(n(-1), nil, nil), []string{"memory.max=max", "?memory.swap.max=max"}},
		{"swap above memory", mem(n(4096), nil, n(8192)), []string{"memory.max=4096", "memory.swap.max=4096"}},
		{"no swap", mem(n(4096), nil, n(4096)), []string{"memory.max=4096", "memory.swap.max=0"}},
		{"swap unlimited", mem(n(4096), nil, n(-1)), []string{"memory.max=4096", "?memory.swap.max=max"}},
		{"memory unlimited, swap not", mem(n(-1), nil, n(8192)), []string{"memory.max=max", "memory.swap.max=8192"}},
		{"shares", cpuOf(specs.LinuxCPU{Shares: u(1024)}), []string{"cpu.weight=100"}},
		{"shares zero", cpuOf(specs.LinuxCPU{Shares: u(0)}), nil},
		{"quota", cpuOf(specs.LinuxCPU{Quota: n(50000)}), []string{"cpu.max=50000 100000"}},
		{"quota and period", cpuOf(specs.LinuxCPU{Quota: n(5000), Period: u(10000)}), []string{"cpu.max=5000 10000"}},
		{"no quota", cpuOf(specs.LinuxCPU{Quota: n(-1)}), []string{"cpu.max=max 100000"}},
		{"period", cpuOf(specs.LinuxCPU{Period: u(10000)}), []string{"cpu.max=max 10000"}},
		{"burst", cpuOf(specs.LinuxCPU{Quota: n(5000), Burst: u(1000)}), []string{"cpu.max=5000 100000", "cpu.max.burst=1000"}},
		{"idle, which has no weight", cpuOf(specs.LinuxCPU{Shares: u(2), Idle: n(1)}), []string{"cpu.idle=1"}},
		{"not idle before weight", cpuOf(specs.LinuxCPU{Shares: u(262144), Idle: n(0)}), []string{"cpu.idle=0", "cpu.weight=10000"}},
		{"cpuset", cpuOf(specs.LinuxCPU{Cpus: "0-3", Mems: "0"}), []string{"cpuset.cpus=0-3", "cpuset.mems=0"}},
		{"pids", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n(7)}}, []string{"pids.max=7"}},
		{"pids zero is a limit", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n(0)}}, []string{"pids.max=0"}},
		{"pids unlimited", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n(-1)}}, []string{"pids.max=max"}},
		{
			"hugepages", &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 1 << 22}}},
			[]string{"hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"},
		},
		{
			"rdma in order", &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{
				"mlx5_1": {HcaHandles: new(uint32(3)), HcaObjects: new(uint32(4))}, "mlx5_0": {HcaObjects: new(uint32(1))},
			}},
			[]string{"rdma.max=mlx5_0 hca_object=1", "rdma.max=mlx5_1 hca_handle=3 hca_object=4"},
		},
		{
			"throttle", &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
				ThrottleReadBpsDevice:   []specs.LinuxThrottleDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8}, Rate: 600}},
				ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8, Minor: 16}}},
			}},
			[]string{"io.max=8:0 rbps=600", "io.max=8:16 wiops=max"},
		},
		{
			"io weight", &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
				Weight: new(uint16(10)), LeafWeight: new(uint16(0)),
				WeightDevice: []specs.LinuxWeightDevice{
					{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8}, Weight: new(uint16(1000))},
					{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 9}, Weight: new(uint16(100))},
					{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 10}},
				},
			}},
			[]string{"io.bfq.weight=10 or io.weight=1", "io.bfq.weight=8:0 1000 or io.weight=8:0 10000", "io.bfq.weight=9:0 100 or io.weight=9:0 910"},
		},
		{
			"unified last and by line",
			&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: n(4096)}, Unified: map[string]string{
				"memory.high": "2048\n", "io.max": "8:0 rbps=1\n8:16 rbps=2", "cgroup.max.depth": "3",
			}},
			[]string{"memory.max=4096", "cgroup.max.depth=3", "io.max=8:0 rbps=1", "io.max=8:16 rbps=2", "memory.high=2048"},
		},
		{"what is so anyway", &specs.LinuxResources{
			//lint:ignore SA1019 what it may still say
			Memory:  &specs.LinuxMemory{DisableOOMKiller: new(false), Kernel: n(-1), UseHierarchy: new(true)},
			CPU:     &specs.LinuxCPU{RealtimeRuntime: n(0)},
			Network: &specs.LinuxNetwork{ClassID: new(uint32(0))},
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, err := Settings(tc.res)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range list {
				mark := ""
				if s.IfPresent {
					mark = "?"
				}
				or := ""
				if s.OrFile != "" {
					or = " or " + s.OrFile + "=" + s.OrValue
				}
				got = append(got, mark+s.File+"="+s.Value+or)
				if !strings.HasPrefix(s.Pointer, "/linux/resources/") {
					t.Errorf("%s: pointer %q", s.File, s.Pointer)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestSettingsRefused(t *testing.T) {
	n := func(v int64) *int64 { return new(v) }
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
		want string
		is   error
	}{
		{"swap without limit", specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: n(9)}}, "linux.resources.memory.swap (/linux/resources/memory/swap): it is the limit of memory and swap together, and means nothing without linux.resources.memory.limit (/linux/resources/memory/limit)", nil},
		{"swap below limit", specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: n(9), Limit: n(10)}}, "linux.resources.memory.swap (/linux/resources/memory/swap): 9 is the limit of memory and swap together, and is less than that of memory, 10", nil},
		{"negative limit", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: n(-2)}}, "linux.resources.memory.limit (/linux/resources/memory/limit): -2 is neither a number of bytes nor -1, which is no limit", nil},
		{"swappiness", specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: new(uint64(0))}}, "linux.resources.memory.swappiness", ErrNotSupported},
		{"disableOOMKiller", specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: new(true)}}, "linux.resources.memory.disableOOMKiller", ErrNotSupported},
		//lint:ignore SA1019 what it may still say
		{"kernel", specs.LinuxResources{Memory: &specs.LinuxMemory{Kernel: n(1)}}, "linux.resources.memory.kernel ", ErrNotSupported},
		{"kernelTCP", specs.LinuxResources{Memory: &specs.LinuxMemory{KernelTCP: n(1)}}, "linux.resources.memory.kernelTCP", ErrNotSupported},
		{"useHierarchy", specs.LinuxResources{Memory: &specs.LinuxMemory{UseHierarchy: new(false)}}, "linux.resources.memory.useHierarchy", ErrNotSupported},
		{"realtimeRuntime", specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: n(1)}}, "linux.resources.cpu.realtimeRuntime", ErrNotSupported},
		{"realtimePeriod", specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: new(uint64(1))}}, "linux.resources.cpu.realtimePeriod", ErrNotSupported},
		{"burst above quota", specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: n(1000), Burst: new(uint64(2000))}}, "linux.resources.cpu.burst (/linux/resources/cpu/burst): 2000 is more than the quota, 1000", nil},
		{"pids", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n(-5)}}, "linux.resources.pids.limit", nil},
		{"leafWeight", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: new(uint16(10))}}, "linux.resources.blockIO.leafWeight", ErrNotSupported},
		{"weight", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(9))}}, "linux.resources.blockIO.weight (/linux/resources/blockIO/weight): 9 is not between 10 and 1000", nil},
		{"weightDevice", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{Weight: new(uint16(1001))}}}}, "linux.resources.blockIO.weightDevice[0].weight", nil},
		{"leafWeight of a device", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LeafWeight: new(uint16(10))}}}}, "linux.resources.blockIO.weightDevice[0].leafWeight", ErrNotSupported},
		{"classID", specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: new(uint32(1))}}, "linux.resources.network.classID", ErrNotSupported},
		{"priorities", specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: make([]specs.LinuxInterfacePriority, 1)}}, "linux.resources.network.priorities", ErrNotSupported},
		{"page size", specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "../2MB"}}}, "linux.resources.hugepageLimits[0].pageSize (/linux/resources/hugepageLimits/0/pageSize): \"../2MB\" is no page size", nil},
		{"empty rdma", specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {}}}, "linux.resources.rdma.mlx", nil},
		{"unified with a slash", specs.LinuxResources{Unified: map[string]string{"../x/memory.max": "1"}}, `linux.resources.unified["../x/memory.max"] (/linux/resources/unified/..~1x~1memory.max)`, nil},
		{"unified without a dot", specs.LinuxResources{Unified: map[string]string{"memory": "1"}}, "linux.resources.unified.memory", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Settings(&tc.res)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Fatalf("got  %v\nwant %s...", err, tc.want)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v does not wrap %v", err, tc.is)
			}
		})
	}
}

func TestPidsToStart(t *testing.T) {
	pids := func(values ...string) (out []Setting) {
		for _, v := range values {
			out = append(out, Setting{File: "pids.max", Value: v})
		}
		return append(out, Setting{File: "memory.max", Value: "1"})
	}
	for _, tc := range []struct {
		name, limit, raised string
		in, want            []Setting
	}{
		{"none", "", "", pids(), pids()},
		{"enough", "", "", pids("16"), pids("16")},
		{"unlimited", "", "", pids("max"), pids("max")},
		{"tight", "0", "17", pids("0"), pids("17")},
		{"the last one counts", "3", "17", pids("99", "3"), pids("99", "17")},
		{"the last one is enough", "", "", pids("3", "99"), pids("17", "99")},
		{"no number", "", "", pids("few"), pids("few")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := slices.Clone(tc.in)
			out, limit, raised := PidsToStart(tc.in)
			if !slices.Equal(out, tc.want) || limit != tc.limit || raised != tc.raised {
				t.Errorf("%v %q %q", out, limit, raised)
			}
			if !slices.Equal(tc.in, before) {
				t.Errorf("what was given is now %v", tc.in)
			}
		})
	}
}

func TestController(t *testing.T) {
	for file, want := range map[string]string{
		"memory.max": "memory", "hugetlb.2MB.rsvd.max": "hugetlb", "cgroup.max.depth": "", "cpu.pressure": "", "cpu.max.burst": "cpu",
	} {
		if got := (Setting{File: file}).Controller(); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func TestWeightOfShares(t *testing.T) {
	last := uint64(0)
	for shares := uint64(2); shares <= 262144; shares++ {
		w := weightOfShares(shares)
		if w < last || w < 1 || w > 10000 {
			t.Fatalf("shares %d: weight %d after %d", shares, w, last)
		}
		last = w
	}
	for shares, want := range map[uint64]uint64{1: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000, 512: 59, 2048: 174} {
		if got := weightOfShares(shares); got != want {
			t.Errorf("shares %d: weight %d, want %d", shares, got, want)
		}
	}
}
