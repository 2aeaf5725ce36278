package testutil

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// Container is a bundle with an id and a private state root.
type Container struct {
	*Bundle
	ID   string
	Root string // the state root: --root

	t       testing.TB
	inits   []int // pids of init processes, to be dead in the end
	cred    *syscall.Credential
	env     []string
	runtime string
}

var serial atomic.Int64

// NewContainer makes the bundle and names the container; nothing runs yet.
func NewContainer(t testing.TB, edits ...Edit) *Container {
	t.Helper()
	c := &Container{ID: fmt.Sprintf("t%d-%04d", os.Getpid(), serial.Add(1)), t: t, runtime: suite.runtime}
	c.Bundle = NewBundle(t, append([]Edit{func(s *specs.Spec) { s.Linux.CgroupsPath = c.cgroup() }}, edits...)...)
	if IsCrun() {
		c.Spec.Linux.Resources = nil // it raises RLIMIT_MEMLOCK for the device program, which not every root may
		c.WriteSpec(t)
	}
	c.Root = filepath.Join(c.Dir, "state")
	t.Cleanup(c.cleanUp)
	return c
}

// Another is a second container on the same state root, with a bundle of its own.
func (c *Container) Another(edits ...Edit) *Container {
	c.t.Helper()
	other := NewContainer(c.t, edits...)
	other.Root, other.cred, other.env = c.Root, c.cred, c.env
	return other
}

// AsUser has everything about the container done by an ordinary user, who gets the bundle and the state root. The
// cgroup path goes: that user has no cgroup to ask for.
func (c *Container) AsUser(uid, gid uint32) {
	c.t.Helper()
	NeedRoot(c.t)
	c.cred = &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}
	c.env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=" + c.Dir}
	c.Spec.Linux.CgroupsPath = ""
	c.Spec.Linux.Resources = nil
	c.WriteSpec(c.t)
	Chown(c.t, c.Dir, int(uid), int(gid))
}

// UseRuntime runs another program than the suite's, such as a copy of it.
func (c *Container) UseRuntime(path string) { c.runtime = path }

func (c *Container) cgroup() string { return fmt.Sprintf("%s/%s", CgroupParent(), c.ID) }

// CgroupParent holds the cgroups of all containers of this test process.
func CgroupParent() string { return fmt.Sprintf("/tare-test-%d", os.Getpid()) }

// Create is `create` with a pid file; it gives the pid of init.
func (c *Container) Create(args ...string) int {
	c.t.Helper()
	pid, _ := c.WithOutput(append([]string{"create"}, args...)...)
	return pid
}

// WithOutput is a `create` or `run --detach` with a pid file. It gives the pid of init, and what tells its output so far.
func (c *Container) WithOutput(command ...string) (pid int, output func() string) {
	c.t.Helper()
	pidFile := filepath.Join(c.Dir, "pid")
	cmd := c.Command(append(append(command, "--bundle", c.Dir, "--pid-file", pidFile), c.ID)...)
	out := c.File(c.t, "out")
	cmd.Stdout = out
	c.Do(cmd).OK(c.t)
	return c.PidFile(pidFile), func() string {
		c.t.Helper()
		return content(c.t, out)
	}
}

// Start is `start`.
func (c *Container) Start() {
	c.t.Helper()
	c.Tare("start", c.ID).OK(c.t)
}

// PidFile reads and checks a pid file, and remembers the pid.
func (c *Container) PidFile(path string) int {
	c.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		c.t.Fatalf("pid file: %v", err)
	}
	c.inits = append(c.inits, pid)
	return pid
}

// Run is a foreground `run`, with more flags before the id.
func (c *Container) Run(flags ...string) *Result {
	c.t.Helper()
	return c.Tare(append(append([]string{"run", "--bundle", c.Dir}, flags...), c.ID)...)
}

// Report runs `/probe report` in the foreground with what args follow, and gives what it saw.
func (c *Container) Report(args ...string) *view.Report {
	c.t.Helper()
	if c.Spec.Process.Args[0] == "/probe" {
		c.Spec.Process.Args = append([]string{"/probe", "report"}, args...)
		c.WriteSpec(c.t)
	}
	return c.Run().Report(c.t)
}

// State asks `state`.
func (c *Container) State() specs.State {
	c.t.Helper()
	res := c.Tare("state", c.ID).OK(c.t)
	var state specs.State
	if err := json.Unmarshal([]byte(res.Stdout), &state); err != nil {
		c.t.Fatalf("state: %v in %q", err, res.Stdout)
	}
	return state
}

// WaitStatus waits for `state` to say so.
func (c *Container) WaitStatus(status specs.ContainerState) {
	c.t.Helper()
	c.WaitState("status "+string(status), func(s specs.State) bool { return s.Status == status })
}

// WaitState waits for `state` to say what is wanted of it, about a container that need not be there yet.
func (c *Container) WaitState(what string, is func(specs.State) bool) {
	c.t.Helper()
	Eventually(c.t, what, func() bool {
		var state specs.State
		res := c.Tare("state", c.ID)
		return res.Code == 0 && json.Unmarshal([]byte(res.Stdout), &state) == nil && is(state)
	})
}

// Wait reaps the init process, which is a child of this one, and gives how it ended.
func (c *Container) Wait(pid int) unix.WaitStatus {
	c.t.Helper()
	var status unix.WaitStatus
	Eventually(c.t, fmt.Sprintf("the end of process %d", pid), func() bool {
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		if err != nil && err != unix.EINTR {
			c.t.Fatalf("wait for process %d: %v", pid, err)
		}
		return got == pid
	})
	return status
}

// Gone tells that the runtime has left nothing of the container: no state and no cgroup. It reports each rest.
func (c *Container) Gone() []string {
	var left []string
	if _, err := os.Lstat(filepath.Join(c.Root, c.ID)); err == nil {
		left = append(left, "state directory "+filepath.Join(c.Root, c.ID))
	}
	for _, dir := range CgroupDirs(c.cgroup()) {
		left = append(left, "cgroup "+dir)
	}
	return left
}

func (c *Container) cleanUp() {
	res := c.Tare("delete", "--force", c.ID)
	talks := filepath.Base(c.runtime) == "runc" // of each attempt to remove a cgroup
	if res.Code != 0 || res.Stderr != "" && !talks {
		c.t.Errorf("clean up: delete --force: exit code %d, %s", res.Code, res.Stderr)
	}
	for _, pid := range c.inits {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // a zombie until its parent, this process, has looked
		if err := unix.Kill(pid, 0); err == nil && parent(pid) == os.Getpid() {
			c.t.Errorf("clean up: init process %d still lives", pid)
			reap(pid)
		}
	}
	if left := c.Gone(); left != nil {
		c.t.Errorf("clean up: the runtime left %s", strings.Join(left, ", "))
		removeCgroups(c.cgroup())
	}
}

func parent(pid int) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}
