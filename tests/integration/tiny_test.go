package integration

import (
	"path/filepath"
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/smallest"
)

// tinyContainer runs the smallest program under limits that leave it no room to spare.
func tinyContainer(t *testing.T, res specs.LinuxResources) *Container {
	t.Helper()
	NeedRoot(t)
	NeedLimits(t, "memory", "pids")
	c := NewContainer(t, func(s *specs.Spec) { s.Linux.Resources = &res }, func(s *specs.Spec) { s.Process.Args = []string{"/true"} })
	ok, err := smallest.Write(filepath.Join(c.RootFS, "true"))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("no machine code for this architecture")
	}
	return c
}

// The runtime's own stage of the container fits under no such limit, so it is the workload's alone.
func TestTinyLimits(t *testing.T) {
	for name, res := range map[string]specs.LinuxResources{
		"memory 1 MiB":         memoryLimits(specs.LinuxMemory{Limit: new(int64(1 << 20))}),
		"memory 256 KiB":       memoryLimits(specs.LinuxMemory{Limit: new(int64(256 << 10))}),
		"one process":          {Pids: &specs.LinuxPids{Limit: new(int64(1))}},
		"256 KiB, one process": {Memory: &specs.LinuxMemory{Limit: new(int64(256 << 10))}, Pids: &specs.LinuxPids{Limit: new(int64(1))}},
	} {
		t.Run(name, func(t *testing.T) {
			if res.Memory != nil && *res.Memory.Limit < 1<<20 && !CgroupV2() {
				t.Skip("needs cgroup v2: on v1 a limit cannot be set below what is in use, so it holds for our stage too")
			}
			tinyContainer(t, res).Run().OK(t)
		})
	}
}

// A memory limit that comes late is there when start returns, and an update in between is not undone.
func TestTinyMemoryAfterStart(t *testing.T) {
	NeedController(t, "memory")
	const limit = 512 << 10
	for name, updated := range map[string]int64{"": limit, "updated": 64 << 20, "updated to a round number": 16 << 20} {
		t.Run(name, func(t *testing.T) {
			c := tinyContainer(t, memoryLimits(specs.LinuxMemory{Limit: new(int64(limit))}))
			if !IsTare() {
				t.Skip("others write the limit at once")
			}
			c.Tare("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID).OK(t)
			dir := CgroupOf(t, c.PidFile(c.Dir+"/pid"), "memory")
			if got := CgroupFile(t, dir, "memory.max"); got != strconv.Itoa(16<<20+64<<10) {
				t.Errorf("memory.max before the start is %s", got)
			}
			if name != "" {
				c.Tare("update", "--memory", strconv.FormatInt(updated, 10), c.ID).OK(t)
			}
			c.Tare("start", c.ID).OK(t)
			if got := CgroupFile(t, dir, "memory.max"); got != strconv.FormatInt(updated, 10) {
				t.Errorf("memory.max after the start is %s, want %d", got, updated)
			}
		})
	}
}

// So is a limit of processes, and an update in between is not undone, whatever it is.
func TestTinyPidsAfterStart(t *testing.T) {
	NeedRoot(t)
	NeedLimits(t, "pids")
	NeedCommand(t, "update")
	for _, updated := range []string{"", "8", "16", "64"} {
		t.Run("updated to "+updated, func(t *testing.T) {
			c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
				s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(12))}}
			})
			dir := CgroupOf(t, c.Create(), "pids")
			want := "12"
			if updated != "" {
				want = updated
				c.Tare("update", "--pids-limit", updated, c.ID).OK(t)
			}
			c.Start()
			if got := CgroupFile(t, dir, "pids.max"); got != want {
				t.Errorf("pids.max after the start is %s, want %s", got, want)
			}
		})
	}
}
