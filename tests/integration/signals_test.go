package integration

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// ownSignals are those that a foreground run or exec does not pass on: what cannot be caught, what is the shell's to stop the
// caller's job, what tells the runtime of its own children, writes and threads, and what C libraries keep for themselves: a Go
// program, which the probe is too, cannot catch these.
var ownSignals = []syscall.Signal{
	unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
	unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGPROF, 32, 33, 34,
}

// passesOn begins a foreground call whose workload is `await-signal`, and sends it each signal that there is.
func passesOn(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	reader, writer := Pipe(t)
	cmd.Stdout = writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Begin(t, cmd)
	Expect(t, reader, "ready\n")
	lines := bufio.NewScanner(reader)
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	const last = syscall.Signal(64)
	came := func(want syscall.Signal) {
		t.Helper()
		if err := reader.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			switch text := lines.Text(); {
			case text == strconv.Itoa(int(want)):
				return
			case text != strconv.Itoa(int(last)):
				t.Errorf("signal %d: %s came", want, text)
			}
		}
		t.Fatalf("signal %d never came: %v", want, lines.Err())
	}

	// The less usual ones are caught a little later, one after the other, which nothing tells but the one that is caught last: until
	// then it is lost, and does no harm.
	caught := make(chan struct{})
	go func() {
		for {
			select {
			case <-caught:
				return
			case <-time.After(20 * time.Millisecond):
				_ = cmd.Process.Signal(last)
			}
		}
	}()
	came(last)
	close(caught)
	for sig := syscall.Signal(1); sig < last; sig++ {
		if sig != unix.SIGTERM && !slices.Contains(ownSignals, sig) {
			send(sig)
			came(sig)
		}
	}
	send(unix.SIGTERM)
	came(unix.SIGTERM)
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Each signal that a foreground run or exec can pass on reaches the workload, and the workload alone.
func TestForegroundPassesOnAllSignals(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("others pass on what stops a job, too")
	}
	t.Run("run", func(t *testing.T) {
		c := NewContainer(t, Args("await-signal"))
		passesOn(t, c.Command("run", "--bundle", c.Dir, c.ID))
	})
	t.Run("exec", func(t *testing.T) {
		c, _ := running(t)
		passesOn(t, c.Command("exec", c.ID, "/probe", "await-signal"))
	})
}

// Poststart hooks are no time in which a signal ends the runtime and leaves the workload alone.
func TestRunSignalInPoststartHook(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("others end by it")
	}
	c := NewContainer(t, Args("await-signal"))
	begun := filepath.Join(c.Dir, "begun")
	c.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo >" + begun + "; sleep 0.5"}}}}
	c.WriteSpec(t)
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	reader, writer := Pipe(t)
	cmd.Stdout = writer
	Begin(t, cmd)
	Expect(t, reader, "ready\n")
	Eventually(t, "the hook", func() bool {
		_, err := os.Stat(begun)
		return err == nil
	})
	if err := cmd.Process.Signal(unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	Expect(t, reader, "6\n")
	c.Tare("delete", "--force", c.ID).OK(t)
	_ = cmd.Wait()
}

// Whatever signal ends the process, the exit code is 128 and its number.
func TestExitCodeOfEachSignal(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	harmless := []unix.Signal{unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH} // and those that stop, which end nothing
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if slices.Contains(harmless, sig) || sig >= unix.SIGSTOP && sig <= unix.SIGTTOU {
			continue
		}
		inside(c, nil, "signal-self", strconv.Itoa(int(sig))).Exit(t, 128+int(sig))
	}
	for _, sig := range []int{int(unix.SIGHUP), int(unix.SIGSEGV), int(unix.SIGABRT), 34, 64} {
		c := NewContainer(t, Args("signal-self", strconv.Itoa(sig)), WithoutNamespace(specs.PIDNamespace))
		c.Run().Exit(t, 128+sig)
	}
}

// inTurns calls f with 0 to n-1, two at a time for each CPU: more than there is room for.
func inTurns(n int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	all.Wait()
}

// many is how often something quick is repeated: fewer times on an emulated machine, and with -short.
func many(n int) int {
	if testing.Short() || os.Getenv("TARE_TEST_SLOW") != "" {
		return n / 20
	}
	return n
}

// A run whose workload ends at once has its exit code, each time, on a busy machine.
func TestManyQuickRuns(t *testing.T) {
	NeedRoot(t)
	const bundles = 8
	var slots [bundles]*Container
	free := make(chan *Container, bundles)
	for i := range slots {
		slots[i] = NewContainer(t, Args("exit", strconv.Itoa(i+1)))
		free <- slots[i]
	}
	inTurns(many(1000), func(i int) {
		c := <-free
		defer func() { free <- c }()
		want, _ := strconv.Atoi(c.Spec.Process.Args[2])
		if res := c.Run(); res.Code != want || res.Stderr != "" {
			t.Errorf("run %d: exit code %d, want %d; %s", i, res.Code, want, res.Stderr)
		}
	})
	for _, c := range slots {
		if left := c.Traces(); left != nil {
			t.Errorf("left of %s: %v", c.ID, left)
		}
	}
}

// Hundreds of execs, two at a time for each CPU, leave nothing: no process in the container or on the host, no cgroup below the
// container's, no descriptor of its init process's, no file in its state directory.
func TestManyQuickExecs(t *testing.T) {
	c, pid := running(t)
	before := remains(t, c, pid)
	inTurns(many(500), func(i int) {
		if res := inside(c, nil, "exit", strconv.Itoa(i%200+1)); res.Code != i%200+1 || res.Stderr != "" {
			t.Errorf("exec %d: exit code %d, %s", i, res.Code, res.Stderr)
		}
	})
	for i := range many(40) {
		c.Tare("exec", "--detach", "--pid-file", fmt.Sprintf("%s/pid-%d", c.Dir, i), c.ID, "/probe", "true").OK(t)
		c.Wait(c.PidFile(fmt.Sprintf("%s/pid-%d", c.Dir, i)))
	}
	if after := remains(t, c, pid); !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
}

// remains lists what an exec could leave of itself.
func remains(t *testing.T, c *Container, pid int) (all []string) {
	t.Helper()
	for _, p := range Processes(t, c.Marks()...) {
		all = append(all, fmt.Sprintf("process %d: %s", p.PID, p.Cmdline))
	}
	fds, state, cgroup := fmt.Sprintf("/proc/%d/fd", pid), filepath.Join(c.Root, c.ID), OwnCgroup(t, pid)
	for _, dir := range []string{fds, state, cgroup} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			target, _ := os.Readlink(filepath.Join(dir, e.Name()))
			if dir == cgroup && !e.IsDir() || strings.HasPrefix(target, "anon_inode:") { // the latter are its Go runtime's
				continue
			}
			all = append(all, filepath.Join(dir, e.Name())+" "+target)
		}
	}
	return all
}
