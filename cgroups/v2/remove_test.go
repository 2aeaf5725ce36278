package v2

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// A workload that makes cgroups deeper than we may have descriptors hides nobody in them, and is removed all the same.
func TestDeeperThanDescriptors(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	const depth, descriptors = 200, 64
	dir := c.Dir
	for range depth {
		dir = mkdir(t, dir+"/d")
	}
	mkdir(t, c.Dir+"/d/other")
	deep := run(t, At(dir), forever)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := unix.Rlimit{Cur: descriptors, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()
	if pids, err := c.Pids(); err != nil || !slices.Equal(pids, []int{deep.Process.Pid}) {
		t.Errorf("processes %v (%v), want %d", pids, err, deep.Process.Pid)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = deep.Wait()
	if err := c.Remove(patience); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
