package lifecycle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// workload tells a container's process from what the runtime does for it.
var workload = []string{"/probe", "sleep"}

// record is a hook of that kind that writes to dir how it was called, and fails or hangs if more says so. One that runs
// inside the container's root needs record's mount of dir.
func record(kind HookKind, dir, name string, more ...string) Edit {
	return func(s *specs.Spec) {
		hook := HookRecord(dir+"/log", name, more...)
		if !kind.PathInRuntime {
			hook = HookRecord("/hooks/log", name, more...)
			hook.Path = "/probe"
			if !slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/hooks" }) {
				BindMount(dir, "/hooks")(s)
			}
		}
		WithHook(kind, hook)(s)
	}
}

func kindOf(t *testing.T, name string) HookKind {
	t.Helper()
	for _, kind := range HookKinds() {
		if kind.Name == name {
			return kind
		}
	}
	t.Fatalf("no hooks of the name %s", name)
	panic("unreachable")
}

// life is the calls of a container's life that has one hook, and its pid.
type life struct {
	*Container
	calls []HookCall
	pid   int
}

// live leads a container with one hook of that kind up to where it has run.
func live(t *testing.T, kind HookKind, edits ...Edit) *life {
	t.Helper()
	NeedRoot(t)
	dir := Dir(t)
	l := &life{Container: NewContainer(t, append([]Edit{Args(workload...), record(kind, dir, kind.Name)}, edits...)...)}
	l.pid = l.Create()
	if kind.At != "create" {
		l.checkCalls(t, dir, 0) // not before its time
		l.Start()
	}
	if kind.At == "delete" {
		l.checkCalls(t, dir, 0)
		l.Tare("delete", "--force", l.ID).OK(t)
	}
	l.calls = l.checkCalls(t, dir, 1)
	return l
}

func (l *life) checkCalls(t *testing.T, dir string, want int) []HookCall {
	t.Helper()
	calls := HookCalls(t, dir+"/log")
	if len(calls) != want {
		t.Fatalf("%d calls of the hook, want %d", len(calls), want)
	}
	return calls
}

func TestLifecycle_PrestartHooksRun(t *testing.T) { t.Parallel(); live(t, kindOf(t, "prestart")) }

func TestLifecycle_CreateRuntimeHooksRun(t *testing.T) {
	t.Parallel()
	live(t, kindOf(t, "createRuntime"))
}

func TestLifecycle_CreateContainerHooksRun(t *testing.T) {
	t.Parallel()
	live(t, kindOf(t, "createContainer"))
}

func TestLifecycle_StartContainerHooksRun(t *testing.T) {
	t.Parallel()
	live(t, kindOf(t, "startContainer"))
}

func TestLifecycle_PoststartHooksRun(t *testing.T) { t.Parallel(); live(t, kindOf(t, "poststart")) }

func TestLifecycle_PoststopHooksRun(t *testing.T) { t.Parallel(); live(t, kindOf(t, "poststop")) }

// all has two hooks of each kind.
func all(dir string) Edit {
	return func(s *specs.Spec) {
		for _, kind := range HookKinds() {
			record(kind, dir, kind.Name+"-1")(s)
			record(kind, dir, kind.Name+"-2")(s)
		}
	}
}

