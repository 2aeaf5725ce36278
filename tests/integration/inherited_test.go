package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A place is a mount namespace that takes the host's part: what a broken runtime mounts in it ends with it.
type place struct {
	t     *testing.T
	pid   int // of a process that keeps it
	entry string
}

func newPlace(t *testing.T, propagation string) *place {
	t.Helper()
	NeedRoot(t)
	unshare, entry := NeedProgram(t, "unshare"), NeedProgram(t, "nsenter")
	NeedProgram(t, "mount")
	reader, writer := Pipe(t)
	// Cut off first: whatever is shared in there is so with nobody outside. Without the mounts of other tests, which go with their directories.
	cmd := exec.Command(unshare, "--mount", "--propagation", "private", "sh", "-c",
		"while read -r _ _ _ _ at _; do case $at in */tare-test-*) umount -l $at 2>/dev/null;; esac; done </proc/self/mountinfo; "+
			"mount --make-r"+propagation+" / && echo ready && exec sleep 600")
	cmd.Stdout = writer
	Begin(t, cmd)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	Expect(t, reader, "ready\n")
	return &place{t, cmd.Process.Pid, entry}
}

// tare runs the runtime in there.
func (p *place) tare(c *Container, args ...string) *Result {
	p.t.Helper()
	cmd := c.Command(args...)
	cmd.Args = append([]string{p.entry, "--mount=/proc/" + strconv.Itoa(p.pid) + "/ns/mnt", "--"}, cmd.Args...)
	cmd.Path = p.entry
	return c.Do(cmd)
}

func (p *place) mounts() string {
	p.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// A container without a mount namespace has the runtime's, with its mounts below its root, and leaves no trace in it.
func TestInheritedMountNamespace(t *testing.T) {
	t.Parallel()
	for _, propagation := range []string{"private", "shared"} {
		for name, edit := range map[string]Edit{
			"no namespace": WithoutNamespace(specs.MountNamespace),
			"no linux":     func(s *specs.Spec) { s.Linux, s.Hostname = nil, ""; WithoutMount("/sys", "/dev/mqueue")(s) },
		} {
			t.Run(name+" "+propagation, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, propagation)
				c := NewContainer(t, Args("sleep"), edit)
				before := p.mounts()
				p.tare(c, "create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID).OK(t)
				pid := c.PidFile(c.Dir + "/pid")
				if ours, theirs := nsOf(t, p.pid, specs.MountNamespace), nsOf(t, pid, specs.MountNamespace); ours != theirs {
					t.Errorf("mount namespace %s, want the runtime's, %s", theirs, ours)
				}
				p.tare(c, "start", c.ID).OK(t)
				if m := p.mounts(); !strings.Contains(m, " "+c.RootFS+"/proc ") || !strings.Contains(m, " "+c.RootFS+" ") {
					t.Errorf("the container's mounts are not below its root:\n%s", m)
				}
				r := p.tare(c, "exec", c.ID, "/probe", "report").Report(t)
				if r.Process.Cwd != "/" || r.Mounts[0].Point != "/" {
					t.Errorf("exec's cwd %s, mounts %+v", r.Process.Cwd, r.Mounts)
				}
				if out := p.tare(c, "exec", c.ID, "/probe", "list", "/").OK(t).Stdout; strings.Contains(out, "boot") || !strings.Contains(out, "probe") {
					t.Errorf("exec has the root %s", out)
				}
				p.tare(c, "delete", "--force", c.ID).OK(t)
				c.Wait(pid)
				if after := p.mounts(); after != before {
					t.Errorf("left in the runtime's mount namespace:\n%s\nbefore:\n%s", after, before)
				}
			})
		}
	}
}

// Nor do a run, a create that fails, and one whose runtime is killed with everything mounted.
func TestInheritedMountNamespaceUndone(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "shared")
	dir := Dir(t)
	slow := HookRecord(dir+"/log", "slow", "0", "3600")
	c := NewContainer(t, Args("exit", "4"), WithoutNamespace(specs.MountNamespace))
	before := p.mounts()
	same := func(what string) {
		t.Helper()
		if after := p.mounts(); after != before {
			t.Errorf("%s left in the runtime's mount namespace:\n%s\nbefore:\n%s", what, after, before)
		}
	}
	p.tare(c, "run", "--bundle", c.Dir, c.ID).Exit(t, 4)
	same("a run")
	c.Spec.Process.Args = []string{"/no/such/program"}
	c.WriteSpec(t)
	p.tare(c, "create", "--bundle", c.Dir, c.ID).Fails(t, "/no/such/program")
	same("a failed create")

	c.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{slow}}
	c.WriteSpec(t)
	cmd := c.Command("create", "--bundle", c.Dir, c.ID)
	cmd.Args = append([]string{p.entry, "--mount=/proc/" + strconv.Itoa(p.pid) + "/ns/mnt", "--"}, cmd.Args...)
	cmd.Path = p.entry
	Begin(t, cmd)
	Eventually(t, "the hook", func() bool { return len(HookCalls(t, dir+"/log")) == 1 })
	if p.mounts() == before {
		t.Error("nothing is mounted when the hooks run")
	}
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	p.tare(c, "delete", "--force", c.ID).OK(t)
	same("a killed create")
}
