package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// What config.json says is what systemd says, and what the kernel says.
func TestSystemdLimits(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		u := o.newUnit(t, withResources(specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20)), Reservation: new(int64(16 << 20)), Swap: new(int64(64 << 20))},
			CPU: &specs.LinuxCPU{
				Shares: new(uint64(512)), Quota: new(int64(20333)), Period: new(uint64(50000)), Burst: new(uint64(1000)), Cpus: "0", Mems: "0",
			},
			Pids:    &specs.LinuxPids{Limit: new(int64(77))},
			BlockIO: &specs.LinuxBlockIO{Weight: new(uint16(300))},
			Unified: map[string]string{"memory.high": "50331648", "memory.min": "1048576", "memory.oom.group": "1"},
		}))
		pid := u.create(t)
		if dir := CgroupOf(t, pid, ""); dir != u.dir() {
			t.Fatalf("the cgroup is %s, want %s", dir, u.dir())
		}
		props := u.show(t)
		for _, tt := range []struct{ property, value string }{
			{"ActiveState", "active"},
			{"Slice", o.slice},
			{"Delegate", "yes"},
			{"CollectMode", "inactive-or-failed"},
			{"DefaultDependencies", "no"},
			{"NeedDaemonReload", "no"},
			{"Description", "tare container " + u.ID},
			{"CPUAccounting", "yes"},
			{"MemoryAccounting", "yes"},
			{"IOAccounting", "yes"},
			{"TasksAccounting", "yes"},
			{"MemoryMax", "67108864"},
			{"MemoryLow", "16777216"},
			{"MemorySwapMax", "0"},
			{"MemoryHigh", "50331648"},
			{"MemoryMin", "1048576"},
			{"CPUWeight", "59"},
			{"CPUQuotaPerSecUSec", "410ms"},
			{"CPUQuotaPeriodUSec", "50ms"},
			{"AllowedCPUs", "0"},
			{"AllowedMemoryNodes", "0"},
			{"TasksMax", "77"},
			{"IOWeight", "2930"},
		} {
			if props[tt.property] != tt.value {
				t.Errorf("%s is %q, want %q", tt.property, props[tt.property], tt.value)
			}
		}
		u.checkFiles(t, map[string]string{
			"memory.max": "67108864", "memory.low": "16777216", "memory.high": "50331648", "memory.min": "1048576",
			"memory.oom.group": "1", "cpu.max": "20333 50000", "cpu.max.burst": "1000", "cpu.weight": "59",
			"cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "77", "io.weight": "default 2930",
		})
	})
}

// What systemd cannot be told is in the files all the same: an idle CPU, hugepages.
func TestSystemdBeyondProperties(t *testing.T) {
	NeedSystemd(t)
	t.Run("idle", func(t *testing.T) {
		u := rootUnits.newUnit(t, withResources(specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: new(int64(1))}}))
		u.create(t)
		rootUnits.systemctl(t, "set-property", "--runtime", u.name, "CPUQuota=50%") // systemd writes the controller's files anew
		u.checkFiles(t, map[string]string{"cpu.idle": "1", "cpu.max": "50000 100000"})
	})
	t.Run("a property that this systemd may not have", func(t *testing.T) {
		if _, err := os.Stat("/sys/fs/cgroup/system.slice/memory.zswap.max"); err != nil {
			t.Skip("this kernel has no memory.zswap.max")
		}
		u := rootUnits.newUnit(t, withResources(specs.LinuxResources{Unified: map[string]string{"memory.zswap.max": "4096", "memory.high": "8388608"}}))
		u.create(t)
		u.checkFiles(t, map[string]string{"memory.zswap.max": "4096", "memory.high": "8388608"})
		if props := u.show(t); props["MemoryHigh"] != "8388608" {
			t.Errorf("MemoryHigh is %s", props["MemoryHigh"])
		}
	})
	t.Run("hugepages", func(t *testing.T) {
		NeedController(t, "hugetlb")
		u := rootUnits.newUnit(t, withResources(specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}}))
		u.create(t)
		u.checkFiles(t, map[string]string{"hugetlb.2MB.max": "4194304"})
	})
}

func TestSystemdLimitsHold(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		limit := int64(16 << 20)
		u := o.newUnit(t, Args("memory", strconv.Itoa(64<<20)), withResources(specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}))
		Do(t, u.command("run", "--bundle", u.Dir, u.ID)).Exit(t, 137)
		u.gone(t)
		u = o.newUnit(t, Args("fork", "50"), withResources(specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(30))}}))
		res := Do(t, u.command("run", "--bundle", u.Dir, u.ID)).OK(t)
		if !strings.Contains(res.Stdout, "EAGAIN") {
			t.Errorf("fork under a limit of 30: %q", res.Stdout)
		}
		u.gone(t)
	})
}

