package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Annotations = map[string]string{"org.example.key": "a value"} })
	before := time.Now().Add(-time.Second)
	pid, output := c.WithOutput("create")

	s := c.State()
	if s.Status != specs.StateCreated || s.Pid != pid || s.ID != c.ID || s.Bundle != c.Dir {
		t.Errorf("state after create: %+v", s)
	}
	if s.Annotations["org.example.key"] != "a value" {
		t.Errorf("annotations: %v", s.Annotations)
	}
	checkStateKeys(t, c, before)

	c.Start()
	c.WaitStatus(specs.StateRunning)
	if s := c.State(); s.Pid != pid {
		t.Errorf("pid changed from %d to %d", pid, s.Pid)
	}
	// Until it has a handler the first process of a PID namespace gets no signal.
	Eventually(t, "the workload", func() bool { return output() == "ready\n" })
	c.Tare("kill", c.ID, "USR1").OK(t)
	if status := c.Wait(pid); status.ExitStatus() != 64+int(unix.SIGUSR1) {
		t.Errorf("wait status %x: the signal did not come", status)
	}
	c.WaitStatus(specs.StateStopped)
	if raw := c.Tare("state", c.ID).OK(t).Stdout; !strings.Contains(raw, `"pid": 0`) {
		t.Errorf("a stopped container's state has no explicit pid 0:\n%s", raw)
	}
	c.Tare("delete", c.ID).OK(t)
	c.Tare("state", c.ID).Fails(t, "does not exist")
	if left := c.Gone(); left != nil {
		t.Errorf("delete left %v", left)
	}
}

// The keys that managers decode, some of which are not in the specification's State.
func checkStateKeys(t *testing.T, c *Container, before time.Time) {
	t.Helper()
	raw := c.Tare("state", c.ID).OK(t).Stdout
	var state map[string]any
	if err := json.Unmarshal([]byte(raw), &state); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"} {
		if state[key] == nil {
			t.Errorf("state has no %q: %s", key, raw)
		}
	}
	if state["rootfs"] != c.RootFS {
		t.Errorf("rootfs: %v, want %s", state["rootfs"], c.RootFS)
	}
	text, _ := state["created"].(string)
	if created, err := time.Parse(time.RFC3339Nano, text); err != nil || created.Before(before) || created.After(time.Now()) {
		t.Errorf("created: %q", text)
	}
	if !strings.Contains(raw, `"status": "created"`) || !strings.HasPrefix(raw, "{\n  \"") {
		t.Errorf("state is not indented by two spaces:\n%s", raw)
	}
}

// What may be done in each status, and what is said when it may not.
func TestStatusRules(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	c.Start()
	c.Tare("start", c.ID).Fails(t, "cannot start an already running container")
	c.Tare("delete", c.ID).Fails(t, "cannot delete container "+c.ID+" that is not stopped: running (kill it first, or use --force)")
	c.Tare("kill", c.ID, "0").OK(t)

	c.Tare("kill", c.ID, "KILL").OK(t)
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
	c.WaitStatus(specs.StateStopped)
	c.Tare("kill", c.ID, "TERM").Fails(t, "container not running")
	c.Tare("kill", "--all", c.ID, "9").OK(t)
	c.Tare("start", c.ID).Fails(t, "cannot start a container that has stopped")
	if HasCommand(t, "pause") {
		c.Tare("pause", c.ID).Fails(t, "container not running")
		c.Tare("resume", c.ID).Fails(t, "container not paused")
	}
	if HasCommand(t, "exec") {
		c.Tare("exec", c.ID, "/probe", "true").Exit(t, 255)
	}
	c.Tare("delete", c.ID).OK(t)
}

