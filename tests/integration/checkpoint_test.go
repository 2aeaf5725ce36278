package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// criuProblem says why there is no CRIU at work here; empty if there is. CRIU closes the network while it dumps, by the commands of iptables,
// which small guests have under one name only.
var criuProblem = sync.OnceValue(func() string {
	if _, err := exec.LookPath("iptables-restore"); err != nil {
		if err := linkIptables(); err != nil {
			return err.Error()
		}
	}
	if out, err := exec.Command("criu", "check").CombinedOutput(); err != nil {
		return "criu check: " + err.Error() + ": " + strings.Join(strings.Fields(string(out)), " ")
	}
	return ""
})

func linkIptables() error {
	all, err := exec.LookPath("xtables-legacy-multi")
	if err != nil {
		return err
	}
	for _, name := range []string{"iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save"} {
		if err := os.Symlink(all, filepath.Join(filepath.Dir(all), name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

func needCRIU(t *testing.T) {
	t.Helper()
	NeedRoot(t)
	NeedCommand(t, "checkpoint", "restore")
	if os.Getenv("TARE_VM_GUEST") == "" {
		t.Skip("the guest shows it: on a host it would depend on CRIU and its commands")
	}
	if why := criuProblem(); why != "" {
		t.Skip(why)
	}
}

// saved is a running container of a program that says which signals it gets, with pipes as its streams.
func saved(t *testing.T, edits ...Edit) (c *Container, pid int, output *os.File) {
	t.Helper()
	c = NewContainer(t, append([]Edit{Args("await-signal")}, edits...)...)
	output = piped(t, c, "run", "--detach")
	Expect(t, output, "ready\n")
	return c, c.PidFile(filepath.Join(c.Dir, "pid")), output
}

// piped runs a command that leaves a container behind whose output and errors come by a pipe.
func piped(t *testing.T, c *Container, args ...string) *os.File {
	t.Helper()
	reader, writer := Pipe(t)
	defer writer.Close()
	cmd := c.Command(append(args, "--bundle", c.Dir, "--pid-file", filepath.Join(c.Dir, "pid"), c.ID)...)
	cmd.Stdout, cmd.Stderr = writer, writer
	if res := c.Do(cmd); res.Code != 0 {
		writer.Close()
		said := make([]byte, 4096)
		n, _ := reader.Read(said)
		t.Fatalf("%v: exit code %d: %s", cmd.Args, res.Code, said[:n])
	}
	return reader
}

func restored(t *testing.T, c *Container, args ...string) (pid int, output *os.File) {
	t.Helper()
	output = piped(t, c, append([]string{"restore", "--detach", "--image-path", filepath.Join(c.Dir, "images")}, args...)...)
	return c.PidFile(filepath.Join(c.Dir, "pid")), output
}

// goesOn shows that the program, which is not new, minds signals, and ends it.
func goesOn(t *testing.T, c *Container, pid int, output *os.File) {
	t.Helper()
	c.Tare("kill", c.ID, "USR1").OK(t)
	if said := Expect(t, output, "10\n"); strings.Contains(said, "ready") {
		t.Errorf("it began anew: %q", said)
	}
	c.Tare("kill", c.ID, "TERM").OK(t)
	if status := c.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
	c.Tare("delete", c.ID).OK(t)
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestCheckpoint_RestoreGoesOn(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	file := filepath.Join(Dir(t), "file")
	if err := os.WriteFile(file, []byte("bound"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, pid, _ := saved(t, BindMount(file, "/etc/bound", "ro"))
	before := HostMounts(t, c.Dir+"/")
	c.Tare("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	if left := c.Gone(); left != nil {
		t.Errorf("checkpoint left %v", left)
	}
	pid, output := restored(t, c)
	if s := c.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("state %+v, want pid %d", s, pid)
	}
	if after := HostMounts(t, c.Dir+"/"); !slices.Equal(after, before) {
		t.Errorf("the host's mounts: %v, before %v", after, before)
	}
	if res := c.Tare("exec", c.ID, "/probe", "read", "/etc/bound").OK(t); !strings.Contains(res.Stdout, "bound") {
		t.Errorf("the volume: %q", res.Stdout)
	}
	if dir := OwnCgroup(t, pid); filepath.Base(dir) != c.ID {
		t.Errorf("its cgroup is %s", dir)
	}
	c.Tare("pause", c.ID).OK(t)
	c.Tare("resume", c.ID).OK(t)
	goesOn(t, c, pid, output)
}

// With --leave-running both go on, the second under another id.
func TestCheckpoint_LeaveRunning(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c, pid, output := saved(t)
	images := filepath.Join(c.Dir, "images")
	c.Tare("checkpoint", "--leave-running", "--image-path", images, c.ID).OK(t)
	if s := c.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("state %+v", s)
	}
	other := c.Another(Args("await-signal"))
	otherOutput := piped(t, other, "restore", "--detach", "--image-path", images)
	goesOn(t, other, other.PidFile(filepath.Join(other.Dir, "pid")), otherOutput)
	goesOn(t, c, pid, output)
}

// containerd pauses a container before it asks for a checkpoint, and resumes one that is left running.
func TestCheckpoint_Paused(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c, pid, output := saved(t)
	c.Tare("pause", c.ID).OK(t)
	c.Tare("checkpoint", "--leave-running", "--image-path", filepath.Join(c.Dir, "first"), c.ID).OK(t)
	c.Tare("resume", c.ID).OK(t)
	c.Tare("kill", c.ID, "USR2").OK(t)
	Expect(t, output, "12\n")
	c.Tare("pause", c.ID).OK(t)
	c.Tare("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	pid, output = restored(t, c)
	goesOn(t, c, pid, output)
}

// The memory is written beforehand, and the dump has what has changed since.
func TestCheckpoint_PreDump(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c, pid, _ := saved(t)
	c.Tare("checkpoint", "--pre-dump", "--image-path", filepath.Join(c.Dir, "before"), c.ID).OK(t)
	if s := c.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("state %+v", s)
	}
	c.Tare("checkpoint", "--parent-path", "../before", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	pid, output := restored(t, c)
	goesOn(t, c, pid, output)
}

func TestCheckpoint_Terminal(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c := NewContainer(t, Args("await-signal"), Terminal)
	console := NewReceiver(t)
	pid := c.Create("--console-socket", console.Path)
	master, _ := console.Receive()
	c.Start()
	Expect(t, master, "ready\r\n")
	images := filepath.Join(c.Dir, "images")
	c.Tare("checkpoint", "--image-path", images, c.ID).OK(t)
	c.Wait(pid)
	pidFile := filepath.Join(c.Dir, "pid")
	c.Tare("restore", "--detach", "--image-path", images, "--console-socket", console.Path, "--bundle", c.Dir, "--pid-file", pidFile, c.ID).OK(t)
	pid = c.PidFile(pidFile)
	master, _ = console.Receive()
	c.Tare("kill", c.ID, "USR1").OK(t)
	Expect(t, master, "10\r\n")
	c.Tare("kill", c.ID, "TERM").OK(t)
	c.Wait(pid)
}

// A network namespace that others have made is the same one afterwards.
func TestCheckpoint_JoinedNetwork(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	holder := exec.Command(Probe(), "sleep")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	Begin(t, holder)
	c, pid, _ := saved(t, WithNamespace(specs.NetworkNamespace, nsPath(holder.Process.Pid, specs.NetworkNamespace)))
	c.Tare("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	pid, output := restored(t, c)
	if got, want := nsOf(t, pid, specs.NetworkNamespace), nsOf(t, holder.Process.Pid, specs.NetworkNamespace); got != want {
		t.Errorf("network namespace %s, want %s", got, want)
	}
	goesOn(t, c, pid, output)
}

// Docker's networks are made by a hook between create and start, which comes again.
func TestCheckpoint_HooksOfRestore(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	record := filepath.Join(Dir(t), "calls")
	c, pid, _ := saved(t, func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{
			//lint:ignore SA1019 Docker uses it
			Prestart:      []specs.Hook{HookRecord(record, "prestart")},
			CreateRuntime: []specs.Hook{HookRecord(record, "createRuntime")},
			Poststart:     []specs.Hook{HookRecord(record, "poststart")},
			Poststop:      []specs.Hook{HookRecord(record, "poststop")},
		}
	})
	c.Tare("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	pid, output := restored(t, c)
	calls := HookCalls(t, record)
	want := []string{"prestart", "createRuntime", "poststart", "poststop", "prestart", "createRuntime", "poststart"}
	if got := HookNames(calls); !slices.Equal(got, want) {
		t.Fatalf("hooks %v, want %v", got, want)
	}
	if got := calls[4].State.Pid; got != pid {
		t.Errorf("the state of the second prestart has pid %d, want %d", got, pid)
	}
	goesOn(t, c, pid, output)
}

// In the foreground restore is like run.
func TestCheckpoint_RestoreInTheForeground(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c, pid, _ := saved(t)
	images := filepath.Join(c.Dir, "images")
	c.Tare("checkpoint", "--image-path", images, c.ID).OK(t)
	c.Wait(pid)
	reader, writer := Pipe(t)
	cmd := c.Command("restore", "--image-path", images, "--bundle", c.Dir, c.ID)
	cmd.Stdout, cmd.Stderr = writer, writer
	Begin(t, cmd)
	c.WaitStatus(specs.StateRunning)
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	Expect(t, reader, "10\n")
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// The streams that go back to the caller are those that the container was made with, whoever has them by now.
func TestCheckpoint_PipeOfItsOwn(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c, pid, _ := saved(t, Args("await-signal-piped"))
	c.Tare("checkpoint", "--image-path", filepath.Join(c.Dir, "images"), c.ID).OK(t)
	c.Wait(pid)
	pid, output := restored(t, c)
	goesOn(t, c, pid, output)
}

// A job of a shell's has the shell's terminal and session, and after the restore those of the shell that asks for it.
func TestCheckpoint_ShellJob(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	c := NewContainer(t, Args("await-signal"))
	images := filepath.Join(c.Dir, "images")
	begin := func(args ...string) (*exec.Cmd, *os.File) {
		master, slave := OpenPTY(t, 24, 80)
		cmd := c.Command(append(args, "--bundle", c.Dir, c.ID)...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		Begin(t, cmd)
		return cmd, master
	}
	run, master := begin("run")
	Expect(t, master, "ready\r\n")
	c.Tare("checkpoint", "--image-path", images, c.ID).Fails(t, "criu failed: ")
	c.Tare("checkpoint", "--shell-job", "--image-path", images, c.ID).OK(t)
	Finish(t, run)
	restore, master := begin("restore", "--shell-job", "--image-path", images)
	c.WaitStatus(specs.StateRunning)
	c.Tare("kill", c.ID, "USR1").OK(t)
	Expect(t, master, "10\r\n")
	c.Tare("kill", c.ID, "TERM").OK(t)
	Finish(t, restore)
	if code := ExitCode(restore); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A dump that fails leaves the container as it was, and says why.
func TestCheckpoint_FailedDump(t *testing.T) {
	t.Parallel()
	needCRIU(t)
	reader, writer := Pipe(t)
	c := NewContainer(t, Args("await-signal"))
	listener := NewReceiver(t) // a socket whose other end is outside
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: listener.Path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	socket, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	cmd := c.Command("run", "--detach", "--bundle", c.Dir, "--pid-file", filepath.Join(c.Dir, "pid"), c.ID)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, writer, writer
	c.Do(cmd).OK(t)
	pid := c.PidFile(filepath.Join(c.Dir, "pid"))
	Expect(t, reader, "ready\n")
	images := filepath.Join(c.Dir, "images")
	res := c.Tare("checkpoint", "--image-path", images, c.ID).Exit(t, 1)
	if text := strings.TrimSuffix(res.Stderr, "\n"); strings.Contains(text, "\n") || !strings.Contains(text, "criu failed: ") || !strings.Contains(text, images+"/dump.log") {
		t.Errorf("the error: %q", res.Stderr)
	}
	goesOn(t, c, pid, reader)
}
