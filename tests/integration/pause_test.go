package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

const paused specs.ContainerState = "paused"

// ticks is the processor time that a process has had, in clock ticks.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return user + system
}

func TestPause(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "resume")
	c := NewContainer(t, Args("cpu", "600"))
	pid := c.Create()
	c.Start()
	start := ticks(t, pid)
	Eventually(t, "the workload", func() bool { return ticks(t, pid) > start })

	c.Tare("pause", c.ID).OK(t)
	before := ticks(t, pid)
	if s := c.State(); s.Status != paused || s.Pid != pid {
		t.Errorf("state after pause: %+v", s)
	}
	if out := c.Tare("list").OK(t).Stdout; !strings.Contains(out, " paused ") {
		t.Errorf("list does not say paused:\n%s", out)
	}
	c.Tare("pause", c.ID).Fails(t, "container not running")
	c.Tare("start", c.ID).Fails(t, "cannot start a container in the paused state", "it has been started, and resume lets it go on")
	c.Tare("delete", c.ID).Fails(t, "cannot delete container "+c.ID+" that is not stopped: paused")
	time.Sleep(100 * time.Millisecond)
	if now := ticks(t, pid); now != before {
		t.Errorf("it used %d ticks of processor time while it was paused", now-before)
	}

	c.Tare("resume", c.ID).OK(t)
	if s := c.State(); s.Status != specs.StateRunning {
		t.Errorf("status after resume: %s", s.Status)
	}
	c.Tare("resume", c.ID).Fails(t, "container not paused")
	Eventually(t, "the workload to go on", func() bool { return ticks(t, pid) > before })
}

// Signals wait, but SIGKILL does not.
func TestKillPaused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "resume")
	ready := func(t *testing.T, edits ...Edit) (*Container, int) {
		c := NewContainer(t, append([]Edit{Args("sleep")}, edits...)...)
		pid, output := c.WithOutput("create")
		c.Start()
		Eventually(t, "the workload", func() bool { return output() == "ready\n" })
		c.Tare("pause", c.ID).OK(t)
		return c, pid
	}
	t.Run("TERM", func(t *testing.T) {
		t.Parallel()
		c, pid := ready(t)
		c.Tare("kill", c.ID, "TERM").OK(t)
		if s := c.State(); s.Status != paused {
			t.Errorf("status after TERM: %s", s.Status)
		}
		c.Tare("resume", c.ID).OK(t)
		if status := c.Wait(pid); status.ExitStatus() != 64+int(unix.SIGTERM) {
			t.Errorf("wait status %x: the signal did not come", status)
		}
	})
	for name, edit := range map[string]Edit{
		"KILL": func(*specs.Spec) {}, "KILL, host's PID namespace": WithoutNamespace(specs.PIDNamespace),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, pid := ready(t, edit)
			c.Tare("kill", c.ID, "KILL").OK(t)
			if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
				t.Errorf("wait status %x", status)
			}
			c.WaitStatus(specs.StateStopped)
			c.Tare("pause", c.ID).Fails(t, "container not running")
			c.Tare("resume", c.ID).Fails(t, "container not paused")
			c.Tare("delete", c.ID).OK(t)
		})
		t.Run("delete --force, "+name, func(t *testing.T) {
			t.Parallel()
			c, pid := ready(t, edit)
			c.Tare("delete", "--force", c.ID).OK(t)
			c.Wait(pid)
			if left := c.Gone(); left != nil {
				t.Errorf("delete --force left %v", left)
			}
		})
	}
}

// A created container can be paused; it is not to be started then, and can be later.
func TestPauseCreated(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "resume")
	c := NewContainer(t, Args("exit", "7"))
	pid := c.Create()
	c.Tare("pause", c.ID).OK(t)
	if s := c.State(); s.Status != paused {
		t.Errorf("status after pause: %s", s.Status)
	}
	c.Tare("start", c.ID).Fails(t, "cannot start a container in the paused state", "resume it first")
	c.Tare("resume", c.ID).OK(t)
	if s := c.State(); s.Status != specs.StateCreated {
		t.Errorf("status after resume: %s", s.Status)
	}
	c.Start()
	if status := c.Wait(pid); status.ExitStatus() != 7 {
		t.Errorf("wait status %x", status)
	}
}

// hanging starts a container with a process that cannot be frozen: it waits for a file system that never answers.
func hanging(t *testing.T) (c *Container, pid int, freeze func() string) {
	t.Helper()
	major, minor := int64(10), int64(229) // /dev/fuse
	c = NewContainer(t, Args("hang", "/tmp"), WithCaps("CAP_SYS_ADMIN"), func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: major, Minor: minor}}
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices,
			specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rw"})
	})
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs FUSE in the kernel: %v", err)
	}
	pid = c.Create()
	dir := OwnCgroup(t, pid)
	if _, err := os.Stat(dir + "/cgroup.freeze"); err != nil {
		t.Skipf("needs cgroup v2: %v", err)
	}
	c.Start()
	Eventually(t, "the workload to hang", func() bool {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, task := range tasks {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, task.Name()))
			if strings.Contains(string(data), " (hangs) D ") {
				return true
			}
		}
		return false
	})
	return c, pid, func() string { return CgroupFile(t, dir, "cgroup.freeze") }
}

