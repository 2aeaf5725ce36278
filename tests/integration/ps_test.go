package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// family starts a container of four processes and gives their pids on the host, in ascending order.
func family(t *testing.T, edits ...Edit) (c *Container, pids []int) {
	t.Helper()
	c = NewContainer(t, append([]Edit{Args("spawn-children", "3")}, edits...)...)
	pid := c.Create()
	c.Start()
	pids = []int{pid}
	Eventually(t, "the children", func() bool {
		pids = pids[:1]
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, task := range tasks {
			children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
			for _, child := range strings.Fields(string(children)) {
				n, _ := strconv.Atoi(child)
				pids = append(pids, n)
			}
		}
		return len(pids) == 4
	})
	slices.Sort(pids)
	return c, pids
}

func TestPsJSON(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps")
	c, pids := family(t)
	want, _ := json.Marshal(pids)
	for _, args := range [][]string{{"ps", "--format", "json", c.ID}, {"ps", "-f=json", c.ID}, {"ps", "-f", "json", c.ID, "-ef"}} {
		res := c.Tare(args...).OK(t)
		var got []int
		if err := json.Unmarshal([]byte(res.Stdout), &got); err != nil {
			t.Fatalf("%q: %v", res.Stdout, err)
		}
		if slices.Sort(got); !slices.Equal(got, pids) {
			t.Errorf("%v: %v, want %v", args, got, pids)
		}
		if IsTare() && res.Stdout != string(want)+"\n" {
			t.Errorf("%v: %q, want %s on a line", args, res.Stdout, want)
		}
	}
}

// needProcps skips a test that relies on how a table looks.
func needProcps(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("ps", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "procps") {
		t.Skipf("needs the ps of procps on the host: %v, %.40q", err, out)
	}
}

func TestPsTable(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps")
	needProcps(t)
	c, pids := family(t)
	for _, tt := range []struct {
		args   []string
		column int
	}{
		{nil, 1}, {[]string{"aux"}, 1}, {[]string{"-eo", "pid,comm"}, 0}, {[]string{"-e", "-o", "comm,ppid,pid"}, 2},
	} {
		res := c.Tare(append([]string{"ps", c.ID}, tt.args...)...).OK(t)
		lines := strings.Split(strings.TrimSuffix(res.Stdout, "\n"), "\n")
		if strings.Fields(lines[0])[tt.column] != "PID" {
			t.Errorf("ps %v: header %q", tt.args, lines[0])
		}
		var got []int
		for _, line := range lines[1:] {
			n, _ := strconv.Atoi(strings.Fields(line)[tt.column])
			got = append(got, n)
		}
		if slices.Sort(got); !slices.Equal(got, pids) {
			t.Errorf("ps %v: %v, want %v:\n%s", tt.args, got, pids, res.Stdout)
		}
	}
}

// A process that gives itself a name with spaces cannot hide, nor pose as one of the container's.
func TestPsNames(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps")
	needProcps(t)
	if !IsTare() {
		t.Skip("the others go by the number of the column")
	}
	other := NewContainer(t, Args("sleep"))
	shown := other.Create()
	other.Start()
	name := fmt.Sprintf("/a %d b", shown)
	c := NewContainer(t, Args(name, "sleep"))
	if err := os.Link(c.RootFS+"/probe", c.RootFS+name); err != nil {
		t.Fatal(err)
	}
	hidden := c.Create()
	c.Start()
	Eventually(t, "its line", func() bool {
		out := c.Tare("ps", c.ID, "-e", "-o", "comm,pid").OK(t).Stdout
		return strings.Contains(out, fmt.Sprintf(" %d\n", hidden)) && strings.Contains(out, name[1:])
	})
	if out := other.Tare("ps", other.ID, "-e", "-o", "comm,pid").OK(t).Stdout; strings.Contains(out, name[1:]) {
		t.Errorf("another's process is among them:\n%s", out)
	}
}

func TestPsStopped(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps")
	c := NewContainer(t)
	pid := c.Create()
	dir := OwnCgroup(t, pid)
	if got := c.Tare("ps", "--format", "json", c.ID).OK(t).Stdout; got != fmt.Sprintf("[%d]\n", pid) {
		t.Errorf("created: %q, want [%d]", got, pid)
	}
	c.Start()
	c.Wait(pid)
	c.WaitStatus(specs.StateStopped)
	if got := c.Tare("ps", "--format", "json", c.ID).OK(t).Stdout; got != "null\n" {
		t.Errorf("stopped: %q, want null", got)
	}
	if IsTare() { // whoever removed it
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if got := c.Tare("ps", "--format", "json", c.ID).OK(t).Stdout; got != "null\n" {
			t.Errorf("without its cgroup: %q, want null", got)
		}
	}
	if _, err := exec.LookPath("ps"); err == nil {
		if got := c.Tare("ps", c.ID).OK(t).Stdout; !strings.Contains(got, "PID ") || strings.Count(got, "\n") != 1 {
			t.Errorf("stopped: %q, want the header alone", got)
		}
	}
}

func TestPsErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps")
	c := NewContainer(t, Args("sleep"))
	c.Create()
	c.Tare("ps", "--format", "xml", c.ID).Fails(t, "invalid format option")
	c.Tare("ps", c.ID, "--bogus").Fails(t)
	if _, err := exec.LookPath("ps"); err == nil {
		c.Tare("ps", c.ID, "-o", "comm").Fails(t, "couldn't find PID field in ps output")
	}
	if !IsTare() {
		return
	}
	missing := c.Command("ps", c.ID)
	missing.Env = []string{"PATH=" + c.Dir}
	c.Do(missing).Fails(t, `"ps": executable file not found in $PATH`, "--format json")
	// The little that managers set.
	for _, args := range [][]string{{"ps", "--format", "json", c.ID}, {"ps", c.ID}, {"ps", c.ID, "--", "-ef"}} {
		if _, err := exec.LookPath("ps"); err != nil && args[1] == c.ID {
			continue
		}
		bare := c.Command(args...)
		bare.Env = []string{"XDG_RUNTIME_DIR="}
		c.Do(bare).OK(t)
	}
}
