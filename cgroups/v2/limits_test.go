package v2

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// limited makes a cgroup with limits, if the tree has their controllers.
func limited(t *testing.T, res specs.LinuxResources) *Cgroup {
	t.Helper()
	tree, root := scratch(t)
	settings, err := Settings(&res)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if name := s.Controller(); !slices.Contains(tree.Controllers, name) {
			t.Skipf("the v2 tree at %s has no %s controller", tree.Mount, name)
		}
	}
	return create(t, tree, root+"/x/limited", settings...)
}

func TestLimitsAreWritten(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
		want map[string]string
	}{
		{
			"cpu",
			specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(2048)), Quota: n(20000), Period: new(uint64(50000)), Burst: new(uint64(1000))}},
			map[string]string{"cpu.weight": "174", "cpu.max": "20000 50000", "cpu.max.burst": "1000"},
		},
		{"cpu idle", specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(2048)), Idle: n(1)}}, map[string]string{"cpu.idle": "1"}},
		{"cpuset", specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0", Mems: "0"}}, map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0"}},
		{
			"memory",
			specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: n(64 << 20), Reservation: n(32 << 20), Swap: n(64 << 20)}},
			map[string]string{"memory.max": "67108864", "memory.low": "33554432", "memory.swap.max": "0"},
		},
		{"pids", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n(0)}}, map[string]string{"pids.max": "0"}},
		{
			"hugetlb",
			specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}},
			map[string]string{"hugetlb.2MB.max": "4194304", "hugetlb.2MB.rsvd.max": "4194304"},
		},
		{"unified", specs.LinuxResources{Unified: map[string]string{"memory.high": "33554432"}}, map[string]string{"memory.high": "33554432"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := limited(t, tc.res)
			for file, want := range tc.want {
				b, err := os.ReadFile(c.Dir + "/" + file)
				if strings.TrimSpace(string(b)) != want {
					t.Errorf("%s is %q (%v), want %q", file, b, err, want)
				}
			}
		})
	}
}

func TestPageSizeThatIsNotThere(t *testing.T) {
	tree, root := scratch(t)
	if !slices.Contains(tree.Controllers, "hugetlb") {
		t.Skip("the v2 tree has no hugetlb controller")
	}
	settings, err := Settings(&specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3MB"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(tree, root+"/x", settings)
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "linux.resources.hugepageLimits[0] (/linux/resources/hugepageLimits/0): write") {
		t.Errorf("got %v", err)
	}
}

func TestMemoryLimitKills(t *testing.T) {
	limit := int64(16 << 20)
	c := limited(t, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}})
	cmd := run(t, c, "echo up; a=x; while :; do a=$a$a; done")
	if err := cmd.Wait(); err == nil {
		t.Error("it ran on")
	}
	if n, err := c.OOMKills(); n == 0 || err != nil {
		t.Errorf("%d kills counted (%v)", n, err)
	}
}
