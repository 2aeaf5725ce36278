package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func TestLifecycle_PrestartFailureDestroysAndRunsPoststop(t *testing.T) { failing(t, "prestart") }

func TestLifecycle_CreateRuntimeFailureDestroysAndRunsPoststop(t *testing.T) {
	failing(t, "createRuntime")
}

func TestLifecycle_CreateContainerFailureDestroysAndRunsPoststop(t *testing.T) {
	failing(t, "createContainer")
}

func TestLifecycle_StartContainerFailureDestroysAndRunsPoststop(t *testing.T) {
	failing(t, "startContainer")
}

func TestLifecycle_PoststartFailureDestroysAndRunsPoststop(t *testing.T) { failing(t, "poststart") }

// failing has the first of two hooks fail, in each of the ways that it can, with create and start and with run. The error
// says which hook it was, why, and what that one printed; the second is not run; nothing is left; and then the poststop hooks run.
func failing(t *testing.T, name string) {
	t.Parallel()
	NeedRoot(t)
	kind := kindOf(t, name)
	for way, tt := range map[string]struct {
		damage func(*specs.Hook)
		texts  []string
	}{
		"exit status":     {func(h *specs.Hook) { h.Args = append(h.Args, "23") }, []string{"exit status 23", "hook output of bad"}},
		"timeout":         {func(h *specs.Hook) { h.Args, h.Timeout = append(h.Args, "0", "3600"), new(1) }, []string{"timeout"}},
		"missing program": {func(h *specs.Hook) { h.Path = "/no/such/hook" }, []string{"/no/such/hook: no such file or directory"}},
		"signal":          {func(h *specs.Hook) { h.Args = []string{"probe", "signal-self", "15"} }, []string{"ended by signal 15 (SIGTERM)"}},
	} {
		for _, commands := range [][]string{append(slices.Clone(kind.Before), kind.At), {"run"}, {"run", "--detach"}} {
			t.Run(way+" "+strings.Join(commands, " "), func(t *testing.T) {
				t.Parallel()
				if way == "signal" && !kind.PathInRuntime {
					tt.texts = nil // its container is a PID namespace of its own, where it is not the first: any text
				}
				dir := Dir(t)
				c := NewContainer(t, Args(workload...), record(kind, dir, "bad"), record(kind, dir, "never"),
					record(kindOf(t, "poststop"), dir, "poststop-1"), record(kindOf(t, "poststop"), dir, "poststop-2"),
					func(s *specs.Spec) { tt.damage(&(*kind.List(s.Hooks))[0]) })
				checkFailure(t, c, commands, append(tt.texts, "hook "+name+"[0] (/hooks/"+name+"/0)"))
				want := []string{"poststop-1", "poststop-2"}
				if way == "exit status" || way == "timeout" {
					want = append([]string{"bad"}, want...)
				}
				calls := HookCalls(t, dir+"/log")
				if got := HookNames(calls); !slices.Equal(got, want) {
					t.Errorf("hooks %v, want %v", got, want)
				}
				if last := calls[len(calls)-1].State; last.Status != specs.StateStopped || last.Pid != 0 || last.ID != c.ID {
					t.Errorf("the poststop hook was told %+v", last)
				}
			})
		}
	}
}

// checkFailure has the last of the commands fail, and leave nothing.
func checkFailure(t *testing.T, c *Container, commands, texts []string) {
	t.Helper()
	if commands[0] == "run" {
		c.Run(commands[1:]...).Fails(t, texts...)
	} else {
		for _, command := range commands[:len(commands)-1] {
			c.Hooked(command).OK(t)
		}
		c.Hooked(commands[len(commands)-1]).Fails(t, texts...)
	}
	Eventually(t, "the last trace to go", func() bool { return c.Traces() == nil }) // a zombie of ours at the most
	c.Tare("state", c.ID).Fails(t, "does not exist")
}

