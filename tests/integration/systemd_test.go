package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A unitOwner is whose systemd makes the cgroup: root's, or that of an ordinary user.
type unitOwner struct {
	uid   uint32
	slice string // where its units go, below its manager's cgroup
	base  string // that cgroup
}

var rootUnits = unitOwner{slice: "system.slice", base: "/sys/fs/cgroup"}

// lingering is a user whose systemd runs.
func lingering(t *testing.T) unitOwner {
	t.Helper()
	const uid = 1000
	bus := fmt.Sprintf("/run/user/%d/bus", uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		if _, err := os.Stat("/var/lib/systemd/linger/" + u.Username); err == nil {
			Eventually(t, "the user's systemd, as the host boots", func() bool { _, err := os.Stat(bus); return err == nil })
		}
	}
	if _, err := os.Stat(bus); err != nil {
		t.Skipf("needs a user of uid %d who may linger (loginctl enable-linger): %v", uid, err)
	}
	base := fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service", uid, uid)
	return unitOwner{uid: uid, slice: "user.slice", base: base}
}

// eachOwner runs the test for root and for an ordinary user.
func eachOwner(t *testing.T, test func(t *testing.T, o unitOwner)) {
	NeedSystemd(t)
	t.Run("root", func(t *testing.T) { test(t, rootUnits) })
	t.Run("user", func(t *testing.T) { test(t, lingering(t)) })
}

// as has a command run by the owner.
func (o unitOwner) as(cmd *exec.Cmd) *exec.Cmd {
	if o.uid == 0 {
		return cmd
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: o.uid, Gid: o.uid, Groups: []uint32{}}}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", o.uid)}
	cmd.Dir = "/"
	return cmd
}

func (o unitOwner) systemctl(t testing.TB, args ...string) string {
	t.Helper()
	if o.uid != 0 {
		args = append([]string{"--user"}, args...)
	}
	return strings.TrimSpace(Do(t, o.as(exec.Command("systemctl", args...))).Stdout)
}

// unit is a container in a scope.
type unit struct {
	*Container
	o    unitOwner
	name string
}

func (o unitOwner) newUnit(t *testing.T, edits ...Edit) *unit {
	t.Helper()
	var u unit
	edits = append([]Edit{WithoutMount("/sys"), Args("sleep")}, edits...)
	if o.uid != 0 {
		edits = append([]Edit{rootless(o.uid, o.uid)}, edits...)
	}
	u.Container, u.o = NewContainer(t, edits...), o
	resources := u.Spec.Linux.Resources
	if o.uid != 0 {
		u.AsUser(o.uid, o.uid)
	}
	u.Spec.Linux.Resources = resources
	u.Spec.Linux.CgroupsPath = ":taretest:" + u.ID
	u.name = "taretest-" + u.ID + ".scope"
	u.WriteSpec(t)
	t.Cleanup(func() {
		u.Container.Tare("delete", "--force", u.ID) // by the state alone: without flag and environment
		u.gone(t)
	})
	return &u
}

// command prepares a call of the runtime with the flag and the owner's environment.
func (u *unit) command(args ...string) *exec.Cmd {
	return u.o.as(u.Command(append([]string{"--systemd-cgroup"}, args...)...))
}

func (u *unit) tryCreate(t testing.TB) *Result {
	t.Helper()
	return Do(t, u.command("create", "--bundle", u.Dir, "--pid-file", filepath.Join(u.Dir, "pid"), u.ID))
}

func (u *unit) create(t testing.TB) (pid int) {
	t.Helper()
	u.tryCreate(t).OK(t)
	return u.PidFile(filepath.Join(u.Dir, "pid"))
}

func (u *unit) dir() string { return filepath.Join(u.o.base, u.o.slice, u.name) }

