package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// steady keeps chance out of what the probe calls: signals among its threads, by which Go interrupts goroutines.
func steady(s *specs.Spec) {
	s.Process.Env = append(s.Process.Env, "GODEBUG=asyncpreemptoff=1", "GOGC=off")
}

func errands(names ...string) Edit { return Args(append([]string{"errands"}, names...)...) }

func done(names ...string) string { return strings.Join(names, " \n") + " \n" }

// recording is a file that profiles are recorded in.
type recording struct {
	t    *testing.T
	Path string
}

func newRecording(t *testing.T) recording { return recording{t, filepath.Join(Dir(t), "profile.json")} }

func (r recording) Write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.Path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r recording) Text() string { return r.read(r.Path) }

func (r recording) read(path string) string {
	r.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r recording) Profile() *specs.LinuxSeccomp {
	r.t.Helper()
	p := &specs.LinuxSeccomp{}
	if err := json.Unmarshal([]byte(r.Text()), p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r recording) Allowed() (names []string) {
	r.t.Helper()
	for _, s := range r.Profile().Syscalls {
		if s.Action == specs.ActAllow {
			names = append(names, s.Names...)
		}
	}
	return names
}

// Record runs the container twice, as what threads do is not always the same.
func (r recording) Record(c *Container) *Result {
	r.t.Helper()
	c.Run("--record-seccomp", r.Path)
	return c.Run("--record-seccomp", r.Path)
}

// Apply gives a container the profile.
func (r recording) Apply(s *specs.Spec) { s.Linux.Seccomp = r.Profile() }

var everyday = []string{"files", "sockets", "threads", "fork"}

func TestRecordSeccomp_RunsAgain(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	noNewPrivileges := func(is bool) Edit { return func(s *specs.Spec) { s.Process.NoNewPrivileges = is } }
	for name, edits := range map[string][]Edit{
		"no new privileges": {noNewPrivileges(true)},
		"new privileges":    {noNewPrivileges(false)}, // a capset after the load
		"user namespace":    {noNewPrivileges(false), WithUserNamespace(100000, 65536)},
		"host's processes":  {hostPID},
		"own profile": {func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, ListenerPath: "nobody", Syscalls: []specs.LinuxSyscall{
				{Names: []string{"execve"}, Action: specs.ActNotify},
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			tmp := WithMount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
			edits := append([]Edit{WritableRoot, steady, tmp}, edits...)
			res := r.Record(NewContainer(t, append(edits, errands(everyday...))...)).OK(t)
			if res.Stdout != done(everyday...) || res.Stderr != "" {
				t.Fatalf("recorded: %q %q", res.Stdout, res.Stderr)
			}
			edits = append(edits, r.Apply)
			if res := NewContainer(t, append(edits, errands(everyday...))...).Run().OK(t); res.Stdout != done(everyday...) {
				t.Errorf("again: %q %q", res.Stdout, res.Stderr)
			}
			never := []string{"mkdir", "mount", "ptrace", "keyctl"}
			want := strings.Join(never, " EPERM\n") + " EPERM\n"
			if res := NewContainer(t, append(edits, errands(never...))...).Run().OK(t); res.Stdout != want {
				t.Errorf("what it never did: %q, want %q", res.Stdout, want)
			}
		})
	}
}

// What is recorded is a profile as people write it: sorted, each name once, one entry.
func TestRecordSeccomp_Form(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	r.Record(NewContainer(t, WritableRoot, errands("mkdir"))).OK(t)
	p := r.Profile()
	if p.DefaultAction != specs.ActErrno || len(p.Syscalls) != 1 || len(p.Architectures) != 1 || !strings.HasSuffix(r.Text(), "}\n") {
		t.Fatalf("profile:\n%s", r.Text())
	}
	names := p.Syscalls[0].Names
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, "execve") || !slices.Contains(names, "mkdirat") {
		t.Errorf("names: %v", names)
	}
	umask := syscall.Umask(0)
	syscall.Umask(umask)
	if info, err := os.Stat(r.Path); err != nil || info.Mode() != os.FileMode(0o666&^umask) {
		t.Errorf("mode: %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(r.Path)); err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
}

func TestRecordSeccomp_Union(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	workloads := []string{"sockets", "mkdir"}
	for _, w := range workloads {
		r.Record(NewContainer(t, WritableRoot, steady, errands(w))).OK(t)
	}
	for _, w := range workloads {
		if res := NewContainer(t, WritableRoot, steady, errands(w), r.Apply).Run().OK(t); res.Stdout != done(w) {
			t.Errorf("%s: %q", w, res.Stdout)
		}
	}
}

// What somebody wrote by hand stays.
func TestRecordSeccomp_Edited(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	r.Write(`{"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_ARM"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [
		{"names": ["mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18},
		{"names": ["write"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_LT"}]},
		{"names": ["unshare"], "action": "SCMP_ACT_ALLOW"}]}`)
	r.Record(NewContainer(t, WritableRoot, errands("mkdir"))).OK(t)
	p := r.Profile()
	if p.DefaultAction != specs.ActKillProcess || p.DefaultErrnoRet != nil || len(p.Flags) != 1 || len(p.Syscalls) != 3 || p.Architectures[0] != specs.ArchARM || len(p.Architectures) != 2 {
		t.Fatalf("profile:\n%s", r.Text())
	}
	if s := p.Syscalls[0]; s.Action != specs.ActErrno || len(s.Names) != 1 || *s.ErrnoRet != 18 {
		t.Errorf("entry 0: %+v", s)
	}
	if s := p.Syscalls[1]; len(s.Names) != 1 || len(s.Args) != 1 {
		t.Errorf("entry 1: %+v", s)
	}
	names := p.Syscalls[2].Names
	if !slices.Contains(names, "unshare") || !slices.Contains(names, "execve") || slices.Contains(names, "mkdirat") || slices.Contains(names, "write") {
		t.Errorf("entry 2: %v", names)
	}
}

// A file that is no profile, or cannot become one, is refused before anything runs, and stays.
func TestRecordSeccomp_Refused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct{ text, want string }{
		"empty":          {"", "EOF"},
		"no JSON":        {"profile", "no object for linux.seccomp"},
		"a config":       {`{"ociVersion": "1.0.0", "linux": {}}`, `unknown field "ociVersion"`},
		"no action":      {`{}`, "/linux/seccomp/defaultAction"},
		"unknown action": {`{"defaultAction": "SCMP_ACT_DENY"}`, "SCMP_ACT_DENY"},
		"more":           {`{"defaultAction": "SCMP_ACT_ERRNO"} {}`, "more than one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			r.Write(tt.text)
			c := NewContainer(t, Args("echo", "ran"))
			if res := c.Run("--record-seccomp", r.Path).Fails(t, "recorded seccomp profile", tt.want); res.Stdout != "" {
				t.Errorf("it ran: %q", res.Stdout)
			}
			if r.Text() != tt.text {
				t.Errorf("the file became %q", r.Text())
			}
			if left := c.Gone(); left != nil {
				t.Errorf("run left %v", left)
			}
		})
	}
	r := newRecording(t)
	c := NewContainer(t, Args("echo", "ran"))
	c.Run("--record-seccomp", r.Path+"/no/where").Fails(t, "recorded seccomp profile", "no such file or directory")
	c.Run("--detach", "--record-seccomp", r.Path).Fails(t, "--record-seccomp", "--detach")
	fifo := r.Path + ".fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Run("--record-seccomp", fifo).Fails(t, "recorded seccomp profile")
	NewContainer(t, func(s *specs.Spec) { s.Process.Args = []string{"/not-there"} }).Run("--record-seccomp", r.Path).Fails(t, "/not-there")
	if _, err := os.Lstat(r.Path); err == nil {
		t.Errorf("a workload that never ran has left a profile:\n%s", r.Text())
	}
}

