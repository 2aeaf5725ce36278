package v2

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func update(c *Cgroup, res specs.LinuxResources) error {
	settings, err := c.Changes(&res)
	if err != nil {
		return err
	}
	_, err = c.Apply(settings)
	return err
}

func (c *Cgroup) has(t *testing.T, want map[string]string) {
	t.Helper()
	for file, value := range want {
		b, err := os.ReadFile(c.Dir + "/" + file)
		if got := strings.TrimSpace(string(b)); got != value || err != nil {
			t.Errorf("%s is %q (%v), want %q", file, got, err, value)
		}
	}
}

func cpuOf(quota int64, period, burst uint64) specs.LinuxResources {
	c := &specs.LinuxCPU{}
	if quota != 0 {
		c.Quota = &quota
	}
	if period != 0 {
		c.Period = &period
	}
	if burst != 0 {
		c.Burst = &burst
	}
	return specs.LinuxResources{CPU: c}
}

func memoryOf(limit, swap int64) specs.LinuxResources {
	m := &specs.LinuxMemory{}
	if limit != 0 {
		m.Limit = &limit
	}
	if swap != 0 {
		m.Swap = &swap
	}
	return specs.LinuxResources{Memory: m}
}

const mib = 1 << 20

// Each step changes what it names and nothing else.
func TestUpdate(t *testing.T) {
	type step struct {
		res  specs.LinuxResources
		want map[string]string
	}
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"quota and period", []step{
			{cpuOf(20000, 50000, 0), map[string]string{"cpu.max": "20000 50000"}},
			{cpuOf(30000, 0, 0), map[string]string{"cpu.max": "30000 50000"}},
			{cpuOf(0, 60000, 0), map[string]string{"cpu.max": "30000 60000"}},
			{cpuOf(-1, 0, 0), map[string]string{"cpu.max": "max 60000"}},
			{cpuOf(0, 10000, 0), map[string]string{"cpu.max": "max 10000"}},
		}},
		{"burst", []step{
			{cpuOf(20000, 50000, 20000), map[string]string{"cpu.max": "20000 50000", "cpu.max.burst": "20000"}},
			{cpuOf(40000, 0, 40000), map[string]string{"cpu.max": "40000 50000", "cpu.max.burst": "40000"}},
			{cpuOf(10000, 0, 5000), map[string]string{"cpu.max": "10000 50000", "cpu.max.burst": "5000"}},
			{cpuOf(0, 0, 10000), map[string]string{"cpu.max": "10000 50000", "cpu.max.burst": "10000"}},
			{cpuOf(-1, 0, 70000), map[string]string{"cpu.max": "max 50000", "cpu.max.burst": "70000"}},
			{cpuOf(70000, 0, 0), map[string]string{"cpu.max": "70000 50000", "cpu.max.burst": "70000"}},
		}},
		{"idle and weight", []step{
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(2048))}}, map[string]string{"cpu.weight": "174"}},
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: new(int64(1)), Shares: new(uint64(1024))}}, map[string]string{"cpu.idle": "1"}},
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: new(int64(1)), Shares: new(uint64(2048))}}, map[string]string{"cpu.idle": "1"}},
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: new(int64(0)), Shares: new(uint64(4096))}}, map[string]string{"cpu.idle": "0", "cpu.weight": "303"}},
		}},
		{"memory", []step{
			{memoryOf(64*mib, 96*mib), map[string]string{"memory.max": "67108864", "memory.swap.max": "33554432"}},
			{memoryOf(0, 128*mib), map[string]string{"memory.max": "67108864", "memory.swap.max": "67108864"}},
			{memoryOf(32*mib, 0), map[string]string{"memory.max": "33554432", "memory.swap.max": "67108864"}},
			{specs.LinuxResources{Memory: &specs.LinuxMemory{Reservation: new(int64(mib))}}, map[string]string{"memory.low": "1048576", "memory.max": "33554432"}},
			{memoryOf(-1, 0), map[string]string{"memory.max": "max", "memory.swap.max": "max", "memory.low": "1048576"}},
			{memoryOf(0, 16*mib), map[string]string{"memory.max": "max", "memory.swap.max": "16777216"}},
		}},
		{"pids", []step{
			{specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(9))}}, map[string]string{"pids.max": "9"}},
			{specs.LinuxResources{Unified: map[string]string{"pids.max": "5"}, Pids: &specs.LinuxPids{Limit: new(int64(0))}}, map[string]string{"pids.max": "5"}},
			{specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}}, map[string]string{"pids.max": "max"}},
		}},
		{"cpuset", []step{
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}, map[string]string{"cpuset.cpus": "0", "cpuset.mems": ""}},
			{specs.LinuxResources{CPU: &specs.LinuxCPU{Mems: "0"}}, map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0"}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := limited(t, tc.steps[0].res)
			run(t, c, forever)
			for i, s := range tc.steps {
				if err := update(At(c.Dir), s.res); err != nil {
					t.Errorf("step %d: %v", i, err)
				}
				c.has(t, s.want)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	c := limited(t, cpuOf(20000, 50000, 15000))
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
		want string
	}{
		{"a burst above the quota that holds", cpuOf(0, 0, 30000), "linux.resources.cpu.burst (/linux/resources/cpu/burst): 30000 is more than the quota, 20000"},
		{"a quota below the burst that holds", cpuOf(10000, 0, 0), `linux.resources.cpu.quota (/linux/resources/cpu/quota): write "10000 50000" to ` + c.Dir + "/cpu.max: invalid argument: the kernel does not take this value, which may not be less than cpu.max.burst either"},
		{"a period out of range", cpuOf(0, 5, 0), `linux.resources.cpu.period (/linux/resources/cpu/period): write "20000 5" to `},
		{"what v2 has not", specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: new(uint64(10))}}, "linux.resources.memory.swappiness"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := update(c, tc.res); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s...", err, tc.want)
			}
			c.has(t, map[string]string{"cpu.max": "20000 50000", "cpu.max.burst": "15000"})
		})
	}
	if err := update(c, specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: new(int64(1))}}); err != nil {
		t.Fatal(err)
	}
	err := update(c, specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(2048))}})
	if !errors.Is(err, unix.EINVAL) || !strings.HasSuffix(err.Error(), "a cgroup with cpu.idle 1 has no weight") {
		t.Errorf("a weight for an idle one: %v", err)
	}
}

