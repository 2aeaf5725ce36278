package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// needV1 skips a test of cgroup v1 on a host that has no controllers there.
func needV1(t *testing.T) {
	t.Helper()
	NeedRoot(t)
	if !OnV1("memory") {
		t.Skip("needs cgroup v1: this host has no memory controller there (/sys/fs/cgroup/memory)")
	}
}

// limitV1 is one field of linux.resources and what it becomes in files of cgroup v1.
type limitV1 struct {
	name, pointer string
	resources     specs.LinuxResources
	files         map[string]string
	alone         bool // runc 1.1.5 does something else
}

// usesBFQ says whether that disk has the scheduler that knows weights.
func usesBFQ() bool {
	_, device := findDisk()
	text, _ := os.ReadFile("/sys/dev/block/" + device + "/queue/scheduler")
	return strings.Contains(string(text), "[bfq]")
}

func throttled(device specs.LinuxBlockIODevice, rate uint64) []specs.LinuxThrottleDevice {
	return []specs.LinuxThrottleDevice{{LinuxBlockIODevice: device, Rate: rate}}
}

// unlimited is how a limit of v1 reads that is none.
const unlimited = "9223372036854771712"

func limitsV1() []limitV1 {
	mem := func(m specs.LinuxMemory) specs.LinuxResources { return specs.LinuxResources{Memory: &m} }
	cpu := func(c specs.LinuxCPU) specs.LinuxResources { return specs.LinuxResources{CPU: &c} }
	io := func(b specs.LinuxBlockIO) specs.LinuxResources { return specs.LinuxResources{BlockIO: &b} }
	//lint:ignore SA1019 deprecated, but in use
	kernel := mem(specs.LinuxMemory{Kernel: new(int64(32 << 20))})
	list := []limitV1{
		{"nothing", "", specs.LinuxResources{}, map[string]string{
			"memory.limit_in_bytes": unlimited, "memory.memsw.limit_in_bytes": unlimited, "pids.max": "max", "cpu.shares": "1024", "cpu.cfs_quota_us": "-1",
		}, false},
		{"memory limit", "memory/limit", mem(specs.LinuxMemory{Limit: new(int64(64 << 20))}), map[string]string{
			"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": unlimited,
		}, false},
		{"memory and swap", "memory/swap", mem(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(96 << 20))}), map[string]string{
			"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "100663296",
		}, false},
		{"no swap", "memory/swap", mem(specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(64 << 20))}), map[string]string{
			"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864",
		}, false},
		{"no limit", "memory/limit", mem(specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(-1))}), map[string]string{
			"memory.limit_in_bytes": unlimited, "memory.memsw.limit_in_bytes": unlimited,
		}, false},
		{"reservation", "memory/reservation", mem(specs.LinuxMemory{Reservation: new(int64(32 << 20))}), map[string]string{
			"memory.soft_limit_in_bytes": "33554432",
		}, false},
		{"swappiness", "memory/swappiness", mem(specs.LinuxMemory{Swappiness: new(uint64(33))}), map[string]string{"memory.swappiness": "33"}, false},
		{"OOM killer off", "memory/disableOOMKiller", mem(specs.LinuxMemory{DisableOOMKiller: new(true)}), map[string]string{
			"memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0",
		}, false},
		{"hierarchy", "memory/useHierarchy", mem(specs.LinuxMemory{UseHierarchy: new(true)}), map[string]string{"memory.use_hierarchy": "1"}, false},
		{"kernel memory is ignored", "memory/kernel", kernel, map[string]string{
			"memory.kmem.limit_in_bytes": unlimited,
		}, false},
		{"TCP memory", "memory/kernelTCP", mem(specs.LinuxMemory{KernelTCP: new(int64(32 << 20))}), map[string]string{
			"memory.kmem.tcp.limit_in_bytes": "33554432",
		}, true}, // ignored there
		{"shares", "cpu/shares", cpu(specs.LinuxCPU{Shares: new(uint64(512))}), map[string]string{"cpu.shares": "512"}, false},
		{"quota and period", "cpu/quota", cpu(specs.LinuxCPU{Quota: new(int64(20000)), Period: new(uint64(50000))}), map[string]string{
			"cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "50000",
		}, false},
		{"quota", "cpu/quota", cpu(specs.LinuxCPU{Quota: new(int64(20000))}), map[string]string{"cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "100000"}, false},
		{"period", "cpu/period", cpu(specs.LinuxCPU{Period: new(uint64(50000))}), map[string]string{"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "50000"}, false},
		{"burst", "cpu/burst", cpu(specs.LinuxCPU{Quota: new(int64(20000)), Burst: new(uint64(10000))}), map[string]string{
			"cpu.cfs_quota_us": "20000", "cpu.cfs_burst_us": "10000",
		}, true}, // younger than it
		{"idle", "cpu/idle", cpu(specs.LinuxCPU{Idle: new(int64(1)), Shares: new(uint64(512))}), map[string]string{"cpu.idle": "1"}, true}, // younger than it
		{"real time", "cpu/realtime", cpu(specs.LinuxCPU{RealtimeRuntime: new(int64(2000)), RealtimePeriod: new(uint64(500000))}), map[string]string{
			"cpu.rt_runtime_us": "2000", "cpu.rt_period_us": "500000",
		}, true}, // it does not give those above any
		{"cpuset", "cpu/cpus", cpu(specs.LinuxCPU{Cpus: "0", Mems: "0"}), map[string]string{"cpuset.cpus": "0", "cpuset.mems": "0"}, false},
		{"pids", "pids/limit", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(77))}}, map[string]string{"pids.max": "77"}, false},
		{"no pids limit", "pids/limit", specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}}, map[string]string{"pids.max": "max"}, false},
		{"weight", "blockIO/weight", io(specs.LinuxBlockIO{Weight: new(uint16(200))}), map[string]string{"blkio.bfq.weight": "200"}, false},
		{"leaf weight", "blockIO/leafWeight", io(specs.LinuxBlockIO{LeafWeight: new(uint16(200))}), map[string]string{"blkio.leaf_weight": "200"}, false},
		{
			"huge pages", "hugepageLimits/0",
			specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}},
			map[string]string{"hugetlb.2MB.limit_in_bytes": "4194304", "hugetlb.2MB.rsvd.limit_in_bytes": "4194304"},
			false,
		},
		{"class", "network/classID", specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: new(uint32(0x100001))}}, map[string]string{"net_cls.classid": "1048577"}, false},
		{"priority", "network/priorities/0", specs.LinuxResources{
			Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}}},
		}, map[string]string{"net_prio.ifpriomap": "lo 5"}, false},
		{"rdma", "rdma/nothing", specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"nothing": {HcaHandles: new(uint32(3))}}}, map[string]string{"rdma.max": "of that device"}, false},
	}
	if dev, device := findDisk(); device != "" {
		list = append(
			list,
			limitV1{"throttled", "blockIO/throttleReadBpsDevice/0", io(specs.LinuxBlockIO{
				ThrottleReadBpsDevice: throttled(dev, 1000), ThrottleWriteBpsDevice: throttled(dev, 2000),
				ThrottleReadIOPSDevice: throttled(dev, 3000), ThrottleWriteIOPSDevice: throttled(dev, 4000),
			}), map[string]string{
				"blkio.throttle.read_bps_device": device + " 1000", "blkio.throttle.write_bps_device": device + " 2000",
				"blkio.throttle.read_iops_device": device + " 3000", "blkio.throttle.write_iops_device": device + " 4000",
			}, false},
			limitV1{"weight of a device", "blockIO/weightDevice/0/weight", io(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{
				LinuxBlockIODevice: dev, Weight: new(uint16(300)),
			}}}), map[string]string{"blkio.bfq.weight_device": device + " 300"}, true},
		)
	}
	return list
}

