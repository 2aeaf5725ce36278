package attack

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// A07: many containers are made in the PID namespace of a running one that goes for every process it sees. As long as
// such a process is the runtime (by its name, or by its program) nothing lets the attacker in.
func TestSharedPIDNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	files := []string{"CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SETUID", "CAP_CHOWN", "CAP_FOWNER", "CAP_KILL"}
	for name, tt := range map[string]struct {
		attacker  []Edit
		sameUser  bool // the guests are in the attacker's user namespace, too
		mayTrace  bool // the kernel's own rules let it: what it gets is told, not judged
		mayRead   bool // Linux 6.13 lets CAP_SYS_ADMIN, as CAP_PERFMON, look at every process's maps and environ
		guestUser bool // the guests have a user namespace of their own
	}{
		"default capabilities": {},

		"CAP_SYS_ADMIN": {attacker: []Edit{WithCaps(files...)}, mayRead: true},

		"CAP_SYS_ADMIN, guests with a user namespace": {attacker: []Edit{WithCaps(files...)}, mayRead: true, guestUser: true},

		"CAP_SYS_PTRACE in a user namespace": {attacker: []Edit{WithUserNamespace(100000, 65536), WithCaps(append(slices.Clone(files), "CAP_SYS_PTRACE")...)}},

		"CAP_SYS_PTRACE in a user namespace they share": {attacker: []Edit{WithUserNamespace(100000, 65536), WithCaps(append(slices.Clone(files), "CAP_SYS_PTRACE")...)}, sameUser: true},

		"CAP_SYS_PTRACE": {attacker: []Edit{WithCaps(append(slices.Clone(files), "CAP_SYS_PTRACE")...)}, mayTrace: true},

		"CAP_SYS_PTRACE, guests with a user namespace": {attacker: []Edit{WithCaps(append(slices.Clone(files), "CAP_SYS_PTRACE")...)}, mayTrace: true, guestUser: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewContainer(t, append(slices.Clone(tt.attacker), Args("proc-hammer"))...)
			pid, output := start(t, c)
			guest := NewContainer(t, WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace)), Args("true"))
			switch {
			case tt.sameUser:
				WithUserNamespace(100000, 65536)(guest.Spec)
				WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace))(guest.Spec)
			case tt.guestUser:
				WithUserNamespace(300000, 65536)(guest.Spec)
				WithoutMount("/proc")(guest.Spec) // root of that namespace has no say over this PID namespace
			}
			guest.WriteSpec(t)
			for range scaled(30) {
				guest.Run().OK(t)
			}
			c.Tare("kill", c.ID, "KILL").OK(t)
			c.Wait(pid)
			judge(t, Hits(t, output()), []string{InodeOf(t, c.RootFS), InodeOf(t, guest.RootFS)}, tt.mayTrace, tt.mayRead)
		})
	}
}

// judge sorts what the attacker got from processes that were still the runtime.
func judge(t *testing.T, all []view.Hit, roots []string, mayTrace, mayRead bool) {
	t.Helper()
	bad, outside, workload := map[string]int{}, map[string]int{}, 0
	for _, h := range all {
		if h.What == "ready" || h.What == "procfs" || mayRead && (h.What == "maps" || h.What == "environ") {
			continue
		}
		h.Target = nameless(h.Target)
		// Without the name or the program it is not known what it was: a pidfd's descriptor, seen by its directory.
		ours := h.Comm == "tare:[init]" || h.Comm == "tare" || h.Exe != "" && filepath.Base(h.Exe) != "probe"
		if h.Dir && !slices.Contains(roots, h.Inode) && (h.What == "cwd" || h.What == "root" || strings.HasPrefix(h.What, "fd/") || strings.HasPrefix(h.What, "pidfd_getfd")) {
			outside[fmt.Sprintf("%s of %s → %s", h.What, h.Comm, h.Target)]++
		}
		if ours {
			bad[fmt.Sprintf("%s of %s (%s) → %s", h.What, h.Comm, h.Exe, h.Target)]++
		} else {
			workload++
		}
	}
	if mayTrace {
		for _, what := range slices.Sorted(maps.Keys(bad)) {
			t.Logf("reached %d times: %s", bad[what], what)
		}
		for _, what := range slices.Sorted(maps.Keys(outside)) {
			t.Logf("directory %d times: %s", outside[what], what)
		}
		return
	}
	for _, what := range slices.Sorted(maps.Keys(bad)) {
		t.Errorf("the runtime let the attacker in %d times: %s", bad[what], what)
	}
	for _, what := range slices.Sorted(maps.Keys(outside)) {
		t.Errorf("the attacker has got a directory outside of the root file systems, %d times: %s", outside[what], what)
	}
	t.Logf("%d ways into workloads", workload)
}