// The user's systemd has not been given the controller: nothing is made.
func TestSystemdNotDelegated(t *testing.T) {
	NeedSystemd(t)
	u := lingering(t).newUnit(t, withResources(specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}}))
	u.tryCreate(t).Fails(t, "linux.resources.hugepageLimits[0] (/linux/resources/hugepageLimits/0)", "hugetlb", "Delegate= of user@.service")
	u.gone(t)
}

// A daemon-reload, which has systemd attach its own device program again, neither opens nor closes a device, and undoes no limit.
func TestSystemdDaemonReload(t *testing.T) {
	NeedSystemd(t)
	major, minor := int64(1), int64(11) // /dev/kmsg, which no list of defaults has
	for name, tt := range map[string]struct{ access, want string }{
		"open":   {"rw", "ok\n"},
		"closed": {"m", "EPERM\n"},
	} {
		t.Run(name, func(t *testing.T) {
			u := rootUnits.newUnit(t, Args("open", "/dev/it", "rdonly"), WithCaps("CAP_MKNOD", "CAP_SYSLOG"), func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/it", Type: "c", Major: major, Minor: minor}}
			}, withResources(specs.LinuxResources{
				Devices: []specs.LinuxDeviceCgroup{
					{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: &major, Minor: &minor, Access: tt.access},
				},
				CPU:     &specs.LinuxCPU{Quota: new(int64(20000)), Period: new(uint64(50000)), Shares: new(uint64(512))},
				Pids:    &specs.LinuxPids{Limit: new(int64(77))},
				Memory:  &specs.LinuxMemory{Limit: new(int64(64 << 20))},
				Unified: map[string]string{"memory.oom.group": "1"},
			}))
			out, err := os.Create(filepath.Join(u.Dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := u.command("create", "--bundle", u.Dir, "--pid-file", filepath.Join(u.Dir, "pid"), u.ID)
			cmd.Stdout = out
			Do(t, cmd).OK(t)
			pid := u.PidFile(filepath.Join(u.Dir, "pid"))
			if props := u.show(t); props["DevicePolicy"] != "strict" || !strings.Contains(props["DeviceAllow"], "/dev/char/1:11 "+tt.access) {
				t.Errorf("DevicePolicy %s, DeviceAllow %s", props["DevicePolicy"], props["DeviceAllow"])
			}
			for range 2 {
				rootUnits.systemctl(t, "daemon-reload")
			}
			u.checkFiles(t, map[string]string{
				"cpu.max": "20000 50000", "cpu.weight": "59", "pids.max": "77", "memory.max": "67108864", "memory.oom.group": "1",
			})
			u.Start()
			u.Wait(pid)
			if got, _ := os.ReadFile(out.Name()); string(got) != tt.want {
				t.Errorf("open after daemon-reload: %q, want %q", got, tt.want)
			}
		})
	}
}

// The default devices are open too, under systemd's list as under ours: those by major number, such as pseudo-terminals.
func TestSystemdDefaultDevices(t *testing.T) {
	NeedSystemd(t)
	for _, args := range [][]string{{"open", "/dev/null", "rdwr"}, {"open", "/dev/ptmx", "rdwr"}, {"mknod", "/dev/other", "b", "200", "3"}} {
		u := rootUnits.newUnit(t, Args(args...), WithCaps("CAP_MKNOD"))
		if res := Do(t, u.command("run", "--bundle", u.Dir, u.ID)); res.Stdout != "ok\n" {
			t.Errorf("%v: %q %s", args, res.Stdout, res.Stderr)
		}
	}
}

func TestSystemdUpdate(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		NeedCommand(t, "update")
		u := o.newUnit(t, withResources(specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(77))}}))
		u.create(t)
		u.Tare("update", "--pids-limit", "88", "--memory", "80m", "--memory-swap", "-1", "--cpu-quota", "20500", "--cpu-period", "50000", u.ID).OK(t)
		o.systemctl(t, "daemon-reload")
		u.checkFiles(t, map[string]string{"pids.max": "88", "memory.max": "83886080", "cpu.max": "20500 50000"}) // 41 %: systemd keeps whole percents
		if props := u.show(t); props["TasksMax"] != "88" || props["MemoryMax"] != "83886080" || props["CPUQuotaPerSecUSec"] != "410ms" {
			t.Errorf("TasksMax %s, MemoryMax %s, CPUQuotaPerSecUSec %s", props["TasksMax"], props["MemoryMax"], props["CPUQuotaPerSecUSec"])
		}
	})
}
