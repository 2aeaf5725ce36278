package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// A hookCall is the line that the probe's hook command writes about one call.
type hookCall struct {
	Name       string
	State      string
	Args, Env  []string
	Cwd        string
	PID        int
	Namespaces map[string]string

	state specs.State
}

func hookCalls(t *testing.T, path string) []hookCall {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []hookCall
	for line := range strings.Lines(string(data)) {
		var call hookCall
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(call.State), &call.state); err != nil {
			t.Errorf("hook %s: state %q: %v", call.Name, call.State, err)
		}
		all = append(all, call)
	}
	return all
}

func names(calls []hookCall) (all []string) {
	for _, call := range calls {
		all = append(all, call.Name)
	}
	return all
}

// allHooks has one or two of each kind. Those that run inside the container's root write to a bind mount of dir.
func allHooks(dir string) Edit {
	log := filepath.Join(dir, "log")
	inside := specs.Hook{Path: "/probe", Args: []string{"probe", "hook", "/hooks/log", "startContainer"}}
	return func(s *specs.Spec) {
		BindMount(dir, "/hooks")(s)
		s.Hooks = &specs.Hooks{
			//lint:ignore SA1019 deprecated, and to be run all the same
			Prestart:        []specs.Hook{HookRecord(log, "prestart")},
			CreateRuntime:   []specs.Hook{HookRecord(log, "createRuntime-1"), HookRecord(log, "createRuntime-2")},
			CreateContainer: []specs.Hook{HookRecord(log, "createContainer")},
			StartContainer:  []specs.Hook{inside},
			Poststart:       []specs.Hook{HookRecord(log, "poststart")},
			Poststop:        []specs.Hook{HookRecord(log, "poststop-1"), HookRecord(log, "poststop-2")},
		}
	}
}

func TestHookOrderAndState(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	log := filepath.Join(dir, "log")
	c := NewContainer(t, Args("sleep"), allHooks(dir), func(s *specs.Spec) {
		s.Annotations = map[string]string{"key": "value"}
		s.Process.Env = append(s.Process.Env, "FROM_IMAGE=1")
	})
	pid := c.Create()
	want := []string{"prestart", "createRuntime-1", "createRuntime-2", "createContainer"}
	if got := names(hookCalls(t, log)); !slices.Equal(got, want) {
		t.Errorf("after create: %v, want %v", got, want)
	}
	c.Start()
	want = append(want, "startContainer", "poststart")
	// poststart runs before start returns; what startContainer writes does not have to be there before it.
	Eventually(t, "six hooks", func() bool { return len(hookCalls(t, log)) == 6 })
	got := names(hookCalls(t, log))
	slices.Sort(got[4:])
	slices.Sort(want[4:])
	if !slices.Equal(got, want) {
		t.Errorf("after start: %v, want %v", got, want)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
	calls := hookCalls(t, log)
	if got := names(calls[6:]); !slices.Equal(got, []string{"poststop-1", "poststop-2"}) {
		t.Errorf("after delete: %v", got)
	}
	for _, call := range calls {
		checkHookState(t, c, pid, call)
		checkHookSurroundings(t, c, call)
	}
}

func checkHookState(t *testing.T, c *Container, pid int, call hookCall) {
	t.Helper()
	s := call.state
	if s.ID != c.ID || s.Bundle != c.Dir || s.Annotations["key"] != "value" || s.Version == "" {
		t.Errorf("%s: state %+v", call.Name, s)
	}
	kind, _, _ := strings.Cut(call.Name, "-")
	status, wantPID := specs.StateCreating, pid
	switch kind {
	case "createContainer":
		wantPID = 1 // as seen from the namespace it runs in
	case "startContainer":
		status, wantPID = specs.StateCreated, 1
	case "poststart":
		status = specs.StateRunning
	case "poststop":
		status, wantPID = specs.StateStopped, 0
	}
	if IsCrun() {
		return // its status, pid and bundle are its own
	}
	if s.Status != status {
		t.Errorf("%s: status %s, want %s", call.Name, s.Status, status)
	}
	if s.Pid != wantPID {
		t.Errorf("%s: pid %d, want %d", call.Name, s.Pid, wantPID)
	}
}

// A33: no hook that runs in host context gets an environment that the image or the caller had a hand in.
func checkHookSurroundings(t *testing.T, c *Container, call hookCall) {
	t.Helper()
	self, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	inContainer := call.Name == "createContainer" || call.Name == "startContainer"
	if (call.Namespaces["mnt"] == self) == inContainer {
		t.Errorf("%s runs in the wrong mount namespace", call.Name)
	}
	if call.Args[0] != "probe" {
		t.Errorf("%s: args %q", call.Name, call.Args)
	}
	inherits := slices.Contains(call.Env, "FROM_IMAGE=1")
	if call.Name == "startContainer" {
		if !inherits {
			t.Errorf("startContainer has not the container's environment: %q", call.Env)
		}
		return
	}
	if inherits {
		t.Errorf("%s has the image's environment: %q", call.Name, call.Env)
	}
	if IsTare() && len(call.Env) != 0 {
		t.Errorf("%s without env has the environment %q", call.Name, call.Env)
	}
}

func TestHookEnvironmentAndArgs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	log := filepath.Join(dir, "log")
	hook := HookRecord(log, "it")
	hook.Env = []string{"ONLY=this", "TWO=2"}
	c := NewContainer(t, func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}} })
	c.Run().OK(t)
	calls := hookCalls(t, log)
	if len(calls) != 1 || !slices.Equal(calls[0].Env, hook.Env) || !slices.Equal(calls[0].Args, hook.Args) {
		t.Errorf("calls %+v", calls)
	}
}

