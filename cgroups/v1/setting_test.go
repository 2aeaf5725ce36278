package v1

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/v2"
)

func writes(settings []v2.Setting) []string {
	var out []string
	for _, s := range settings {
		line := s.File + " " + s.Value
		if s.OrFile != "" {
			line += " or " + s.OrFile + " " + s.OrValue
		}
		out = append(out, line)
	}
	return out
}

func TestSettings(t *testing.T) {
	device := specs.LinuxThrottleDevice{Rate: 1000}
	device.Major, device.Minor = 8, 16
	weighted := specs.LinuxWeightDevice{Weight: new(uint16(20)), LeafWeight: new(uint16(30))}
	weighted.Major, weighted.Minor = 8, 16
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
		want []string
	}{
		{"nothing", specs.LinuxResources{}, nil},
		{"zeros are unset", specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: new(int64(0)), Swap: new(int64(0)), Reservation: new(int64(0)), KernelTCP: new(int64(0))},
			CPU:    &specs.LinuxCPU{Shares: new(uint64(0)), Quota: new(int64(0)), Period: new(uint64(0)), RealtimeRuntime: new(int64(0))},
			BlockIO: &specs.LinuxBlockIO{
				Weight: new(uint16(0)), LeafWeight: new(uint16(0)), WeightDevice: []specs.LinuxWeightDevice{{Weight: new(uint16(0))}},
			},
			Network: &specs.LinuxNetwork{ClassID: new(uint32(0))},
		}, nil},
		{
			"memory",
			specs.LinuxResources{Memory: &specs.LinuxMemory{
				//lint:ignore SA1019 it is taken and left out
				Limit: new(int64(100)), Swap: new(int64(300)), Reservation: new(int64(50)), Kernel: new(int64(7)), KernelTCP: new(int64(9)),
				Swappiness: new(uint64(0)), DisableOOMKiller: new(true), UseHierarchy: new(true), CheckBeforeUpdate: new(true),
			}},
			[]string{
				"memory.limit_in_bytes 100", "memory.memsw.limit_in_bytes 300", "memory.soft_limit_in_bytes 50",
				"memory.kmem.tcp.limit_in_bytes 9", "memory.swappiness 0", "memory.oom_control 1", "memory.use_hierarchy 1",
			},
		},
		{
			"memory without limit lifts both",
			specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(-1))}},
			[]string{"memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"},
		},
		{
			"only the sum is limited",
			specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(100))}},
			[]string{"memory.limit_in_bytes 100", "memory.memsw.limit_in_bytes 100"},
		},
		{
			"cpu",
			specs.LinuxResources{CPU: &specs.LinuxCPU{
				Shares: new(uint64(512)), Quota: new(int64(-1)), Period: new(uint64(50000)), Burst: new(uint64(0)), Idle: new(int64(0)),
				RealtimeRuntime: new(int64(1000)), RealtimePeriod: new(uint64(100000)), Cpus: "0-1", Mems: "0",
			}},
			[]string{
				"cpu.idle 0", "cpu.shares 512", "cpu.cfs_period_us 50000", "cpu.cfs_quota_us -1", "cpu.cfs_burst_us 0",
				"cpu.rt_period_us 100000", "cpu.rt_runtime_us 1000", "cpuset.cpus 0-1", "cpuset.mems 0",
			},
		},
		{
			"idle has no shares",
			specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(512)), Idle: new(int64(1))}},
			[]string{"cpu.idle 1"},
		},
		{
			"pids",
			specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(0))}},
			[]string{"pids.max 0"},
		},
		{
			"pids without limit",
			specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}},
			[]string{"pids.max max"},
		},
		{
			"blkio",
			specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
				Weight: new(uint16(10)), LeafWeight: new(uint16(11)), WeightDevice: []specs.LinuxWeightDevice{weighted},
				ThrottleReadBpsDevice:  []specs.LinuxThrottleDevice{device},
				ThrottleWriteBpsDevice: []specs.LinuxThrottleDevice{device}, ThrottleReadIOPSDevice: []specs.LinuxThrottleDevice{device},
				ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{device},
			}},
			[]string{
				"blkio.weight 10 or blkio.bfq.weight 10", "blkio.leaf_weight 11",
				"blkio.weight_device 8:16 20 or blkio.bfq.weight_device 8:16 20", "blkio.leaf_weight_device 8:16 30",
				"blkio.throttle.read_bps_device 8:16 1000", "blkio.throttle.write_bps_device 8:16 1000",
				"blkio.throttle.read_iops_device 8:16 1000", "blkio.throttle.write_iops_device 8:16 1000",
			},
		},
		{
			"the rest",
			specs.LinuxResources{
				HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}},
				Network: &specs.LinuxNetwork{
					ClassID: new(uint32(0x100001)), Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}},
				},
				Rdma: map[string]specs.LinuxRdma{"mlx5_1": {HcaHandles: new(uint32(3)), HcaObjects: new(uint32(10000))}},
			},
			[]string{
				"hugetlb.2MB.limit_in_bytes 4194304", "hugetlb.2MB.rsvd.limit_in_bytes 4194304",
				"rdma.max mlx5_1 hca_handle=3 hca_object=10000", "net_cls.classid 1048577", "net_prio.ifpriomap lo 5",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Settings(&tc.res)
			if err != nil || !slices.Equal(writes(got), tc.want) {
				t.Errorf("got  %q\nwant %q\n%v", writes(got), tc.want, err)
			}
			for _, s := range got {
				if !strings.HasPrefix(s.Pointer, "/linux/resources/") || s.Controller() == "" {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

func TestSettingsRefuses(t *testing.T) {
	for _, tc := range []struct {
		res  specs.LinuxResources
		want string
	}{
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(-2))}}, "linux.resources.memory.limit "},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Reservation: new(int64(-2))}}, "linux.resources.memory.reservation "},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(9)), Swap: new(int64(8))}}, "linux.resources.memory.swap "},
		{specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-2))}}, "linux.resources.pids.limit "},
		{specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, `linux.resources.unified["memory.high"] (/linux/resources/unified/memory.high): `},
	} {
		if got, err := Settings(&tc.res); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%v, %v, want %s", got, err, tc.want)
		}
	}
}

