package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// running starts a container that waits, for others to join it.
func running(t *testing.T, edits ...Edit) (*Container, int) {
	t.Helper()
	NeedRoot(t)
	NeedCommand(t, "exec")
	c := NewContainer(t, append(slices.Clone(edits), Args("ignore-term"))...)
	pid := c.Create()
	c.Start()
	return c, pid
}

// inside is an exec with flags, of a command of the probe.
func inside(c *Container, flags []string, args ...string) *Result {
	return c.Tare(slices.Concat([]string{"exec"}, flags, []string{c.ID, "/probe"}, args)...)
}

func execFails(t *testing.T, res *Result, texts ...string) {
	t.Helper()
	code := 255
	if IsCrun() {
		code = 1
	}
	res.Exit(t, code)
	for _, text := range texts {
		if !strings.Contains(res.Stderr, text) {
			t.Errorf("%v: the error does not say %q: %s", res.Args, text, res.Stderr)
		}
	}
}

func TestExecExitCodes(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"true"}, 0},
		{[]string{"exit", "1"}, 1},
		{[]string{"exit", "127"}, 127},
		{[]string{"exit", "255"}, 255},
		{[]string{"signal-self", "15"}, 143},
		{[]string{"signal-self", "9"}, 137},
		{[]string{"signal-self", "2"}, 130},
	} {
		if res := inside(c, nil, tt.args...).Exit(t, tt.code); res.Stderr != "" {
			t.Errorf("%v: standard error: %s", tt.args, res.Stderr)
		}
	}
}

// The process is in the container's namespaces, has its root, its three streams and nothing else, and a session of its own.
func TestExecJoins(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string][]Edit{
		"plain":                {},
		"all namespaces":       {WithNamespace(specs.CgroupNamespace, ""), WithNamespace(specs.TimeNamespace, "")},
		"user namespace":       {WithUserNamespace(100000, 65536)},
		"host's PID namespace": {WithoutNamespace(specs.PIDNamespace)},
		"host's network":       {WithoutNamespace(specs.NetworkNamespace), WithoutMount("/sys")},
		"user and host's PID":  {WithUserNamespace(100000, 65536), WithoutNamespace(specs.PIDNamespace), WithoutMount("/proc")},
		"user and all":         {WithUserNamespace(100000, 65536), WithNamespace(specs.CgroupNamespace, ""), WithNamespace(specs.TimeNamespace, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(name, "all") || strings.HasPrefix(name, "all") {
				NeedNamespace(t, "time")
				NeedNamespace(t, "cgroup")
				if !IsTare() {
					t.Skip("time namespaces are younger than these releases")
				}
			}
			c, pid := running(t, edits...)
			for _, tty := range []bool{false, true} {
				flags := []string{fmt.Sprint("--tty=", tty)}
				if name == "user and host's PID" { // no procfs can be mounted for a report
					inside(c, flags, "exit", "5").Exit(t, 5)
					continue
				}
				checkJoined(t, inside(c, flags, "report").Report(t), pid, tty)
			}
			sameAsInit(t, c, pid)
		})
	}
}

func checkJoined(t *testing.T, r *view.Report, pid int, tty bool) {
	t.Helper()
	for _, kind := range allNamespaces {
		if got, want := r.Namespaces[nsName(kind)], nsOf(t, pid, kind); got != want {
			t.Errorf("%s namespace %s, that of init is %s", kind, got, want)
		}
	}
	OnlyFDs(t, r, 0, 1, 2)
	if p := r.Process; p.SID != p.PID || p.PGID != p.PID || p.PPID != 0 && r.Namespaces["pid"] != nsOf(t, os.Getpid(), specs.PIDNamespace) {
		t.Errorf("process %d has parent %d, session %d and group %d", p.PID, p.PPID, p.SID, p.PGID)
	}
	if r.Process.Dumpable != 1 || r.Process.ParentDeathSignal != 0 || r.Signals.Blocked != 0 || r.Signals.Ignored != 0 {
		t.Errorf("dumpable %d, parent-death signal %d, signals %+v", r.Process.Dumpable, r.Process.ParentDeathSignal, r.Signals)
	}
	if tm := r.Terminal; tm.Controlling != tty || tm.StdinTTY != tty || tm.StdoutTTY != tty || tm.StderrTTY != tty {
		t.Errorf("terminal: %+v, want %v", tm, tty)
	}
}

