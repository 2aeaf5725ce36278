package cgroups

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/v1"
	"tare/cgroups/v2"
)

// needV1 skips a test where the memory controller is not on v1, and gives the path of a cgroup of its own, to be made.
func needV1(t testing.TB) string {
	t.Helper()
	_, root := needTree(t)
	if v1Dir("memory") == "" {
		t.Skip("this host has no memory controller on cgroup v1")
	}
	return root
}

func TestSplit(t *testing.T) {
	res := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{}}, Memory: &specs.LinuxMemory{}, Pids: &specs.LinuxPids{}, BlockIO: &specs.LinuxBlockIO{},
		CPU:            &specs.LinuxCPU{Shares: new(uint64(5)), Cpus: "0", Mems: "1"},
		HugepageLimits: []specs.LinuxHugepageLimit{{}}, Network: &specs.LinuxNetwork{}, Rdma: map[string]specs.LinuxRdma{"a": {}},
		Unified: map[string]string{"a": "b"},
	}
	for _, tc := range []struct {
		name            string
		tree            *v2.Tree
		devices, memory bool // on v2
		cpus            bool // the cpuset part of cpu, on v2
		shares          bool
	}{
		{"no v2 tree", nil, false, false, false, false},
		{"an empty one", &v2.Tree{}, true, false, false, false},
		{"with cpuset", &v2.Tree{Controllers: []string{"cpuset"}}, true, false, true, false},
		{"with cpu and memory", &v2.Tree{Controllers: []string{"cpu", "memory"}}, true, true, false, true},
		{"with both", &v2.Tree{Controllers: []string{"cpu", "cpuset"}}, true, false, true, true},
	} {
		two, one := split(res, tc.tree)
		if (two.Devices != nil) != tc.devices || (one.Devices == nil) != tc.devices || (two.Unified != nil) != tc.devices {
			t.Errorf("%s: devices", tc.name)
		}
		if (two.Memory != nil) != tc.memory || (one.Memory == nil) != tc.memory {
			t.Errorf("%s: memory", tc.name)
		}
		if (two.CPU != nil && two.CPU.Cpus == "0" && two.CPU.Mems == "1") != tc.cpus || (one.CPU == nil || one.CPU.Cpus == "") != tc.cpus {
			t.Errorf("%s: cpuset %+v %+v", tc.name, two.CPU, one.CPU)
		}
		if (two.CPU != nil && two.CPU.Shares != nil) != tc.shares || (one.CPU == nil || one.CPU.Shares == nil) != tc.shares {
			t.Errorf("%s: cpu %+v %+v", tc.name, two.CPU, one.CPU)
		}
		if one.Network == nil || one.Rdma == nil || one.HugepageLimits == nil || one.Pids == nil || one.BlockIO == nil {
			t.Errorf("%s: what no tree has is not on v1", tc.name)
		}
	}
	if two, one := split(nil, nil); two != nil || one != nil {
		t.Error("nothing was divided")
	}
}