// show asks systemd for properties of the unit.
func (u *unit) show(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.SplitSeq(u.o.systemctl(t, "show", "--", u.name), "\n") {
		key, value, _ := strings.Cut(line, "=")
		if old, ok := all[key]; ok {
			value = old + ", " + value
		}
		all[key] = value
	}
	return all
}

// gone tells of what is left of the unit and its cgroup.
func (u *unit) gone(t testing.TB) {
	t.Helper()
	if left := u.o.systemctl(t, "list-units", "--all", "--plain", "--no-legend", u.name); left != "" {
		t.Errorf("a unit is left: %s", left)
	}
	if _, err := os.Stat(u.dir()); !os.IsNotExist(err) {
		t.Errorf("the cgroup %s is left: %v", u.dir(), err)
	}
}

func withResources(r specs.LinuxResources) Edit {
	return func(s *specs.Spec) {
		if r.Devices == nil {
			r.Devices = s.Linux.Resources.Devices
		}
		s.Linux.Resources = &r
	}
}

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

func (u *unit) checkFiles(t *testing.T, want map[string]string) {
	t.Helper()
	for file, value := range want {
		if got := CgroupFile(t, u.dir(), file); got != value {
			t.Errorf("%s is %q, want %q", file, got, value)
		}
	}
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

// All later commands know the driver from the state, and nothing but the state is left without it.
func TestSystemdLifecycle(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		u := o.newUnit(t)
		pid := u.create(t)
		u.Start()
		u.WaitStatus(specs.StateRunning)
		u.Tare("kill", u.ID, "KILL").OK(t)
		u.Wait(pid)
		u.Tare("delete", u.ID).OK(t)
		u.gone(t)

		u.create(t) // the name is free again
		u.Tare("delete", "--force", u.ID).OK(t)
		u.gone(t)

		u.Spec.Process.Args = []string{"/no/such/program"}
		u.WriteSpec(t)
		u.tryCreate(t).Exit(t, 1)
		u.gone(t)

		u.Spec.Process.Args = []string{"/probe", "sleep"}
		u.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
		u.WriteSpec(t)
		u.tryCreate(t).Exit(t, 1)
		u.gone(t)
	})
}

// Slices are nested by their names, and parents that systemd made for them are its own to keep.
func TestSystemdSlices(t *testing.T) {
	NeedSystemd(t)
	u := rootUnits.newUnit(t)
	for path, want := range map[string]string{
		"tarea-b.slice:p:" + u.ID: "/sys/fs/cgroup/tarea.slice/tarea-b.slice/p-" + u.ID + ".scope",
		"-:p:" + u.ID:             "/sys/fs/cgroup/p-" + u.ID + ".scope",
		"::tareb-" + u.ID[:1] + strings.ReplaceAll(u.ID, "-", "_") + ".slice": "/sys/fs/cgroup/tareb.slice/tareb-" + u.ID[:1] + strings.ReplaceAll(u.ID, "-", "_") + ".slice",
	} {
		u.Spec.Linux.CgroupsPath = path
		u.WriteSpec(t)
		pid := u.create(t)
		if dir := CgroupOf(t, pid, ""); dir != want {
			t.Errorf("%s: the cgroup is %s, want %s", path, dir, want)
		}
		u.Tare("delete", "--force", u.ID).OK(t)
		if _, err := os.Stat(want); !os.IsNotExist(err) {
			t.Errorf("%s: the cgroup is left: %v", path, err)
		}
		if left := rootUnits.systemctl(t, "list-units", "--all", "--plain", "--no-legend", filepath.Base(want)); left != "" {
			t.Errorf("a unit is left: %s", left)
		}
	}
	for path, want := range map[string]string{
		"/a/b":           "slice:prefix:name",
		"system.slice:a": "slice:prefix:name",
		"system:p:n":     `"system" is no name of a slice`,
		"::system.slice": "there is a unit of this name already",
		":p:a/b":         "is no name of a unit",
	} {
		u.Spec.Linux.CgroupsPath = path
		u.WriteSpec(t)
		u.tryCreate(t).Fails(t, want)
	}
}

