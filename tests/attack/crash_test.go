package attack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// L01: whenever the runtime is killed, `delete --force` succeeds at the first try and leaves nothing, and the id is
// free again.

// A victim is a container whose runtime gets killed.
type victim struct {
	*Container
	t       *testing.T
	edits   []Edit   // what the crash is tried with, on top of the calm configuration
	console []string // flags for create and run
}

// variants are containers that take different ways through the runtime.
var variants = []struct {
	name     string
	terminal bool
	edit     func(*testing.T, *victim) []Edit
}{
	{name: "plain"},
	{name: "terminal", terminal: true},
	{name: "user namespace", edit: func(*testing.T, *victim) []Edit { return []Edit{WithUserNamespace(100000, 65536)} }},
	{name: "createRuntime hook hangs", edit: hanging(func(h *specs.Hooks, hook specs.Hook) { h.CreateRuntime = []specs.Hook{hook} })},
	{name: "createContainer hook hangs", edit: hanging(func(h *specs.Hooks, hook specs.Hook) { h.CreateContainer = []specs.Hook{hook} })},
	{name: "startContainer hook hangs", edit: hanging(func(h *specs.Hooks, hook specs.Hook) {
		hook.Path, hook.Args[2] = "/probe", "/dev/shm/log"
		h.StartContainer = []specs.Hook{hook}
	})},
	{name: "poststart hook hangs", edit: hanging(func(h *specs.Hooks, hook specs.Hook) { h.Poststart = []specs.Hook{hook} })},
	{name: "joined namespaces", edit: joined},
	{name: "joined user namespace", edit: joinedUser},
	{name: "host's PID namespace", edit: func(*testing.T, *victim) []Edit { return []Edit{WithoutNamespace(specs.PIDNamespace)} }},
}

// hanging adds a hook that does not end by itself.
func hanging(set func(*specs.Hooks, specs.Hook)) func(*testing.T, *victim) []Edit {
	return func(_ *testing.T, v *victim) []Edit {
		return []Edit{func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{}
			set(s.Hooks, HookRecord(filepath.Join(v.Dir, "hook-log"), "slow", "0", "3600"))
		}}
	}
}

// joined goes the way of two forks.
func joined(t *testing.T, _ *victim) []Edit {
	host := NewContainer(t, Args("sleep"))
	pid, _ := start(t, host)
	return []Edit{
		WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace)),
		WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace)),
		WithNamespace(specs.IPCNamespace, nsPath(pid, specs.IPCNamespace)),
	}
}

func joinedUser(t *testing.T, _ *victim) []Edit {
	host := NewContainer(t, WithUserNamespace(100000, 65536), Args("sleep"))
	pid, _ := start(t, host)
	return []Edit{
		WithUserNamespace(100000, 65536),
		WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace)),
		WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace)),
		WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace)),
		WithNamespace(specs.IPCNamespace, nsPath(pid, specs.IPCNamespace)),
	}
}

func newVictim(t *testing.T, variant int) *victim {
	t.Helper()
	v := &victim{Container: NewContainer(t, Args("sleep")), t: t}
	if variants[variant].edit != nil {
		v.edits = variants[variant].edit(t, v)
	}
	if variants[variant].terminal {
		v.edits = append(v.edits, Terminal)
		v.console = []string{"--console-socket", swallow(t)}
	}
	return v
}

// swallow listens on a console socket. What comes stays unread, and so the terminals in it open: at the end of its
// terminal a container ends.
func swallow(t *testing.T) string {
	t.Helper()
	path := filepath.Join(Dir(t), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		var held []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			if held = append(held, conn); len(held) > 8 {
				held[0].Close() // its container is long gone
				held = held[1:]
			}
		}
		for _, conn := range held {
			conn.Close()
		}
	}()
	return path
}

// configure writes the configuration to crash with, or the calm one.
func (v *victim) configure(wild bool) {
	v.t.Helper()
	calm := *v.Spec
	linux := *calm.Linux
	calm.Linux = &linux
	linux.Namespaces = slices.Clone(linux.Namespaces)
	process := *calm.Process
	calm.Process = &process
	if wild {
		for _, edit := range v.edits {
			edit(&calm)
		}
	}
	b := &Bundle{Dir: v.Dir, RootFS: v.RootFS, Spec: &calm}
	b.WriteSpec(v.t)
}

// prepare brings the container to where the command can be called.
func (v *victim) prepare(command string) {
	v.t.Helper()
	// A hook that hangs would hang here; and what delete has to remove does not depend on it.
	hangs := len(v.edits) > 0 && v.hangs(command)
	switch command {
	case "start":
		v.configure(true)
		v.Tare(append(append([]string{"create", "--bundle", v.Dir}, v.console...), v.ID)...).OK(v.t)
	case "delete", "delete --force", "kill", "pause", "resume", "update":
		v.configure(!hangs)
		console := v.console
		if hangs {
			console = nil
		}
		v.Tare(append(append([]string{"create", "--bundle", v.Dir}, console...), v.ID)...).OK(v.t)
		if command != "delete" {
			v.Tare("start", v.ID).OK(v.t)
		}
		if command == "kill" || command == "resume" {
			v.Tare("pause", v.ID).OK(v.t)
		}
	}
	if command == "create" || command == "run" || command == "run --detach" {
		v.configure(true)
	}
}