// sleeper starts a process in the cgroup.
func sleeper(m Manager, script string) (*exec.Cmd, error) {
	cmd := exec.Command("/bin/sh", "-c", "read go; "+script)
	dir, err := m.Dir()
	if err != nil {
		return nil, err
	}
	if dir != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := m.Adopt(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	_, err = in.Write([]byte("go\n"))
	return cmd, err
}

func value(m Manager, file string) string {
	controller, _, _ := strings.Cut(file, ".")
	for _, d := range m.State().V1 {
		if slices.Contains(d.Controllers, controller) {
			text, err := os.ReadFile(d.Path() + "/" + file)
			if err != nil {
				return err.Error()
			}
			return strings.TrimSpace(string(text))
		}
	}
	return "no " + controller
}

func TestLegacyLifecycle(t *testing.T) {
	root := needV1(t)
	cfg := Config{ID: "web", Path: root + "/sub/web", Shown: true}
	defer func() {
		left, _ := filepath.Glob("/sys/fs/cgroup/*" + root + "/sub")
		for _, dir := range left { // links lead to some of them twice
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}
	}()
	m, err := New(cfg, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(128 << 20))},
		CPU:    &specs.LinuxCPU{Quota: new(int64(20000)), Period: new(uint64(50000))},
		Pids:   &specs.LinuxPids{Limit: new(int64(20))},
	})
	must(t, err)
	text, err := json.Marshal(m.State())
	must(t, err)
	must(t, m.Create())
	if now, _ := json.Marshal(m.State()); !bytes.Equal(now, text) {
		t.Errorf("state %s after Create, %s before", now, text)
	}
	cmd, err := sleeper(m, "exec sleep 1000")
	must(t, err)
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	must(t, err)
	for line := range strings.Lines(string(own)) {
		if !strings.HasSuffix(line, cfg.Path+"\n") {
			t.Errorf("the process is in %s", line)
		}
	}
	must(t, m.Close())

	var state State
	must(t, json.Unmarshal(text, &state))
	m, err = Load(state)
	must(t, err)
	t.Run("update", func(t *testing.T) { updates(t, m) })
	t.Run("stats", func(t *testing.T) {
		s, err := m.Stats()
		for end := time.Now().Add(patience); err == nil && s.CPU.Usage.Total == 0 && time.Now().Before(end); s, err = m.Stats() {
			time.Sleep(time.Millisecond) // it has only just been let run
		}
		must(t, err)
		if s.Pids.Current != 1 || s.Pids.Limit != 30 || s.Memory.Usage.Limit != 32<<20 || s.Memory.Swap.Limit != 96<<20 || s.CPU.Usage.Total == 0 ||
			len(s.CPU.Usage.PerCPU) == 0 || len(s.CPU.Usage.PerCPUUser) == 0 || s.Memory.Raw["hierarchical_memory_limit"] != 32<<20 || s.CPUSet.CPUs == nil ||
			s.CPUSet.SchedRelaxDomainLevel != -1 {
			t.Errorf("%+v", s)
		}
	})
	must(t, m.Freeze(patience, -1))
	must(t, m.Thaw(patience))
	for _, d := range state.V1 { // as a container may
		must(t, os.MkdirAll(d.Path()+"/a/b", 0o755))
	}
	must(t, m.Kill())
	_ = cmd.Wait()
	must(t, m.Remove(patience))
	must(t, m.Remove(patience))
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + cfg.Path); left != nil {
		t.Errorf("left: %v", left)
	}
	if _, err := m.Stats(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stats of what is gone: %v", err)
	}
}

// updates changes limits, in the orders that the kernel wants, and has them back where one is refused.
func updates(t *testing.T, m Manager) {
	memory := func(limit, swap int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &swap}}
	}
	cpu := func(quota int64, period, burst uint64) *specs.LinuxResources {
		return &specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: &quota, Period: &period, Burst: &burst}}
	}
	for _, tc := range []struct {
		name  string
		res   *specs.LinuxResources
		files []string // and their contents
		fails string
	}{
		{"grow", memory(256<<20, 512<<20), []string{"memory.limit_in_bytes", "268435456", "memory.memsw.limit_in_bytes", "536870912"}, ""},
		{"lift", memory(-1, 0), []string{"memory.limit_in_bytes", "9223372036854771712", "memory.memsw.limit_in_bytes", "9223372036854771712"}, ""},
		{"shrink", memory(32<<20, 96<<20), []string{"memory.limit_in_bytes", "33554432", "memory.memsw.limit_in_bytes", "100663296"}, ""},
		{"limit above the sum", memory(128<<20, 0), []string{"memory.limit_in_bytes", "33554432"}, "linux.resources.memory.limit "},
		{"quota and burst", cpu(30000, 40000, 10000), []string{"cpu.cfs_quota_us", "30000", "cpu.cfs_period_us", "40000", "cpu.cfs_burst_us", "10000"}, ""},
		{"less of both", cpu(5000, 40000, 4000), []string{"cpu.cfs_quota_us", "5000", "cpu.cfs_burst_us", "4000"}, ""},
		{"more of both", cpu(80000, 90000, 80000), []string{"cpu.cfs_quota_us", "80000", "cpu.cfs_burst_us", "80000"}, ""},
		{
			"all or nothing",
			&specs.LinuxResources{
				CPU:  &specs.LinuxCPU{Shares: new(uint64(77)), Idle: new(int64(0)), Cpus: "4000-4001"},
				Pids: &specs.LinuxPids{Limit: new(int64(99))}, Memory: &specs.LinuxMemory{Limit: new(int64(16 << 20))},
			},
			[]string{"cpu.shares", "1024", "pids.max", "20", "memory.limit_in_bytes", "33554432"},
			"linux.resources.cpu.cpus ",
		},
		{
			"the v2 tree refuses",
			&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(99))}, Unified: map[string]string{"cgroup.nothing": "1"}},
			[]string{"pids.max", "20"},
			"linux.resources.unified",
		},
		{"devices and pids", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(30))}, Devices: []specs.LinuxDeviceCgroup{{}}}, []string{"pids.max", "30"}, ""},
	} {
		err := m.Update(tc.res)
		if (err == nil) != (tc.fails == "") || err != nil && !strings.HasPrefix(err.Error(), tc.fails) {
			t.Errorf("%s: %v", tc.name, err)
		}
		for i := 0; i < len(tc.files); i += 2 {
			if got := value(m, tc.files[i]); got != tc.files[i+1] {
				t.Errorf("%s: %s is %q, want %q", tc.name, tc.files[i], got, tc.files[i+1])
			}
		}
	}
}