// The PID namespace of another container is joined first where root of the own user namespace may not.
func TestExecForeignPIDNamespace(t *testing.T) {
	t.Parallel()
	_, pid := running(t)
	for name, edit := range map[string]Edit{
		"no user namespace":  func(*specs.Spec) {},
		"user namespace":     WithUserNamespace(100000, 65536),
		"its user namespace": func(*specs.Spec) {},
	} {
		t.Run(name, func(t *testing.T) {
			owner := pid
			if name == "its user namespace" {
				_, owner = running(t, WithUserNamespace(100000, 65536))
				edit = func(s *specs.Spec) {
					WithUserNamespace(100000, 65536)(s)
					WithNamespace(specs.UserNamespace, nsPath(owner, specs.UserNamespace))(s)
				}
			}
			c, guest := running(t, edit, WithNamespace(specs.PIDNamespace, nsPath(owner, specs.PIDNamespace)), WithoutMount("/proc"))
			inside(c, nil, "exit", "5").Exit(t, 5)
			if got, want := nsOf(t, guest, specs.PIDNamespace), nsOf(t, owner, specs.PIDNamespace); got != want {
				t.Errorf("PID namespace %s, want %s of the other container", got, want)
			}
			sameAsInit(t, c, guest)
		})
	}
}

func TestExecAsUser(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "exec")
	const uid, gid = 65533, 65533
	c := NewContainer(t, Args("ignore-term"), WithoutMount("/sys"), rootless(uid, gid))
	c.AsUser(uid, gid)
	pid := c.Create()
	for _, state := range []string{"created", "running"} {
		if state == "running" {
			c.Start()
		}
		r := inside(c, []string{"--tty"}, "report").Report(t)
		checkJoined(t, r, pid, true)
		if r.Process.UID != 0 {
			t.Errorf("uid %d", r.Process.UID)
		}
	}
	execFails(t, inside(c, []string{"-u", "5"}, "true"), "uid 5 mapped")
	execFails(t, c.Tare("exec", c.ID, "/nope"), "/nope")
}

// sameAsInit compares namespaces and cgroup as the host sees them, of a detached process that is our child once the runtime
// has left.
func sameAsInit(t *testing.T, c *Container, init int) {
	t.Helper()
	pidFile := filepath.Join(c.Dir, "exec.pid")
	if res := inside(c, []string{"--detach", "--pid-file", pidFile}, "ignore-term").OK(t); res.Stdout+res.Stderr != "" && res.Stdout != "ready\n" {
		t.Errorf("exec --detach says %q %q", res.Stdout, res.Stderr)
	}
	pid := c.PidFile(pidFile)
	for _, kind := range allNamespaces {
		if got, want := nsOf(t, pid, kind), nsOf(t, init, kind); got != want {
			t.Errorf("%s namespace %s, that of init is %s", kind, got, want)
		}
	}
	got, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", init))
	if err != nil || string(got) != string(want) {
		t.Errorf("cgroups %q, those of init are %q, %v", got, want, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}

// What is not said comes from the container's process, as it was at create; the rest from the options.
func TestExecProcess(t *testing.T) {
	t.Parallel()
	umask := uint32(0o027)
	c, _ := running(t, WithCaps("CAP_KILL", "CAP_CHOWN"), func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{5, 44}, Umask: &umask}
		s.Process.Cwd = "/tmp"
		s.Process.Env = append(s.Process.Env, "A=1", "B=2")
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_FSIZE", Soft: 1 << 40, Hard: 1 << 41}, {Type: "RLIMIT_CORE", Soft: 1, Hard: 2}}
		score := 900
		s.Process.OOMScoreAdj = &score
	})
	c.WriteFile(t, "etc/passwd", "u:x:1001:7::/home/u:/bin/sh\n1000:x:0:0::/evil:/bin/sh\n", 0o644)
	// The bundle may be gone or another one.
	c.WriteConfig(t, "{")

	r := inside(c, nil, "report", "x y").Report(t)
	p := r.Process
	slices.Sort(p.Groups)
	if p.UID != 1001 || p.GID != 1002 || !slices.Equal(p.Groups, []int{5, 44}) || p.Umask != 0o027 || p.Cwd != "/tmp" {
		t.Errorf("inherited: %+v", p)
	}
	if *p.OOMScoreAdj != 900 || r.Limits["RLIMIT_FSIZE"] != (view.Limit{Soft: 1 << 40, Hard: 1 << 41}) || r.Limits["RLIMIT_CORE"] != (view.Limit{Soft: 1, Hard: 2}) {
		t.Errorf("inherited: OOM score %v, limits %v", *p.OOMScoreAdj, r.Limits)
	}
	if r.Privileges.Bounding != 1<<unix.CAP_KILL|1<<unix.CAP_CHOWN || r.Privileges.NoNewPrivs != 1 {
		t.Errorf("inherited: %+v", r.Privileges)
	}
	want := append(slices.Clone(c.Spec.Process.Env), "HOME=/home/u")
	if !slices.Equal(p.Env, want) || !slices.Equal(p.Args, []string{"/probe", "report", "x y"}) {
		t.Errorf("environment %q, want %q; arguments %q", p.Env, want, p.Args)
	}

	r = inside(c, []string{
		"-u", "1000:7", "-g", "9", "--additional-gids", "8", "--cwd", "/etc", "-e", "A=3,C=4", "--env", "D=", "-e", "HOME=/h",
		"--cap", "CAP_NET_RAW", "-c", "CAP_FOWNER", "--no-new-privs=false",
	}, "report").Report(t)
	p = r.Process
	slices.Sort(p.Groups)
	if p.UID != 1000 || p.GID != 7 || !slices.Equal(p.Groups, []int{5, 8, 9, 44}) || p.Cwd != "/etc" {
		t.Errorf("changed: %+v", p)
	}
	for _, e := range []string{"A=3,C=4", "B=2", "D=", "HOME=/h"} {
		if !slices.Contains(p.Env, e) {
			t.Errorf("environment %q lacks %q", p.Env, e)
		}
	}
	if slices.Contains(p.Env, "A=1") || r.Privileges.NoNewPrivs != 0 {
		t.Errorf("changed: environment %q, %+v", p.Env, r.Privileges)
	}
	const all = 1<<unix.CAP_KILL | 1<<unix.CAP_CHOWN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_FOWNER
	if caps := r.Privileges; caps.Bounding != all || caps.Permitted|caps.Effective|caps.Inheritable|caps.Ambient != 0 {
		t.Errorf("capabilities of a user: %+v", caps)
	}
	if r = inside(c, []string{"-u", "0", "-c", "CAP_FOWNER"}, "report").Report(t); r.Process.GID != 1002 || r.Privileges.Inheritable|r.Privileges.Ambient != 0 ||
		r.Privileges.Effective != 1<<unix.CAP_KILL|1<<unix.CAP_CHOWN|1<<unix.CAP_FOWNER {
		t.Errorf("as root: gid %d, %+v", r.Process.GID, r.Privileges)
	}
}