// What was written before the failure is taken back.
func TestUpdateTakesBack(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	before := specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: n(64 * mib), Swap: n(64 * mib)},
		CPU:    &specs.LinuxCPU{Shares: new(uint64(2048)), Quota: n(20000), Period: new(uint64(50000)), Burst: new(uint64(15000))},
		Pids:   &specs.LinuxPids{Limit: n(20)},
	}
	c := limited(t, before)
	dev := someDisk(t)
	was := map[string]string{
		"memory.max": "67108864", "memory.swap.max": "0", "memory.low": "0", "cpu.weight": "174", "cpu.idle": "0",
		"cpu.max": "20000 50000", "cpu.max.burst": "15000", "cpuset.cpus": "", "pids.max": "20", "io.max": "",
	}
	c.has(t, was)
	throttle := []specs.LinuxThrottleDevice{{LinuxBlockIODevice: dev, Rate: 1000}}
	err := update(c, specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: n(32 * mib), Swap: n(48 * mib), Reservation: n(mib)},
		CPU:     &specs.LinuxCPU{Idle: n(1), Quota: n(10000), Burst: new(uint64(5000)), Cpus: "0"},
		Pids:    &specs.LinuxPids{Limit: n(7)},
		BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: throttle},
		Unified: map[string]string{"memory.nothing": "1"},
	})
	if !errors.Is(err, unix.ENOENT) || strings.Contains(err.Error(), "and then") {
		t.Errorf("got %v", err)
	}
	c.has(t, was)
}

