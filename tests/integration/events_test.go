package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// event is a line of `events`.
type event struct {
	Type, ID string
	Data     map[string]any
}

func decodeEvent(t *testing.T, line string) event {
	t.Helper()
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return e
}

func TestEventsStats(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "events")
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	look := func() {
		t.Helper()
		out := c.Tare("events", "--stats", c.ID).OK(t).Stdout
		if strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, `{"type":"stats","id":"`+c.ID+`","data":{"cpu":{"usage":{`) ||
			!strings.HasSuffix(out, `"network_interfaces":null}}`+"\n") || !strings.Contains(out, `"intel_rdt":{}`) {
			t.Errorf("events --stats: %s", out)
		}
		e := decodeEvent(t, out)
		if used, _ := e.Data["cpu"].(map[string]any)["usage"].(map[string]any)["total"].(float64); used <= 0 {
			t.Errorf("it used no processor time: %s", out)
		}
	}
	look() // created
	c.Start()
	look()
	if HasCommand(t, "pause") {
		c.Tare("pause", c.ID).OK(t)
		look()
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("events", "--stats", c.ID).Fails(t, "not running")
	c.Tare("events", c.ID).Fails(t, "not running")
	c.Tare("events", "--interval", "0s", c.ID).Fails(t, "duration interval must be greater than 0")
	c.Tare("events", "--interval", "-1s", c.ID).Fails(t, "duration interval must be greater than 0")
}

// What readers of runc's stats find there they find here: the same keys, of the same types.
func TestEventsStatsAsRunc(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "events")
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skipf("needs runc to compare with: %v", err)
	}
	stats := func(runtime string) map[string]any {
		c := NewContainer(t, Args("sleep"))
		if runtime != "" {
			c.UseRuntime(runtime)
		}
		c.Create()
		c.Start()
		return decodeEvent(t, c.Tare("events", "--stats", c.ID).OK(t).Stdout).Data
	}
	controllers, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	compareKeys(t, "data", strings.Contains(string(controllers), "memory"), stats(runc), stats(""))
}

// compareKeys goes down what both have. Without all controllers on cgroup v2 only the top level is the same: below, what
// nobody counts is left out.
func compareKeys(t *testing.T, path string, all bool, theirs, ours map[string]any) {
	t.Helper()
	for key, their := range theirs {
		our, ok := ours[key]
		path := path + "." + key
		switch {
		case !ok && (all && !comesWithUse(path) || strings.Count(path, ".") == 1):
			t.Errorf("there is no %s", path)
		case !ok:
		case reflect.TypeOf(their) != reflect.TypeOf(our):
			t.Errorf("%s is %T, want %T", path, our, their)
		default:
			if their, ok := their.(map[string]any); ok {
				compareKeys(t, path, all, their, our.(map[string]any))
			}
		}
	}
}

// comesWithUse tells what is left out while it is zero, and need not be zero for both.
func comesWithUse(path string) bool {
	return strings.HasPrefix(path, "data.blkio.io") || path == "data.memory.cache" || path == "data.memory.kernelTCP"
}

// begin starts `events` and gives a reader of its lines.
func begin(t *testing.T, c *Container, args ...string) (*exec.Cmd, *os.File, *bufio.Scanner) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	t.Cleanup(func() { read.Close() })
	cmd := c.Command(append(append([]string{"events"}, args...), c.ID)...)
	cmd.Stdout = write
	Begin(t, cmd)
	if err := read.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
		t.Fatal(err)
	}
	return cmd, read, bufio.NewScanner(read)
}

// Stats come after each interval, and the end with that of the container.
func TestEventsInterval(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "events")
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	c.Start()
	start := time.Now()
	cmd, _, lines := begin(t, c, "--interval", "200ms")
	for n := range 3 {
		if !lines.Scan() {
			t.Fatalf("no line %d: %v", n, lines.Err())
		}
		if e := decodeEvent(t, lines.Text()); e.Type != "stats" || e.ID != c.ID || e.Data["cpu"] == nil {
			t.Errorf("line %d: %s", n, lines.Text())
		}
	}
	if took := time.Since(start); took < 600*time.Millisecond {
		t.Errorf("three lines after %v", took)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	if !IsTare() {
		c.Tare("delete", c.ID).OK(t) // the others end with the cgroup
	}
	for lines.Scan() {
		decodeEvent(t, lines.Text())
	}
	if Finish(t, cmd); ExitCode(cmd) != 0 {
		t.Errorf("exit code %d at the container's end", ExitCode(cmd))
	}
}

// With a long interval the end is noticed just as soon: the container's, its removal's, and the reader's.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "events")
	if !IsTare() {
		t.Skip("the others notice at the next line")
	}
	watching := func(t *testing.T) (*Container, *exec.Cmd, *os.File) {
		c := NewContainer(t, Args("sleep"))
		c.Create()
		c.Start()
		cmd, read, _ := begin(t, c, "--interval=1h")
		Eventually(t, "the watch", func() bool { return holds(cmd.Process.Pid, "pidfd") })
		return c, cmd, read
	}
	for name, end := range map[string]func(*testing.T, *Container, *os.File){
		"container": func(t *testing.T, c *Container, _ *os.File) { c.Tare("kill", c.ID, "KILL").OK(t) },
		"removal":   func(t *testing.T, c *Container, _ *os.File) { c.Tare("delete", "--force", c.ID).OK(t) },
		"reader":    func(_ *testing.T, _ *Container, read *os.File) { read.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, cmd, read := watching(t)
			end(t, c, read)
			Finish(t, cmd)
			if code := ExitCode(cmd); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// The end of a container for want of memory is told before the end.
func TestEventsOOM(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "events")
	limit := int64(16 << 20)
	c := NewContainer(t, Args("memory", "67108864"), func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	})
	res := c.Tare("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	if res.Code != 0 && !CgroupV2() {
		t.Skipf("needs a limit on memory: %s", res.Stderr)
	}
	res.OK(t)
	cmd, _, lines := begin(t, c, "--interval", "1h")
	Eventually(t, "the watch", func() bool {
		return holds(cmd.Process.Pid, "inotify") || !CgroupV2() && holds(cmd.Process.Pid, "eventfd")
	})
	c.Start()
	c.Wait(c.PidFile(c.Dir + "/pid"))
	if !lines.Scan() || lines.Text() != `{"type":"oom","id":"`+c.ID+`"}` {
		t.Errorf("the first line is %q, %v", lines.Text(), lines.Err())
	}
	if lines.Scan() {
		t.Errorf("and then comes %q", lines.Text())
	}
	if Finish(t, cmd); ExitCode(cmd) != 0 {
		t.Errorf("exit code %d", ExitCode(cmd))
	}
}

// holds tells whether a process has a descriptor of that kind.
func holds(pid int, kind string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, _ := os.ReadDir(dir)
	for _, fd := range fds {
		if target, _ := os.Readlink(dir + "/" + fd.Name()); strings.Contains(target, kind) {
			return true
		}
	}
	return false
}
