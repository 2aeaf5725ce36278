package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
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