// hangs tells whether the way to the command leads past a hanging hook.
func (v *victim) hangs(command string) bool {
	s := DefaultSpec()
	for _, edit := range v.edits {
		edit(s)
	}
	h := s.Hooks
	if h == nil {
		return false
	}
	return command != "start" || len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// arguments are those of the command to be killed.
func (v *victim) arguments(command string) []string {
	words := strings.Fields(command)
	switch command {
	case "create", "run --detach":
		words = append(append(words, "--bundle", v.Dir, "--pid-file", v.Dir+"/pid"), v.console...)
	case "kill": // a paused one
		return append(words, v.ID, "KILL")
	case "update":
		words = append(words, "--resources", v.limits())
	case "run": // in the foreground the terminal is its own
		words = append(words, "--bundle", v.Dir, "--pid-file", v.Dir+"/pid")
	}
	return append(words, v.ID)
}

// limits writes a file of limits that every host can hold: device rules.
func (v *victim) limits() string {
	v.t.Helper()
	path := filepath.Join(v.Dir, "limits.json")
	if err := os.WriteFile(path, []byte(`{"devices":[{"allow":false,"access":"rwm"}]}`), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// check is what has to hold after the crash.
func (v *victim) check(moment string) {
	v.t.Helper()
	res := v.Tare("delete", "--force", v.ID)
	if res.Code != 0 || res.Stderr != "" {
		v.t.Fatalf("%s: delete --force: exit code %d: %s\nthere is: %v", moment, res.Code, res.Stderr, v.Traces())
	}
	if left := v.Gone(); left != nil { // at once
		v.t.Fatalf("%s: delete --force left %v", moment, left)
	}
	var left []string
	end := time.Now().Add(Deadline() / 6)
	for left = v.Traces(); left != nil && time.Now().Before(end); left = v.Traces() {
		time.Sleep(time.Millisecond) // what was killed with the runtime takes its time
	}
	if left != nil {
		v.t.Fatalf("%s: delete --force left %v", moment, left)
	}
}

// again shows that the id is free.
func (v *victim) again(moment string) {
	v.t.Helper()
	v.configure(false)
	for _, args := range [][]string{{"create", "--bundle", v.Dir, v.ID}, {"start", v.ID}, {"delete", "--force", v.ID}} {
		if res := v.Tare(args...); res.Code != 0 {
			v.t.Fatalf("%s: and then %v: exit code %d: %s", moment, args, res.Code, res.Stderr)
		}
	}
	v.check(moment + ", and once more")
}

var crashCommands = []string{
	"create", "run", "run --detach", "start", "delete", "delete --force", "kill", "pause", "resume", "update",
}

// applies tells which commands a variant is for.
func (v *victim) applies(command string) bool { return command != "start" || !v.hangs(command) }

func TestCrashAtRandomMoments(t *testing.T) {
	NeedRoot(t)
	rounds := number("TARE_CRASH_ROUNDS", 200)
	seed := uint64(number("TARE_CRASH_SEED", int(time.Now().UnixNano()&0xffffff)+1))
	t.Logf("%d rounds; the same moments again: TARE_CRASH_SEED=%d", rounds, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	descriptors := OpenDescriptors(t)
	for i := range variants {
		t.Run(variants[i].name, func(t *testing.T) {
			v := newVictim(t, i)
			times := map[string]time.Duration{}
			killed := 0
			share := (rounds + i) / len(variants)
			for n := range share {
				command := crashCommands[random.IntN(len(crashCommands))]
				if !v.applies(command) {
					command = "create"
				}
				if times[command] == 0 {
					times[command] = v.measure(command)
				}
				moment := time.Duration(random.Int64N(int64(times[command])))
				if v.crash(command, moment) {
					killed++
				} else {
					times[command] = min(times[command], moment*5/4+1) // measured on a busy machine, maybe
				}
				what := fmt.Sprintf("round %d: %s, killed after %v", n, command, moment)
				v.check(what)
				v.again(what)
			}
			t.Logf("%d commands, %d of them killed before their end", share, killed)
			if killed == 0 && share > 3 {
				t.Error("every command came to its end: the test shows nothing")
			}
		})
	}
	if now := OpenDescriptors(t); len(now) > len(descriptors) {
		t.Errorf("descriptors leaked into the caller: %v, before %v", now, descriptors)
	}
}

// measure gives a little more than the time that a command takes, or what is enough for it to hang.
func (v *victim) measure(command string) time.Duration {
	v.t.Helper()
	v.prepare(command)
	cmd := v.Command(v.arguments(command)...)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	limit := 40 * time.Millisecond * (Deadline() / (30 * time.Second))
	select {
	case <-done:
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		<-done
	}
	spent := time.Since(begin)
	v.check("measuring " + command)
	return spent * 5 / 4
}

// crash runs the command and kills it, and tells whether it was still there.
func (v *victim) crash(command string, after time.Duration) bool {
	v.t.Helper()
	v.prepare(command)
	out, err := os.CreateTemp(v.Dir, "out-")
	if err != nil {
		v.t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := v.Command(v.arguments(command)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	switch code := ExitCode(cmd); code {
	case 137:
		return true
	case 0:
		return false
	default:
		text, _ := os.ReadFile(out.Name())
		v.t.Fatalf("%s: exit code %d: %s", command, code, text)
		return false
	}
}
