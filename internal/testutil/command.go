package testutil

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tare/internal/testutil/view"
)

// Result is what one call of the runtime came to.
type Result struct {
	Args           []string
	Code           int // the exit code; 128+N when the runtime itself died of signal N
	Stdout, Stderr string
}

// OK ends the test unless the call succeeded. It returns the result for more.
func (r *Result) OK(t testing.TB) *Result {
	t.Helper()
	return r.Exit(t, 0)
}

// Exit ends the test unless the call gave that exit code.
func (r *Result) Exit(t testing.TB, code int) *Result {
	t.Helper()
	if r.Code != code {
		t.Fatalf("%s: exit code %d, want %d\nstdout: %s\nstderr: %s", strings.Join(r.Args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// Fails ends the test unless the call failed as a runtime error does, with every text on standard error.
func (r *Result) Fails(t testing.TB, texts ...string) *Result {
	t.Helper()
	r.Exit(t, 1)
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			t.Fatalf("%s: the error does not say %q:\n%s", strings.Join(r.Args, " "), text, r.Stderr)
		}
	}
	return r
}

// Report decodes the probe's report.
func (r *Result) Report(t testing.TB) *view.Report {
	t.Helper()
	r.OK(t)
	var report view.Report
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("report: %v in %q", err, r.Stdout)
	}
	return &report
}

// Tare runs the runtime with the container's state root and waits for it. Its output goes to files, not pipes: what
// a container of its inherits would keep a pipe open.
func (c *Container) Tare(args ...string) *Result {
	c.t.Helper()
	return c.Do(c.Command(args...))
}

// Command prepares a call of the runtime, for tests that set more than arguments.
func (c *Container) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.runtime, append([]string{"--root", c.Root}, args...)...)
	cmd.Dir = "/"
	cmd.Env = c.env
	if c.cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	}
	return cmd
}

// Do runs a prepared call. Standard streams that are set stay as they are.
func (c *Container) Do(cmd *exec.Cmd) *Result {
	c.t.Helper()
	return Do(c.t, cmd)
}

// Do runs a command of the host and keeps its output.
func Do(t testing.TB, cmd *exec.Cmd) *Result {
	t.Helper()
	out, errOut := capture(t), capture(t)
	defer out.Close()
	defer errOut.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = errOut
	}
	Begin(t, cmd)
	Finish(t, cmd)
	return &Result{Args: cmd.Args, Code: ExitCode(cmd), Stdout: content(t, out), Stderr: content(t, errOut)}
}

// Begin starts a command that does not outlive the test.
func Begin(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
}

// Finish waits for a started command, and kills it and ends the test when it takes too long.
func Finish(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var late atomic.Bool
	timer := time.AfterFunc(4*Deadline(), func() {
		late.Store(true)
		_ = cmd.Process.Kill()
	})
	defer timer.Stop()
	err := cmd.Wait()
	if late.Load() {
		t.Fatalf("%s: still running after %v", strings.Join(cmd.Args, " "), 4*Deadline())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
}

// ExitCode is that of a finished command as a shell would say it.
func ExitCode(cmd *exec.Cmd) int {
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// capture makes a file that has no name any more.
func capture(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(suite.dir, "out-")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(f.Name()), f.Chmod(0o666)); err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t testing.TB, f *os.File) string {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if n, err := f.ReadAt(data, 0); n != len(data) {
		t.Fatal(err)
	}
	return string(data)
}

// LogRecord is one line of a JSON log.
type LogRecord struct {
	Level, Msg string
	Time       time.Time
}

// ReadLog decodes a JSON log strictly: one object per line, nothing else.
func ReadLog(t testing.TB, path string) []LogRecord {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []LogRecord
	for line := range strings.Lines(string(data)) {
		var record LogRecord
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v in %q", filepath.Base(path), err, line)
		}
		if !strings.HasSuffix(line, "\n") {
			t.Errorf("%s: no newline after %q", filepath.Base(path), line)
		}
		all = append(all, record)
	}
	return all
}
