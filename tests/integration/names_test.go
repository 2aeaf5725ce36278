package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// Callers that take no other name find tare as a link called runc: every command works under any name. Under that of runc it
// speaks as runc does, where callers parse what it says; under every other one it says who it is.
func TestNames(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("this is about tare's own names")
	}
	for called, speaks := range map[string]string{"runc": "runc", "crun": "tare", "oci-runtime": "tare"} {
		t.Run(called, func(t *testing.T) {
			t.Parallel()
			link := filepath.Join(Dir(t), called)
			if err := os.Symlink(Runtime(), link); err != nil {
				t.Fatal(err)
			}
			namedLife(t, link, speaks)
			namedAnswers(t, link, speaks)
		})
	}
}

// namedLife has a container made, used and removed by the program called link.
func namedLife(t *testing.T, link, speaks string) {
	c := NewContainer(t, Args("sleep"))
	c.UseRuntime(link)
	pid := c.Create()
	c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, speaks+" create failed: ", "already exists")
	if s := c.State(); s.Status != specs.StateCreated || s.Pid != pid {
		t.Errorf("state after create: %+v", s)
	}
	c.Start()
	if out := c.Tare("exec", c.ID, "/probe", "echo", "hello").OK(t).Stdout; out != "hello\n" {
		t.Errorf("exec: %q", out)
	}
	if r := c.Tare("exec", c.ID, "/nothing").Exit(t, 255); !strings.HasPrefix(r.Stderr, speaks+" exec failed: ") {
		t.Errorf("exec of nothing: %q", r.Stderr)
	}
	if out := c.Tare("list", "--quiet").OK(t).Stdout; out != c.ID+"\n" {
		t.Errorf("list: %q", out)
	}
	if CgroupV2() || OnV1("pids") {
		c.Tare("ps", "--format", "json", c.ID).OK(t)
		c.Tare("update", "--pids-limit", "100", c.ID).OK(t)
		c.Tare("events", "--stats", c.ID).OK(t)
	}
	if CgroupV2() || OnV1("freezer") {
		c.Tare("pause", c.ID).OK(t)
		c.WaitStatus(paused)
		c.Tare("resume", c.ID).OK(t)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.WaitStatus(specs.StateStopped)
	c.Tare("kill", c.ID, "KILL").Fails(t, "container not running")
	c.Tare("delete", c.ID).OK(t)
	if left := c.Gone(); left != nil {
		t.Errorf("delete left %v", left)
	}
	c.Spec.Process.Args = []string{"/probe", "exit", "7"}
	c.WriteSpec(t)
	c.Run().Exit(t, 7)
}

// namedAnswers looks at commands without a container.
func namedAnswers(t *testing.T, link, speaks string) {
	c := NewContainer(t)
	c.UseRuntime(link)
	if out := c.Tare("--version").OK(t).Stdout; !strings.HasPrefix(out, speaks+" version ") {
		t.Errorf("--version: %q", out)
	}
	if out := c.Tare("help").OK(t).Stdout; !strings.HasPrefix(out, speaks+" runs containers") {
		t.Errorf("help: %q", out)
	}
	if r := c.Tare("features").OK(t); !strings.HasPrefix(r.Stdout, "{") || r.Stderr != "" {
		t.Errorf("features: %q, %q", r.Stdout, r.Stderr)
	}
	c.Tare("check", "--config-only", c.Dir).OK(t)
	c.Tare("seccomp", "show", "/nonexistent").Fails(t, speaks+": ", "no such file or directory")
	c.Tare("spec", "--bundle", Dir(t)).OK(t)
	c.Tare("bogus").Exit(t, 3)
}
