package managers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// foreground prepares a call as BuildKit makes it: in a process group of its own, to die with BuildKit.
func (m *manager) foreground(args ...string) *exec.Cmd {
	cmd := m.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// A build step is a run in the foreground, in the runtime's own state root, and what it has left is looked at before delete.
func TestBuildKit_RunKeepLeavesStateAndCgroup(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("exit", "32"))
	if res := m.call("run", "--bundle", m.Dir, "--no-pivot", "--keep", m.ID).Exit(t, 32); res.Stdout+res.Stderr != "" {
		t.Errorf("run says %q %q", res.Stdout, res.Stderr)
	}
	if dirs := CgroupDirs(m.Spec.Linux.CgroupsPath); len(dirs) == 0 {
		t.Error("the cgroup is gone, and with it the count of OOM kills")
	}
	var state struct{ Status, Bundle, Rootfs string }
	code, text := m.combined("state", m.ID)
	decode(t, text, &state)
	if code != 0 || state.Status != "stopped" {
		t.Errorf("exit code %d: %s", code, text)
	}
	m.silent("delete", m.ID)
	if dirs := CgroupDirs(m.Spec.Linux.CgroupsPath); len(dirs) != 0 {
		t.Errorf("left: %v", dirs)
	}
	m.noLog()
}

// It finds the users of the image by the state: both outputs are one document, with bundle and rootfs.
func TestBuildKit_StateNamesBundleAndRootfs(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("ignore-term"))
	if code, _ := m.combined("state", m.ID); code == 0 {
		t.Error("there is a state before run")
	}
	m.started(t)
	var state struct{ Status, Bundle, Rootfs string }
	_, text := m.combined("state", m.ID)
	decode(t, text, &state)
	if state.Status != "running" || state.Bundle != m.Dir || state.Rootfs != m.RootFS {
		t.Errorf("%+v", state)
	}
}

// started is a run in the foreground whose workload has said "ready".
func (m *manager) started(t *testing.T) *exec.Cmd {
	t.Helper()
	reader, writer := Pipe(t)
	cmd := m.foreground("run", "--bundle", m.Dir, "--keep", m.ID)
	cmd.Stdout = writer
	Begin(t, cmd)
	writer.Close()
	Expect(t, reader, "ready\n")
	return cmd
}

// A kill may come before there is a container: it fails, and is repeated until it does not.
func TestBuildKit_KillBeforeTheContainerExists(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("ignore-term"))
	if code, text := m.combined("kill", m.ID, "9"); code != 1 {
		t.Errorf("exit code %d: %s", code, text)
	}
	cmd := m.foreground("run", "--bundle", m.Dir, "--keep", m.ID)
	Begin(t, cmd)
	Eventually(t, "a kill that arrives", func() bool { return m.call("kill", m.ID, "9").Code == 0 || over(t, cmd) })
	Finish(t, cmd)
	// One that came while the container was made has found no process of its own, and ended the run.
	if code := ExitCode(cmd); code != 137 && code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// over tells whether a started command has ended, and leaves it to be waited for.
func over(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		t.Fatal(os.NewSyscallError("waitid", err))
	}
	return info.Signo == int32(unix.SIGCHLD)
}

// Signals other than SIGKILL go to the runtime, which passes them on.
func TestBuildKit_SignalsGoThroughRun(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("sleep"))
	cmd := m.started(t)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 64+int(unix.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}

// The runtime's terminal is not its controlling one: BuildKit says by SIGWINCH that its size has changed.
func TestBuildKit_TerminalFollowsSIGWINCH(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("tty"), Terminal)
	followsTerminal(t, m.foreground("run", "--bundle", m.Dir, "--keep", m.ID))
}

// followsTerminal runs `probe tty` in the foreground on a terminal that is not its controlling one.
func followsTerminal(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	master, slave := OpenPTY(t, 24, 80)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Begin(t, cmd)
	Expect(t, master, "size 24 80\r\n")
	Resize(t, master, 50, 132)
	if err := cmd.Process.Signal(unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	Expect(t, master, "size 50 132\r\n")
	if _, err := master.WriteString("quit\r"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, master) }()
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The pid file of a foreground exec is there while it runs, to be read each 10 ms: whole, whenever it is.
func TestBuildKit_ExecPidFileWhileItRuns(t *testing.T) {
	t.Parallel()
	m := newBuildKit(t, Args("ignore-term"))
	m.started(t)
	pidFile := filepath.Join(m.Dir, "exec.pid")
	cmd := m.foreground("exec", "--process", m.processFile("p", []string{"/probe", "ignore-term"}), "--pid-file", pidFile, m.ID)
	Begin(t, cmd)
	var data []byte
	Eventually(t, "the pid file", func() bool {
		var err error
		data, err = os.ReadFile(pidFile)
		return !errors.Is(err, os.ErrNotExist)
	})
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatalf("pid file: %v", err)
	}
	kill(t, pid)
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 137 {
		t.Errorf("exit code %d", code)
	}
}

// All builds write to one log.
func TestBuildKit_ConcurrentRunsLogWholeRecords(t *testing.T) {
	t.Parallel()
	const n = 12
	first := newBuildKit(t)
	var all sync.WaitGroup
	for range n {
		m := newBuildKit(t, Args("/no/such/"+strings.Repeat("program", 500)))
		m.globals = first.globals
		all.Go(func() { m.call("run", "--bundle", m.Dir, "--keep", m.ID).Exit(t, 1) })
	}
	all.Wait()
	if records := ReadLog(t, first.log()); len(records) != n {
		t.Errorf("%d records of %d failures", len(records), n)
	}
}

// The exit code is compared with those that are allowed.
func TestBuildKit_ExitCodes(t *testing.T) {
	t.Parallel()
	for code := range slices.Values([]int{0, 1, 126, 127, 255}) {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			m := newBuildKit(t, Args("exit", strconv.Itoa(code)))
			m.call("run", "--bundle", m.Dir, "--keep", m.ID).Exit(t, code)
			m.silent("delete", m.ID)
		})
	}
	m := newBuildKit(t, Args("signal-self", "9"), WithoutNamespace(specs.PIDNamespace))
	m.call("run", "--bundle", m.Dir, "--keep", m.ID).Exit(t, 137)
}
