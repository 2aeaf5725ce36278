package testutil

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A HookCall is the line that the probe's hook command writes about one call.
type HookCall struct {
	Name         string
	RawState     string `json:"state"`
	Args, Env    []string
	Cwd          string
	PID, UID     int
	Namespaces   map[string]string
	Capabilities uint64 // effective ones
	NoNewPrivs   int

	// Points are the mount points that the hook sees, InitPoints those of the process that its state names, in whose command
	// line the words of InitArgs are divided by NUL.
	Points, InitPoints []string
	InitArgs           string

	State specs.State `json:"-"` // decoded
}

// HookCalls reads what hooks made by HookRecord have written to the file at path.
func HookCalls(t testing.TB, path string) []HookCall {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []HookCall
	for line := range strings.Lines(string(data)) {
		var call HookCall
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(call.RawState), &call.State); err != nil {
			t.Errorf("hook %s: state %q: %v", call.Name, call.RawState, err)
		}
		all = append(all, call)
	}
	return all
}

// HookNames are the names of calls, in their order.
func HookNames(calls []HookCall) (all []string) {
	for _, call := range calls {
		all = append(all, call.Name)
	}
	return all
}

// A HookKind is one of the lists of hooks.
type HookKind struct {
	Name string
	List func(*specs.Hooks) *[]specs.Hook
	// InRuntime tells where a hook runs, PathInRuntime where its path is looked up: the runtime's namespace, or the
	// container's.
	InRuntime, PathInRuntime bool
	Before                   []string // commands before
	At                       string   // the command that runs it
}

// HookKinds are all lists of hooks, in the order in which they run.
func HookKinds() []HookKind {
	return []HookKind{
		//lint:ignore SA1019 prestart is deprecated, and Docker uses it
		{"prestart", func(h *specs.Hooks) *[]specs.Hook { return &h.Prestart }, true, true, nil, "create"},
		{"createRuntime", func(h *specs.Hooks) *[]specs.Hook { return &h.CreateRuntime }, true, true, nil, "create"},
		{"createContainer", func(h *specs.Hooks) *[]specs.Hook { return &h.CreateContainer }, false, true, nil, "create"},
		{"startContainer", func(h *specs.Hooks) *[]specs.Hook { return &h.StartContainer }, false, false, []string{"create"}, "start"},
		{"poststart", func(h *specs.Hooks) *[]specs.Hook { return &h.Poststart }, true, true, []string{"create"}, "start"},
		{"poststop", func(h *specs.Hooks) *[]specs.Hook { return &h.Poststop }, true, true, []string{"create", "start"}, "delete"},
	}
}

// WithHook appends a hook to one of the lists.
func WithHook(kind HookKind, hook specs.Hook) Edit {
	return func(s *specs.Spec) {
		if s.Hooks == nil {
			s.Hooks = &specs.Hooks{}
		}
		list := kind.List(s.Hooks)
		*list = append(*list, hook)
	}
}

// Hooked runs the command up to a hook of that kind, or any other command.
func (c *Container) Hooked(command string) *Result {
	switch command {
	case "create":
		return c.Tare("create", "--bundle", c.Dir, c.ID)
	case "delete":
		return c.Tare("delete", "--force", c.ID)
	}
	return c.Tare(command, c.ID)
}
