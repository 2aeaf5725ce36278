package managers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// All that a shim asks for in a container's life, word by word as go-runc says it, is done without a word.
func TestShim_LifeIsSilent(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--no-pivot", "--no-new-keyring")
	m.silent("start", m.ID)
	m.ready()
	execFile := filepath.Join(m.Dir, "exec.pid")
	out := m.File(t, "exec-out")
	cmd := m.command("exec", "--process", m.processFile("runc-process1", []string{"/probe", "ignore-term"}), "--detach", "--pid-file", execFile, m.ID)
	cmd.Stdout, cmd.Stderr = out, out
	m.do(cmd).OK(t)
	second := m.PidFile(execFile)
	if res := m.call("ps", "--format", "json", m.ID).OK(t); res.Stdout != fmt.Sprintf("[%d,%d]\n", pid, second) || res.Stderr != "" {
		t.Errorf("ps says %q %q, want %d and %d", res.Stdout, res.Stderr, pid, second)
	}
	m.silent("pause", m.ID)
	m.silent("resume", m.ID)
	Eventually(t, "exec's workload", func() bool { info, err := out.Stat(); return err == nil && info.Size() > 0 })
	m.silent("kill", m.ID, "15")
	m.Wait(second) // before init: the end of a PID namespace waits for all in it to be reaped
	if status := m.Wait(pid); status.ExitStatus() != 64+int(unix.SIGTERM) {
		t.Errorf("wait status %x", status)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.silent("delete", m.ID)
	m.silent("delete", "--force", m.ID)
	m.noLog()
	if text, _ := os.ReadFile(out.Name()); string(text) != "ready\n" {
		t.Errorf("exec's output, but for the workload's: %q", text)
	}
}

// The shim waits for the pid of the pid file: that has to be its own child once the runtime has left, for exec as well.
func TestShim_ProcessesBecomeItsChildren(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("exit", "3"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	if pid != m.State().Pid {
		t.Errorf("pid file says %d, state %d", pid, m.State().Pid)
	}
	if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got != 0 || err != nil {
		t.Fatalf("wait for the created init: %d, %v", got, err)
	}
	execFile := filepath.Join(m.Dir, "exec.pid")
	m.silent("exec", "--process", m.processFile("p", []string{"/probe", "exit", "4"}), "--detach", "--pid-file", execFile, m.ID)
	if status := m.Wait(m.PidFile(execFile)); status.ExitStatus() != 4 {
		t.Errorf("exec's wait status %x", status)
	}
	m.silent("start", m.ID)
	if status := m.Wait(pid); status.ExitStatus() != 3 {
		t.Errorf("init's wait status %x", status)
	}
	if left := Processes(t, m.Marks()...); len(left) != 0 {
		t.Errorf("processes in between: %v", left)
	}
}

// A failing command appends exactly one record, of level error, to what the log held, and says it on stderr too.
func TestShim_OneErrorRecordForEachFailure(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("/no/such/program"))
	start := time.Now().Add(-2 * time.Second)
	if err := os.WriteFile(m.log(), []byte(`{"level":"info","msg":"older","time":"2020-01-02T03:04:05Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]string{
		{"create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID},
		{"start", m.ID},
		{"kill", m.ID, "9"},
		{"create", "--bundle", m.Dir + "/nowhere", m.ID},
	} {
		res := m.call(args...).Fails(t)
		records := ReadLog(t, m.log())
		if len(records) != i+2 {
			t.Fatalf("%v: %d records in the log, want one more than %d: %+v", args, len(records), i+1, records)
		}
		last := records[len(records)-1]
		if last.Level != "error" || last.Time.Before(start) || last.Time.After(time.Now()) {
			t.Errorf("%v: record %+v", args, last)
		}
		if msg, err := shimLastError(m.log()); err != nil || msg == "" || !strings.Contains(res.Stderr, msg) {
			t.Errorf("%v: the shim shows %q, %v; standard error %q", args, msg, err, res.Stderr)
		}
		if res.Stdout != "" || strings.Count(res.Stderr, "\n") != 1 {
			t.Errorf("%v: standard output %q, standard error %q", args, res.Stdout, res.Stderr)
		}
	}
	if _, err := os.Stat(m.pidFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed create wrote the pid file (%v)", err)
	}
	if left := m.Gone(); left != nil {
		t.Errorf("a failed create left %v", left)
	}
}

// findsNoProgram has a create fail for its command, and cleans up after it.
func (m *manager) findsNoProgram(t *testing.T) {
	t.Helper()
	m.Spec.Process.Args = []string{"no-such-program"}
	m.WriteSpec(t)
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
	m.silent("delete", "--force", m.ID)
}

// The clean-up after a failed create must not hide its error.
func TestShim_CleanUpHidesNoError(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.findsNoProgram(t)
	if msg, err := shimLastError(m.log()); err != nil || !strings.Contains(msg, "executable file not found in $PATH") {
		t.Errorf("the shim shows %q, %v", msg, err)
	}
}

// A hook that fails when the container is gone is a warning: no record of level error is in the log, before the real one or after it.
func TestShim_FailingPoststopHidesNoError(t *testing.T) {
	t.Parallel()
	poststop := func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/false"}}} }
	m := newShim(t, Args("sleep"), poststop)
	m.stopped()
	m.silent("delete", m.ID)
	m.noLog()
	m = newShim(t, poststop)
	m.findsNoProgram(t)
	if msg, err := podmanError(m.log()); err != nil || !strings.Contains(msg, "executable file not found in $PATH") {
		t.Errorf("shown: %q, %v", msg, err)
	}
}

// A live shim says --systemd-cgroup with every command, its clean-up with none: what counts is how the container was created.
func TestShim_DriverIsTheStates(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	dir := OwnCgroup(t, pid)
	m.globals = append(m.globals, "--systemd-cgroup")
	m.silent("start", m.ID)
	m.silent("pause", m.ID)
	m.silent("resume", m.ID)
	m.silent("update", "--cpu-share", "512", m.ID)
	m.call("exec", m.ID, "/probe", "true").OK(t)
	if res := m.call("ps", "--format", "json", m.ID).OK(t); res.Stdout != fmt.Sprintf("[%d]\n", pid) {
		t.Errorf("ps says %q, want %d", res.Stdout, pid)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.Wait(pid)
	m.silent("delete", "--force", m.ID)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup after delete: %v", err)
	}
	m.noLog()
}

// Execs run beside each other, and all of them append to one log.
func TestShim_ConcurrentExecsLogWholeRecords(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	process := m.processFile("p", []string{"/no/such/" + strings.Repeat("program", 500)})
	const n = 16
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			m.call("exec", "--process", process, "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID).Exit(t, 255)
		})
	}
	all.Wait()
	if records := ReadLog(t, m.log()); len(records) != n {
		t.Errorf("%d records of %d failures", len(records), n)
	}
}

// What a shim takes for "not found", which makes of a kill that came too late one that is done: see docs/managers.
func TestShim_KillOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	for _, signal := range []string{"15", "9"} {
		if code, text := m.combined("kill", m.ID, signal); code != 1 || shimKillError(text) != "process already finished" {
			t.Errorf("kill %s: exit code %d: %s", signal, code, text)
		}
	}
}

// A kill that comes between the end of the process and its reaping has come too late as well.
func TestShim_KillBeforeTheReaper(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	kill(t, pid)
	m.WaitStatus(specs.StateStopped) // a zombie
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "process already finished" {
		t.Errorf("exit code %d: %s", code, text)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.Wait(pid)
}

// Any other failure is no "not found": the container would count as gone, and run.
func TestShim_KillThatFailsIsNoNotFound(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	for _, args := range [][]string{{"kill", m.ID, "99"}, {"kill", m.ID, "NONSENSE"}, {"kill", "--nonsense", m.ID, "9"}, {"kill"}} {
		if code, text := m.combined(args...); code != 1 || shimKillError(text) != unknownKillError || crioNotFound(text) {
			t.Errorf("%v: exit code %d: %s", args, code, text)
		}
	}
	if s := m.State(); s.Status != specs.StateRunning {
		t.Errorf("the container is %s", s.Status)
	}
}

func TestShim_KillOfUnknownContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "no such container" {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// Behind the shim's back: another has deleted the container.
func TestShim_KillAndDeleteAfterDeleteBehindItsBack(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	m.Tare("delete", "--force", m.ID).OK(t)
	m.Wait(pid)
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "no such container" {
		t.Errorf("kill: exit code %d: %s", code, text)
	}
	if code, text := m.combined("delete", m.ID); code != 1 || !strings.Contains(text, "does not exist") {
		t.Errorf("delete: exit code %d: %s", code, text)
	}
}

// kill --all comes after the end of the first process, too, and from CRI's clean-up for every container, long dead.
func TestShim_KillAllOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	m.silent("kill", "--all", m.ID, "9")
	m.silent("kill", "--all", m.ID, "9")
	m.noLog()
}

// In a shared PID namespace the others live on when the first process has ended: kill --all is what ends them.
func TestShim_KillAllEndsLeftoversOfSharedPIDNamespace(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"), WithoutNamespace(specs.PIDNamespace))
	pid := m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	m.do(m.command("exec", "--process", m.processFile("p", []string{"/probe", "ignore-term"}), "--detach", "--pid-file", execFile, m.ID)).OK(t)
	other := m.PidFile(execFile)
	kill(t, pid)
	m.Wait(pid)
	if err := unix.Kill(other, 0); err != nil {
		t.Fatalf("the other process: %v", err)
	}
	m.silent("kill", "--all", m.ID, "9")
	if status := m.Wait(other); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}

func TestShim_DeleteForceOfUnknownContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.silent("delete", "--force", m.ID)
	m.noLog()
}

// The clean-up knows nothing but an id. What it finds may be a directory without any state, or with half of one.
func TestShim_DeleteForceOfPartialState(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no state": "", "half a state": `{"id":"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newShim(t)
			dir := filepath.Join(m.Root, m.ID)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if text != "" {
				if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m.silent("delete", "--force", m.ID)
			if left := m.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Limits come by standard input, in the words of go-runc today and of that in containerd 1.6. These are what dockerd sends for
// an update that changes none of them.
func TestShim_UpdateByStandardInput(t *testing.T) {
	t.Parallel()
	const limits = `{"devices":null,"memory":{"limit":0,"reservation":0,"swap":0,"kernel":0},` +
		`"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}` + "\n"
	m := newShim(t, Args("sleep"))
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	for _, state := range []string{"created", "running", "paused"} {
		switch state {
		case "running":
			m.silent("start", m.ID)
		case "paused":
			m.silent("pause", m.ID)
		}
		for _, resources := range [][]string{{"--resources=-"}, {"--resources", "-"}} {
			cmd := m.command(append(append([]string{"update"}, resources...), m.ID)...)
			cmd.Stdin = strings.NewReader(limits)
			if res := m.do(cmd).OK(t); res.Stdout+res.Stderr != "" {
				t.Errorf("%s, %v: %q %q", state, resources, res.Stdout, res.Stderr)
			}
		}
	}
	m.noLog()
}

// A shim shows what is wrong with pause and the like from the log, and from standard error what it takes for "not found".
func TestShim_PauseOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	m.call("pause", m.ID).Fails(t, "container not running")
	if msg, err := shimLastError(m.log()); err != nil || !strings.Contains(msg, "container not running") {
		t.Errorf("the shim shows %q, %v", msg, err)
	}
}

// With a terminal nothing that outlives create may hold its standard output: the shim waits for the end of that pipe.
func TestShim_TerminalKeepsNoOutputOpen(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	reader, writer := Pipe(t)
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--console-socket", console.Path, m.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	m.do(cmd).OK(t)
	writer.Close()
	master, _ := console.Receive()
	ended(t, reader)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	Expect(t, master, "size 0 0\r\n")

	console = NewReceiver(t)
	reader, writer = Pipe(t)
	process := m.processFile("p", []string{"/probe", "tty"}, func(p *specs.Process) { p.Terminal = true })
	cmd = m.command("exec", "--process", process, "--console-socket", console.Path, "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	m.do(cmd).OK(t)
	writer.Close()
	master, _ = console.Receive()
	ended(t, reader)
	second := m.PidFile(m.Dir + "/exec.pid")
	Expect(t, master, "size 0 0\r\n")
	m.silent("kill", m.ID, "9")
	m.Wait(second)
	m.Wait(pid)
}

// ended demands that nobody has the other end of a pipe, and that nothing was written to it.
func ended(t *testing.T, reader *os.File) {
	t.Helper()
	if err := reader.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(reader); err != nil || len(out) != 0 {
		t.Errorf("a pipe that should have no writers: %q, %v", out, err)
	}
}

// A start that fails leaves nobody with the streams that the shim copies from: it waits for their end.
func TestShim_FailedStartKeepsNoPipeOpen(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("/script"))
	m.WriteFile(t, "script", "\x00no program, says execve(2)", 0o755)
	reader, writer := Pipe(t)
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdout = writer
	m.do(cmd).OK(t)
	writer.Close()
	m.call("start", m.ID).Fails(t, "exec format error")
	ended(t, reader)
	m.Wait(m.PidFile(m.pidFile()))
	m.silent("delete", m.ID)
}

// The kernel clears a parent-death signal when it forks; the container must not have got one again.
func TestShim_ParentDeathSignalStaysOut(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("report"))
	out := m.File(t, "report")
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdout = out
	m.do(cmd).OK(t)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	m.Wait(pid)
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

// A socket of the shim's own start was seen open in a create.
func TestShim_StrayDescriptorsStayOut(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("report"))
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	out := m.File(t, "report")
	cmd.Stdout, cmd.ExtraFiles = out, LeakFDs(t, 3)
	m.do(cmd).OK(t)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	m.Wait(pid)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	OnlyFDs(t, (&Result{Stdout: string(data)}).Report(t), 0, 1, 2)
}

// The same of exec.
func TestShim_ExecInheritsNothing(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	cmd := m.command("exec", "--process", m.processFile("p", []string{"/probe", "report"}), "--detach", "--pid-file", execFile, m.ID)
	out := m.File(t, "report")
	cmd.Stdout, cmd.ExtraFiles = out, LeakFDs(t, 3)
	m.do(cmd).OK(t)
	m.Wait(m.PidFile(execFile))
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	r := (&Result{Args: cmd.Args, Stdout: string(data)}).Report(t)
	OnlyFDs(t, r, 0, 1, 2)
	if r.Process.ParentDeathSignal != 0 {
		t.Errorf("the process has parent-death signal %d", r.Process.ParentDeathSignal)
	}
}

// The streams that create is given are the workload's: what it writes after create is over arrives there, and their
// end is seen when it is gone.
func TestShim_StreamsAreTheWorkloads(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("cat"))
	stdinR, stdinW := Pipe(t)
	stdoutR, stdoutW := Pipe(t)
	if err := setBlocking(stdinR); err != nil {
		t.Fatal(err)
	}
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	cmd.Stdin, cmd.Stdout = stdinR, stdoutW
	m.do(cmd).OK(t)
	stdinR.Close()
	stdoutW.Close()
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	if _, err := stdinW.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	Expect(t, stdoutR, "hello\n")
	stdinW.Close()
	if rest, err := io.ReadAll(stdoutR); err != nil || len(rest) != 0 {
		t.Errorf("rest of the output: %q, %v", rest, err)
	}
	if status := m.Wait(pid); status.ExitStatus() != 0 {
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

// One that is killed between create and start is stopped, not created, and start does not wait for it.
func TestShim_InitKilledRightAfterCreate(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	kill(t, pid)
	m.WaitStatus(specs.StateStopped) // a zombie: nobody has waited for it
	m.call("start", m.ID).Fails(t)
	m.Wait(pid)
	m.silent("delete", m.ID)
}

// An exec that races with the end of the container works or fails, and a failed one has no pid file.
func TestShim_ExecRacingWithTheEnd(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	process := m.processFile("p", []string{"/probe", "true"})
	const n = 12
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if i == n/2 {
				kill(t, pid)
				return
			}
			pidFile := filepath.Join(m.Dir, "exec.pid"+strconv.Itoa(i))
			res := m.call("exec", "--process", process, "--detach", "--pid-file", pidFile, m.ID)
			_, err := os.Stat(pidFile)
			if res.Code == 0 && err == nil {
				m.Container.Wait(atoi(t, pidFile))
				return
			}
			if res.Code != 255 || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("exec %d: exit code %d, pid file %v: %s", i, res.Code, err, res.Stderr)
			}
		})
	}
	all.Wait()
	m.Wait(pid)
	m.silent("delete", m.ID)
}

// atoi reads a pid file as go-runc does: the bytes as they are, so that a newline is a mistake.
func atoi(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Errorf("pid file: %v", err)
	}
	return pid
}

