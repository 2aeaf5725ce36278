package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// shimArgs is a containerd shim's command line for one container.
func shimArgs(c *Container, log string, args ...string) []string {
	return append([]string{"--log", log, "--log-format", "json"}, args...)
}

func TestShimCreate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("/probe", "exit", "3"))
	log, pidFile := filepath.Join(c.Dir, "log.json"), filepath.Join(c.Dir, "init.pid")
	// CRI-O makes the pid file before, empty: it has to be replaced, by rename.
	if err := os.WriteFile(pidFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	res := c.Tare(shimArgs(c, log, "create", "--bundle", c.Dir, "--pid-file", pidFile, c.ID)...).OK(t)
	if res.Stdout+res.Stderr != "" {
		t.Errorf("create says on success: %q %q", res.Stdout, res.Stderr)
	}
	pid := c.PidFile(pidFile) // decimal, no newline
	if info, err := old.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the pid file was written in place: %v %v", info.Size(), err)
	}
	if pid != c.State().Pid {
		t.Errorf("pid file says %d, state %d", pid, c.State().Pid)
	}
	// It is our child, or this wait says ECHILD.
	if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got != 0 || err != nil {
		t.Fatalf("wait for the created init: %d, %v", got, err)
	}
	if res := c.Tare(shimArgs(c, log, "start", c.ID)...).OK(t); res.Stdout+res.Stderr != "" {
		t.Errorf("start says on success: %q %q", res.Stdout, res.Stderr)
	}
	if status := c.Wait(pid); status.ExitStatus() != 3 {
		t.Errorf("wait status %x", status)
	}
	if res := c.Tare(shimArgs(c, log, "delete", c.ID)...).OK(t); res.Stdout+res.Stderr != "" {
		t.Errorf("delete says on success: %q %q", res.Stdout, res.Stderr)
	}
	if info, err := os.Stat(log); err == nil && info.Size() > 0 {
		t.Errorf("log after success: %+v", ReadLog(t, log))
	}
}

