package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

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