// A failing hook of create undoes everything; poststop hooks run then too.
func TestHookFailsCreate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, kind := range []string{"prestart", "createRuntime", "createContainer"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := Dir(t)
			log := filepath.Join(dir, "log")
			c := NewContainer(t, func(s *specs.Spec) {
				bad := []specs.Hook{HookRecord(log, "bad", "23"), HookRecord(log, "never")}
				s.Hooks = &specs.Hooks{Poststop: []specs.Hook{HookRecord(log, "poststop")}}
				switch kind {
				case "prestart":
					//lint:ignore SA1019 deprecated, and to be run all the same
					s.Hooks.Prestart = bad
				case "createRuntime":
					s.Hooks.CreateRuntime = bad
				case "createContainer":
					s.Hooks.CreateContainer = bad
				}
			})
			res := c.Tare("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
			if res.Code == 0 || res.Code != 1 && !IsCrun() {
				t.Errorf("exit code %d", res.Code)
			}
			if IsTare() {
				for _, text := range []string{kind, "23", "hook output of bad"} {
					if !strings.Contains(res.Stderr, text) {
						t.Errorf("the error does not say %q: %s", text, res.Stderr)
					}
				}
			}
			if left := c.Gone(); left != nil && !IsCrun() {
				t.Errorf("the failed create left %v", left)
			}
			want := []string{"bad", "poststop"}
			if IsCrun() {
				want = want[:1]
			}
			if got := names(hookCalls(t, log)); !slices.Equal(got, want) {
				t.Errorf("hooks %v, want %v", got, want)
			}
			if _, err := os.Stat(c.Dir + "/pid"); err == nil {
				t.Error("a failed create wrote the pid file")
			}
		})
	}
}

// The specification's words for a failed startContainer hook, which the peers lose.
func TestHookFailsStart(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc and crun report a start whose startContainer hook failed as a success")
	}
	for name, edit := range map[string]func(*specs.Hooks, string){
		"startContainer": func(h *specs.Hooks, _ string) {
			h.StartContainer = []specs.Hook{{Path: "/probe", Args: []string{"probe", "hook", "/hooks/log", "bad", "23"}}}
		},
		"poststart": func(h *specs.Hooks, log string) { h.Poststart = []specs.Hook{HookRecord(log, "bad", "23")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := Dir(t)
			log := filepath.Join(dir, "log")
			c := NewContainer(t, Args("sleep"), BindMount(dir, "/hooks"), func(s *specs.Spec) {
				s.Hooks = &specs.Hooks{Poststop: []specs.Hook{HookRecord(log, "poststop")}}
				edit(s.Hooks, log)
			})
			pid := c.Create()
			c.Tare("start", c.ID).Fails(t, name, "23")
			c.Wait(pid)
			if got := names(hookCalls(t, log)); !slices.Equal(got, []string{"bad", "poststop"}) {
				t.Errorf("hooks %v", got)
			}
			if left := c.Gone(); left != nil {
				t.Errorf("the failed start left %v", left)
			}
		})
	}
}

func TestHookTimeout(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	log := filepath.Join(dir, "log")
	second := 1
	hook := HookRecord(log, "slow", "0", "3600")
	hook.Timeout = &second
	c := NewContainer(t, func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}} })
	res := c.Run()
	if res.Code == 0 {
		t.Fatal("exit code 0")
	}
	if IsTare() && !strings.Contains(res.Stderr, "timeout") && !strings.Contains(res.Stderr, "1s") {
		t.Errorf("the error does not speak of time: %s", res.Stderr)
	}
	if left := c.Gone(); left != nil && !IsCrun() {
		t.Errorf("left %v", left)
	}
}

// A failing poststop hook is a warning: delete goes on with the rest and succeeds.
func TestHookFailsPoststop(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if IsRunc() {
		t.Skip("runc's delete stops at the first failing poststop hook and fails")
	}
	dir := Dir(t)
	log := filepath.Join(dir, "log")
	c := NewContainer(t, Args("exit", "6"), func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{Poststop: []specs.Hook{HookRecord(log, "bad", "23"), HookRecord(log, "next")}}
	})
	c.Run().Exit(t, 6)
	if got := names(hookCalls(t, log)); !slices.Equal(got, []string{"bad", "next"}) {
		t.Errorf("hooks %v", got)
	}
}

func TestHookConfigErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	zero := 0
	for name, tt := range map[string]struct {
		hook specs.Hook
		text string
	}{
		"missing program": {specs.Hook{Path: "/no/such/hook"}, "/no/such/hook"},
		"relative path":   {specs.Hook{Path: "bin/hook"}, "/hooks/createRuntime/0/path"},
		"timeout 0":       {specs.Hook{Path: "/bin/true", Timeout: &zero}, "/hooks/createRuntime/0/timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !IsTare() && name != "missing program" {
				t.Skip("runc and crun do not check hooks up front")
			}
			c := NewContainer(t, func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{tt.hook}} })
			res := c.Run()
			if res.Code == 0 || !strings.Contains(res.Stderr, tt.text) {
				t.Errorf("exit code %d, error: %s", res.Code, res.Stderr)
			}
		})
	}
}