func TestSystemdAnnotations(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		annotations := func(all map[string]string) Edit { return func(s *specs.Spec) { s.Annotations = all } }
		u := o.newUnit(t, annotations(map[string]string{
			"org.systemd.property.KillSignal": "2", "org.systemd.property.TimeoutStopUSec": "uint64 12000000",
			"org.systemd.property.CollectMode": "'inactive'", "org.systemd.property.RuntimeMaxSec": "3600",
			"org.systemd.property.MemoryHigh": "uint64 50331648", "com.example": "x",
		}))
		u.create(t)
		props := u.show(t)
		for name, want := range map[string]string{
			"KillSignal": "2", "TimeoutStopUSec": "12s", "CollectMode": "inactive", "RuntimeMaxUSec": "1h", "MemoryHigh": "50331648",
		} {
			if props[name] != want {
				t.Errorf("%s is %q, want %q", name, props[name], want)
			}
		}
		u = o.newUnit(t, annotations(map[string]string{"org.systemd.property.ExecStartPre": "'/bin/sh'"}))
		u.tryCreate(t).Fails(t, "ExecStartPre: not a property that an annotation may set")
		u.gone(t)
	})
}

// A unit that failed and is still known, as CollectMode=inactive keeps it, is no obstacle; one that runs is.
func TestSystemdUnitExists(t *testing.T) {
	NeedSystemd(t)
	limit := int64(8 << 20)
	u := rootUnits.newUnit(t, Args("memory", strconv.Itoa(64<<20)), withResources(specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}),
		func(s *specs.Spec) {
			s.Annotations = map[string]string{"org.systemd.property.CollectMode": "'inactive'", "org.systemd.property.OOMPolicy": "'kill'"}
		})
	pid := u.create(t)
	u.Start()
	u.Wait(pid)
	Eventually(t, "a failed unit", func() bool { return u.show(t)["ActiveState"] == "failed" })
	other := rootUnits.newUnit(t)
	other.Spec.Linux.CgroupsPath = u.Spec.Linux.CgroupsPath
	other.WriteSpec(t)
	other.create(t)

	third := rootUnits.newUnit(t)
	third.Spec.Linux.CgroupsPath = u.Spec.Linux.CgroupsPath
	third.WriteSpec(t)
	third.tryCreate(t).Fails(t, "unit "+u.name, "there is a unit of this name already")
	if s := other.State(); s.Status != specs.StateCreated {
		t.Errorf("the owner is %s", s.Status)
	}
	third.Tare("delete", "--force", third.ID).OK(t)
	if s := other.State(); s.Status != specs.StateCreated {
		t.Errorf("after another's delete the owner is %s", s.Status)
	}
	other.Tare("delete", "--force", other.ID).OK(t)
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

func TestSystemdPause(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		NeedCommand(t, "pause", "resume")
		u := o.newUnit(t)
		u.create(t)
		u.Start()
		u.Tare("pause", u.ID).OK(t)
		u.checkFiles(t, map[string]string{"cgroup.freeze": "1"})
		if s := u.State(); s.Status != "paused" {
			t.Errorf("status %s", s.Status)
		}
		u.Tare("resume", u.ID).OK(t)
		u.Tare("pause", u.ID).OK(t)
		u.Tare("delete", "--force", u.ID).OK(t)
		u.gone(t)
	})
}

