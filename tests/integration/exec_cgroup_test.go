package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "tare/internal/testutil"
)

func TestExecCgroup(t *testing.T) {
	t.Parallel()
	c, pid := running(t)
	dir := OwnCgroup(t, pid)
	for _, sub := range []string{"sub", "sub/deep"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Skip("this host's cgroups: " + err.Error())
		}
	}
	in := func(path string) string {
		res := inside(c, []string{"--cgroup", path}, "read", "/proc/self/cgroup").OK(t)
		for line := range strings.Lines(res.Stdout) {
			if _, where, ok := strings.Cut(line, "/"+c.ID); ok && strings.HasPrefix(line, "0::") {
				return strings.TrimSpace(where)
			}
		}
		return "? " + res.Stdout
	}
	if !IsTare() {
		t.Skip("on a hybrid host it is in v1 cgroups as well")
	}
	for path, want := range map[string]string{"/": "", "sub": "/sub", "/sub/deep": "/sub/deep", "sub/../sub/": "/sub"} {
		if got := in(path); got != want {
			t.Errorf("--cgroup %s: in %q, want %q", path, got, want)
		}
	}
	execFails(t, inside(c, []string{"--cgroup", "none"}, "true"), "no such file or directory")
	execFails(t, inside(c, []string{"--cgroup", "cpu:sub"}, "true"), "v2")
	execFails(t, inside(c, []string{"--cgroup", "sub", "--cgroup", "sub/deep"}, "true"), "--cgroup")
}

// A container that is at its limit of processes gets one more, and a process whose cgroup is full enough is no reason to fail.
func TestExecFullCgroup(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "exec")
	c := NewContainer(t) // not started: a Go program as init would want threads at any time
	pid := c.Create()
	dir := CgroupOf(t, pid, "pids")
	current := CgroupFile(t, dir, "pids.current")
	before := CgroupFile(t, dir, "pids.max")
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(current), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile(filepath.Join(dir, "pids.max"), []byte(before), 0o644) }()
	if res := c.Tare("exec", c.ID, "/nope"); strings.Contains(res.Stderr, "goroutine") || !strings.Contains(res.Stderr, "/nope") {
		t.Errorf("%+v", res)
	}
	res := c.Tare("exec", c.ID, "/probe", "true") // a Go program too: it wants threads, and says so itself
	if strings.Contains(res.Stderr, "exec failed") {
		t.Errorf("%+v", res)
	}
}

// An init system shares out the container's cgroup, which can have no processes then: they go where init is.
func TestExecInnerCgroup(t *testing.T) {
	t.Parallel()
	NeedController(t, "pids")
	c, pid := running(t)
	dir := OwnCgroup(t, pid)
	if err := os.Mkdir(filepath.Join(dir, "init.scope"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"init.scope/cgroup.procs": strconv.Itoa(pid)} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+pids"), 0o644); err != nil {
		t.Fatal(err)
	}
	sameAsInit(t, c, pid)
	execFails(t, inside(c, []string{"--cgroup", "/"}, "true"), "busy")
}
