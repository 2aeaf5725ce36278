package integration

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

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

func (u *unit) checkFiles(t *testing.T, want map[string]string) {
	t.Helper()
	for file, value := range want {
		if got := CgroupFile(t, u.dir(), file); got != value {
			t.Errorf("%s is %q, want %q", file, got, value)
		}
	}
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
