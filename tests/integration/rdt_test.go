package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A rdtHost has a fake resctrl file system: the runtime under test is built once more, with the fake of package resctrl's own
// tests compiled in. So all but the kernel's side of it is what a user has.
type rdtHost struct {
	t       *testing.T
	root    string // of the fake
	runtime string
}

func newRdtHost(t *testing.T) *rdtHost {
	t.Helper()
	NeedRoot(t)
	NeedProgram(t, "go")
	if !IsTare() {
		t.Skip("the fake resctrl is compiled into tare")
	}
	dir := Dir(t)
	source, err := filepath.Abs("../../libcontainer/resctrl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(source); err != nil {
		t.Skip("needs the sources of tare, to build it with a fake resctrl: ", err)
	}
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(source, "fake.go"): filepath.Join(source, "fake_test.go"),
	}})
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-tags", "urfave_cli_no_template",
		"-o", filepath.Join(dir, "tare"), "tare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	h := &rdtHost{t, filepath.Join(dir, "resctrl"), filepath.Join(dir, "with-resctrl")}
	script := fmt.Sprintf("#!/bin/sh\nTARE_TEST_RESCTRL=%s exec %s/tare \"$@\"\n", h.root, dir)
	if err := os.WriteFile(h.runtime, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *rdtHost) container(t *testing.T, rdt *specs.LinuxIntelRdt, edits ...Edit) *Container {
	t.Helper()
	c := NewContainer(t, append(edits, func(s *specs.Spec) { s.Linux.IntelRdt = rdt })...)
	c.UseRuntime(h.runtime)
	return c
}

func (h *rdtHost) read(file string) string {
	data, _ := os.ReadFile(filepath.Join(h.root, file))
	return string(data)
}

func (h *rdtHost) has(dir string) bool {
	_, err := os.Stat(filepath.Join(h.root, dir))
	return err == nil
}

func TestRdt(t *testing.T) {
	t.Parallel()
	h := newRdtHost(t)
	t.Run("life", func(t *testing.T) {
		c := h.container(t, &specs.LinuxIntelRdt{Schemata: []string{"L3:0=f", "MB:0=20"}, EnableMonitoring: true}, Args("sleep"))
		pid := c.Create()
		monitor := c.ID + "/mon_groups/" + c.ID
		for _, file := range []string{c.ID + "/tasks", monitor + "/tasks"} {
			if got := h.read(file); got != fmt.Sprintln(pid) {
				t.Errorf("%s: %q, want %d", file, got, pid)
			}
		}
		if got := h.read(c.ID + "/schemata"); !strings.Contains(got, "L3:0=f\n") || !strings.Contains(got, "MB:0=20\n") {
			t.Errorf("schemata %q", got)
		}
		if log := h.read("log"); strings.Index(log, "schemata") > strings.Index(log, "tasks") {
			t.Errorf("a process came before the limits:\n%s", log)
		}
		c.Start()

		file := filepath.Join(c.Dir, "exec-pid")
		c.Tare("exec", "--detach", "--pid-file", file, c.ID, "/probe", "sleep").OK(t)
		joined := c.PidFile(file)
		for _, tasks := range []string{c.ID + "/tasks", monitor + "/tasks"} {
			if got := h.read(tasks); got != fmt.Sprintf("%d\n%d\n", pid, joined) {
				t.Errorf("%s: %q, want %d and %d", tasks, got, pid, joined)
			}
		}
		_ = unix.Kill(joined, unix.SIGKILL)
		c.Wait(joined)

		c.Tare("update", "--l3-cache-schema", "L3:1=7", "--mem-bw-schema", "MB:1=50", c.ID).OK(t)
		if got := h.read(c.ID + "/schemata"); !strings.Contains(got, "L3:1=7\n") || !strings.Contains(got, "MB:1=50\n") {
			t.Errorf("schemata %q after update", got)
		}
		before := h.read(c.ID + "/schemata")
		c.Tare("update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:9=50", c.ID).Fails(t, "linux.intelRdt", "MB:9=50")
		if got := h.read(c.ID + "/schemata"); got != before {
			t.Errorf("schemata %q after an update that failed, before %q", got, before)
		}

		c.Tare("delete", "--force", c.ID).OK(t)
		if h.has(c.ID) {
			t.Error("delete has left the class of service")
		}
	})
	t.Run("closID stays", func(t *testing.T) {
		c := h.container(t, &specs.LinuxIntelRdt{ClosID: "stays", L3CacheSchema: "L3:0=3", EnableMonitoring: true}, Args("sleep"))
		c.Create()
		if !h.has("stays/mon_groups/" + c.ID) {
			t.Error("no monitoring group")
		}
		other := h.container(t, &specs.LinuxIntelRdt{ClosID: "stays", L3CacheSchema: "L3:0=7"})
		other.Run().Fails(t, "linux.intelRdt.closID (/linux/intelRdt/closID): ", "L3:0 is 3, not 7")
		same := h.container(t, &specs.LinuxIntelRdt{ClosID: "stays", L3CacheSchema: "L3:0=3"})
		same.Run().OK(t)
		c.Tare("delete", "--force", c.ID).OK(t)
		if !h.has("stays") || h.has("stays/mon_groups/"+c.ID) {
			t.Error("delete has removed the class, or left the monitoring group")
		}
	})
	t.Run("failed create", func(t *testing.T) {
		for _, rdt := range []specs.LinuxIntelRdt{
			{EnableMonitoring: true}, {ClosID: "fails", L3CacheSchema: "L3:0=3", EnableMonitoring: true},
		} {
			c := h.container(t, &rdt, Args("/no/such/program"))
			c.Tare("create", "--bundle", c.Dir, c.ID).Exit(t, 1)
			if h.has(c.ID) || h.has("fails") {
				t.Errorf("%+v: something is left", rdt)
			}
		}
	})
	t.Run("killed create", func(t *testing.T) {
		for i, rdt := range []specs.LinuxIntelRdt{
			{EnableMonitoring: true}, {ClosID: "killed", L3CacheSchema: "L3:0=3"},
		} {
			c := h.container(t, &rdt)
			log := filepath.Join(c.Dir, "log"+strconv.Itoa(i))
			c.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{HookRecord(log, "slow", "0", "3600")}}
			c.WriteSpec(t)
			cmd := c.Command("create", "--bundle", c.Dir, c.ID)
			Begin(t, cmd)
			Eventually(t, "the hook", func() bool { _, err := os.Stat(log); return err == nil })
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			c.Tare("delete", "--force", c.ID).OK(t)
			if h.has(c.ID) || h.has("killed") {
				t.Errorf("%+v: something is left", rdt)
			}
		}
	})
	t.Run("without intelRdt", func(t *testing.T) {
		before := h.read("log")
		c := h.container(t, nil, Args("sleep"))
		c.Create()
		c.Tare("update", "--l3-cache-schema", "L3:0=3", c.ID).Fails(t, "without linux.intelRdt")
		c.Tare("delete", "--force", c.ID).OK(t)
		if after := h.read("log"); after != before {
			t.Errorf("resctrl was touched: %s", strings.TrimPrefix(after, before))
		}
	})
}

// A host without resctrl, as nearly all are: an error, and nothing is left.
func TestRdtMissing(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if table, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(table), " - resctrl ") {
		t.Skip("this host has resctrl")
	}
	if !IsTare() {
		t.Skip("the words are tare's")
	}
	c := NewContainer(t, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} })
	c.Run().Fails(t, "linux.intelRdt (/linux/intelRdt): no resctrl file system is mounted")
	if left := c.Gone(); left != nil {
		t.Errorf("the failed run left %v", left)
	}
}