// A container that cannot be frozen in time runs on, and the error says why.
func TestPauseInVain(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause")
	if !IsTare() {
		t.Skip("the others have other deadlines")
	}
	c, _, freeze := hanging(t)
	begin := time.Now()
	c.Tare("pause", c.ID).Fails(t, "timed out after 10s", "uninterruptible sleep")
	if took := time.Since(begin); took < 10*time.Second {
		t.Errorf("it gave up after %v", took)
	}
	if s := c.State(); s.Status != specs.StateRunning || freeze() != "0" {
		t.Errorf("status %s, cgroup.freeze %s", s.Status, freeze())
	}
}

// A pause that was killed while a process could not be frozen yet: the container does not count as paused, but most of it
// stands still. It can be resumed, killed and deleted.
func TestPauseKilledHalfWay(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "resume")
	if !IsTare() {
		t.Skip("the others leave such a container frozen")
	}
	half := func(t *testing.T) (*Container, int, func() string) {
		c, pid, freeze := hanging(t)
		cmd := c.Command("pause", c.ID)
		Begin(t, cmd)
		Eventually(t, "the freezing", func() bool { return freeze() == "1" })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s := c.State(); s.Status != specs.StateRunning {
			t.Fatalf("status %s: the test shows nothing", s.Status)
		}
		return c, pid, freeze
	}
	t.Run("resume", func(t *testing.T) {
		t.Parallel()
		c, _, freeze := half(t)
		c.Tare("resume", c.ID).Fails(t, "container not paused: it is running")
		if got := freeze(); got != "0" {
			t.Errorf("cgroup.freeze is still %s", got)
		}
	})
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		c, pid, _ := half(t)
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Wait(pid)
		c.Tare("delete", c.ID).OK(t)
	})
	t.Run("delete --force", func(t *testing.T) {
		t.Parallel()
		c, pid, _ := half(t)
		c.Tare("delete", "--force", c.ID).OK(t)
		c.Wait(pid)
	})
}

// Who interrupts a pause finds the container as it was.
func TestPauseInterrupted(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause")
	if !IsTare() {
		t.Skip("the others leave such a container frozen")
	}
	c, _, freeze := hanging(t)
	cmd := c.Command("pause", c.ID)
	var said strings.Builder
	cmd.Stderr = &said
	Begin(t, cmd)
	Eventually(t, "the freezing", func() bool { return freeze() == "1" })
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if Finish(t, cmd); ExitCode(cmd) != 1 || !strings.Contains(said.String(), "interrupted (interrupt): all processes run again") {
		t.Errorf("exit code %d, %q", ExitCode(cmd), said.String())
	}
	if s := c.State(); s.Status != specs.StateRunning || freeze() != "0" {
		t.Errorf("status %s, cgroup.freeze %s", s.Status, freeze())
	}
	for round := range 100 { // at whatever moment
		cmd := c.Command("pause", c.ID)
		Begin(t, cmd)
		time.Sleep(time.Duration(round) * 200 * time.Microsecond)
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if Finish(t, cmd); ExitCode(cmd) == 0 || freeze() != "0" {
			t.Fatalf("interrupted after %d*0.2 ms: exit code %d, cgroup.freeze %s", round, ExitCode(cmd), freeze())
		}
	}
}

// Who deletes a container need not wait for a pause that waits in vain.
func TestDeleteWhilePausing(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause")
	if !IsTare() {
		t.Skip("the others freeze in other ways")
	}
	c, pid, freeze := hanging(t)
	cmd := c.Command("pause", c.ID)
	Begin(t, cmd)
	Eventually(t, "the freezing", func() bool { return freeze() == "1" })
	begin := time.Now()
	c.Tare("delete", "--force", c.ID).OK(t)
	c.Wait(pid)
	if took := time.Since(begin); took > Deadline()/6 {
		t.Errorf("it took %v", took)
	}
	Finish(t, cmd)
}

// A user's container without a cgroup: what takes one says so, in one line, and the rest works.
func TestWithoutCgroup(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "resume", "ps", "events", "update")
	if !IsTare() {
		t.Skip("the others say it in other words")
	}
	const uid = 12345
	c := NewContainer(t, Args("sleep"), WithoutMount("/sys"), rootless(uid, uid))
	c.AsUser(uid, uid)
	pid := c.Create()
	c.Start()
	for _, args := range [][]string{
		{"pause"}, {"ps"}, {"ps", "--format", "json"}, {"events", "--stats"}, {"events"}, {"update", "--pids-limit", "5"},
	} {
		res := c.Tare(append(args, c.ID)...).Fails(t, args[0]+" "+c.ID+": ", "the container has no cgroup of its own")
		if strings.Count(res.Stderr, "\n") != 1 {
			t.Errorf("%v: %q", args, res.Stderr)
		}
	}
	c.Tare("resume", c.ID).Fails(t, "container not paused")
	updateFrom(c, `{"pids":null}`).OK(t)
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
}