// poststop hooks that fail: a warning each, the rest run, delete succeeds.
func TestLifecycle_PoststopFailureIsAWarning(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	poststop := kindOf(t, "poststop")
	slow := HookRecord(dir+"/log", "slow", "0", "3600")
	slow.Timeout = new(1)
	c := NewContainer(t, record(poststop, dir, "bad", "23"), WithHook(poststop, specs.Hook{Path: "/no/such/hook"}),
		WithHook(poststop, slow), record(poststop, dir, "last"))
	pid := c.Create()
	c.Start()
	c.Wait(pid)
	log := c.Dir + "/log"
	c.Tare("--debug", "--log", log, "--log-format", "json", "delete", c.ID).OK(t)
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"bad", "slow", "last"}) {
		t.Errorf("hooks %v", got)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"poststop[0]", "exit status 23", "poststop[1]", "/no/such/hook", "poststop[2]", "timeout"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the log does not say %q: %s", want, text)
		}
	}
	if n := strings.Count(string(text), `"level":"warning"`); n != 3 {
		t.Errorf("%d warnings: %s", n, text)
	}
	if left := c.Traces(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// Hooks of a create that fails for something else, after them: they are undone, too.
func TestErrors_FailedCreateAfterHooksRunsPoststop(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, Args("/no/such/program"), record(kindOf(t, "createRuntime"), dir, "createRuntime"), record(kindOf(t, "poststop"), dir, "poststop"))
	checkFailure(t, c, []string{"create"}, []string{"/no/such/program"})
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"createRuntime", "poststop"}) {
		t.Errorf("hooks %v", got)
	}
}

// interrupted are the commands that wait for hooks of a create.
var interrupted = map[string][]string{"create": {"create"}, "run": {"run"}, "run detach": {"run", "--detach"}}

// A signal ends the hook that the runtime waits for, and the creation, and undoes it.
func TestErrors_SignalInAHookOfCreateUndoesIt(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, name := range []string{"prestart", "createRuntime", "createContainer"} {
		for way, args := range interrupted {
			for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
				t.Run(name+" "+way+" "+unix.SignalName(sig), func(t *testing.T) {
					t.Parallel()
					dir := Dir(t)
					c := NewContainer(t, Args(workload...), record(kindOf(t, name), dir, "slow", "0", "3600"), record(kindOf(t, name), dir, "never"),
						record(kindOf(t, "poststop"), dir, "poststop"))
					cmd := c.Command(append(args, "--bundle", c.Dir, c.ID)...)
					stderr, err := os.Create(c.Dir + "/stderr")
					if err != nil {
						t.Fatal(err)
					}
					defer stderr.Close()
					cmd.Stderr = stderr
					Begin(t, cmd)
					Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
					if err := cmd.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
					Finish(t, cmd)
					text, _ := os.ReadFile(stderr.Name())
					if ExitCode(cmd) != 1 || !strings.Contains(string(text), "interrupted by signal") || !strings.Contains(string(text), unix.SignalName(sig)) {
						t.Errorf("exit code %d: %s", ExitCode(cmd), text)
					}
					Eventually(t, "the last trace to go", func() bool { return c.Traces() == nil })
					if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"slow", "poststop"}) {
						t.Errorf("hooks %v", got)
					}
				})
			}
		}
	}
}

// A signal at whatever moment of a run leaves nothing, whether it comes to the runtime alone or, as from a terminal, to its whole process group.
func TestErrors_SignalToRunLeavesNothing(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	interrupted := 0
	for delay := range 40 {
		c := NewContainer(t, Args("sleep"))
		cmd := c.Command("run", "--bundle", c.Dir, c.ID)
		stderr, err := os.Create(c.Dir + "/stderr")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		sig, target := unix.SIGTERM, 1
		if delay%2 == 1 {
			sig, target = unix.SIGINT, -1
		}
		Begin(t, cmd)
		time.Sleep(time.Duration(delay) * time.Millisecond / 2)
		if err := unix.Kill(target*cmd.Process.Pid, sig); err != nil {
			t.Fatal(err)
		}
		// A workload that did not catch it yet is not ended by it: it is process 1.
		deaf := time.AfterFunc(2*time.Second, func() { c.Tare("delete", "--force", c.ID) })
		Finish(t, cmd)
		deaf.Stop()
		stderr.Close()
		text, _ := os.ReadFile(stderr.Name())
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		switch code := status.ExitStatus(); {
		case status.Signal() == sig: // before anything was made
		case code == 2, code == 64+int(sig), code == 128+int(unix.SIGKILL): // the workload's: of its Go runtime, its own, of the delete
		case code == 1 && strings.Contains(string(text), "interrupted by signal"):
			interrupted++
		default:
			t.Errorf("%v after %d half milliseconds: %#x, %s", sig, delay, status, text)
		}
		Eventually(t, "the last trace to go", func() bool { return c.Traces() == nil })
	}
	if interrupted == 0 {
		t.Error("no creation was interrupted")
	}
}