func TestUnknownContainer(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	for _, args := range [][]string{
		{"state"},
		{"start"},
		{"kill"},
		{"delete"},
		{"pause"},
		{"resume"},
		{"ps"},
		{"update", "--pids-limit", "5"},
		{"events", "--stats"},
		{"kill", "--all"},
	} {
		t.Run(args[0], func(t *testing.T) {
			NeedCommand(t, args[0])
			c.Tare(append(args, c.ID)...).Fails(t, "does not exist")
		})
	}
	t.Run("exec", func(t *testing.T) {
		NeedCommand(t, "exec")
		res := c.Tare("exec", c.ID, "/probe").Exit(t, 255)
		if !strings.Contains(res.Stderr, "does not exist") {
			t.Errorf("exec: %s", res.Stderr)
		}
	})
	t.Run("delete --force", func(t *testing.T) {
		if res := c.Tare("delete", "--force", c.ID).OK(t); res.Stdout+res.Stderr != "" {
			t.Errorf("delete --force of an unknown id is not silent: %q %q", res.Stdout, res.Stderr)
		}
	})
}

func TestDeleteCreated(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	c.Tare("delete", c.ID).OK(t)
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x, want death by SIGKILL", status)
	}
	if left := c.Gone(); left != nil {
		t.Errorf("delete left %v", left)
	}
}

func TestDeleteForceRunning(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, edit := range map[string]Edit{
		"own pid namespace":    Args("ignore-term"),
		"shared pid namespace": func(s *specs.Spec) { Args("spawn-children", "3")(s); WithoutNamespace(specs.PIDNamespace)(s) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, edit)
			pid := c.Create()
			c.Start()
			c.WaitStatus(specs.StateRunning)
			c.Tare("delete", "-f", c.ID).OK(t)
			c.Wait(pid)
			if left := c.Gone(); left != nil {
				t.Errorf("delete --force left %v", left)
			}
		})
	}
}

// In the created state the init process is still ours: TERM ends it, as runc has it.
func TestKillCreated(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, signal := range []string{"TERM", "KILL"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args("sleep"))
			pid := c.Create()
			c.Tare("kill", c.ID, signal).OK(t)
			c.Wait(pid)
			c.WaitStatus(specs.StateStopped)
			c.Tare("start", c.ID).Fails(t)
			c.Tare("delete", c.ID).OK(t)
		})
	}
}

func TestDuplicateID(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, "container with given ID already exists: "+c.ID+": delete it, or take another")
	c.Run().Fails(t, "container with given ID already exists")
	if s := c.State(); s.Status != specs.StateCreated || s.Pid != pid {
		t.Errorf("the refused create changed the container: %+v", s)
	}
}

// An id is free again after delete, and after a create that failed.
func TestIDReuse(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("/nonexistent"))
	c.Run().Fails(t, "no such file or directory")
	if left := c.Gone(); left != nil {
		t.Fatalf("the failed run left %v", left)
	}
	Args("exit", "7")(c.Spec)
	c.WriteSpec(t)
	for range 2 {
		c.Run().Exit(t, 7)
	}
}

func TestInvalidID(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	for _, id := range []string{".", "..", "a/b", "../x", "a b", "a\nb", "ä", "a:b", strings.Repeat("x", 5000)} {
		t.Run(fmt.Sprintf("%.10q", id), func(t *testing.T) {
			res := c.Tare("create", "--bundle", c.Dir, id).Exit(t, 1)
			if len(id) < 100 && !strings.Contains(res.Stderr, "invalid container ID format") {
				t.Errorf("error: %s", res.Stderr)
			}
			c.Tare("state", id).Exit(t, 1)
		})
	}
	t.Run("empty", func(t *testing.T) {
		c.Tare("create", "--bundle", c.Dir, "").Fails(t, "container id cannot be empty")
	})
	if entries, _ := os.ReadDir(c.Root); len(entries) != 0 {
		t.Errorf("refused ids left %v in the state root", entries)
	}
}

func TestUnusualID(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, id := range []string{"a", "_x", "+1", "A.b-c_d+e", strings.Repeat("0123456789abcdef", 4)} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t)
			c.ID = id
			c.Run().OK(t)
		})
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	for name, tt := range map[string]struct {
		args []string
		text string
	}{
		"no id":          {[]string{"state"}, "requires exactly 1 argument"},
		"two ids":        {[]string{"delete", "a", "b"}, "requires exactly 1 argument"},
		"unknown flag":   {[]string{"create", "--no-such-flag", "x"}, "flag provided but not defined: -no-such-flag"},
		"unknown signal": {[]string{"kill", c.ID, "NOSUCH"}, ""},
		"exec nothing":   {[]string{"exec", c.ID}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res := c.Tare(tt.args...)
			if res.Code == 0 {
				t.Fatalf("%v: exit code 0", tt.args)
			}
			if !strings.Contains(res.Stderr, tt.text) {
				t.Errorf("%v: standard error: %s", tt.args, res.Stderr)
			}
		})
	}
	t.Run("log format", func(t *testing.T) {
		c.Tare("--log-format", "xml", "list").Fails(t, "invalid log-format")
	})
}