func TestShim_PidFileIsDigitsAlone(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	if pid := atoi(t, m.pidFile()); pid != m.State().Pid {
		t.Errorf("pid file %d, state %+v", pid, m.State())
	}
	data, err := os.ReadFile(m.pidFile())
	if err != nil || strings.Trim(string(data), "0123456789") != "" {
		t.Errorf("pid file %q, %v", data, err)
	}
}

// The root of each of containerd's namespaces is one of its own, made with what is above it, and for nobody else to read.
func TestContainerd_RootIsMadeOnDemand(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	base := m.Root
	m.Root = filepath.Join(base, "containerd", "runc", "k8s.io")
	m.globals[1] = m.Root
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	for dir := m.Root; dir != filepath.Dir(base); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o066 != 0 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(m.Root); err != nil || len(entries) != 1 || entries[0].Name() != m.ID {
		t.Errorf("the root has %v, %v", entries, err)
	}
}

// Containers of two namespaces may have one id.
func TestContainerd_OneIDInTwoNamespaces(t *testing.T) {
	t.Parallel()
	first, second := newShim(t, Args("sleep")), newShim(t, Args("sleep"))
	own := second.ID
	second.ID = first.ID // its cgroup is named for its own id still
	t.Cleanup(func() { second.Tare("delete", "--force", second.ID); second.ID = own })
	a, b := first.running(), second.running()
	if a == b || first.State().Pid != a || second.State().Pid != b {
		t.Errorf("pids %d and %d, states %+v and %+v", a, b, first.State(), second.State())
	}
	second.silent("delete", "--force", second.ID)
	second.Wait(b)
	if s := first.State(); s.Status != specs.StateRunning {
		t.Errorf("the first is %s", s.Status)
	}
}

// Pids of `ctr task ps` and `docker top`: a JSON array of those of the host, and null at most once there are none.
func TestShim_PidsAreAnArray(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	pid := m.running()
	pids := func() (all []int) {
		decode(t, m.call("ps", "--format", "json", m.ID).OK(t).Stdout, &all)
		return all
	}
	if all := pids(); !slices.Equal(all, []int{pid}) {
		t.Errorf("pids %v, want %d", all, pid)
	}
	kill(t, pid)
	m.Wait(pid)
	Eventually(t, "an empty cgroup", func() bool { return len(pids()) == 0 })
}
