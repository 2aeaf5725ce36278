package systemd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/v2"
	"tare/internal/dbus"
)

// text writes properties as `name=value …`.
func text(all []Property) string {
	var words []string
	for _, p := range all {
		words = append(words, fmt.Sprintf("%s=%s:%v", p.Name, p.Value.Signature, p.Value.Value))
	}
	return strings.Join(words, " ")
}

func TestProperties(t *testing.T) {
	const none = "18446744073709551615"
	for _, tt := range []struct{ file, value, want string }{
		{"memory.max", "67108864", "MemoryMax=t:67108864"},
		{"memory.max", "max", "MemoryMax=t:" + none},
		{"memory.max", "64M", "MemoryMax=t:67108864"},
		{"memory.max", "lots", ""},
		{"memory.max", "99999999999G", ""},
		{"memory.high", "1k", "MemoryHigh=t:1024"},
		{"memory.low", "0", "MemoryLow=t:0"},
		{"memory.min", "5", "MemoryMin=t:5"},
		{"memory.swap.max", "0", "MemorySwapMax=t:0"},
		{"pids.max", "77", "TasksMax=t:77"},
		{"pids.max", "0", "TasksMax=t:1"},
		{"pids.max", "max", "TasksMax=t:" + none},
		{"cpu.weight", "59", "CPUWeight=t:59"},
		{"cpu.idle", "1", "CPUWeight=t:0"},
		{"cpu.idle", "0", ""},
		{"cpu.max", "50000 100000", "CPUQuotaPerSecUSec=t:500000 CPUQuotaPeriodUSec=t:100000"},
		{"cpu.max", "20333 50000", "CPUQuotaPerSecUSec=t:410000 CPUQuotaPeriodUSec=t:50000"},
		{"cpu.max", "1000 1000000", "CPUQuotaPerSecUSec=t:10000 CPUQuotaPeriodUSec=t:1000000"},
		{"cpu.max", "max 20000", "CPUQuotaPerSecUSec=t:" + none + " CPUQuotaPeriodUSec=t:20000"},
		{"cpu.max", "50000", "CPUQuotaPerSecUSec=t:500000 CPUQuotaPeriodUSec=t:100000"},
		{"cpu.max", "50000 0", ""},
		{"cpu.max", "50000 2000000", ""},
		{"cpu.max", "99999999999999999 100000", ""},
		{"memory.oom.group", "1", "OOMPolicy=s:kill"},
		{"memory.oom.group", "0", "OOMPolicy=s:continue"},
		{"memory.zswap.max", "4096", "MemoryZSwapMax=t:4096"},
		{"cpu.max.burst", "5", ""},
		{"cpuset.cpus", "0-3,7", "AllowedCPUs=ay:[143]"},
		{"cpuset.cpus", "8", "AllowedCPUs=ay:[0 1]"},
		{"cpuset.cpus", "0-", ""},
		{"cpuset.cpus", "0-99999", ""},
		{"cpuset.mems", "0", "AllowedMemoryNodes=ay:[1]"},
		{"io.weight", "default 300", "IOWeight=t:300"},
		{"io.weight", "300", "IOWeight=t:300"},
		{"io.weight", "8:0 300", ""},
		{"io.max", "8:0 rbps=5", ""},
		{"hugetlb.2MB.max", "0", ""},
	} {
		got := text(Properties([]v2.Setting{{File: tt.file, Value: tt.value, Pointer: "/x"}}))
		if got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.file, tt.value, got, tt.want)
		}
	}
}

// What an older systemd does not know is marked, and nothing else.
func TestYoungProperties(t *testing.T) {
	for _, tt := range []struct {
		file  string
		young bool
	}{{"cpu.idle", true}, {"memory.oom.group", true}, {"memory.zswap.max", true}, {"memory.max", false}, {"cpu.weight", false}} {
		for _, p := range Properties([]v2.Setting{{File: tt.file, Value: "1"}}) {
			if p.Young != tt.young {
				t.Errorf("%s: %+v", tt.file, p)
			}
		}
	}
	all := []Property{property("MemoryMax", "t", uint64(1)), young("OOMPolicy", "s", "kill")}
	for name, tt := range map[string]struct {
		refusal error
		calls   int
		fails   bool
	}{
		"known":         {nil, 1, false},
		"unknown":       {&dbus.Error{Name: errNoProperty}, 2, false},
		"unknown value": {&dbus.Error{Name: errBadValue}, 2, false},
		"another":       {&dbus.Error{Name: errAccess}, 1, true},
	} {
		calls := 0
		err := known(all, func(given []Property) error {
			calls++
			if len(given) == len(all) {
				return tt.refusal
			}
			if text(given) != "MemoryMax=t:1" {
				t.Errorf("%s: %s", name, text(given))
			}
			return nil
		})
		if calls != tt.calls || (err != nil) != tt.fails {
			t.Errorf("%s: %d calls, %v", name, calls, err)
		}
	}
	if err := known(all[:1], func([]Property) error { return &dbus.Error{Name: errBadValue} }); err == nil {
		t.Error("a refusal that is not about youth is lost")
	}
}