func TestSignalNames(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("await-signal"))
	pid, seen := c.WithOutput("run", "--detach")
	Eventually(t, "the workload", func() bool { return strings.Contains(seen(), "ready") })
	for _, tt := range []struct{ signal, number string }{
		{"USR1", "10"}, {"SIGUSR2", "12"}, {"hup", "1"}, {"sigint", "2"}, {"14", "14"}, {"WINCH", "28"}, {"", "15"},
	} {
		args := []string{"kill", c.ID}
		if tt.signal != "" {
			args = append(args, tt.signal)
		}
		c.Tare(args...).OK(t)
		Eventually(t, "signal "+tt.number, func() bool { return strings.Contains(seen(), "\n"+tt.number+"\n") })
	}
	c.Wait(pid)
	for _, bad := range []string{"FOO", "-1", "65", "1x", "SIGRTMIN+99"} {
		if res := c.Tare("kill", "--", c.ID, bad); res.Code != 1 {
			t.Errorf("kill %s: exit code %d", bad, res.Code)
		}
	}
}

// With a shared PID namespace SIGKILL is for all of the container, and --all of a stopped one still sweeps its cgroup.
func TestKillAllInSharedPIDNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("spawn-children", "3"), WithoutNamespace(specs.PIDNamespace))
	pid, output := c.WithOutput("run", "--detach")
	var lines []string
	Eventually(t, "the children", func() bool {
		lines = strings.Fields(output())
		return len(lines) == 4 && lines[3] == "ready"
	})
	c.Tare("kill", "--all", c.ID, "KILL").OK(t)
	c.Wait(pid)
	for _, child := range lines[:3] {
		n := 0
		if _, err := fmt.Sscan(child, &n); err != nil {
			t.Fatal(err)
		}
		c.Wait(n) // its parent is gone, so it is ours
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := NewContainer(t, Args("sleep"))
	b := a.Another(Args("sleep"))
	pidA := a.Create()
	pidB := b.Create()
	b.Start()
	if got := a.Tare("list", "-q").OK(t).Stdout; strings.Count(got, "\n") != 2 || !strings.Contains(got, a.ID+"\n") || !strings.Contains(got, b.ID+"\n") {
		t.Errorf("list -q: %q", got)
	}
	var list []struct {
		ID, Status, Bundle, Owner string
		Pid                       int
	}
	if err := json.Unmarshal([]byte(a.Tare("list", "--format", "json").OK(t).Stdout), &list); err != nil {
		t.Fatal(err)
	}
	for _, item := range list {
		switch {
		case item.ID == a.ID && item.Pid == pidA && item.Status == "created" && item.Bundle == a.Dir && item.Owner == "root":
		case item.ID == b.ID && item.Pid == pidB && item.Status == "running" && item.Bundle == b.Dir && item.Owner == "root":
		default:
			t.Errorf("list --format json: %+v", item)
		}
	}
	if len(list) != 2 {
		t.Errorf("list has %d entries", len(list))
	}
	table := a.Tare("list").OK(t).Stdout
	if !strings.HasPrefix(table, "ID ") || !strings.Contains(table, "STATUS") || strings.Count(table, "\n") != 3 {
		t.Errorf("list:\n%s", table)
	}
}

func TestExecPaused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "pause", "exec")
	c := NewContainer(t, Args("sleep"))
	c.Create()
	c.Start()
	c.Tare("pause", c.ID).OK(t)
	if res := c.Tare("exec", c.ID, "/probe", "true").Exit(t, 255); !strings.Contains(res.Stderr, "cannot exec in a paused container") {
		t.Errorf("exec: %s", res.Stderr)
	}
}