// The run's exit code is the workload's, and however it ends there is a profile.
func TestRecordSeccomp_Endings(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		edits []Edit
		code  int
	}{
		"code":   {[]Edit{Args("exit", "77")}, 77},
		"killed": {[]Edit{Args("signal-self", "9"), hostPID}, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			c := NewContainer(t, tt.edits...)
			c.Run("--record-seccomp", r.Path).Exit(t, tt.code)
			if !slices.Contains(r.Allowed(), "execve") {
				t.Errorf("profile:\n%s", r.Text())
			}
			if left := c.Gone(); left != nil {
				t.Errorf("run left %v", left)
			}
		})
	}
	for name, sig := range map[string]unix.Signal{"to the run": unix.SIGTERM, "to the container": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			c := NewContainer(t, Args("sleep"))
			cmd := c.Command("run", "--record-seccomp", r.Path, "--bundle", c.Dir, c.ID)
			out := c.File(t, "out")
			cmd.Stdout = out
			Begin(t, cmd)
			Eventually(t, "the workload", func() bool { b, _ := os.ReadFile(out.Name()); return string(b) == "ready\n" })
			if sig == unix.SIGTERM {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			} else {
				c.Tare("kill", c.ID, "KILL").OK(t)
			}
			Finish(t, cmd)
			if code := ExitCode(cmd); code != 128+int(sig) && sig == unix.SIGKILL {
				t.Errorf("exit code %d", code)
			}
			if names := r.Allowed(); !slices.Contains(names, "execve") || !slices.Contains(names, "write") {
				t.Errorf("profile:\n%s", r.Text())
			}
		})
	}
}