func rule(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Major: &major, Minor: &minor, Access: access}
}

func TestDevices(t *testing.T) {
	all := specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}
	none := specs.LinuxDeviceCgroup{Access: "rwm"}
	for _, tc := range []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
		want  []string // nil: refused
	}{
		{"none", nil, []string{"devices.deny a"}},
		{"all", []specs.LinuxDeviceCgroup{all}, []string{"devices.allow a"}},
		{"all but", []specs.LinuxDeviceCgroup{all, rule(false, "c", 1, 3, "w")}, []string{"devices.allow a", "devices.deny c 1:3 w"}},
		{"all but, taken back", []specs.LinuxDeviceCgroup{all, rule(false, "c", 1, 3, "rw"), rule(true, "c", 1, -1, "w")}, []string{"devices.allow a", "devices.deny c 1:3 r"}},
		{"the last about everything counts", []specs.LinuxDeviceCgroup{all, rule(false, "c", 1, 3, "w"), none}, []string{"devices.deny a"}},
		{"some", []specs.LinuxDeviceCgroup{none, rule(true, "b", 8, -1, "r"), rule(true, "c", 1, 11, "")}, []string{"devices.deny a", "devices.allow b 8:* r", "devices.allow c 1:11 rwm"}},
		{"some, less again", []specs.LinuxDeviceCgroup{rule(true, "c", 1, 3, "rwm"), rule(true, "c", 1, 5, "r"), rule(false, "c", 1, -1, "r")}, []string{"devices.deny a", "devices.allow c 1:3 wm"}},
		{"a with numbers is both kinds", []specs.LinuxDeviceCgroup{rule(true, "a", 1, 3, "r")}, []string{"devices.deny a", "devices.allow b 1:3 r", "devices.allow c 1:3 r"}},
		{"one exception has all rights", []specs.LinuxDeviceCgroup{rule(true, "c", 1, -1, "r"), rule(true, "c", 1, 3, "w")}, []string{"devices.deny a", "devices.allow c 1:* r", "devices.allow c 1:3 wr"}},
		{"in either order", []specs.LinuxDeviceCgroup{rule(true, "c", 1, 3, "w"), rule(true, "c", 1, -1, "r")}, []string{"devices.deny a", "devices.allow c 1:3 wr", "devices.allow c 1:* r"}},
		{"a hole in a range", []specs.LinuxDeviceCgroup{rule(true, "c", 1, -1, "rw"), rule(false, "c", 1, 3, "r")}, nil},
		{"a hole of other rights", []specs.LinuxDeviceCgroup{rule(true, "c", 1, -1, "rw"), rule(false, "c", 1, 3, "m")}, []string{"devices.deny a", "devices.allow c 1:* rw"}},
		{"a hole elsewhere", []specs.LinuxDeviceCgroup{rule(true, "c", 1, -1, "rw"), rule(false, "b", 1, 3, "r")}, []string{"devices.deny a", "devices.allow c 1:* rw"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Devices(tc.rules, false)
			if (err == nil) != (tc.want != nil) || !slices.Equal(writes(got), tc.want) {
				t.Errorf("got %q, %v", writes(got), err)
			}
		})
	}
	got, err := Devices([]specs.LinuxDeviceCgroup{none}, true)
	if err != nil || !slices.Contains(writes(got), "devices.allow c 1:3 rwm") || !slices.Contains(writes(got), "devices.allow c *:* m") {
		t.Errorf("with the defaults: %q, %v", writes(got), err)
	}
}

func TestReplaceDevices(t *testing.T) {
	allow := func(values ...string) []v2.Setting {
		out := []v2.Setting{{File: "devices.deny", Value: "a"}}
		for _, v := range values {
			out = append(out, v2.Setting{File: "devices.allow", Value: v})
		}
		return out
	}
	for _, tc := range []struct {
		name, text string
		settings   []v2.Setting
		want       []string
	}{
		{"the same", "c 1:3 rwm\n", allow("c 1:3 rwm"), []string{"devices.allow c 1:3 rwm"}},
		{"less, then more", "c 1:3 rwm\nb 8:* r\n", allow("c 1:3 r", "c 1:5 r"), []string{"devices.allow c 1:3 r", "devices.allow c 1:5 r", "devices.deny c 1:3 wm", "devices.deny b 8:* r"}},
		{"from everything", "a *:* rwm\n", allow("c 1:3 r"), []string{"devices.deny a", "devices.allow c 1:3 r"}},
		{"to everything", "c 1:3 r\n", []v2.Setting{{File: "devices.allow", Value: "a"}}, []string{"devices.allow a"}},
	} {
		if got := writes(replace(tc.text, tc.settings)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