// What is said twice is said once, and as the last one said it.
func TestPropertiesOfResources(t *testing.T) {
	settings, err := v2.Settings(&specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: new(int64(1 << 20)), Swap: new(int64(3 << 20))},
		CPU:     &specs.LinuxCPU{Shares: new(uint64(1024))},
		BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(10))},
		Unified: map[string]string{"memory.max": "4096"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "MemoryMax=t:4096 MemorySwapMax=t:2097152 CPUWeight=t:100 IOWeight=t:1"
	all := Properties(settings)
	if got := text(all); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if all[0].Pointer != "/linux/resources/unified/memory.max" {
		t.Errorf("%+v", all[0])
	}
}

func TestUnitProperties(t *testing.T) {
	scope := Unit{Name: "p-n.scope", Slice: "a.slice"}
	got := text(scope.With(scope.Properties("it"), 77))
	for _, want := range []string{
		"Description=s:it", "DefaultDependencies=b:false", "CollectMode=s:inactive-or-failed", "Slice=s:a.slice", "Delegate=b:true",
		"CPUAccounting=b:true", "MemoryAccounting=b:true", "IOAccounting=b:true", "TasksAccounting=b:true", "PIDs=au:[77]",
	} {
		if !slices.Contains(strings.Split(got, " "), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	slice := Unit{Name: "a.slice"}
	if got := text(slice.With(slice.Properties("it"), 0)); strings.Contains(got, "Delegate") || strings.Contains(got, "PIDs") {
		t.Errorf("a slice takes neither: %s", got)
	}
}

func TestDevices(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	none := specs.LinuxDeviceCgroup{Access: "rwm"}
	for _, tt := range []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
		want  string
	}{
		{"nothing", nil, "DeviceAllow=a(ss):[] DevicePolicy=s:strict"},
		{"none", []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "r"}, none}, "DeviceAllow=a(ss):[] DevicePolicy=s:strict"},
		{"all", []specs.LinuxDeviceCgroup{none, {Allow: true}}, "DeviceAllow=a(ss):[] DevicePolicy=s:auto"},
		{"all by name", []specs.LinuxDeviceCgroup{{Allow: true, Type: "a", Major: n(-1), Minor: n(-1), Access: "mwr"}}, "DeviceAllow=a(ss):[] DevicePolicy=s:auto"},
		{
			"one, a major number, a kind",
			[]specs.LinuxDeviceCgroup{
				none,
				{Allow: true, Type: "c", Major: n(10), Minor: n(200), Access: "rw"},
				{Allow: true, Type: "b", Major: n(8), Access: "r"},
				{Allow: true, Type: "c", Access: "m"},
			},
			"DeviceAllow=a(ss):[[/dev/char/10:200 rw] [block-8 r] [char-* m]] DevicePolicy=s:strict",
		},
		{
			"rights of one path add up, those taken away are left to us",
			[]specs.LinuxDeviceCgroup{
				{Allow: true, Type: "c", Major: n(1), Minor: n(3), Access: "r"},
				{Allow: true, Type: "c", Major: n(1), Minor: n(3), Access: "m"},
				{Allow: false, Type: "c", Major: n(1), Minor: n(3), Access: "r"},
			},
			"DeviceAllow=a(ss):[[/dev/char/1:3 rm]] DevicePolicy=s:strict",
		},
		{
			"both kinds, a minor number of any major one",
			[]specs.LinuxDeviceCgroup{{Allow: true, Minor: n(3), Access: "r"}},
			"DeviceAllow=a(ss):[[char-* r] [block-* r]] DevicePolicy=s:strict",
		},
		{
			"no access is all of it, numbers that no device has",
			[]specs.LinuxDeviceCgroup{
				{Allow: true, Type: "c", Major: n(1 << 12)}, {Allow: true, Type: "c", Major: n(1), Minor: n(1 << 20)}, {Allow: true, Type: "b", Major: n(7)},
			},
			"DeviceAllow=a(ss):[[block-7 rwm]] DevicePolicy=s:strict",
		},
	} {
		if got := text(Devices(tt.rules)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if got := text(NewDevices(nil)); got != "DeviceAllow=a(ss):[] DeviceAllow=a(ss):[] DevicePolicy=s:strict" {
		t.Errorf("new ones: %s", got)
	}
}

// systemd lists drop-ins by name; the order of entries of one name stays.
func TestSorted(t *testing.T) {
	got := text(sorted([]Property{property("TasksMax", "t", 1), property("DeviceAllow", "s", "a"), property("CPUWeight", "t", 2), property("DeviceAllow", "s", "b")}))
	if want := "CPUWeight=t:2 DeviceAllow=s:a DeviceAllow=s:b TasksMax=t:1"; got != want {
		t.Errorf("got %s", got)
	}
}