// The other system call tables of this machine are watched, too.
func TestRecordSeccomp_Architectures(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("the probe makes calls of other architectures on x86_64 only")
	}
	for name, arch := range map[string]specs.Arch{"i386": specs.ArchX86, "x32": specs.ArchX32} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(t)
			res := r.Record(NewContainer(t, steady, errands(name)))
			if res.Code == 139 || strings.Contains(res.Stderr, "SIGSEGV") {
				t.Skip("the kernel has no IA32 emulation")
			}
			res.OK(t)
			if got := r.Profile().Architectures; !slices.Equal(got, []specs.Arch{specs.ArchX86_64, arch}) || !slices.Contains(r.Allowed(), "getpid") {
				t.Fatalf("profile:\n%s", r.Text())
			}
			if again := NewContainer(t, steady, errands(name), r.Apply).Run().OK(t); again.Stdout != res.Stdout {
				t.Errorf("again: %q, was %q", again.Stdout, res.Stdout)
			}
		})
	}
}

func TestRecordSeccomp_Nameless(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	c := NewContainer(t, errands("number-1000"))
	res := c.Tare("--debug", "run", "--record-seccomp", r.Path, "--bundle", c.Dir, c.ID).OK(t)
	if res.Stdout != "number-1000 ENOSYS\n" || strings.Count(res.Stderr, "number 1000 of SCMP_ARCH_") != 1 {
		t.Errorf("%q\n%s", res.Stdout, res.Stderr)
	}
}

func TestRecordSeccomp_Terminal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	c := NewContainer(t, Args("tty"), Terminal)
	master, slave := OpenPTY(t, 24, 80)
	cmd := c.Command("run", "--record-seccomp", r.Path, "--bundle", c.Dir, c.ID)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	Begin(t, cmd)
	Expect(t, master, "size 24 80\r\n")
	Resize(t, master, 50, 132)
	Expect(t, master, "size 50 132\r\n")
	if _, err := master.WriteString("quit\r"); err != nil {
		t.Fatal(err)
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 || !slices.Contains(r.Allowed(), "ioctl") {
		t.Errorf("exit code %d, profile:\n%s", code, r.Text())
	}
}

// A process that stays behind does not keep the run.
func TestRecordSeccomp_LeftBehind(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := newRecording(t)
	c := NewContainer(t, Args("spawn-children", "1"), WithoutNamespace(specs.PIDNamespace))
	cmd := c.Command("run", "--keep", "--record-seccomp", r.Path, "--bundle", c.Dir, c.ID)
	out := c.File(t, "out")
	cmd.Stdout = out
	Begin(t, cmd)
	Eventually(t, "the workload", func() bool { b, _ := os.ReadFile(out.Name()); return strings.HasSuffix(string(b), "ready\n") })
	if err := unix.Kill(c.State().Pid, unix.SIGKILL); err != nil { // not tare kill: that ends the others, too
		t.Fatal(err)
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 137 {
		t.Errorf("exit code %d", code)
	}
	if !slices.Contains(r.Allowed(), "execve") {
		t.Errorf("profile:\n%s", r.Text())
	}
	c.Tare("delete", "--force", c.ID).OK(t)
}