// The order of the lists is that of the lifecycle, and that within each is the list's.
func TestHooks_CalledInListedOrder(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	ways := map[string]func(*Container){
		"create and start": func(c *Container) {
			pid := c.Create()
			c.Start()
			c.Tare("kill", c.ID, "KILL").OK(t)
			c.Wait(pid)
			c.Tare("delete", c.ID).OK(t)
		},
		"run":        func(c *Container) { c.Run().OK(t) },
		"run detach": func(c *Container) { c.Run("--detach").OK(t); c.Tare("delete", "--force", c.ID).OK(t) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := Dir(t)
			edits := []Edit{all(dir)}
			if name != "run" {
				edits = append(edits, Args(workload...))
			}
			way(NewContainer(t, edits...))
			var want []string
			for _, kind := range HookKinds() {
				want = append(want, kind.Name+"-1", kind.Name+"-2")
			}
			if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// The state of each kind of hook: what it is told, and the pid as its own namespace numbers it.
func TestHooks_StateOnStdin(t *testing.T) {
	t.Parallel()
	for _, kind := range HookKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			l := live(t, kind, func(s *specs.Spec) { s.Annotations = map[string]string{"key": "value", "empty": ""} })
			want := specs.State{Version: specs.Version, ID: l.ID, Status: specs.StateCreating, Pid: l.pid, Bundle: l.Dir}
			switch kind.Name {
			case "startContainer":
				want.Status = specs.StateCreated
			case "poststart":
				want.Status = specs.StateRunning
			case "poststop":
				want.Status, want.Pid = specs.StateStopped, 0
			}
			if !kind.InRuntime {
				want.Pid = 1
			}
			got := l.calls[0].State
			if len(got.Annotations) != 2 || got.Annotations["key"] != "value" {
				t.Errorf("annotations %v", got.Annotations)
			}
			got.Annotations = nil
			if got.Version != want.Version || got.ID != want.ID || got.Status != want.Status || got.Pid != want.Pid || got.Bundle != want.Bundle {
				t.Errorf("state %+v, want %+v", got, want)
			}
			if raw := l.calls[0].RawState; strings.Contains(raw, "creating") != (kind.At == "create") {
				t.Errorf("state %s", raw)
			}
		})
	}
}

func TestHooks_PrestartInRuntimeNamespace(t *testing.T)          { namespace(t, "prestart") }
func TestHooks_CreateRuntimeInRuntimeNamespace(t *testing.T)     { namespace(t, "createRuntime") }
func TestHooks_CreateContainerInContainerNamespace(t *testing.T) { namespace(t, "createContainer") }
func TestHooks_StartContainerInContainerNamespace(t *testing.T)  { namespace(t, "startContainer") }
func TestHooks_PoststartInRuntimeNamespace(t *testing.T)         { namespace(t, "poststart") }
func TestHooks_PoststopInRuntimeNamespace(t *testing.T)          { namespace(t, "poststop") }

// namespace compares every namespace of a hook with ours, the runtime's.
func namespace(t *testing.T, name string) {
	t.Parallel()
	kind := kindOf(t, name)
	l := live(t, kind)
	call := l.calls[0]
	for _, ns := range []string{"mnt", "pid", "net", "ipc", "uts"} {
		ours, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		if (call.Namespaces[ns] == ours) != kind.InRuntime {
			t.Errorf("%s namespace %s, the runtime's is %s", ns, call.Namespaces[ns], ours)
		}
	}
	// The working directory is no more the image's to choose than the path, but for who runs in the image.
	want := l.Dir
	if name == "startContainer" {
		want = "/"
	}
	if call.Cwd != want {
		t.Errorf("working directory %s, want %s", call.Cwd, want)
	}
}

func TestHooks_PrestartPathInRuntimeNamespace(t *testing.T)         { pathIn(t, "prestart") }
func TestHooks_CreateRuntimePathInRuntimeNamespace(t *testing.T)    { pathIn(t, "createRuntime") }
func TestHooks_CreateContainerPathInRuntimeNamespace(t *testing.T)  { pathIn(t, "createContainer") }
func TestHooks_StartContainerPathInContainerNamespace(t *testing.T) { pathIn(t, "startContainer") }
func TestHooks_PoststartPathInRuntimeNamespace(t *testing.T)        { pathIn(t, "poststart") }
func TestHooks_PoststopPathInRuntimeNamespace(t *testing.T)         { pathIn(t, "poststop") }

