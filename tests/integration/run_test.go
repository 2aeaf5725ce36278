package integration

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

func TestRunExitCodes(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		edits []Edit
		code  int
	}{
		"0":   {[]Edit{Args("true")}, 0},
		"1":   {[]Edit{Args("exit", "1")}, 1},
		"32":  {[]Edit{Args("exit", "32")}, 32},
		"127": {[]Edit{Args("exit", "127")}, 127},
		"255": {[]Edit{Args("exit", "255")}, 255},
		// The first process of a PID namespace cannot kill itself, so these share the host's.
		"143 by SIGTERM": {[]Edit{Args("signal-self", "15"), WithoutNamespace(specs.PIDNamespace)}, 143},
		"137 by SIGKILL": {[]Edit{Args("signal-self", "9"), WithoutNamespace(specs.PIDNamespace)}, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, tt.edits...)
			res := c.Run().Exit(t, tt.code)
			if res.Stderr != "" {
				t.Errorf("standard error: %s", res.Stderr)
			}
			if left := c.Gone(); left != nil {
				t.Errorf("run left %v", left)
			}
		})
	}
}

func TestRunStreams(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("cat"))
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	input := strings.Repeat("0123456789abcdef\n", 64<<10) // a megabyte, more than any pipe holds
	cmd.Stdin = strings.NewReader(input)
	if res := c.Do(cmd).OK(t); res.Stdout != input {
		t.Errorf("%d bytes in, %d bytes out", len(input), len(res.Stdout))
	}
}

func TestRunDetach(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pidFile := filepath.Join(c.Dir, "pid")
	if res := c.Run("--detach", "--pid-file", pidFile).OK(t); res.Stdout+res.Stderr != "" && res.Stdout != "ready\n" {
		t.Errorf("run --detach says: %q %q", res.Stdout, res.Stderr)
	}
	pid := c.PidFile(pidFile)
	if s := c.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("state: %+v", s)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.WaitStatus(specs.StateStopped)
	c.Tare("delete", c.ID).OK(t)
}

func TestRunKeep(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("exit", "9"))
	c.Run("--keep").Exit(t, 9)
	if s := c.State(); s.Status != specs.StateStopped || s.Pid != 0 {
		t.Errorf("state: %+v", s)
	}
	c.Tare("delete", c.ID).OK(t)
}

func TestRunArgsNotUsable(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		args []string
		text string
	}{
		"name not in PATH": {[]string{"/nonexistent-dummy"}, "no such file or directory"},
		"bare name":        {[]string{""}, "executable file not found in $PATH"},
		"not executable":   {[]string{"/etc/plain"}, "permission denied"},
		"directory":        {[]string{"/etc"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "bare name" {
				tt.args = []string{"no-such-program"}
			}
			c := NewContainer(t, func(s *specs.Spec) { s.Process.Args = tt.args })
			c.WriteFile(t, "etc/plain", "text", 0o644)
			res := c.Run().Fails(t, tt.text)
			if name == "directory" && !strings.Contains(res.Stderr, "is a directory") && !strings.Contains(res.Stderr, "permission denied") {
				t.Errorf("error: %s", res.Stderr)
			}
			if left := c.Gone(); left != nil {
				t.Errorf("the failed run left %v", left)
			}
			// create fails as well: managers want to hear it then.
			c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, tt.text)
		})
	}
}

// A program is looked up in the PATH of the container's own environment, and below its root.
func TestRunPath(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, func(s *specs.Spec) {
		s.Process.Args = []string{"tool", "report"}
		s.Process.Env = []string{"PATH=/nowhere:/opt/tools"}
	})
	c.Symlink(t, "/probe", "tool-link")
	if err := os.MkdirAll(filepath.Join(c.RootFS, "opt/tools"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Symlink(t, "/probe", "opt/tools/tool")
	r := c.Report()
	if r.Process.Args[0] != "tool" {
		t.Errorf("argv[0] is %q, want it as in the configuration", r.Process.Args[0])
	}
}

// Signals that reach a foreground run are the workload's.
func TestRunForwardsSignals(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("await-signal"))
	reader, writer := Pipe(t)
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdout = writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Begin(t, cmd)
	Expect(t, reader, "ready\n")
	for _, tt := range []struct {
		signal syscall.Signal
		text   string
	}{{syscall.SIGHUP, "1\n"}, {syscall.SIGUSR1, "10\n"}, {syscall.SIGINT, "2\n"}, {syscall.SIGTERM, "15\n"}} {
		if err := cmd.Process.Signal(tt.signal); err != nil {
			t.Fatal(err)
		}
		Expect(t, reader, tt.text)
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A foreground run on a terminal passes bytes and sizes through and leaves the host's terminal as it found it.
func TestRunTerminal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("tty"), Terminal)
	master, slave := OpenPTY(t, 24, 80)
	before := termios(t, slave)
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	Begin(t, cmd)
	Expect(t, master, "size 24 80\r\n")
	Resize(t, master, 50, 132)
	Expect(t, master, "size 50 132\r\n")
	if _, err := master.WriteString("hello\r"); err != nil { // the inner terminal makes a newline of it
		t.Fatal(err)
	}
	if seen := Expect(t, master, "line hello\r\n"); strings.Count(seen, "hello") != 2 {
		t.Errorf("input is echoed other than once: %q", seen)
	}
	if _, err := master.WriteString("quit\r"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, master) }()
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if after := termios(t, slave); *after != *before {
		t.Errorf("the host's terminal was left changed:\n%+v\n%+v", before, after)
	}
}

func termios(t *testing.T, f *os.File) *unix.Termios {
	t.Helper()
	attr, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return attr
}

// The pid file of a foreground run is there while it runs.
func TestRunPidFile(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pidFile := filepath.Join(c.Dir, "pid")
	reader, writer := Pipe(t)
	cmd := c.Command("run", "--bundle", c.Dir, "--pid-file", pidFile, c.ID)
	cmd.Stdout = writer
	Begin(t, cmd)
	Expect(t, reader, "ready\n")
	var data []byte
	Eventually(t, "the pid file", func() bool { // runc writes it after the start
		data, _ = os.ReadFile(pidFile)
		return len(data) > 0
	})
	if s := c.State(); string(data) != strconv.Itoa(s.Pid) || s.Status != specs.StateRunning {
		t.Errorf("pid file %q, state %+v", data, s)
	}
	c.Tare("kill", c.ID).OK(t)
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 64+int(unix.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}
