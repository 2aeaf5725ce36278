package v2

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

const patience = 20 * time.Second

// scratch makes a cgroup of the test's own in the host's v2 tree, and removes it with all that is in it.
func scratch(t *testing.T) (*Tree, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	mount := ""
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if magic, err := sys.StatfsType(dir); err == nil && magic == unix.CGROUP2_SUPER_MAGIC {
			mount = dir
		}
	}
	if mount == "" {
		t.Skip("no cgroup v2 tree is mounted at the usual places")
	}
	tree, err := OpenTree(mount)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(mount, "tare-test-")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		t.Skip("the cgroup tree cannot be written:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c := At(dir)
		if err := errors.Join(c.Thaw(patience), c.Kill(), c.WaitEmpty(patience), c.Remove(patience), tree.Close()); err != nil {
			t.Error(err)
		}
	})
	return tree, "/" + filepath.Base(dir)
}

func create(t *testing.T, tree *Tree, path string, settings ...Setting) *Cgroup {
	t.Helper()
	c, err := Create(tree, path, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// run starts a shell script in the cgroup and waits for its first line of output.
func run(t *testing.T, c *Cgroup, script string) *exec.Cmd {
	t.Helper()
	return startIn(t, c, exec.Command("/bin/sh", "-c", script))
}

// startIn starts a command in the cgroup and waits for its first line of output.
func startIn(t *testing.T, c *Cgroup, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	dir, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

const forever = "echo up; exec sleep 1000"

func want(t *testing.T, what string, got bool, err error, want bool) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("%s is %v (%v), want %v", what, got, err, want)
	}
}

func TestCreateMakesAllLevels(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/a/b/c")
	if c.Dir != tree.Mount+root+"/a/b/c" || !c.Fresh() {
		t.Errorf("dir %q, fresh %v", c.Dir, c.Fresh())
	}
	again := create(t, tree, root+"/a/b/c")
	if again.Fresh() {
		t.Error("a cgroup that was there is fresh")
	}
	again.Undo()
	if _, err := os.Stat(c.Dir); err != nil {
		t.Error("Undo took what it did not make:", err)
	}
	c.Undo()
	left, err := os.ReadDir(tree.Mount + root)
	if err != nil || slices.ContainsFunc(left, os.DirEntry.IsDir) {
		t.Errorf("after Undo there is %v (%v)", left, err)
	}
}

func TestCreateRefuses(t *testing.T) {
	tree, root := scratch(t)
	full := create(t, tree, root+"/full")
	run(t, full, forever)
	frozen := create(t, tree, root+"/frozen")
	if err := frozen.Freeze(patience, -1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		settings   []Setting
		is         error
		want       string
	}{
		{"with processes", "/full", nil, ErrNotEmpty, tree.Mount + root + "/full"},
		{"frozen", "/frozen", nil, ErrFrozen, tree.Mount + root + "/frozen"},
		{"below a frozen one", "/frozen/x/y", nil, ErrFrozen, "x/y"},
		{"a control file's name", "/cgroup.procs", nil, unix.ENOTDIR, "control file"},
		{"a control file above", "/cgroup.procs/x", nil, unix.ENOTDIR, "cgroup.procs"},
		{
			"a file that is not there", "/new/x",
			[]Setting{{File: "cgroup.nothing", Value: "1", Pointer: "/linux/resources/unified/cgroup.nothing"}},
			unix.ENOENT, `linux.resources.unified["cgroup.nothing"] (/linux/resources/unified/cgroup.nothing): write "1" to ` + tree.Mount + root + "/new/x/cgroup.nothing: no such file or directory: this kernel has no such file",
		},
		{
			"a bad value", "/new/x",
			[]Setting{{File: "cgroup.max.depth", Value: "many", Pointer: "/linux/resources/unified/cgroup.max.depth"}},
			unix.EINVAL, "the kernel does not take this value",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Create(tree, root+tc.path, tc.settings)
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, gone := range []string{"/new", "/frozen/x"} {
		if _, err := os.Stat(tree.Mount + root + gone); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
}

func TestCreateWritesSettings(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/a", Setting{File: "cgroup.max.depth", Value: "3", Pointer: "/p"}, Setting{File: "cgroup.absent", IfPresent: true})
	if b, err := os.ReadFile(c.Dir + "/cgroup.max.depth"); string(b) != "3\n" {
		t.Errorf("cgroup.max.depth is %q (%v)", b, err)
	}
}

// Whatever controller the tree has reaches the container's cgroup, through levels that are there and those that are made.
func TestControllersReachTheCgroup(t *testing.T) {
	tree, root := scratch(t)
	if !slices.ContainsFunc(tree.Controllers, useful) {
		t.Skip("this tree has no controllers")
	}
	if err := os.Mkdir(tree.Mount+root+"/there", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/there/x", "/a/b/x", "/direct"} {
		c := create(t, tree, root+path)
		b, err := os.ReadFile(c.Dir + "/cgroup.controllers")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range tree.Controllers {
			if useful(name) && !slices.Contains(strings.Fields(string(b)), name) {
				t.Errorf("%s has %q, not %s", path, b, name)
			}
		}
	}
}

// A level with processes of its own can give no controllers: that matters only to a limit that needs one. Nobody is moved.
func TestProcessesAboveStay(t *testing.T) {
	tree, root := scratch(t)
	i := slices.IndexFunc(tree.Controllers, func(name string) bool {
		return useful(name) && name != "cpu" && name != "cpuset" && name != "pids" // those can be threaded
	})
	if i < 0 {
		t.Skip("this tree has no controllers that forbid processes above")
	}
	name := tree.Controllers[i]
	above := create(t, tree, root+"/above")
	cmd := run(t, above, forever)
	create(t, tree, root+"/above/free")
	_, err := Create(tree, root+"/above/limited", []Setting{{File: name + ".max", Value: "1", Pointer: "/linux/resources/x"}})
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "linux.resources.x (/linux/resources/x): enable the "+name+" controller") {
		t.Errorf("got %v", err)
	}
	if pids, err := above.Pids(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("processes %v (%v), want %d", pids, err, cmd.Process.Pid)
	}
}

func TestAddProcess(t *testing.T) {
	tree, root := scratch(t)
	a, b := create(t, tree, root+"/a"), create(t, tree, root+"/b")
	cmd := run(t, a, forever)
	if err := At(b.Dir).AddProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	pids, err := b.Pids()
	if err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("%v %v", pids, err)
	}
	populated, err := a.Populated()
	want(t, "populated", populated, err, false)
	if err := a.AddProcess(1 << 30); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that is not there: %v", err)
	}
}

func TestFreezeThaw(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	sub := create(t, tree, root+"/c/sub")
	run(t, sub, "echo up; while :; do :; done")
	if err := c.Freeze(patience, -1); err != nil {
		t.Fatal(err)
	}
	frozen, err := At(sub.Dir).Frozen()
	want(t, "frozen below", frozen, err, true)
	if err := sub.Thaw(time.Millisecond); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "above it is frozen") {
		t.Errorf("thaw below a frozen one: %v", err)
	}
	if err := c.Thaw(patience); err != nil {
		t.Fatal(err)
	}
	frozen, err = sub.Frozen()
	want(t, "frozen", frozen, err, false)
}

