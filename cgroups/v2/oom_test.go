package v2

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pause is a moment, for what says no change.
func pause(t *testing.T) time.Duration {
	t.Helper()
	const moment = 50 * time.Millisecond
	time.Sleep(moment)
	return moment
}

// ready waits for a descriptor.
func ready(t *testing.T, fd int, timeout time.Duration) bool {
	t.Helper()
	for end := time.Now().Add(timeout); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(time.Until(end), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// waitKills polls until the count is that.
func waitKills(t *testing.T, w *OOMWatch, count uint64) {
	t.Helper()
	for {
		n, err := w.Kills()
		if err != nil {
			t.Fatal(err)
		}
		if n >= count {
			if n > count {
				t.Errorf("%d kills, want %d", n, count)
			}
			return
		}
		if !ready(t, w.FD(), patience) {
			t.Fatalf("%d kills, want %d", n, count)
		}
	}
}

func TestWatchOOM(t *testing.T) {
	c := limited(t, memoryOf(24*mib, 24*mib))
	w, err := At(c.Dir).WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	waitKills(t, w, 0)
	for kills := uint64(1); kills <= 2; kills++ {
		if ready(t, w.FD(), 0) {
			t.Error("a change before the kill")
			_, _ = w.Kills()
		}
		victim(t, c)
		if !ready(t, w.FD(), patience) {
			t.Error("the kill is not told")
		}
		waitKills(t, w, kills)
		for ready(t, w.FD(), 100*time.Millisecond) { // the kernel may tell of `max`, `oom` and `oom_kill` one by one
			waitKills(t, w, kills)
		}
	}
	// A kill in a cgroup below counts too.
	sub := c.Dir + "/sub"
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	victim(t, At(sub))
	waitKills(t, w, 3)

	for ready(t, w.FD(), 100*time.Millisecond) {
		waitKills(t, w, 3)
	}
	if err := At(c.Dir).Remove(patience); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		if !ready(t, w.FD(), time.Until(deadline)) {
			t.Fatal("the end of the cgroup is not told")
		}
		if _, err := w.Kills(); errors.Is(err, fs.ErrNotExist) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// victim runs a process that dies for want of memory.
func victim(t *testing.T, c *Cgroup) {
	t.Helper()
	dir, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{helperEnv + "=256"}
	cmd.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Run(); err == nil {
		t.Error("it ran on")
	}
}

// A cgroup that dies as a whole has that many kills, and the first victim, whom the kernel meets again with the others, may be
// counted twice.
func TestOOMGroup(t *testing.T) {
	c := limited(t, memoryOf(32*mib, 32*mib))
	if err := os.WriteFile(c.Dir+"/memory.oom.group", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	w, err := c.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	bystander := run(t, c, forever)
	victim(t, c)
	if err := bystander.Wait(); err == nil {
		t.Error("the other one lives")
	}
	for {
		n, err := w.Kills()
		if err != nil || n > 3 {
			t.Fatalf("%d (%v)", n, err)
		}
		if n >= 2 {
			break
		}
		if !ready(t, w.FD(), patience) {
			t.Fatalf("%d kills", n)
		}
	}
	if n, err := c.OOMKills(); n < 2 || err != nil {
		t.Errorf("%d (%v)", n, err)
	}
}

func TestWatchOOMWithoutMemoryController(t *testing.T) {
	tree, root := scratch(t)
	if slices.Contains(tree.Controllers, "memory") {
		t.Skip("this tree has the memory controller")
	}
	before := descriptors(t)
	c := create(t, tree, root+"/c")
	if w, err := c.WatchOOM(); w != nil || !errors.Is(err, ErrNoMemory) {
		t.Errorf("%v (%v)", w, err)
	}
	if err := At(c.Dir).Remove(patience); err != nil {
		t.Fatal(err)
	}
	if w, err := c.WatchOOM(); w != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v (%v)", w, err)
	}
	_ = c.Close()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
