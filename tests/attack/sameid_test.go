package attack

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// L07: of many creates of one id exactly one wins, and the others say why.
func TestSameIDOneCreateWins(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	for range scaled(10) {
		results := together(t, 8, func(int) *exec.Cmd { return c.Command("create", "--bundle", c.Dir, c.ID) })
		won := 0
		for _, res := range results {
			switch {
			case res.Code == 0:
				won++
			case res.Code != 1 || !strings.Contains(res.Stderr, "container with given ID already exists"):
				t.Errorf("a create that lost: exit code %d: %s", res.Code, res.Stderr)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d creates of one id won", won, len(results))
		}
		c.Tare("start", c.ID).OK(t)
		c.Tare("delete", "--force", c.ID).OK(t)
		Reap(t, c.Marks()...)
	}
}

// Of many starts one wins, of many deletes at least one, and none of the others claims it failed at what it did.
func TestSameIDStartsAndDeletes(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	for range scaled(5) {
		c.Tare("create", "--bundle", c.Dir, c.ID).OK(t)
		won := 0
		for _, res := range together(t, 6, func(int) *exec.Cmd { return c.Command("start", c.ID) }) {
			switch {
			case res.Code == 0:
				won++
			case !strings.Contains(res.Stderr, "cannot start an already running container"):
				t.Errorf("a start that lost: exit code %d: %s", res.Code, res.Stderr)
			}
		}
		if won != 1 {
			t.Errorf("%d starts of one container won", won)
		}
		for _, res := range together(t, 6, func(int) *exec.Cmd { return c.Command("delete", "--force", c.ID) }) {
			if res.Code != 0 || res.Stderr != "" {
				t.Errorf("delete --force: exit code %d: %s", res.Code, res.Stderr)
			}
		}
		if left := c.Traces(); left != nil {
			t.Errorf("left %v", left)
		}
	}
}

// Readers that look while one id comes and goes see it, or do not; nothing between.
func TestSameIDReaders(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	c.Tare("create", "--bundle", c.Dir, c.ID).OK(t) // makes the state root, without which list has nothing to list
	c.Tare("delete", c.ID).OK(t)
	Reap(t, c.Marks()...)
	var over atomic.Bool
	var wg sync.WaitGroup
	var looked, seen atomic.Int64
	reader := func(check func(*Result), args ...string) {
		wg.Go(func() {
			for !over.Load() {
				res := Do(t, c.Command(args...))
				looked.Add(1)
				if res.Code == 0 {
					seen.Add(1)
				}
				check(res)
			}
		})
	}
	must := func(texts ...string) func(*Result) {
		return func(res *Result) {
			if res.Code == 0 && res.Stderr == "" {
				return
			}
			for _, text := range texts {
				if res.Code == 1 && strings.Contains(res.Stderr, text) {
					return
				}
			}
			t.Errorf("%v: exit code %d: %s", res.Args[3:], res.Code, res.Stderr)
		}
	}
	reader(must("does not exist"), "state", c.ID)
	reader(must(), "list")
	reader(must(), "list", "--format", "json")
	reader(must("does not exist", "container not running"), "kill", c.ID, "WINCH")
	for end := time.Now().Add(time.Duration(scaled(3)) * time.Second); time.Now().Before(end); {
		c.Tare("create", "--bundle", c.Dir, c.ID).OK(t)
		c.Tare("start", c.ID).OK(t)
		c.Tare("delete", "--force", c.ID).OK(t)
	}
	over.Store(true)
	wg.Wait()
	Reap(t, c.Marks()...) // not before: the readers, too, are children with these marks
	t.Logf("%d looks, %d of them saw something", looked.Load(), seen.Load())
	if seen.Load() == 0 {
		t.Error("no reader saw the container: the test shows nothing")
	}
}

// Everybody does everything to one id at once. Whoever fails does so with one of the known reasons, and in the end
// nothing is left.
func TestSameIDStorm(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	commands := [][]string{
		{"create", "--bundle", c.Dir, c.ID},
		{"create", "--bundle", c.Dir, c.ID},
		{"start", c.ID},
		{"kill", c.ID, "KILL"},
		{"delete", c.ID},
		{"delete", "--force", c.ID},
		{"state", c.ID},
		{"run", "--detach", "--bundle", c.Dir, c.ID},
	}
	known := []string{
		"container with given ID already exists", "does not exist", "container not running", "that is not stopped",
		"cannot start an already running container", "cannot start a container that has stopped",
		// A create or run whose init process somebody else kills.
		"died without a word", "broken pipe",
	}
	var over atomic.Bool
	var wg sync.WaitGroup
	for _, args := range commands {
		wg.Go(func() {
			for !over.Load() {
				res := Do(t, c.Command(args...))
				ok := res.Code == 0
				for _, text := range known {
					ok = ok || res.Code == 1 && strings.Contains(res.Stderr, text)
				}
				if !ok {
					t.Errorf("%s: exit code %d: %s", args[0], res.Code, res.Stderr)
				}
			}
		})
	}
	time.Sleep(time.Duration(scaled(3)) * time.Second)
	over.Store(true)
	wg.Wait()
	c.Tare("delete", "--force", c.ID).OK(t)
	Eventually(t, "the end of all processes", func() bool { return c.Traces() == nil })
}

// L06: many creates on one root file system, with mount points in it that are missing and overlap.
func TestSharedRootFS(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	n := scaled(30)
	shared := NewBundle(t)
	file := filepath.Join(shared.Dir, "file")
	shared.WriteFile(t, "../file", "text", 0o644)
	var all []*Container
	for i := range n {
		c := NewContainer(t, WritableRoot, func(s *specs.Spec) {
			s.Root.Path = shared.RootFS
			s.Process.Cwd = "/srv/made/dir"
			s.Mounts = append(s.Mounts, []specs.Mount{
				{Destination: "/srv/a/b/c", Type: "tmpfs", Source: "tmpfs"},
				{Destination: "/srv/a/b/d/e", Type: "tmpfs", Source: "tmpfs"},
				{Destination: "/srv/a/file", Type: "bind", Source: file, Options: []string{"bind"}},
				{Destination: "/opt/only/" + string(rune('a'+i%26)), Type: "tmpfs", Source: "tmpfs"},
				{Destination: "/opt", Type: "tmpfs", Source: "tmpfs"},
			}...)
		}, Args("read", "/srv/a/file"))
		all = append(all, c)
	}
	for i, res := range together(t, n, func(i int) *exec.Cmd { return all[i].Command("run", "--bundle", all[i].Dir, all[i].ID) }) {
		if res.Code != 0 || res.Stdout != "text" {
			t.Errorf("container %d of %d: exit code %d: %s%s", i, n, res.Code, res.Stdout, res.Stderr)
		}
	}
}

// together runs n commands at once.
func together(t *testing.T, n int, command func(i int) *exec.Cmd) []*Result {
	t.Helper()
	results := make([]*Result, n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		cmd := command(i)
		wg.Go(func() {
			<-gate
			results[i] = Do(t, cmd)
		})
	}
	close(gate)
	wg.Wait()
	return results
}