// kill -9 of the runtime at any moment leaves nothing that delete --force does not remove.
func TestSystemdRuntimeKilled(t *testing.T) {
	eachOwner(t, func(t *testing.T, o unitOwner) {
		u := o.newUnit(t)
		begin := time.Now()
		u.create(t)
		whole := time.Since(begin)
		u.Tare("delete", "--force", u.ID).OK(t)
		const rounds = 12
		for i := range rounds {
			cmd := u.command("create", "--bundle", u.Dir, u.ID)
			Begin(t, cmd)
			time.Sleep(whole * time.Duration(i+1) / rounds)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			u.Tare("delete", "--force", u.ID).OK(t)
			Reap(t, u.Marks()...)
			u.gone(t)
			if left := u.Traces(); len(left) > 0 {
				t.Errorf("killed after %d/%d of a create: %s is left", i+1, rounds, strings.Join(left, ", "))
			}
		}
	})
}

// A bus that takes the connection and never answers is an error within the time limit, before anything was made.
func TestSystemdHungBus(t *testing.T) {
	NeedSystemd(t)
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := rootUnits.newUnit(t)
	cmd := u.command("create", "--bundle", u.Dir, u.ID)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+path)
	begin := time.Now()
	Do(t, cmd).Fails(t, "connect to systemd: D-Bus socket "+path, "timed out", "10s")
	if took := time.Since(begin); took > Deadline() {
		t.Errorf("it took %v", took)
	}
	u.gone(t)
}

// No bus at all, as on a host without one, or one whose daemon hangs: systemd has another door, for root.
func TestSystemdWithoutBus(t *testing.T) {
	NeedSystemd(t)
	pid, err := strconv.Atoi(rootUnits.systemctl(t, "show", "--property=MainPID", "--value", "dbus.service"))
	if err != nil || pid == 0 {
		t.Skip("the bus is no dbus.service: its daemon cannot be stopped")
	}
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer unix.Kill(pid, unix.SIGCONT)
	u := rootUnits.newUnit(t)
	u.create(t)
	u.checkFiles(t, map[string]string{"cgroup.freeze": "0"})
	u.Tare("delete", "--force", u.ID).OK(t)
	u.gone(t)
}

// A systemd that hangs is an error in time, too; and of a container that was there, only the empty unit
// is left for it to remove when it comes back.
func TestSystemdHangs(t *testing.T) {
	NeedSystemd(t)
	o := lingering(t) // a user's, as init cannot be stopped
	there := o.newUnit(t)
	there.create(t)
	pid, err := strconv.Atoi(rootUnits.systemctl(t, "show", "--property=MainPID", "--value", fmt.Sprintf("user@%d.service", o.uid)))
	if err != nil || pid == 0 {
		t.Fatalf("the user's systemd: %v", err)
	}
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := sync.OnceFunc(func() { _ = unix.Kill(pid, unix.SIGCONT) })
	t.Cleanup(resume) // before the units' own
	u := o.newUnit(t)
	t.Cleanup(resume)
	begin := time.Now()
	u.tryCreate(t).Fails(t, "ask systemd for its cgroup", "timed out: no answer within 30s", "busy or hangs")
	if took := time.Since(begin); took > 3*Deadline() {
		t.Errorf("it took %v", took)
	}
	there.Tare("kill", there.ID, "KILL").OK(t)
	there.Tare("delete", "--force", there.ID).OK(t)
	if events := CgroupFile(t, there.dir(), "cgroup.events"); !strings.Contains(events, "populated 0") {
		t.Errorf("after delete: %s", events)
	}
	resume()
	Eventually(t, "the end of the unit", func() bool {
		return o.systemctl(t, "list-units", "--all", "--plain", "--no-legend", there.name) == ""
	})
	there.gone(t)
}

// From the cgroup of a login the user may move no process into one of the user's systemd: that one can have it moved.
func TestSystemdFromSession(t *testing.T) {
	NeedSystemd(t)
	u := lingering(t).newUnit(t)
	Do(t, exec.Command("systemd-run", "--scope", "--quiet", fmt.Sprintf("--uid=%d", u.o.uid), fmt.Sprintf("--slice=user-%d.slice", u.o.uid),
		fmt.Sprintf("--setenv=XDG_RUNTIME_DIR=/run/user/%d", u.o.uid),
		Runtime(), "--root", u.Root, "--systemd-cgroup", "create", "--bundle", u.Dir, "--pid-file", filepath.Join(u.Dir, "pid"), u.ID)).OK(t)
	if dir := CgroupOf(t, u.PidFile(filepath.Join(u.Dir, "pid")), ""); dir != u.dir() {
		t.Errorf("the cgroup is %s, want %s", dir, u.dir())
	}
}

