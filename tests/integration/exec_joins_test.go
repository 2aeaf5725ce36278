package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// The process is in the container's namespaces, has its root, its three streams and nothing else, and a session of its own.
func TestExecJoins(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string][]Edit{
		"plain":                {},
		"all namespaces":       {WithNamespace(specs.CgroupNamespace, ""), WithNamespace(specs.TimeNamespace, "")},
		"user namespace":       {WithUserNamespace(100000, 65536)},
		"host's PID namespace": {WithoutNamespace(specs.PIDNamespace)},
		"host's network":       {WithoutNamespace(specs.NetworkNamespace), WithoutMount("/sys")},
		"user and host's PID":  {WithUserNamespace(100000, 65536), WithoutNamespace(specs.PIDNamespace), WithoutMount("/proc")},
		"user and all":         {WithUserNamespace(100000, 65536), WithNamespace(specs.CgroupNamespace, ""), WithNamespace(specs.TimeNamespace, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(name, "all") || strings.HasPrefix(name, "all") {
				NeedNamespace(t, "time")
				NeedNamespace(t, "cgroup")
				if !IsTare() {
					t.Skip("time namespaces are younger than these releases")
				}
			}
			c, pid := running(t, edits...)
			for _, tty := range []bool{false, true} {
				flags := []string{fmt.Sprint("--tty=", tty)}
				if name == "user and host's PID" { // no procfs can be mounted for a report
					inside(c, flags, "exit", "5").Exit(t, 5)
					continue
				}
				checkJoined(t, inside(c, flags, "report").Report(t), pid, tty)
			}
			sameAsInit(t, c, pid)
		})
	}
}

func checkJoined(t *testing.T, r *view.Report, pid int, tty bool) {
	t.Helper()
	for _, kind := range allNamespaces {
		if got, want := r.Namespaces[nsName(kind)], nsOf(t, pid, kind); got != want {
			t.Errorf("%s namespace %s, that of init is %s", kind, got, want)
		}
	}
	OnlyFDs(t, r, 0, 1, 2)
	if p := r.Process; p.SID != p.PID || p.PGID != p.PID || p.PPID != 0 && r.Namespaces["pid"] != nsOf(t, os.Getpid(), specs.PIDNamespace) {
		t.Errorf("process %d has parent %d, session %d and group %d", p.PID, p.PPID, p.SID, p.PGID)
	}
	if r.Process.Dumpable != 1 || r.Process.ParentDeathSignal != 0 || r.Signals.Blocked != 0 || r.Signals.Ignored != 0 {
		t.Errorf("dumpable %d, parent-death signal %d, signals %+v", r.Process.Dumpable, r.Process.ParentDeathSignal, r.Signals)
	}
	if tm := r.Terminal; tm.Controlling != tty || tm.StdinTTY != tty || tm.StdoutTTY != tty || tm.StderrTTY != tty {
		t.Errorf("terminal: %+v, want %v", tm, tty)
	}
}

// The PID namespace of another container is joined first where root of the own user namespace may not.
func TestExecForeignPIDNamespace(t *testing.T) {
	t.Parallel()
	_, pid := running(t)
	for name, edit := range map[string]Edit{
		"no user namespace":  func(*specs.Spec) {},
		"user namespace":     WithUserNamespace(100000, 65536),
		"its user namespace": func(*specs.Spec) {},
	} {
		t.Run(name, func(t *testing.T) {
			owner := pid
			if name == "its user namespace" {
				_, owner = running(t, WithUserNamespace(100000, 65536))
				edit = func(s *specs.Spec) {
					WithUserNamespace(100000, 65536)(s)
					WithNamespace(specs.UserNamespace, nsPath(owner, specs.UserNamespace))(s)
				}
			}
			c, guest := running(t, edit, WithNamespace(specs.PIDNamespace, nsPath(owner, specs.PIDNamespace)), WithoutMount("/proc"))
			inside(c, nil, "exit", "5").Exit(t, 5)
			if got, want := nsOf(t, guest, specs.PIDNamespace), nsOf(t, owner, specs.PIDNamespace); got != want {
				t.Errorf("PID namespace %s, want %s of the other container", got, want)
			}
			sameAsInit(t, c, guest)
		})
	}
}

func TestExecAsUser(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "exec")
	const uid, gid = 65533, 65533
	c := NewContainer(t, Args("ignore-term"), WithoutMount("/sys"), rootless(uid, gid))
	c.AsUser(uid, gid)
	pid := c.Create()
	for _, state := range []string{"created", "running"} {
		if state == "running" {
			c.Start()
		}
		r := inside(c, []string{"--tty"}, "report").Report(t)
		checkJoined(t, r, pid, true)
		if r.Process.UID != 0 {
			t.Errorf("uid %d", r.Process.UID)
		}
	}
	execFails(t, inside(c, []string{"-u", "5"}, "true"), "uid 5 mapped")
	execFails(t, c.Tare("exec", c.ID, "/nope"), "/nope")
}

// sameAsInit compares namespaces and cgroup as the host sees them, of a detached process that is our child once the runtime
// has left.
func sameAsInit(t *testing.T, c *Container, init int) {
	t.Helper()
	pidFile := filepath.Join(c.Dir, "exec.pid")
	if res := inside(c, []string{"--detach", "--pid-file", pidFile}, "ignore-term").OK(t); res.Stdout+res.Stderr != "" && res.Stdout != "ready\n" {
		t.Errorf("exec --detach says %q %q", res.Stdout, res.Stderr)
	}
	pid := c.PidFile(pidFile)
	for _, kind := range allNamespaces {
		if got, want := nsOf(t, pid, kind), nsOf(t, init, kind); got != want {
			t.Errorf("%s namespace %s, that of init is %s", kind, got, want)
		}
	}
	got, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", init))
	if err != nil || string(got) != string(want) {
		t.Errorf("cgroups %q, those of init are %q, %v", got, want, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}