// Every limit is in its file when create returns, or refused by name where the host has no such file. runc writes the same.
func TestLimitsV1(t *testing.T) {
	t.Parallel()
	needV1(t)
	for _, tt := range limitsV1() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			edit := func(s *specs.Spec) { s.Linux.Resources = &tt.resources }
			c := NewContainer(t, Args("sleep"), edit)
			if missing := missingV1(t, c, tt.files); missing != "" {
				if IsTare() && !onUnified(missing) {
					res := c.Tare("create", "--bundle", c.Dir, c.ID)
					res.Fails(t, "(/linux/resources/"+tt.pointer)
				}
				t.Skip("this host has no " + missing + ": refused by name")
			}
			ours := filesV1(t, c.Create(), tt.files)
			for file, want := range tt.files {
				if got := ours[file]; got != want && !slices.Contains(strings.Split(got, "\n"), want) {
					t.Errorf("%s is %q, want %q", file, got, want)
				}
			}
			runc, err := exec.LookPath("runc")
			if tt.alone || !IsTare() || err != nil {
				return
			}
			other := NewContainer(t, Args("sleep"), edit)
			other.UseRuntime(runc)
			pid := other.Create()
			theirs := filesV1(t, pid, tt.files)
			other.Tare("kill", other.ID, "KILL").OK(t)
			other.Wait(pid) // it complains of cgroups that take a moment to become empty
			other.Tare("delete", other.ID)
			for file := range tt.files {
				if ours[file] != theirs[file] {
					t.Errorf("%s is %q, and by runc %q", file, ours[file], theirs[file])
				}
			}
		})
	}
}

