package v2

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// threaded makes a threaded cgroup below one and moves a thread of a process into it that is not its first.
func threaded(t *testing.T, c *Cgroup, name string, of *exec.Cmd) {
	t.Helper()
	dir := c.Dir + "/" + name
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/cgroup.type", []byte("threaded"), 0); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Dir + "/cgroup.threads")
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(of.Process.Pid)
	for _, tid := range strings.Fields(string(b)) {
		if _, err := os.Stat("/proc/" + pid + "/task/" + tid); err != nil || tid == pid {
			continue
		}
		if err := os.WriteFile(dir+"/cgroup.threads", []byte(tid), 0); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("process %s has no second thread: %q", pid, b)
}

// Whatever a workload with its cgroup delegated to it makes of it: threaded cgroups, frozen ones, ones that take no more.
func TestRemoveWhatTheWorkloadMade(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	holder := holding(t, c, 1) // a Go program, which has threads
	threaded(t, c, "threads", holder)
	if err := os.MkdirAll(c.Dir+"/a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	other := create(t, tree, root+"/d")
	run(t, At(mkdir(t, other.Dir+"/frozen/full")), forever)
	run(t, other, forever)
	for file, text := range map[string]string{
		other.Dir + "/frozen/cgroup.freeze":         "1",
		other.Dir + "/frozen/cgroup.max.depth":      "1",
		other.Dir + "/cgroup.max.descendants":       "0",
		other.Dir + "/frozen/full/cgroup.max.depth": "0",
	} {
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range []*Cgroup{c, other} {
		c := At(made.Dir)
		if pids, err := c.Pids(); err != nil || len(pids) == 0 {
			t.Errorf("%s: processes %v (%v)", c.Dir, pids, err)
		}
		if err := errors.Join(c.Kill(), c.WaitEmpty(patience), c.Remove(patience)); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("still there: %v", err)
		}
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