func TestFreezeThatFailsThawsAgain(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	other := create(t, tree, root+"/other")
	helper := run(t, other, forever)
	if err := c.Freeze(0, -1); err != nil && !errors.Is(err, ErrTimeout) { // an empty one may freeze at once
		t.Fatal(err)
	}
	if err := c.Thaw(patience); err != nil {
		t.Fatal(err)
	}
	if err := c.AddProcess(helper.Process.Pid); err != nil {
		t.Fatal(err)
	}
	err := c.Freeze(-1, -1) // over before it began: the process has had no time to get there
	if err == nil {
		t.Skip("the process froze within the write")
	}
	if !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(c.Dir + "/cgroup.freeze"); string(b) != "0\n" {
		t.Errorf("cgroup.freeze is %q", b)
	}
}

func TestFreezeInterrupted(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	run(t, c, forever)
	interrupt, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer interrupt.Close()
	end.Close()
	for range 100 {
		err := c.Freeze(patience, int(interrupt.Fd()))
		if err == nil { // the process froze within the write
			if err := c.Thaw(patience); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(c.Dir + "/cgroup.freeze"); string(b) != "0\n" {
			t.Errorf("cgroup.freeze is %q", b)
		}
		return
	}
	t.Skip("the process froze within the write, 100 times")
}

// family fills a cgroup and five nested ones below it with children of children.
func family(t *testing.T, tree *Tree, path string) *Cgroup {
	c := create(t, tree, path)
	at := c.Dir
	for i := range 5 {
		at += fmt.Sprintf("/sub%d", i)
		if err := os.Mkdir(at, 0o755); err != nil { // without controllers, so that those above can have processes
			t.Fatal(err)
		}
		run(t, At(at), "for i in 1 2 3 4; do (sleep 1000 & sleep 1000) & done; echo up; wait")
	}
	run(t, c, forever)
	return c
}

func TestKillWaitRemove(t *testing.T) {
	for _, tc := range []struct {
		name   string
		frozen bool
		kill   func(*Cgroup) error
	}{
		{"cgroup.kill", false, (*Cgroup).Kill},
		{"cgroup.kill, frozen", true, (*Cgroup).Kill},
		{"each", false, func(c *Cgroup) error { return c.killEach(patience) }},
		{"each, frozen", true, func(c *Cgroup) error { return c.killEach(patience) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree, root := scratch(t)
			made := family(t, tree, root+"/c")
			c := At(made.Dir)
			pids, err := c.Pids()
			if err != nil || len(pids) < 11 {
				t.Fatalf("%d processes (%v)", len(pids), err)
			}
			populated, err := c.Populated()
			want(t, "populated", populated, err, true)
			err = c.WaitEmpty(time.Millisecond)
			if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "processes are left, such as [") {
				t.Errorf("wait for a full one: %v", err)
			}
			if err := c.Remove(time.Millisecond); !errors.Is(err, ErrTimeout) {
				t.Errorf("remove a full one: %v", err)
			}
			if tc.frozen {
				if err := c.Freeze(patience, -1); err != nil {
					t.Fatal(err)
				}
			}
			if err := tc.kill(c); err != nil {
				t.Fatal(err)
			}
			if err := c.WaitEmpty(patience); err != nil {
				t.Fatal(err)
			}
			if err := c.Remove(patience); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("still there: %v", err)
			}
			if _, err := os.Stat(filepath.Dir(c.Dir)); err != nil {
				t.Errorf("the one above: %v", err)
			}
		})
	}
}