// pathIn has a program at one path on the host and, another one that fails, in the container.
func pathIn(t *testing.T, name string) {
	t.Parallel()
	NeedRoot(t)
	kind := kindOf(t, name)
	programs, dir := Dir(t), Dir(t)
	path := filepath.Join(programs, "program")
	c := NewContainer(t, Args(workload...), record(kind, dir, name), func(s *specs.Spec) { (*kind.List(s.Hooks))[0].Path = path })
	inside := filepath.Join(c.RootFS, path)
	if err := os.MkdirAll(filepath.Dir(inside), 0o755); err != nil {
		t.Fatal(err)
	}
	good, bad := path, inside
	if !kind.PathInRuntime {
		good, bad = inside, path
	}
	copyProgram(t, Probe(), good)
	if err := os.WriteFile(bad, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"create", "start", "delete"} {
		c.Hooked(command).OK(t)
	}
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{name}) {
		t.Errorf("hooks %v", got)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestHooks_PrestartBeforePivot(t *testing.T)        { beforePivot(t, "prestart") }
func TestHooks_CreateRuntimeBeforePivot(t *testing.T)   { beforePivot(t, "createRuntime") }
func TestHooks_CreateContainerBeforePivot(t *testing.T) { beforePivot(t, "createContainer") }

// beforePivot sees the container's mounts, below the host's root.
func beforePivot(t *testing.T, name string) {
	t.Parallel()
	kind := kindOf(t, name)
	l := live(t, kind)
	points := l.calls[0].InitPoints
	if !kind.InRuntime {
		points = l.calls[0].Points
	}
	for _, m := range l.Spec.Mounts {
		if !slices.Contains(points, l.RootFS+m.Destination) {
			t.Errorf("there is no mount on %s%s yet, or it is not below the old root any more", l.RootFS, m.Destination)
		}
	}
	if t.Failed() {
		t.Logf("mounts: %q", points)
	}
}

func TestHooks_PrestartBeforeCreateRuntime(t *testing.T) { inOrder(t, "prestart", "createRuntime") }

func TestHooks_CreateContainerAfterCreateRuntime(t *testing.T) {
	inOrder(t, "createRuntime", "createContainer")
}

func inOrder(t *testing.T, first, second string) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, Args(workload...), record(kindOf(t, second), dir, second), record(kindOf(t, first), dir, first))
	c.Create()
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{first, second}) {
		t.Errorf("hooks %v", got)
	}
}

// The hook finds the process that is to be the workload, and the process is not it yet.
func TestHooks_StartContainerBeforeTheProgram(t *testing.T) {
	t.Parallel()
	l := live(t, kindOf(t, "startContainer"))
	if args := l.calls[0].InitArgs; strings.Contains(args, workload[1]) || args == "" {
		t.Errorf("the process was executed as %q when its startContainer hook ran", args)
	}
}

// start's return is after the hook, which live has looked for.
func TestHooks_PoststartAfterTheProgramBeforeReturn(t *testing.T) {
	t.Parallel()
	l := live(t, kindOf(t, "poststart"))
	if got := l.calls[0].InitArgs; got != strings.Join(workload, "\x00") {
		t.Errorf("the process was still %q when its poststart hook ran", got)
	}
}

