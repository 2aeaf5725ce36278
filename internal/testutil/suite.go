package testutil

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// suite is what Main sets up once for all tests of a binary.
var suite struct {
	dir     string // holds everything that the tests make
	runtime string
	probe   string
	slow    time.Duration // multiplier of deadlines
}

// Main runs the tests and then looks for what they left behind. It does not return.
func Main(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testutil:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	suite.slow = 1
	if n, err := strconv.Atoi(os.Getenv("TARE_TEST_SLOW")); err == nil && n > 0 {
		suite.slow = time.Duration(n)
	}
	if err := defaultSignals(); err != nil {
		return 0, err
	}
	// Not t.TempDir: that is 0700, and a container with a user namespace has to walk down to its root file system.
	if suite.dir, err = os.MkdirTemp("", "tare-test-"); err != nil {
		return 0, err
	}
	defer func() {
		if err := removeTree(suite.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := os.Chmod(suite.dir, 0o711); err != nil {
		return 0, err
	}
	if suite.runtime, err = binary("TARE", "tare", "tare"); err != nil {
		return 0, err
	}
	if suite.probe, err = binary("TARE_PROBE", "probe", "tare/tests/probe"); err != nil {
		return 0, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	code = m.Run()
	return code, errors.Join(leftProcesses(), leftCgroups())
}

// binary gives the program that the environment variable names, or builds it.
func binary(variable, name, pkg string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("$%s: %w", variable, err)
		}
		return filepath.Abs(found)
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("$%s is not set and there is no Go tool to build %s: %w", variable, name, err)
	}
	path := filepath.Join(suite.dir, name)
	build := exec.Command(tool, "build", "-trimpath", "-ldflags=-s -w", "-o", path, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// leftProcesses tells of children that no test has reaped, and ends those that still live.
func leftProcesses() error {
	var errs []error
	for {
		var info unix.WaitStatus
		pid, err := unix.Wait4(-1, &info, unix.WNOHANG, nil)
		if err != nil { // ECHILD: nothing there
			return errors.Join(errs...)
		}
		if pid > 0 {
			continue // a zombie, say of a runtime's own helper that died with it
		}
		living := children()
		if len(living) == 0 {
			return errors.Join(append(errs, errors.New("a process outlived its test"))...)
		}
		for _, child := range living {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child))
			errs = append(errs, fmt.Errorf("process %d (%s) outlived its test", child, strings.TrimSpace(string(comm))))
			if !reap(child) {
				return errors.Join(errs...)
			}
		}
	}
}

// reap kills a child and takes its status, but does not wait for ever: it may be stopped or hang in the kernel.
func reap(pid int) bool {
	_ = unix.Kill(pid, unix.SIGKILL)
	for range 400 {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || err == unix.ECHILD {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// children lists this process's living children and zombies.
func children() []int {
	var all []int
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// Deadline is how long to wait for something that should take no time.
func Deadline() time.Duration { return 30 * time.Second * suite.slow }

// Eventually waits for ok to hold and ends the test when it does not in time. What completes "waiting for".
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(Deadline())
	for pause := time.Millisecond; !ok(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s: not within %v", what, Deadline())
		}
		time.Sleep(pause)
	}
}