func TestExecProcessFile(t *testing.T) {
	t.Parallel()
	c, _ := running(t, func(s *specs.Spec) {
		s.Process.Env = append(s.Process.Env, "OF=config")
	})
	const text = `{"args": ["/probe", "report"], "env": ["OF=file"], "cwd": "/tmp", "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
		"rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}]}`
	path := filepath.Join(c.Dir, "process.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, r *view.Report) {
		t.Helper()
		p := r.Process
		if p.UID != 5 || p.GID != 6 || !slices.Equal(p.Groups, []int{7}) || p.Cwd != "/tmp" || !slices.Equal(p.Env, []string{"OF=file", "HOME=/"}) {
			t.Errorf("%+v", p)
		}
		if r.Limits["RLIMIT_CORE"] != (view.Limit{Soft: 1, Hard: 2}) || r.Privileges.Bounding == 0 || r.Privileges.NoNewPrivs != 0 {
			t.Errorf("limits %v, %+v", r.Limits, r.Privileges)
		}
	}
	t.Run("file", func(t *testing.T) {
		// The other options do not count, an old conmon's --tty among them.
		check(t, c.Tare("exec", "--process", path, "--cwd", "/etc", "-u", "0", "-e", "OF=option", c.ID).Report(t))
	})
	t.Run("pipe", func(t *testing.T) {
		for _, name := range []string{"/dev/stdin", "/proc/self/fd/0"} {
			cmd := c.Command("exec", "-p", name, c.ID)
			cmd.Stdin = io.MultiReader(strings.NewReader(text[:20]), strings.NewReader(text[20:])) // not a file, so a pipe
			check(t, c.Do(cmd).Report(t))
		}
	})
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"not JSON":      {`{"args": [`, []string{"process.json:1:"}},
		"type":          {`{"args": "x"}`, []string{"/args", "array"}},
		"nothing in it": {`{}`, []string{"/args", "/cwd"}},
		"relative cwd":  {`{"args": ["/probe"], "cwd": "tmp"}`, []string{"/cwd", "absolute"}},
		"label":         {`{"args": ["/probe"], "cwd": "/", "selinuxLabel": "x\ny", "apparmorProfile": "x\u0000y"}`, []string{"/selinuxLabel", "/apparmorProfile", "line break"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !IsTare() {
				t.Skip("the words are tare's")
			}
			path := filepath.Join(Dir(t), "process.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			execFails(t, c.Tare("exec", "-p", path, c.ID), tt.want...)
		})
	}
	execFails(t, c.Tare("exec", "-p", c.Dir+"/none", c.ID), "no such file or directory")
	execFails(t, c.Tare("exec", "-p", c.Dir, c.ID), "directory")
}