// missingV1 names a file that cgroups do not have on this host: the first of a hierarchy that is not there or, as the root has
// not all the files, of a cgroup made to look.
func missingV1(t *testing.T, c *Container, files map[string]string) string {
	t.Helper()
	for file := range files {
		controller, _, _ := strings.Cut(file, ".")
		if !OnV1(controller) || controller == "rdma" || strings.HasSuffix(file, "weight_device") && !usesBFQ() {
			return file
		}
		dir := "/sys/fs/cgroup/" + controller + "/look-" + c.ID
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(dir + "/" + file)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			return file
		}
	}
	return ""
}

// onUnified says whether the v2 tree of a hybrid host has the controller of a file.
func onUnified(file string) bool {
	controller, _, _ := strings.Cut(file, ".")
	text, _ := os.ReadFile("/sys/fs/cgroup/unified/cgroup.controllers")
	return slices.Contains(strings.Fields(string(text)), controller)
}

func filesV1(t *testing.T, pid int, files map[string]string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for file := range files {
		controller, _, _ := strings.Cut(file, ".")
		got[file] = CgroupFile(t, CgroupOf(t, pid, controller), file)
	}
	return got
}

// The init process is in a cgroup of its own in each hierarchy that others look at, before it does anything, and delete takes them
// all, with those that the container made.
func TestCgroupsV1(t *testing.T) {
	t.Parallel()
	needV1(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	for _, name := range []string{"memory", "cpu", "cpuacct", "pids", "blkio"} {
		if !OnV1(name) {
			continue
		}
		dir := CgroupOf(t, pid, name)
		if !strings.HasSuffix(dir, "/"+c.ID) || CgroupFile(t, dir, "cgroup.procs") != fmt.Sprint(pid) {
			t.Errorf("%s: the cgroup is %s, with %q", name, dir, CgroupFile(t, dir, "cgroup.procs"))
		}
		if err := os.MkdirAll(dir+"/of/its/own", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.Tare("delete", "--force", c.ID).OK(t)
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A cgroup mount shows a directory for each hierarchy, read-only, with the container's own cgroup in it.
func TestCgroupMountV1(t *testing.T) {
	t.Parallel()
	needV1(t)
	for name, edit := range map[string]Edit{
		"in a namespace": WithNamespace(specs.CgroupNamespace, ""), "without one": WithoutNamespace(specs.CgroupNamespace),
		"in a user namespace": func(s *specs.Spec) {
			WithNamespace(specs.CgroupNamespace, "")(s)
			WithUserNamespace(100000, 65536)(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, edit, WithMount(specs.Mount{
				Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"},
			}))
			r := c.Report()
			if m := mountAt(t, r, "/sys/fs/cgroup"); m.Type != "tmpfs" || IsTare() && !hasOptions(m, "ro", "nosuid", "nodev", "noexec") {
				t.Errorf("/sys/fs/cgroup: %+v", m)
			}
			for _, line := range r.Cgroups {
				fields := strings.SplitN(line, ":", 3)
				dir := strings.TrimPrefix(fields[1], "name=")
				if dir == "" {
					dir = "unified"
				}
				var magic unix.Statfs_t
				if unix.Statfs("/sys/fs/cgroup/"+dir, &magic) != nil || dir == "unified" && (!IsTare() || magic.Type != unix.CGROUP2_SUPER_MAGIC) {
					continue
				}
				root := "/"
				if name == "without one" {
					root = fields[2]
				} else if fields[2] != "/" {
					t.Errorf("/proc/self/cgroup: %s", line)
				}
				if m := mountAt(t, r, "/sys/fs/cgroup/"+dir); m.Root != root || !hasOptions(m, "ro", "nosuid", "nodev", "noexec") {
					t.Errorf("%s: %+v", dir, m)
				}
			}
		})
	}
}

// Who may write no cgroup does without, and is told so if the config asks for a limit.
func TestRootlessV1(t *testing.T) {
	t.Parallel()
	needV1(t)
	c := NewContainer(t, WithUserNamespace(0, 1))
	c.Spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 4242, Size: 1}}
	c.Spec.Linux.GIDMappings = c.Spec.Linux.UIDMappings
	c.AsUser(4242, 4242)
	c.Spec.Mounts = slices.DeleteFunc(c.Spec.Mounts, func(m specs.Mount) bool { return m.Type == "devpts" || m.Type == "sysfs" })
	c.WriteSpec(t)
	c.Run().OK(t)
	c.Spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))}}
	c.WriteSpec(t)
	res := c.Run()
	res.Fails(t, "permission denied")
	if want := "(/linux/resources/memory/limit)"; IsTare() && !strings.Contains(res.Stderr, want) {
		t.Errorf("%s, want %s", res.Stderr, want)
	}
}

