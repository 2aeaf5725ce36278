package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// The init process is in its cgroup when create returns, at the path that the configuration says.
func TestCgroupPath(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	want := fmt.Sprintf("/tare-test-%d/%s", os.Getpid(), c.ID)
	pid := c.Create()
	dir := OwnCgroup(t, pid)
	if !strings.HasSuffix(dir, want) {
		t.Errorf("the cgroup is %s, want one that ends in %s", dir, want)
	}
	if procs := CgroupFile(t, dir, "cgroup.procs"); procs != strconv.Itoa(pid) {
		t.Errorf("%s has processes %q, want only %d", dir, procs, pid)
	}
	c.Start()
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the cgroup went before delete: %v", err)
	}
	c.Tare("delete", c.ID).OK(t)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the cgroup is still there after delete: %v", err)
	}
}

// Without a path the cgroup is named for the container, somewhere that is the runtime's choice.
func TestCgroupDefaultPath(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Linux.CgroupsPath = "" })
	dir := OwnCgroup(t, c.Create())
	if filepath.Base(dir) != c.ID {
		t.Errorf("the cgroup is %s", dir)
	}
	c.Tare("delete", "--force", c.ID).OK(t)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the cgroup is still there after delete: %v", err)
	}
}

// Another container's cgroup is not for sharing.
func TestCgroupInUse(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner := NewContainer(t, Args("sleep"))
	owner.Create()
	c := NewContainer(t)
	path := c.Spec.Linux.CgroupsPath
	c.Spec.Linux.CgroupsPath = owner.Spec.Linux.CgroupsPath
	c.WriteSpec(t)
	if IsCrun() {
		t.Skip("crun shares it")
	}
	c.Run().Exit(t, 1)
	c.Spec.Linux.CgroupsPath = path
	if s := owner.State(); s.Status != specs.StateCreated {
		t.Errorf("the owner is %s", s.Status)
	}
}

// Deny all but read and mknod of one device, on either hierarchy.
func TestDeviceRules(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if IsCrun() {
		t.Skip("its device rules are left out of these tests: see testutil")
	}
	major, minor := int64(1), int64(11) // /dev/kmsg, which every kernel has and no list of defaults
	rules := func(access string) Edit {
		return func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
			if access != "" {
				s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: access})
			}
		}
	}
	device := func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/it", Type: "c", Major: major, Minor: minor}}
		WithCaps("CAP_MKNOD", "CAP_SYSLOG")(s)
	}
	for name, tt := range map[string]struct {
		access string
		args   []string
		out    string
	}{
		"read denied":    {"", []string{"open", "/dev/it", "rdonly"}, "EPERM\n"},
		"read allowed":   {"r", []string{"open", "/dev/it", "rdonly"}, "ok\n"},
		"write denied":   {"r", []string{"open", "/dev/it", "wronly"}, "EPERM\n"},
		"default device": {"", []string{"open", "/dev/null", "rdwr"}, "ok\n"},
		"default mknod":  {"", []string{"mknod", "/dev/other", "c", "200", "3"}, "ok\n"},
		"made and used":  {"", []string{"open", "/dev/zero", "rdonly"}, "ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, rules(tt.access), device, Args(tt.args...))
			if res := c.Run(); res.Stdout != tt.out {
				t.Errorf("%v: %q %s, want %q", tt.args, res.Stdout, res.Stderr, tt.out)
			}
		})
	}
}

// The annotation leaves the rules of config.json alone, which update can change.
func TestDeviceRulesAlone(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the annotation is tare's")
	}
	major, zero := int64(1), int64(5)
	for value, want := range map[string]string{"false": "EPERM\n", "true": "ok\n"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			edit := func(s *specs.Spec) {
				s.Annotations = map[string]string{"tare.default-devices": value}
				s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
					{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: &major, Minor: &zero, Access: "rw"},
				}}
			}
			for device, want := range map[string]string{"/dev/zero": "ok\n", "/dev/full": want} {
				if res := NewContainer(t, edit, Args("open", device, "rdonly")).Run(); res.Stdout != want {
					t.Errorf("%s: %q %s, want %q", device, res.Stdout, res.Stderr, want)
				}
			}
		})
	}
}