func TestExecErrors(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	c.WriteFile(t, "etc/plain", "text", 0o644)
	c.WriteFile(t, "etc/script", "#!/nowhere\n", 0o755)
	pidFile := filepath.Join(c.Dir, "exec.pid")
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"missing program":   {[]string{c.ID, "/nope"}, []string{`unable to start container process: exec: "/nope": stat /nope: no such file or directory`}},
		"missing in PATH":   {[]string{c.ID, "nope"}, []string{`unable to start container process: exec: "nope": executable file not found in $PATH`}},
		"no permission":     {[]string{c.ID, "/etc/plain"}, []string{`exec: "/etc/plain": permission denied`}},
		"directory":         {[]string{c.ID, "/etc"}, []string{`exec: "/etc": `, "permission denied"}},
		"no interpreter":    {[]string{c.ID, "/etc/script"}, []string{`exec: "/etc/script": no such file or directory`}},
		"no cwd":            {[]string{"--cwd", "/nope", c.ID, "/probe"}, []string{"/nope", "no such file or directory"}},
		"relative cwd":      {[]string{"--cwd", "tmp", c.ID, "/probe"}, []string{"--cwd", "absolute"}},
		"no command":        {[]string{c.ID}, []string{"process args cannot be empty: the command comes after the id"}},
		"unknown container": {[]string{"nobody", "/probe"}, []string{"exec failed: container does not exist"}},
		"user name":         {[]string{"-u", "root", c.ID, "/probe"}, []string{`"root"`}},
		"variable":          {[]string{"-e", "NOEQUALS", c.ID, "/probe"}, []string{"NOEQUALS"}},
		"tty of detached":   {[]string{"-d", "-t", c.ID, "/probe"}, []string{"cannot allocate tty if", "will detach without setting console socket"}},
		"vain socket":       {[]string{"--console-socket", "/s", c.ID, "/probe"}, []string{"cannot use console socket if"}},
		"no such socket":    {[]string{"-d", "-t", "--console-socket", c.Dir + "/none", c.ID, "/probe"}, []string{"no such file or directory"}},
		"unknown cap":       {[]string{"-c", "CAP_NONE", c.ID, "/probe"}, []string{"CAP_NONE"}},
		"descriptors":       {[]string{"--preserve-fds", "2", c.ID, "/probe"}, []string{"descriptor 3"}},
		"pid file's place":  {[]string{"--pid-file", c.Dir + "/none/pid", c.ID, "/probe"}, []string{"pid file", "no such file or directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !IsTare() && name != "missing program" && name != "missing in PATH" && name != "no command" {
				t.Skip("the words are tare's")
			}
			args := append([]string{"exec", "--pid-file", pidFile}, tt.args...)
			if strings.HasPrefix(name, "pid file") {
				args = append([]string{"exec"}, tt.args...)
			}
			execFails(t, c.Tare(args...), tt.want...)
			if _, err := os.Stat(pidFile); err == nil {
				t.Error("a pid file of a process that was not started")
			}
		})
	}
	// One line on standard error, and one record, from which Podman reads the text.
	log := filepath.Join(c.Dir, "log")
	res := c.Tare("--log", log, "--log-format", "json", "exec", c.ID, "/nope")
	execFails(t, res, "exec failed")
	if records := ReadLog(t, log); len(records) != 1 || records[0].Level != "error" || !strings.Contains(res.Stderr, records[0].Msg) {
		t.Errorf("log %+v, standard error %q", records, res.Stderr)
	}
}