// A container that may write its cgroup of the freezer can freeze its own processes; they die all the same.
func TestKillSelfFrozenV1(t *testing.T) {
	t.Parallel()
	needV1(t)
	if !IsTare() {
		t.Skip("runc 1.1 does not remove such a container")
	}
	for name, remove := range map[string]func(*testing.T, *Container, int){
		"kill": func(t *testing.T, c *Container, pid int) {
			c.Tare("kill", c.ID, "KILL").OK(t)
			c.Wait(pid)
			c.Tare("delete", c.ID).OK(t)
		},
		"delete": func(t *testing.T, c *Container, pid int) {
			c.Tare("delete", "--force", c.ID).OK(t)
			c.Wait(pid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, pids := family(t, WithMount(specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"rw"}}))
			// As the container could do.
			dirs, err := filepath.Glob("/sys/fs/cgroup/freezer/*/" + c.ID)
			if err != nil || len(dirs) != 1 {
				t.Skipf("needs the freezer of cgroup v1: %v, %v", dirs, err)
			}
			deep := dirs[0] + "/a/b"
			if err := os.MkdirAll(deep, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, value := range map[string]string{"/cgroup.procs": strconv.Itoa(pids[3]), "/freezer.state": "FROZEN"} {
				if err := os.WriteFile(deep+file, []byte(value), 0); err != nil {
					t.Fatal(err)
				}
			}
			Eventually(t, "the child to stand still", func() bool {
				state, _ := os.ReadFile(deep + "/freezer.state")
				return string(state) == "FROZEN\n"
			})
			remove(t, c, pids[0])
		})
	}
}