func TestLimitsReadBack(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "cpu", "memory", "pids")
	var (
		shares, period, quota        = uint64(1024), uint64(50000), int64(20000)
		memory, reservation, swapAll = int64(64 << 20), int64(32 << 20), int64(96 << 20)
		pids                         = int64(77)
	)
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{
			CPU:     &specs.LinuxCPU{Shares: &shares, Period: &period, Quota: &quota},
			Memory:  &specs.LinuxMemory{Limit: &memory, Reservation: &reservation, Swap: &swapAll},
			Pids:    &specs.LinuxPids{Limit: &pids},
			Unified: map[string]string{"memory.high": "50331648"},
		}
	})
	dir := CgroupOf(t, c.Create(), "")
	want := map[string]string{
		"cpu.max": "20000 50000", "memory.max": "67108864", "memory.low": "33554432", "pids.max": "77", "memory.high": "50331648",
	}
	if IsTare() {
		want["cpu.weight"] = "100"
	}
	if _, err := os.Stat(filepath.Join(dir, "memory.swap.max")); err == nil {
		want["memory.swap.max"] = "33554432"
	}
	for file, value := range want {
		if got := CgroupFile(t, dir, file); got != value {
			t.Errorf("%s is %q, want %q", file, got, value)
		}
	}
	t.Run("update", func(t *testing.T) {
		NeedCommand(t, "update")
		c.Tare("update", "--pids-limit", "88", "--memory", "80m", "--memory-swap", "-1", c.ID).OK(t)
		if got := CgroupFile(t, dir, "pids.max") + " " + CgroupFile(t, dir, "memory.max"); got != "88 83886080" {
			t.Errorf("after update: %s", got)
		}
	})
}

func TestMemoryLimitKills(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedLimits(t, "memory")
	limit := int64(16 << 20)
	edit := func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}
	}
	c := NewContainer(t, edit, Args("memory", strconv.Itoa(64<<20)))
	c.Run().Exit(t, 137)
	if res := NewContainer(t, edit, Args("memory", strconv.Itoa(1<<20))).Run().OK(t); res.Stdout != "ok\n" {
		t.Errorf("a megabyte under a limit of 16: %q", res.Stdout)
	}

	t.Run("events stay until delete", func(t *testing.T) {
		file := "memory.events"
		if OnV1("memory") {
			file = "memory.oom_control"
		}
		c := NewContainer(t, edit, Args("memory", strconv.Itoa(64<<20)))
		pid := c.Create()
		dir := CgroupOf(t, pid, "memory")
		c.Start()
		c.Wait(pid)
		if got := CgroupFile(t, dir, file); !strings.Contains(got, "oom_kill 1") {
			t.Errorf("%s: %s", file, got)
		}
	})
}

func TestPidsLimit(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedLimits(t, "pids")
	limit := int64(30)
	c := NewContainer(t, Args("fork", "50"), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	})
	res := c.Run().OK(t)
	var made int
	var errno string
	if _, err := fmt.Sscan(res.Stdout, &made, &errno); err != nil || made >= 30 || errno != "EAGAIN" {
		t.Errorf("fork under pids.max 30: %q", res.Stdout)
	}
}

func TestCPULimitThrottles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedLimits(t, "cpu")
	period, quota := uint64(100000), int64(10000)
	c := NewContainer(t, Args("cpu", "2"), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Period: &period, Quota: &quota}}
	})
	pid := c.Create()
	dir := CgroupOf(t, pid, "cpu")
	c.Start()
	c.Wait(pid)
	stat := CgroupFile(t, dir, "cpu.stat")
	if strings.Contains(stat, "nr_throttled 0\n") || !strings.Contains(stat, "nr_throttled ") {
		t.Errorf("cpu.stat:\n%s", stat)
	}
}

// A cgroup mount shows the container its own cgroup, as the root of its cgroup namespace.
func TestCgroupMount(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !CgroupV2() {
		t.Skip("needs cgroup v2: see TestCgroupMountV1")
	}
	c := NewContainer(t, WithNamespace(specs.CgroupNamespace, ""), WithMount(specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"},
	}))
	r := c.Report()
	if len(r.Cgroups) != 1 || r.Cgroups[0] != "0::/" {
		t.Errorf("/proc/self/cgroup: %q", r.Cgroups)
	}
	if m := mountAt(t, r, "/sys/fs/cgroup"); m.Type != "cgroup2" || m.Root != "/" || !hasOptions(m, "ro", "nosuid", "nodev", "noexec") {
		t.Errorf("/sys/fs/cgroup: %+v", m)
	}
}