// Root of a user namespace that a user has made is no root to the system's systemd, but its user to that user's.
func TestSystemdFromUserNamespace(t *testing.T) {
	NeedSystemd(t)
	u := lingering(t).newUnit(t)
	u.Spec.Linux.UIDMappings[0].HostID, u.Spec.Linux.GIDMappings[0].HostID = 0, 0
	u.WriteSpec(t)
	Do(t, u.o.as(exec.Command("unshare", "--user", "--map-root-user",
		Runtime(), "--root", u.Root, "--systemd-cgroup", "create", "--bundle", u.Dir, "--pid-file", filepath.Join(u.Dir, "pid"), u.ID))).OK(t)
	if dir := CgroupOf(t, u.PidFile(filepath.Join(u.Dir, "pid")), ""); dir != u.dir() {
		t.Errorf("the cgroup is %s, want %s", dir, u.dir())
	}
}

func TestSystemdNoManager(t *testing.T) {
	NeedSystemd(t)
	u := lingering(t).newUnit(t)
	cmd := u.command("create", "--bundle", u.Dir, u.ID)
	cmd.Env = []string{"XDG_RUNTIME_DIR=" + u.Dir}
	Do(t, cmd).Fails(t, "connect to the user's systemd", u.Dir+"/bus", "enable-linger")
	cmd = u.command("create", "--bundle", u.Dir, u.ID)
	cmd.Env = []string{"HOME=/"}
	Do(t, cmd).Fails(t, "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
}

// A hundred at once: all come and go, nothing is left, and the bus has time for others.
func TestSystemdMany(t *testing.T) {
	NeedSystemd(t)
	const many = 100
	together := many
	if os.Getenv("TARE_TEST_SLOW") != "" {
		together = 20 // more of them need more CPU time than an emulated machine has before the time limits are over
	}
	units := make([]*unit, many)
	for i := range units {
		units[i] = rootUnits.newUnit(t)
	}
	done := make(chan struct{})
	var worst time.Duration
	var asked sync.WaitGroup
	asked.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			begin := time.Now()
			out, err := exec.Command("busctl", "get-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Version").CombinedOutput()
			if err != nil {
				t.Errorf("the bus, meanwhile: %v %s", err, out)
			}
			worst = max(worst, time.Since(begin))
		}
	})
	begin := time.Now()
	for _, phase := range []func(u *unit) *exec.Cmd{
		func(u *unit) *exec.Cmd {
			return u.command("create", "--bundle", u.Dir, "--pid-file", filepath.Join(u.Dir, "pid"), u.ID)
		},
		func(u *unit) *exec.Cmd { return u.Command("delete", "--force", u.ID) },
	} {
		var work sync.WaitGroup
		room := make(chan struct{}, together)
		for _, u := range units {
			work.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				if res := Do(t, phase(u)); res.Code != 0 {
					t.Errorf("%s: %s", u.ID, res.Stderr)
				}
			})
		}
		work.Wait()
		t.Logf("after %v", time.Since(begin))
	}
	close(done)
	asked.Wait()
	t.Logf("the slowest answer to others took %v", worst)
	for _, u := range units {
		Reap(t, u.Marks()...)
	}
	if left := rootUnits.systemctl(t, "list-units", "--all", "--plain", "--no-legend", "taretest-*"); left != "" {
		t.Errorf("units are left: %s", left)
	}
	if worst > Deadline() {
		t.Errorf("somebody else waited %v for the bus", worst)
	}
}