// A failing command appends exactly one record, of level error, to what the log held, and says it on stderr too.
func TestShimErrorLog(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("/no/such/program"))
	log, pidFile := filepath.Join(c.Dir, "log.json"), filepath.Join(c.Dir, "init.pid")
	start := time.Now().Add(-2 * time.Second)
	if err := os.WriteFile(log, []byte(`{"level":"info","msg":"older","time":"2020-01-02T03:04:05Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]string{
		{"create", "--bundle", c.Dir, "--pid-file", pidFile, c.ID},
		{"start", c.ID},
		{"kill", c.ID, "9"},
		{"create", "--bundle", c.Dir + "/nowhere", c.ID},
	} {
		res := c.Tare(shimArgs(c, log, args...)...).Fails(t)
		records := ReadLog(t, log)
		if len(records) != i+2 {
			t.Fatalf("%v: %d records in the log, want one more than %d: %+v", args, len(records), i+1, records)
		}
		last := records[len(records)-1]
		if last.Level != "error" || last.Time.Before(start) || last.Time.After(time.Now()) {
			t.Errorf("%v: record %+v", args, last)
		}
		if last.Msg == "" || !strings.Contains(res.Stderr, last.Msg) {
			t.Errorf("%v: the log says %q, standard error %q", args, last.Msg, res.Stderr)
		}
		if res.Stdout != "" {
			t.Errorf("%v: standard output: %q", args, res.Stdout)
		}
		if strings.Count(strings.TrimSuffix(res.Stderr, "\n"), "\n") != 0 {
			t.Errorf("%v: standard error has several lines:\n%s", args, res.Stderr)
		}
	}
	if _, err := os.Stat(pidFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed create wrote the pid file (%v)", err)
	}
	if left := c.Gone(); left != nil {
		t.Errorf("a failed create left %v", left)
	}
}

// What a shim asks of a container that lives: all of it silent, but for the pids. The limits are what dockerd sends for an
// update that changes none of them.
func TestShimLive(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "ps", "pause", "resume", "update")
	c := NewContainer(t, Args("sleep"))
	log := filepath.Join(c.Dir, "log.json")
	pid := c.Create()
	c.Start()
	const limits = `{"devices":null,"memory":{"limit":0,"reservation":0,"swap":0,"kernel":0},` +
		`"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}` + "\n"
	for _, tt := range []struct {
		args []string
		out  string
	}{
		{[]string{"ps", "--format", "json", c.ID}, fmt.Sprintf("[%d]\n", pid)},
		{[]string{"pause", c.ID}, ""},
		{[]string{"update", "--resources=-", c.ID}, ""},
		{[]string{"update", "--resources", "-", c.ID}, ""},
		{[]string{"ps", "--format", "json", c.ID}, fmt.Sprintf("[%d]\n", pid)},
		{[]string{"resume", c.ID}, ""},
	} {
		cmd := c.Command(shimArgs(c, log, tt.args...)...)
		cmd.Env = []string{"XDG_RUNTIME_DIR="} // all that Podman sets
		cmd.Stdin = strings.NewReader(limits)
		if res := c.Do(cmd).OK(t); res.Stdout != tt.out || res.Stderr != "" {
			t.Errorf("%v says on success: %q %q", tt.args, res.Stdout, res.Stderr)
		}
	}
	if info, err := os.Stat(log); err == nil && info.Size() > 0 {
		t.Errorf("log after success: %+v", ReadLog(t, log))
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	// CRI-O and containerd take it for "not found".
	c.Tare(shimArgs(c, log, "pause", c.ID)...).Fails(t, "container not running")
	if records := ReadLog(t, log); len(records) != 1 || !strings.Contains(records[0].Msg, "container not running") {
		t.Errorf("log: %+v", records)
	}
}

// With a terminal nothing that outlives create may hold its standard output: the shim waits for the end of that pipe.
func TestShimTerminalStreamsEnd(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	reader, writer := Pipe(t)
	cmd := c.Command("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", "--console-socket", console.Path, c.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	Begin(t, cmd)
	writer.Close()
	master, _ := console.Receive()
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Fatalf("create: exit code %d", code)
	}
	if err := reader.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(reader); err != nil || len(out) != 0 {
		t.Fatalf("create's output: %q, %v", out, err)
	}
	pid := c.PidFile(c.Dir + "/pid")
	c.Start()
	Expect(t, master, "size 0 0\r\n")
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
}

// A shim starts the runtime with a parent-death signal. The container must not have one.
func TestShimDeathSignal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("report"))
	out, err := os.Create(filepath.Join(c.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	// The signal goes by the thread that forked, which in Go ends at will: this create waits in a locked one.
	cmd := c.Command("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout = out
	c.Do(cmd).OK(t)
	pid := c.PidFile(c.Dir + "/pid")
	c.Start()
	c.Wait(pid)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	r := (&Result{Args: cmd.Args, Stdout: string(data)}).Report(t)
	if r.Process.ParentDeathSignal != 0 {
		t.Errorf("the workload has parent-death signal %d", r.Process.ParentDeathSignal)
	}
	if r.Process.SID != r.Process.PID {
		t.Errorf("the workload is not the leader of a session: sid %d, pid %d", r.Process.SID, r.Process.PID)
	}
}

// The streams that create is given are the workload's: what it writes after create is over arrives there, and their
// end is seen when it is gone.
func TestShimStreams(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("cat"))
	stdinR, stdinW := Pipe(t)
	stdoutR, stdoutW := Pipe(t)
	if err := setBlocking(stdinR); err != nil {
		t.Fatal(err)
	}
	cmd := c.Command("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Stdin, cmd.Stdout = stdinR, stdoutW
	c.Do(cmd).OK(t)
	stdinR.Close()
	stdoutW.Close()
	pid := c.PidFile(c.Dir + "/pid")
	c.Start()
	if _, err := stdinW.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	Expect(t, stdoutR, "hello\n")
	stdinW.Close()
	if rest, err := io.ReadAll(stdoutR); err != nil || len(rest) != 0 {
		t.Errorf("rest of the output: %q, %v", rest, err)
	}
	if status := c.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
}

func setBlocking(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), false) })
}

// Managers call kill, delete and state with next to no environment and from any directory.
func TestEmptyEnvironment(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	for _, args := range [][]string{{"start", c.ID}, {"state", c.ID}, {"kill", c.ID, "9"}} {
		cmd := c.Command(args...)
		cmd.Env = []string{}
		c.Do(cmd).OK(t)
	}
	c.Wait(pid)
	cmd := c.Command("delete", c.ID)
	cmd.Env = []string{}
	cmd.Dir = "/proc"
	c.Do(cmd).OK(t)
}

// The current directory is the default bundle.
func TestBundleIsCurrentDirectory(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("exit", "5"))
	cmd := c.Command("run", "--pid-file", "relative.pid", c.ID)
	cmd.Dir = c.Dir
	c.Do(cmd).Exit(t, 5)
	if _, err := os.Stat(filepath.Join(c.Dir, "relative.pid")); err != nil {
		t.Error(err)
	}
}

// The runtime may be started with any of its standard streams closed or as /dev/null.
func TestNullStreams(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("exit", "4"))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var before, after unix.Stat_t
	if err := unix.Stat(os.DevNull, &before); err != nil {
		t.Fatal(err)
	}
	c.Spec.Process.User = specs.User{UID: 1234, GID: 1234}
	c.WriteSpec(t)
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, null, null
	c.Do(cmd).Exit(t, 4)
	if err := unix.Stat(os.DevNull, &after); err != nil {
		t.Fatal(err)
	}
	if before.Uid != after.Uid || before.Mode != after.Mode {
		t.Errorf("the host's %s changed: uid %d mode %o, before %d %o", os.DevNull, after.Uid, after.Mode, before.Uid, before.Mode)
	}
}