func TestLegacyRefuses(t *testing.T) {
	root := needV1(t)
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
		want string
	}{
		{
			"a file of v2",
			specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}},
			`linux.resources.unified["memory.high"] (/linux/resources/unified/memory.high): the memory controller is on cgroup v1 (/sys/fs/cgroup/memory) on this host: it has no files of v2 there, only the limits that have fields of their own`,
		},
		{
			"no such controller",
			specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {HcaHandles: new(uint32(1))}}},
			"linux.resources.rdma.mlx (/linux/resources/rdma/mlx): no cgroup hierarchy with the rdma controller is mounted: ",
		},
		{
			"no such file",
			specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: new(uint16(10))}},
			"linux.resources.blockIO.leafWeight (/linux/resources/blockIO/leafWeight): write \"10\" to ",
		},
		{"what v2 refuses, after v1", specs.LinuxResources{Unified: map[string]string{"cgroup.nothing": "1"}}, `linux.resources.unified["cgroup.nothing"] `},
		{"a refused value", specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "4000"}}, "linux.resources.cpu.cpus (/linux/resources/cpu/cpus): write \"4000\" to "},
	} {
		if tc.res.Rdma != nil && v1Dir("rdma") != "" {
			continue
		}
		m, err := New(Config{ID: "x", Path: root + "/x"}, &tc.res)
		if err == nil {
			err = m.Create()
		}
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + root + "/x"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A v1 directory with somebody else's process in it is not taken, nor is the rest made.
func TestLegacyInUse(t *testing.T) {
	root := needV1(t)
	dir := "/sys/fs/cgroup/pids" + root
	if v1Dir("pids") == "" {
		t.Skip("no pids controller on v1")
	}
	must(t, os.MkdirAll(dir+"/x", 0o755))
	defer os.Remove(dir + "/x")
	cmd := exec.Command("sleep", "1000")
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	must(t, os.WriteFile(dir+"/x/cgroup.procs", fmt.Append(nil, cmd.Process.Pid), 0))
	m, err := New(Config{ID: "x", Path: root + "/x"}, nil)
	must(t, err)
	if err := m.Create(); !errors.Is(err, v2.ErrNotEmpty) || !strings.Contains(err.Error(), dir+"/x") {
		t.Errorf("create: %v", err)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + root + "/x"); !slices.Equal(left, []string{dir + "/x"}) {
		t.Errorf("there are %v", left)
	}
}

// A relative path is below our own cgroup in each hierarchy, and with a cgroup above that somebody made, ours is below that.
func TestLegacyPlaces(t *testing.T) {
	root := needV1(t)
	m, err := New(Config{ID: "some-id"}, nil)
	must(t, err)
	must(t, m.Close())
	own, err := os.ReadFile("/proc/self/cgroup")
	must(t, err)
	for line := range strings.Lines(string(own)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, d := range m.State().V1 {
			if fields[1] == strings.Join(d.Controllers, ",") && d.Cgroup != strings.TrimSuffix(fields[2], "/")+"/some-id" {
				t.Errorf("%s is %s, and ours %s", fields[1], d.Cgroup, fields[2])
			}
		}
	}
	if v1Dir("cpuset") == "" {
		t.Skip("no cpuset controller on v1")
	}
	has := func() bool {
		m, err := New(Config{ID: "x", Path: root + "/x"}, nil)
		must(t, err)
		must(t, m.Close())
		return slices.ContainsFunc(m.State().V1, func(d v1.Dir) bool { return slices.Contains(d.Controllers, "cpuset") })
	}
	if has() {
		t.Error("a cpuset that nobody asked for")
	}
	must(t, os.Mkdir("/sys/fs/cgroup/cpuset"+root, 0o755))
	if !has() {
		t.Error("not below the cpuset that is there")
	}
}