// someDisk is the number of a block device.
func someDisk(t *testing.T) specs.LinuxBlockIODevice {
	t.Helper()
	entries, _ := os.ReadDir("/sys/block")
	for _, e := range entries {
		var d specs.LinuxBlockIODevice
		if b, err := os.ReadFile("/sys/block/" + e.Name() + "/dev"); err == nil {
			if _, err := fmt.Sscanf(string(b), "%d:%d", &d.Major, &d.Minor); err == nil {
				return d
			}
		}
	}
	t.Skip("this host has no block devices")
	return specs.LinuxBlockIODevice{}
}

func TestCheckBeforeUpdate(t *testing.T) {
	c := limited(t, memoryOf(64*mib, 64*mib))
	cmd := holding(t, c, 24)
	small := memoryOf(8*mib, 8*mib)
	small.Memory.CheckBeforeUpdate = new(true)
	err := update(c, small)
	if err == nil || !strings.HasPrefix(err.Error(), "linux.resources.memory.limit (/linux/resources/memory/limit): 8388608 is less than the ") {
		t.Errorf("got %v", err)
	}
	c.has(t, map[string]string{"memory.max": "67108864"})
	enough := memoryOf(48*mib, 48*mib)
	enough.Memory.CheckBeforeUpdate = new(true)
	if err := update(c, enough); err != nil {
		t.Error(err)
	}
	c.has(t, map[string]string{"memory.max": "50331648"})
	if err := cmd.Process.Signal(unix.Signal(0)); err != nil {
		t.Error("the process is gone:", err)
	}
	// Without the check the kernel makes room.
	if err := update(c, memoryOf(8*mib, 8*mib)); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ran on")
	}
}

// A frozen cgroup takes new limits, without running on for it and without anybody waiting.
func TestUpdateFrozen(t *testing.T) {
	c := limited(t, memoryOf(64*mib, 64*mib))
	if tree, _ := OpenTree("/sys/fs/cgroup"); tree == nil || !slices.Contains(tree.Controllers, "cpuset") {
		t.Skip("the v2 tree has no cpuset controller")
	}
	cmd := holding(t, c, 24)
	if err := c.Freeze(patience, -1); err != nil {
		t.Fatal(err)
	}
	res := memoryOf(48*mib, 48*mib)
	res.CPU = &specs.LinuxCPU{Cpus: "0", Mems: "0", Quota: new(int64(5000)), Idle: new(int64(1))}
	res.Pids = &specs.LinuxPids{Limit: new(int64(1))}
	begin := time.Now()
	if err := update(At(c.Dir), res); err != nil {
		t.Error(err)
	}
	frozen, err := c.Frozen()
	want(t, "frozen", frozen, err, true)
	c.has(t, map[string]string{"memory.max": "50331648", "cpuset.cpus": "0", "cgroup.freeze": "1"})
	// Nothing to reclaim: the kernel has to kill, which reaches frozen processes.
	if err := update(At(c.Dir), memoryOf(8*mib, 8*mib)); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("it took %v", took)
	}
	c.has(t, map[string]string{"memory.max": "8388608", "cgroup.freeze": "1"})
	if err := cmd.Wait(); err == nil {
		t.Error("it ran on")
	}
	if n, err := c.OOMKills(); n != 1 || err != nil {
		t.Errorf("%d kills counted (%v)", n, err)
	}
}

// A cgroup that was there may have limits that stand in the way of the new ones.
func TestCreateOverOldLimits(t *testing.T) {
	old := limited(t, cpuOf(50000, 100000, 40000))
	tree, err := OpenTree("/sys/fs/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	res := cpuOf(20000, 100000, 10000)
	settings, err := Settings(&res)
	if err != nil {
		t.Fatal(err)
	}
	c := create(t, tree, strings.TrimPrefix(old.Dir, tree.Mount), settings...)
	c.has(t, map[string]string{"cpu.max": "20000 100000", "cpu.max.burst": "10000"})
}

func TestUpdateGone(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	if err := At(c.Dir).Remove(patience); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Cgroup{"open": c, "closed": At(c.Dir)} {
		if err := update(c, cpuOf(10000, 0, 0)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
