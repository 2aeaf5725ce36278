package lifecycle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// rawState is what `state` prints, decoded without a type that would put right what is wrong.
func rawState(t *testing.T, c *Container) map[string]any {
	t.Helper()
	var state map[string]any
	if err := json.Unmarshal([]byte(c.Tare("state", c.ID).OK(t).Stdout), &state); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestScope_CreatorCanUseEveryOperation(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	c.Tare("state", c.ID).OK(t)
	c.Tare("start", c.ID).OK(t)
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
}

// state-schema.json by hand: the names, and the types.
func checkSchema(t *testing.T, state map[string]any) {
	t.Helper()
	for _, name := range []string{"ociVersion", "id", "status", "bundle"} {
		if text, ok := state[name].(string); !ok || text == "" {
			t.Errorf("%s is %#v, want a string", name, state[name])
		}
	}
	if pid, ok := state["pid"].(float64); !ok || pid < 0 || pid != float64(int(pid)) {
		t.Errorf("pid is %#v, want a whole number", state["pid"])
	}
	if all, ok := state["annotations"].(map[string]any); ok {
		for key, value := range all {
			if _, ok := value.(string); !ok {
				t.Errorf("annotation %q is %#v, want a string", key, value)
			}
		}
	} else if state["annotations"] != nil {
		t.Errorf("annotations are %#v, want an object", state["annotations"])
	}
}

func TestState_HasAllRequiredProperties(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Annotations = map[string]string{"org.example.key": "a value"} })
	cmd := c.Command("create", "--bundle", filepath.Base(c.Dir), "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Dir = filepath.Dir(c.Dir) // the bundle is named relative to it, and the state has to say it absolutely
	c.Do(cmd).OK(t)
	pid := c.PidFile(c.Dir + "/pid")
	check := func(status string, pid int) {
		t.Helper()
		state := rawState(t, c)
		checkSchema(t, state)
		for name, want := range map[string]any{
			"ociVersion": specs.Version, "id": c.ID, "status": status, "pid": float64(pid), "bundle": c.Dir,
		} {
			if state[name] != want {
				t.Errorf("%s: %s is %v, want %v", status, name, state[name], want)
			}
		}
		if all, _ := state["annotations"].(map[string]any); all["org.example.key"] != "a value" {
			t.Errorf("%s: annotations %v", status, state["annotations"])
		}
	}
	check("created", pid)
	c.Start()
	check("running", pid)
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	check("stopped", 0)
}

// A host's containers are those of one state root: nothing knows of two.
func TestState_IDIsUnique(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := NewContainer(t, Args("sleep"))
	a.Create()
	b := a.Another(Args("sleep"))
	b.Tare("create", "--bundle", b.Dir, a.ID).Fails(t, "container with given ID already exists")
}

func TestState_AdditionalStatusIsANewState(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	slow := HookRecord(dir+"/log", "slow", "0", "3600")
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{slow}} })
	create := c.Command("create", "--bundle", c.Dir, c.ID)
	Begin(t, create)
	Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
	if s := c.State(); s.Status != specs.StateCreating {
		t.Errorf("status %s in a create", s.Status)
	}
	if err := create.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	Finish(t, create)
	c.Spec.Hooks = nil
	c.WriteSpec(t)
	c.Create()
	NeedCommand(t, "pause")
	c.Start()
	c.Tare("pause", c.ID).OK(t)
	defer c.Tare("resume", c.ID)
	if s := c.State(); s.Status != "paused" {
		t.Errorf("status %s", s.Status)
	}
}

func TestQueryState_WithoutIDIsAnError(t *testing.T) { withoutID(t, "state") }
func TestStart_WithoutIDIsAnError(t *testing.T)      { withoutID(t, "start") }
func TestKill_WithoutIDIsAnError(t *testing.T)       { withoutID(t, "kill") }
func TestDelete_WithoutIDIsAnError(t *testing.T)     { withoutID(t, "delete") }
func TestQueryState_OfUnknownIsAnError(t *testing.T) { ofUnknown(t, "state") }
func TestOperations_OnUnknownAreErrors(t *testing.T) { ofUnknown(t, "start", "kill", "delete") }

func withoutID(t *testing.T, command string) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	if res := c.Tare(command); res.Code == 0 || res.Stderr == "" {
		t.Errorf("%s: exit code %d, error %q", command, res.Code, res.Stderr)
	}
	if res := c.Tare(command, ""); res.Code == 0 || !strings.Contains(res.Stderr, "container id cannot be empty") {
		t.Errorf("%s of an empty id: exit code %d, error %q", command, res.Code, res.Stderr)
	}
}

func ofUnknown(t *testing.T, commands ...string) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	for _, command := range commands {
		c.Tare(command, c.ID).Fails(t, "does not exist")
	}
}

// What the warning is about is not what create is about.
func TestWarnings_DoNotChangeTheFlow(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(slices.Clone(s.Process.Capabilities.Bounding), "CAP_OF_ANOTHER_KERNEL")
		s.Process.Args = []string{"/probe", "exit", "5"}
	})
	log := c.Dir + "/log"
	c.Tare("--debug", "--log", log, "--log-format", "json", "run", "--bundle", c.Dir, c.ID).Exit(t, 5)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "CAP_OF_ANOTHER_KERNEL") || !strings.Contains(string(text), `"level":"warning"`) {
		t.Errorf("the log says %q", text)
	}
}
