package v2

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups/stats"
	"tare/internal/sys"
)

// written is a directory with these files, as a cgroup has them.
func written(t *testing.T, content map[string]string) *files {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := sys.CgroupOpenMount(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &files{fd: fd}
}

func TestStatsOfFiles(t *testing.T) {
	f := written(t, map[string]string{
		"cpu.stat":              "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\nnr_bursts 1\nburst_usec 3\n",
		"cpu.pressure":          "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n",
		"cpuset.cpus.effective": "0-1\n", "cpuset.mems.effective": "0\n",
		"memory.current": "1000\n", "memory.max": "5000\n", "memory.peak": "2000\n", "memory.stat": "anon 5\nfile 600\nkernel 70\nsock 8\n",
		"memory.events": "low 0\nmax 9\noom_kill 2\n", "memory.swap.current": "100\n", "memory.swap.max": "max\n", "memory.swap.events": "high 0\nmax 4\n",
		"pids.current": "3\n", "pids.max": "max\n", "pids.peak": "6\n", "pids.events": "max 8\n",
		"io.stat":              "259:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0 \n(unknown) rbytes=5\n",
		"io.pressure":          "full avg10=0.00 avg60=0.00 avg300=0.00 total=11\n",
		"hugetlb.2MB.current":  "4194304\n",
		"hugetlb.2MB.events":   "max 12\n",
		"rdma.current":         "mlx4_0 hca_handle=2 hca_object=20\n",
		"misc.current":         "sev 3\nsev_es 0\n",
		"misc.max":             "sev 5\nsev_es max\n",
		"misc.events":          "sev.max 13\nsev_es.max 0\n",
		"hugetlb.evil.current": "1\n",
	})
	entry := func(op string, value uint64) stats.BlockIOEntry {
		return stats.BlockIOEntry{Major: 259, Op: op, Value: value}
	}
	got := stats.Stats{
		CPU: f.cpu(), CPUSet: f.cpuset(), Memory: f.memory(), Pids: f.pids(), BlockIO: f.io(), Hugetlb: f.hugetlb([]string{"2MB", "1GB"}), Rdma: f.rdma(), Misc: f.misc(),
	}
	want := stats.Stats{
		CPU: stats.CPU{
			Usage:      stats.CPUUsage{Total: 30000, User: 20000, Kernel: 10000},
			Throttling: stats.Throttling{Periods: 5, ThrottledPeriods: 2, ThrottledTime: 7000, Bursts: 1, BurstTime: 3000},
			PSI:        &stats.PSI{Some: stats.Pressure{Avg10: 1, Avg60: 2, Avg300: 3, Total: 4}},
		},
		CPUSet: stats.CPUSet{CPUs: []uint16{0, 1}, Mems: []uint16{0}},
		Memory: stats.Memory{
			Cache: 600, Usage: stats.MemoryEntry{Limit: 5000, Usage: 1000, Max: 2000, Failcnt: 9},
			Swap:   stats.MemoryEntry{Limit: math.MaxUint64, Usage: 1100, Failcnt: 4},
			Kernel: stats.MemoryEntry{Limit: math.MaxUint64, Usage: 70}, KernelTCP: stats.MemoryEntry{Limit: math.MaxUint64, Usage: 8},
			Raw:    map[string]uint64{"anon": 5, "file": 600, "kernel": 70, "sock": 8},
			Events: map[string]uint64{"low": 0, "max": 9, "oom_kill": 2},
		},
		Pids: stats.Pids{Current: 3, Peak: 6, Failcnt: 8},
		BlockIO: stats.BlockIO{
			IoServiceBytesRecursive: []stats.BlockIOEntry{entry("Read", 1), entry("Write", 2), entry("Discard", 0)},
			IoServicedRecursive:     []stats.BlockIOEntry{entry("Read", 3), entry("Write", 4), entry("Discard", 0)},
			PSI:                     &stats.PSI{Full: stats.Pressure{Total: 11}},
		},
		Hugetlb: map[string]stats.Hugetlb{"2MB": {Usage: 4194304, Failcnt: 12}},
		Rdma:    map[string]stats.Rdma{"mlx4_0": {Handles: 2, Objects: 20}},
		Misc:    map[string]stats.Misc{"sev": {Usage: 3, Max: 5, Events: 13}, "sev_es": {}},
	}
	if !reflect.DeepEqual(got, want) || f.err != nil {
		t.Errorf("got  %+v (%v)\nwant %+v", got, f.err, want)
	}
}

func TestStatsWithLimits(t *testing.T) {
	f := written(t, map[string]string{"memory.stat": "anon 5\n", "memory.max": "5000\n", "memory.swap.max": "300\n", "memory.current": "10\n", "pids.max": "7\n"})
	if m := f.memory(); m.Swap.Limit != 5300 || m.Swap.Usage != 10 || m.Kernel != (stats.MemoryEntry{}) {
		t.Errorf("%+v", m)
	}
	if p := f.pids(); p.Limit != 7 {
		t.Errorf("%+v", p)
	}
}

// Absent files are zeros; other errors are errors.
func TestStatsOfNothing(t *testing.T) {
	f := written(t, nil)
	if m := f.memory(); !reflect.DeepEqual(m, stats.Memory{}) {
		t.Errorf("%+v", m)
	}
	if f.misc() != nil || f.rdma() != nil || len(f.hugetlb([]string{"2MB"})) != 0 || f.cpu().PSI != nil || f.err != nil {
		t.Errorf("something of nothing (%v)", f.err)
	}
	f = written(t, nil)
	f.read(".")
	if f.err == nil {
		t.Error("reading a directory is no error")
	}
}

func TestStatsLive(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	run(t, c, "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo up; exec sleep 1000")
	s, err := At(c.Dir).Stats()
	for end := time.Now().Add(patience); err == nil && s.CPU.Usage.User+s.CPU.Usage.Kernel == 0 && time.Now().Before(end); s, err = At(c.Dir).Stats() {
		time.Sleep(time.Millisecond) // it is still on its CPU: its time is counted when it leaves it
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.CPU.Usage.Total == 0 || s.CPU.Usage.User+s.CPU.Usage.Kernel == 0 {
		t.Errorf("cpu %+v", s.CPU)
	}
	has := func(name string) bool { return slices.Contains(tree.Controllers, name) }
	if has("memory") != (s.Memory.Usage.Usage > 0) || has("memory") != (len(s.Memory.Raw) > 10) || has("memory") != (len(s.Memory.Events) > 4) {
		t.Errorf("memory %+v", s.Memory)
	}
	if has("memory") && (s.Memory.Usage.Limit != math.MaxUint64 || s.Memory.Swap.Limit != math.MaxUint64) {
		t.Errorf("memory %+v", s.Memory)
	}
	if has("pids") != (s.Pids.Current == 1) || s.Pids.Limit != 0 {
		t.Errorf("pids %+v", s.Pids)
	}
	if has("cpuset") != (len(s.CPUSet.CPUs) > 0 && len(s.CPUSet.Mems) > 0) {
		t.Errorf("cpuset %+v", s.CPUSet)
	}
	if has("hugetlb") && len(pageSizes()) != len(s.Hugetlb) {
		t.Errorf("hugetlb %+v, page sizes %v", s.Hugetlb, pageSizes())
	}
	if _, err := os.Stat(c.Dir + "/cpu.pressure"); (err == nil) != (s.CPU.PSI != nil) {
		if b, err := os.ReadFile(c.Dir + "/cpu.pressure"); err == nil {
			t.Errorf("cpu.pressure is %q, PSI %+v", b, s.CPU.PSI)
		}
	}
}

func TestStatsGone(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	if err := At(c.Dir).Remove(patience); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Cgroup{"open": c, "closed": At(c.Dir)} {
		if s, err := c.Stats(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %+v (%v)", name, s, err)
		}
	}
}

func TestPageSizes(t *testing.T) {
	for _, size := range pageSizes() {
		if !isPageSize(size) {
			t.Errorf("%q", size)
		}
		b, err := os.ReadFile("/sys/fs/cgroup/hugetlb/hugetlb." + size + ".usage_in_bytes") // v1 has files in its root
		if _, v1 := os.Stat("/sys/fs/cgroup/hugetlb"); v1 == nil && err != nil {
			t.Errorf("%s is no size of the kernel's (%q, %v)", size, b, err)
		}
	}
}

func TestThrottlingIsTold(t *testing.T) {
	c := limited(t, cpuOf(1000, 20000, 0))
	run(t, c, "echo up; while :; do :; done")
	for deadline := patience; ; {
		s, err := c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if s.CPU.Throttling.ThrottledPeriods > 3 && s.CPU.Throttling.ThrottledTime > 0 {
			break
		}
		if deadline -= pause(t); deadline < 0 {
			t.Fatalf("%+v", s.CPU.Throttling)
		}
	}
}

func TestPidsFailuresAreTold(t *testing.T) {
	c := limited(t, specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(1))}})
	cmd := run(t, c, "echo up; sleep 1000; :")
	_ = cmd.Wait()
	s, err := c.Stats()
	if err != nil || s.Pids.Failcnt == 0 || s.Pids.Limit != 1 {
		t.Errorf("%+v (%v)", s, err)
	}
}