func TestExecStates(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "exec", "pause")
	t.Run("created", func(t *testing.T) {
		c := NewContainer(t)
		c.Create()
		if res := inside(c, nil, "echo", "in"); res.Stdout != "in\n" {
			t.Errorf("%+v", res)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		c := NewContainer(t)
		pid := c.Create()
		c.Start()
		c.WaitStatus(specs.StateStopped)
		execFails(t, inside(c, nil, "true"), "cannot exec in a stopped container")
		c.Wait(pid)
		execFails(t, inside(c, nil, "true"), "cannot exec in a stopped container")
	})
	t.Run("paused", func(t *testing.T) {
		c, _ := running(t)
		if res := c.Tare("pause", c.ID); res.Code != 0 {
			t.Skip("this host cannot pause: " + res.Stderr)
		}
		execFails(t, inside(c, nil, "true"), "cannot exec in a paused container (use --ignore-paused to override)")
		cmd := c.Command("exec", "--ignore-paused", c.ID, "/probe", "exit", "7")
		Begin(t, cmd)
		Eventually(t, "the stage", func() bool { return len(Processes(t, c.ID)) >= 3 })
		c.Tare("resume", c.ID).OK(t)
		Finish(t, cmd)
		if code := ExitCode(cmd); code != 7 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestExecForwardsSignals(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	reader, writer := Pipe(t)
	cmd := c.Command("exec", c.ID, "/probe", "await-signal")
	cmd.Stdout = writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Begin(t, cmd)
	Expect(t, reader, "ready\n")
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGINT, unix.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		Expect(t, reader, strconv.Itoa(int(sig))+"\n")
	}
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// In the foreground the caller's terminal is shown, follows its size, and is given back as it was.
func TestExecTerminal(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	master, slave := OpenPTY(t, 24, 80)
	before := termios(t, slave)
	cmd := c.Command("exec", "-t", c.ID, "/probe", "tty")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	Begin(t, cmd)
	Expect(t, master, "size 24 80\r\n")
	Resize(t, master, 50, 132)
	Expect(t, master, "size 50 132\r\n")
	if _, err := master.WriteString("hello\rquit\r"); err != nil {
		t.Fatal(err)
	}
	Expect(t, master, "line hello\r\n")
	go func() { _, _ = io.Copy(io.Discard, master) }()
	Finish(t, cmd)
	if code := ExitCode(cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if after := termios(t, slave); *after != *before {
		t.Errorf("the host's terminal was left changed:\n%+v\n%+v", before, after)
	}
}

// As the shim and conmon do it: a terminal by socket, a pid file, a process file, and --tty on top of it.
func TestExecConsoleSocket(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	path := filepath.Join(c.Dir, "process.json")
	text := `{"terminal": true, "consoleSize": {"height": 11, "width": 22}, "args": ["/probe", "tty"], "cwd": "/", "user": {"uid": 5}}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(c.Dir, "exec.pid")
	if err := os.WriteFile(pidFile, nil, 0o644); err != nil { // CRI-O makes it beforehand
		t.Fatal(err)
	}
	console := NewReceiver(t)
	res := c.Tare("exec", "--pid-file", pidFile, "--process", path, "--detach", "--tty", "--console-socket", console.Path, c.ID).OK(t)
	if res.Stdout+res.Stderr != "" {
		t.Errorf("it says %q %q", res.Stdout, res.Stderr)
	}
	master, _ := console.Receive()
	pid := c.PidFile(pidFile)
	Expect(t, master, "size 11 22\r\n")
	Resize(t, master, 33, 44)
	Expect(t, master, "size 33 44\r\n")
	if _, err := master.WriteString("quit\n"); err != nil {
		t.Fatal(err)
	}
	if status := c.Wait(pid); !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
}

func TestExecPidfdSocket(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("runc before 1.2 and crun have no --pidfd-socket")
	}
	c, _ := running(t)
	socket := NewReceiver(t)
	pidFile := filepath.Join(c.Dir, "exec.pid")
	inside(c, []string{"-d", "--pid-file", pidFile, "--pidfd-socket", socket.Path}, "ignore-term").OK(t)
	pidfd, text := socket.Receive()
	if text != "setns" {
		t.Errorf("payload %q", text)
	}
	raw, err := pidfd.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sendErr error
	if err := raw.Control(func(fd uintptr) { sendErr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) }); err != nil || sendErr != nil {
		t.Fatal(err, sendErr)
	}
	if status := c.Wait(c.PidFile(pidFile)); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}

func TestExecPreserveFDs(t *testing.T) {
	t.Parallel()
	c, _ := running(t)
	cmd := c.Command("exec", "--preserve-fds", "2", c.ID, "/probe", "report")
	a, b := c.File(t, "a"), c.File(t, "b")
	cmd.ExtraFiles = append([]*os.File{a, b}, LeakFDs(t, 5)...)
	cmd.Env = []string{"LISTEN_FDS=2", "LISTEN_PID=1"}
	r := c.Do(cmd).Report(t)
	OnlyFDs(t, r, 0, 1, 2, 3, 4)
	for i, name := range []string{"a", "b"} {
		if len(r.FDs) == 5 && !strings.HasSuffix(r.FDs[3+i].Target, "/"+name) {
			t.Errorf("descriptor %d is %s", 3+i, r.FDs[3+i].Target)
		}
	}
}

// The container's filter is always there, with and without no_new_privs; and where it forbids what is left to be done.
func TestExecSeccomp(t *testing.T) {
	t.Parallel()
	forbidding := func(names ...string) Edit {
		return func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: append(names, "mkdir", "mkdirat"), Action: specs.ActErrno, ErrnoRet: uintPtr(uint(unix.EXDEV))},
			}}
		}
	}
	for name, names := range map[string][]string{
		"early": {}, "no setsid": {"setsid"}, "no prlimit": {"prlimit64", "setrlimit"},
	} {
		for _, nnp := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", no new privileges ", nnp), func(t *testing.T) {
				t.Parallel()
				c, _ := running(t, WritableRoot, forbidding(names...), WithCaps("CAP_KILL"), func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
				r := inside(c, nil, "report").Report(t)
				if got := r.Privileges; got.Seccomp != 2 || got.SeccompFilters != 1 || got.Effective != 1<<unix.CAP_KILL || (got.NoNewPrivs == 1) != nnp {
					t.Errorf("%+v", got)
				}
				if r.Process.SID != r.Process.PID {
					t.Errorf("session %d of %d", r.Process.SID, r.Process.PID)
				}
				if text := inside(c, nil, "read", "/proc/self/limits").OK(t).Stdout; !strings.Contains(text, "Max open files            1024                 1024") {
					t.Error(text)
				}
				if res := inside(c, nil, "mkdir", "/tmp/x"); res.Stdout != "EXDEV\n" {
					t.Errorf("mkdir: %+v", res)
				}
				// The user may not choose to be without.
				if r := inside(c, []string{"--no-new-privs=false", "-c", "CAP_SYS_ADMIN"}, "report").Report(t); r.Privileges.Seccomp != 2 {
					t.Errorf("%+v", r.Privileges)
				}
			})
		}
	}
	t.Run("no capset", func(t *testing.T) {
		t.Parallel()
		c, _ := running(t, forbidding("capset"), WithCaps("CAP_KILL"))
		inside(c, nil, "true").OK(t)
		if IsTare() { // the execution takes CAP_SYS_ADMIN away
			r := inside(c, []string{"--no-new-privs=false"}, "report").Report(t)
			if want := uint64(1 << unix.CAP_KILL); r.Privileges.Permitted != want || r.Privileges.Effective != want {
				t.Errorf("%+v", r.Privileges)
			}
		}
	})
	t.Run("a filter that kills", func(t *testing.T) {
		t.Parallel()
		c, _ := running(t, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"personality"}, Action: specs.ActKillProcess},
			}}
		})
		inside(c, nil, "report").Exit(t, 128+int(unix.SIGSYS))
	})
}

// What is found to be wrong once the stage has been started leaves no process, and is said as if it had been found before.
func TestExecBadFilter(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("writes to tare's state")
	}
	c, pid := running(t)
	saved := filepath.Join(c.Root, c.ID, "config.json")
	data, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_PRAY"}
	if data, err = json.Marshal(&spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(saved, data, 0o600); err != nil {
		t.Fatal(err)
	}
	res := inside(c, []string{"--pid-file", filepath.Join(c.Dir, "exec.pid")}, "true")
	execFails(t, res)
	if want := `tare exec failed: /linux/seccomp/defaultAction: unknown action "SCMP_ACT_PRAY"` + "\n"; res.Stderr != want {
		t.Errorf("%s, want %s", res.Stderr, want)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "exec.pid")); err == nil {
		t.Error("there is a pid file")
	}
	if procs := strings.Fields(CgroupFile(t, OwnCgroup(t, pid), "cgroup.procs")); !slices.Equal(procs, []string{strconv.Itoa(pid)}) {
		t.Errorf("processes %v, want only %d", procs, pid)
	}
}

func TestExecAffinity(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("execCPUAffinity is younger than these releases")
	}
	if online(t) < 2 {
		t.Skip("needs two CPUs")
	}
	for name, tt := range map[string]struct {
		cpus *specs.CPUAffinity
		want []int
	}{
		"final":   {&specs.CPUAffinity{Initial: "0", Final: "1"}, []int{1}},
		"initial": {&specs.CPUAffinity{Initial: "1"}, []int{1}},
		"empty":   {&specs.CPUAffinity{}, nil},
		"none":    {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := running(t, func(s *specs.Spec) { s.Process.ExecCPUAffinity = tt.cpus })
			run := c.Command("exec", c.ID, "/probe", "report")
			cmd := exec.Command(NeedProgram(t, "taskset"), append([]string{"1"}, run.Args...)...)
			got := c.Do(cmd).Report(t).Schedule.CPUs
			if name == "initial" && CgroupV2() && len(got) == online(t) {
				t.Skip("this kernel gives a process all CPUs of the cgroup that it is born in, which is its to decide")
			}
			if tt.want == nil && len(got) != online(t) || tt.want != nil && !slices.Equal(got, tt.want) {
				t.Errorf("CPUs %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("CPUs that are not there", func(t *testing.T) {
		c, _ := running(t, func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Final: "4000"} })
		execFails(t, inside(c, nil, "true"), "/process/execCPUAffinity/final")
	})
}

func TestExecCgroup(t *testing.T) {
	t.Parallel()
	c, pid := running(t)
	dir := OwnCgroup(t, pid)
	for _, sub := range []string{"sub", "sub/deep"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Skip("this host's cgroups: " + err.Error())
		}
	}
	in := func(path string) string {
		res := inside(c, []string{"--cgroup", path}, "read", "/proc/self/cgroup").OK(t)
		for line := range strings.Lines(res.Stdout) {
			if _, where, ok := strings.Cut(line, "/"+c.ID); ok && strings.HasPrefix(line, "0::") {
				return strings.TrimSpace(where)
			}
		}
		return "? " + res.Stdout
	}
	if !IsTare() {
		t.Skip("on a hybrid host it is in v1 cgroups as well")
	}
	for path, want := range map[string]string{"/": "", "sub": "/sub", "/sub/deep": "/sub/deep", "sub/../sub/": "/sub"} {
		if got := in(path); got != want {
			t.Errorf("--cgroup %s: in %q, want %q", path, got, want)
		}
	}
	execFails(t, inside(c, []string{"--cgroup", "none"}, "true"), "no such file or directory")
	execFails(t, inside(c, []string{"--cgroup", "cpu:sub"}, "true"), "v2")
	execFails(t, inside(c, []string{"--cgroup", "sub", "--cgroup", "sub/deep"}, "true"), "--cgroup")
}

// A container that is at its limit of processes gets one more, and a process whose cgroup is full enough is no reason to fail.
func TestExecFullCgroup(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedCommand(t, "exec")
	c := NewContainer(t) // not started: a Go program as init would want threads at any time
	pid := c.Create()
	dir := CgroupOf(t, pid, "pids")
	current := CgroupFile(t, dir, "pids.current")
	before := CgroupFile(t, dir, "pids.max")
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(current), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile(filepath.Join(dir, "pids.max"), []byte(before), 0o644) }()
	if res := c.Tare("exec", c.ID, "/nope"); strings.Contains(res.Stderr, "goroutine") || !strings.Contains(res.Stderr, "/nope") {
		t.Errorf("%+v", res)
	}
	res := c.Tare("exec", c.ID, "/probe", "true") // a Go program too: it wants threads, and says so itself
	if strings.Contains(res.Stderr, "exec failed") {
		t.Errorf("%+v", res)
	}
}

// An init system shares out the container's cgroup, which can have no processes then: they go where init is.
func TestExecInnerCgroup(t *testing.T) {
	t.Parallel()
	NeedController(t, "pids")
	c, pid := running(t)
	dir := OwnCgroup(t, pid)
	if err := os.Mkdir(filepath.Join(dir, "init.scope"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"init.scope/cgroup.procs": strconv.Itoa(pid)} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+pids"), 0o644); err != nil {
		t.Fatal(err)
	}
	sameAsInit(t, c, pid)
	execFails(t, inside(c, []string{"--cgroup", "/"}, "true"), "busy")
}

// Twenty at once, and 500 in a row, leave nothing behind.
func TestExecMany(t *testing.T) {
	t.Parallel()
	rounds := 500
	if Deadline() > time.Minute { // an emulated machine, where each takes a second
		rounds = 20
	}
	c, pid := running(t)
	before := leftovers(t, pid)
	failed := make(chan string)
	for range 20 {
		go func() {
			for range 5 {
				cmd := c.Command("exec", c.ID, "/probe", "exit", "3")
				out, err := cmd.CombinedOutput()
				if cmd.ProcessState == nil || ExitCode(cmd) != 3 {
					failed <- fmt.Sprintf("%v: %s", err, out)
					return
				}
			}
			failed <- ""
		}()
	}
	for range 20 {
		if text := <-failed; text != "" {
			t.Error(text)
		}
	}
	for range rounds {
		inside(c, nil, "true").OK(t)
	}
	Reap(t, c.ID)
	if after := leftovers(t, pid); !maps.Equal(before, after) {
		t.Errorf("before\n%v, after\n%v", before, after)
	}
}

// leftovers counts what an exec could leave: processes of the container, cgroups, mounts.
func leftovers(t *testing.T, init int) map[string]int {
	t.Helper()
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", init))
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	dir := OwnCgroup(t, init)
	subs, _ := filepath.Glob(filepath.Join(dir, "*/"))
	return map[string]int{
		"mounts": strings.Count(string(mounts), "\n"), "overlays": strings.Count(string(host), " overlay "),
		"processes": len(strings.Fields(CgroupFile(t, dir, "cgroup.procs"))), "cgroups": len(subs),
	}
}

// What runc makes of the same bundle and options. What is different on purpose is told in the documentation.
func TestExecLikeRunc(t *testing.T) {
	t.Parallel()
	runc := NeedProgram(t, "runc")
	if !IsTare() {
		t.Skip("compares with runc")
	}
	umask := uint32(0o031)
	edits := map[string][]Edit{
		"root": {},
		"user": {WithCaps("CAP_KILL", "CAP_NET_RAW"), func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{5, 44}, Umask: &umask}
			s.Process.Cwd, s.Process.NoNewPrivileges = "/tmp", false
			s.Process.Env = append(s.Process.Env, "A=1", "A=2")
			s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 1, Hard: 2})
		}},
		"inheritable": {func(s *specs.Spec) {
			s.Process.Capabilities.Inheritable = []string{"CAP_KILL"}
			s.Process.Capabilities.Ambient = []string{"CAP_KILL"}
			s.Process.User.UID = 7
		}},
		"seccomp": {func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mknod"}, Action: specs.ActErrno}}}
		}},
	}
	flags := map[string][]string{
		"plain": {}, "user": {"-u", "12:34", "-g", "56"}, "user alone": {"-u", "12"}, "root": {"-u", "0"},
		"more": {"-e", "X=1", "-e", "PATH=/", "--cwd", "/etc", "--cap", "CAP_FOWNER"}, "privileges": {"--no-new-privs"},
		"process": {"-p", "process.json"},
	}
	for name, e := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reports [2]map[string]view.Report
			for i, path := range []string{"", runc} {
				c := NewContainer(t, append(slices.Clone(e), Args("ignore-term"))...)
				if path != "" {
					c.UseRuntime(path)
				}
				init := c.Create()
				c.Start()
				process := `{"args": ["/probe", "report"], "cwd": "/etc", "user": {"uid": 3}, "env": ["Q=1"]}`
				if err := os.WriteFile(filepath.Join(c.Dir, "process.json"), []byte(process), 0o644); err != nil {
					t.Fatal(err)
				}
				reports[i] = map[string]view.Report{}
				for what, f := range flags {
					args := slices.Concat([]string{"exec"}, f, []string{c.ID})
					if what != "process" {
						args = append(args, "/probe", "report")
					}
					cmd := c.Command(args...)
					cmd.Dir = c.Dir
					reports[i][what] = comparable(t, c.Do(cmd).Report(t), init)
				}
			}
			for what := range flags {
				if ours, theirs := reports[0][what], reports[1][what]; !reflect.DeepEqual(ours, theirs) {
					t.Errorf("%s:\ntare %s\nrunc %s", what, differing(ours, theirs), differing(theirs, ours))
				}
			}
		})
	}
}

// comparable keeps what two runtimes can agree on.
func comparable(t *testing.T, r *view.Report, init int) view.Report {
	t.Helper()
	p := r.Process
	p.PID, p.PPID, p.Threads, p.SID, p.PGID = 0, 0, nil, 0, 0
	slices.Sort(p.Groups)
	slices.Sort(p.Env)
	if p.Umask == 0o031 {
		p.Umask = 0o022 // runc 1.1 does not know process.user.umask
	}
	out := view.Report{Process: p, Privileges: r.Privileges, Limits: r.Limits, Signals: r.Signals, Terminal: r.Terminal, UTS: r.UTS}
	for _, fd := range r.FDs {
		out.FDs = append(out.FDs, view.FD{Number: fd.Number})
	}
	out.Namespaces = map[string]string{}
	for kind, id := range r.Namespaces {
		own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", init, kind))
		out.Namespaces[kind] = fmt.Sprint("init's: ", err == nil && own == id)
	}
	return out
}

// differing spells the parts of a that b has otherwise.
func differing(a, b view.Report) string {
	var text strings.Builder
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if x, y := va.Field(i).Interface(), vb.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			fmt.Fprintf(&text, "%s %+v ", va.Type().Field(i).Name, reflect.Indirect(va.Field(i)))
		}
	}
	return text.String()
}