// A person at a terminal can leave a poststop hook that hangs, and the next one runs.
func TestErrors_SignalEndsAPoststopHookOfRun(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	poststop := kindOf(t, "poststop")
	c := NewContainer(t, Args("exit", "7"), record(poststop, dir, "slow", "0", "3600"), record(poststop, dir, "last"))
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	Begin(t, cmd)
	Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	if ExitCode(cmd) != 7 {
		t.Errorf("exit code %d, want the workload's", ExitCode(cmd))
	}
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"slow", "last"}) {
		t.Errorf("hooks %v", got)
	}
	if left := c.Traces(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A signal that the caller has ignored, as nohup(1) does, stays so.
func TestErrors_IgnoredSignalDoesNotEndAHook(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	dir := Dir(t)
	c := NewContainer(t, Args(workload...), record(kindOf(t, "createRuntime"), dir, "slow", "0", "2"))
	cmd := c.Command("create", "--bundle", c.Dir, c.ID)
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`}, cmd.Args...)
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = sh
	Begin(t, cmd)
	Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
	if err := cmd.Process.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	if s := c.State(); ExitCode(cmd) != 0 || s.Status != specs.StateCreated {
		t.Errorf("exit code %d, %+v", ExitCode(cmd), s)
	}
}

// A delete that was killed in its poststop hooks: the container stays deleted, and the next delete runs them.
func TestErrors_KilledDeleteRunsPoststopAgain(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, flags := range [][]string{nil, {"--force"}} {
		dir := Dir(t)
		hook := HookRecord(dir+"/log", "slow", "0", "3600")
		c := NewContainer(t, WithHook(kindOf(t, "poststop"), hook))
		pid := c.Create()
		c.Start()
		c.Wait(pid)
		cmd := c.Command("delete", c.ID)
		Begin(t, cmd)
		Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
		c.Tare("state", c.ID).Fails(t, "does not exist")
		_ = cmd.Process.Kill()
		Finish(t, cmd)
		c.Tare("state", c.ID).Fails(t, "does not exist")
		again := c.Command(append(append([]string{"delete"}, flags...), c.ID)...)
		Begin(t, again)
		Eventually(t, "the hook, again", func() bool { return len(HookCalls(t, dir+"/log")) == 2 })
		killChildren(t, again.Process.Pid)
		Finish(t, again)
		if ExitCode(again) != 0 {
			t.Errorf("delete %v: exit code %d", flags, ExitCode(again))
		}
		if left := c.Gone(); left != nil {
			t.Errorf("delete %v left: %v", flags, left)
		}
	}
}

// killChildren ends the hooks that a command waits for.
func killChildren(t *testing.T, parent int) {
	t.Helper()
	for _, p := range Processes(t, "slow") {
		if p.Parent == parent {
			if err := unix.Kill(p.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDelete_StateThatNobodyCanRead: a forced delete frees the id, but does not take away the last that leads to living processes.
func TestDelete_StateThatNobodyCanRead(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	path := filepath.Join(c.Root, c.ID, "state.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	res := c.Tare("delete", "--force", c.ID)
	if want := fmt.Sprintf("state.json: 1:1: is empty, want a JSON object; and in its cgroup are processes, [%d]: end them first\n", pid); res.Code != 1 || !strings.HasSuffix(res.Stderr, want) {
		t.Errorf("exit code %d, %q, want 1 and %q", res.Code, res.Stderr, want)
	}
	if err := unix.Kill(pid, 0); err != nil {
		t.Errorf("the process: %v", err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Wait(pid)
	c.Tare("delete", "--force", c.ID).OK(t)
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}