// Remove waits for the last process to end, without killing it.
func TestRemoveWaits(t *testing.T) {
	tree, root := scratch(t)
	c := create(t, tree, root+"/c")
	run(t, c, "echo up; exec sleep 0.2")
	if err := c.Remove(patience); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveDeep(t *testing.T) {
	tree, root := scratch(t)
	name := "/" + strings.Repeat("n", 200)
	c := create(t, tree, root+"/c")
	fd := int(c.dir.Fd())
	for range 40 { // 8 kB of path: no path name reaches the end
		if err := sys.CgroupMkdir(fd, name[1:]); err != nil {
			t.Fatal(err)
		}
		next, err := sys.CgroupOpenDir(fd, name[1:])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(next) })
		fd = next
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Pids(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("%v (%v)", pids, err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := c.Remove(patience); err != nil {
		t.Fatal(err)
	}
}

func TestGone(t *testing.T) {
	tree, root := scratch(t)
	open := create(t, tree, root+"/c")
	if _, err := open.File(); err != nil {
		t.Fatal(err)
	}
	if err := At(open.Dir).Remove(patience); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Cgroup{"open": open, "closed": At(open.Dir)} {
		if err := errors.Join(c.Kill(), c.WaitEmpty(patience), c.Remove(patience)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		populated, err := c.Populated()
		want(t, name+": populated", populated, err, false)
		frozen, err := c.Frozen()
		want(t, name+": frozen", frozen, err, false)
	}
	if _, err := At(open.Dir).Pids(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("pids: %v", err)
	}
	if err := At(open.Dir).Freeze(patience, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("freeze: %v", err)
	}
}

func TestOOMKillsWithoutMemoryController(t *testing.T) {
	tree, root := scratch(t)
	if slices.Contains(tree.Controllers, "memory") {
		t.Skip("this tree has the memory controller")
	}
	if n, err := create(t, tree, root+"/c").OOMKills(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