// For a poststop hook the container does not exist any more, whoever is asked.
func TestHooks_PoststopAfterDeletionBeforeReturn(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	seen := filepath.Join(Dir(t), "seen")
	c := NewContainer(t, Args(workload...))
	script := `{ "$0" --root "$1" state "$2"; "$0" --root "$1" list --quiet; } >"$3" 2>&1`
	WithHook(kindOf(t, "poststop"), specs.Hook{
		Path: "/bin/sh", Args: []string{"sh", "-c", script, Runtime(), c.Root, c.ID, seen},
		Env: []string{"PATH=/usr/bin:/bin"},
	})(c.Spec)
	c.WriteSpec(t)
	pid := c.Create()
	c.Start()
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), "container does not exist\n") { // and list is silent
		t.Errorf("the hook saw: %s", text)
	}
	if left := c.Traces(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestHooks_PathMustBeAbsolute(t *testing.T) {
	brokenHook(t, "path", func(h *specs.Hook) { h.Path = "bin/hook" })
}

func TestHooks_PathIsRequired(t *testing.T) {
	brokenHook(t, "path", func(h *specs.Hook) { h.Path = "" })
}

func TestHooks_TimeoutMustBeAboveZero(t *testing.T) {
	brokenHook(t, "timeout", func(h *specs.Hook) { h.Timeout = new(0) })
}

// brokenHook is refused in each of the lists, before anything is made.
func brokenHook(t *testing.T, field string, damage func(*specs.Hook)) {
	t.Parallel()
	NeedRoot(t)
	for _, kind := range HookKinds() {
		dir := Dir(t)
		hook := HookRecord(dir+"/log", kind.Name)
		damage(&hook)
		c := NewContainer(t, record(kindOf(t, "prestart"), dir, "never"), WithHook(kind, hook))
		index := "0"
		if kind.Name == "prestart" {
			index = "1"
		}
		c.Hooked("create").Fails(t, "/hooks/"+kind.Name+"/"+index+"/"+field)
		if calls := HookCalls(t, dir+"/log"); calls != nil {
			t.Errorf("%s: hooks ran: %v", kind.Name, HookNames(calls))
		}
	}
}

// What the specification leaves to the runtime, and what runtimes have got wrong (CVE-2025-23266).
func TestHooks_ArgumentsAndEnvironment(t *testing.T) {
	t.Parallel()
	for _, kind := range HookKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			image := func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "FROM_IMAGE=1") }
			call := live(t, kind, image).calls[0]
			if call.Args[0] != "probe" {
				t.Errorf("args %q, want those of the hook", call.Args)
			}
			// None given: nothing on the host's side, the workload's in the container.
			if got := slices.Contains(call.Env, "FROM_IMAGE=1"); got == kind.PathInRuntime || kind.PathInRuntime && len(call.Env) != 0 {
				t.Errorf("environment %q", call.Env)
			}
			own := func(s *specs.Spec) { (*kind.List(s.Hooks))[0].Env = []string{"ONLY=this", "TWO=2"} }
			if call := live(t, kind, image, own).calls[0]; !slices.Equal(call.Env, []string{"ONLY=this", "TWO=2"}) {
				t.Errorf("environment %q, want that of the hook", call.Env)
			}
		})
	}
}

// Without args a program is called by its path alone.
func TestHooks_ArgumentsAbsent(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	dir := Dir(t)
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$# $0\" > \"${0%/*}/seen\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := NewContainer(t, WithHook(kindOf(t, "createRuntime"), specs.Hook{Path: script}))
	c.Run().OK(t)
	if text, _ := os.ReadFile(dir + "/seen"); string(text) != "0 "+script+"\n" {
		t.Errorf("called with %q", text)
	}
}

// A startContainer hook has the rights of the workload and no more: not the capability that is kept back for the filter.
func TestHooks_StartContainerHasTheWorkloadsRights(t *testing.T) {
	t.Parallel()
	for _, uid := range []uint32{0, 1000} {
		edits := []Edit{WithCaps("CAP_KILL"), func(s *specs.Spec) {
			s.Process.User.UID = uid
			s.Process.NoNewPrivileges = false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
			s.Process.Capabilities.Inheritable, s.Process.Capabilities.Ambient = []string{"CAP_KILL"}, []string{"CAP_KILL"}
		}}
		dir := Dir(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		NeedRoot(t)
		c := NewContainer(t, append(edits, record(kindOf(t, "startContainer"), dir, "it"))...)
		c.Run().OK(t)
		calls := HookCalls(t, dir+"/log")
		const kill = 1 << 5
		if len(calls) != 1 || calls[0].UID != int(uid) || calls[0].Capabilities != kill {
			t.Errorf("uid %d: %+v", uid, calls)
		}
	}
}