// nameless takes from a link's target what is another one each time.
func nameless(target string) string {
	kind, _, numbered := strings.Cut(target, ":[")
	switch {
	case numbered:
		return kind
	case strings.Contains(target, "/out-"):
		return "the caller's output"
	}
	return target
}

// A08: a neighbour goes for the program of containers that are made in its PID namespace: it makes it writable if it
// can, and writes to it while it runs and after. The host's file is not touched by that, and containers start
// afterwards.
func TestRewrittenProgram(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	most := []string{
		"CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID",

		"CAP_MKNOD", "CAP_SYS_CHROOT",
	}
	t.Run("without CAP_SYS_PTRACE", func(t *testing.T) {
		t.Parallel()
		if text := rewritten(t, WithCaps(most...)); text != "" {
			t.Error(text)
		}
	})
	t.Run("in a user namespace", func(t *testing.T) {
		t.Parallel()
		if text := rewritten(t, WithCaps(append(slices.Clone(most), "CAP_SYS_PTRACE")...), WithUserNamespace(100000, 65536)); text != "" {
			t.Error(text)
		}
	})
	// These may trace what is made in their PID namespace, by the kernel's own rules; but not reach the host's file.
	for name, caps := range map[string][]string{"CAP_SYS_PTRACE": {"CAP_SYS_PTRACE"}, "everything": append(slices.Clone(most), "CAP_SYS_PTRACE")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text := rewritten(t, WithCaps(caps...)); text != "" {
				t.Error(text)
			}
		})
	}
}

// rewritten says what became of the runtime's program.
func rewritten(t *testing.T, edits ...Edit) string {
	t.Helper()
	binary := filepath.Join(Dir(t), filepath.Base(Runtime())) // first: it has to outlive the containers
	CopyRuntime(t, binary)
	before := fingerprint(t, binary)
	c := NewContainer(t, append(edits, hostile(t, "rewrite"))...)
	c.WriteFile(t, attackerPath, "", 0o755)
	pid, output := start(t, c)
	joined := WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace))
	for _, prepare := range []func(*Container){
		func(c *Container) {
			c.Symlink(t, "/proc/self/exe", "self")
			c.Spec.Process.Args = []string{"/self", "init"}
		},
		func(c *Container) {
			c.WriteFile(t, "self", "#!/proc/self/exe\n", 0o755)
			c.Spec.Process.Args = []string{"/self"}
		},
		func(c *Container) { c.Spec.Process.Args = []string{"/proc/self/exe", "features"} },
		func(*Container) {},
	} {
		guest := NewContainer(t, joined)
		prepare(guest)
		guest.WriteSpec(t)
		for range scaled(5) {
			cmd := guest.Command("run", "--bundle", guest.Dir, guest.ID)
			cmd.Path, cmd.Args[0] = binary, binary
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run() // it may not even be a program any more
		}
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	t.Logf("the attacker had a hold of %d programs", strings.Count(output(), "held "))
	if after := fingerprint(t, binary); after != before {
		return fmt.Sprintf("the runtime's program on the host was overwritten: %s, before %s", after, before)
	}
	return ""
}

func fingerprint(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %v %v %v", sha256.Sum256(data), info.Mode(), info.Size(), info.ModTime())
}
