package managers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// unusable are programs that cannot be run, the exit codes of `docker run` and `docker exec` for them, and the words of the error.
var unusable = map[string]struct {
	code int
	text string
}{
	"no-such-program":  {127, `exec: "no-such-program": executable file not found in $PATH`},
	"/no/such/program": {127, `exec: "/no/such/program": stat /no/such/program: no such file or directory`},
	"/etc":             {126, `exec: "/etc": is a directory: permission denied`},
	"/etc/plain":       {126, `exec: "/etc/plain": permission denied`},
	"/etc/plain/below": {127, `exec: "/etc/plain/below": stat /etc/plain/below: not a directory`},
}

func TestDocker_MissingCommandIs127(t *testing.T) {
	t.Parallel()
	for program, want := range unusable {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			m := newShim(t)
			m.WriteFile(t, "etc/plain", "text", 0o644)
			m.Spec.Process.Args = []string{program}
			m.WriteSpec(t)
			m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "create failed: unable to start container process: ", want.text)
			m.shown(t, "OCI runtime create failed: ", want.code)
		})
	}
}

// `docker run IMAGE ""`, of create and of exec.
func TestDocker_EmptyCommandIs127(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	m.call("exec", "--process", m.processFile("p", []string{""}), "--detach", m.ID).Exit(t, 255)
	m.shown(t, "OCI runtime exec failed: ", 127)
	c := newShim(t)
	c.Spec.Process.Args = []string{""}
	c.WriteSpec(t)
	c.call("create", "--bundle", c.Dir, "--pid-file", c.pidFile(), c.ID).Fails(t, "create failed: ", `exec: "": executable file not found in $PATH`)
	c.shown(t, "OCI runtime create failed: ", 127)
	if msg, err := shimLastError(c.log()); err != nil || podmanExitCode(msg) != 127 {
		t.Errorf("Podman's exit code for %q is not 127, %v", msg, err)
	}
}

// What execve(2) says of a program is known when it is started: of a script without its interpreter that something is not there, and of what
// is no program neither 126 nor 127.
func TestDocker_StartOfWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]int{"#!/no/interpreter\n": 127, "\x00no program": 128} {
		m := newShim(t, Args("/script"))
		m.WriteFile(t, "script", text, 0o755)
		pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
		res := m.call("start", m.ID).Fails(t, `exec: "/script": `)
		m.Wait(pid)
		m.shown(t, "OCI runtime start failed: ", code)
		if got := podmanExitCode(res.Stderr); code == 127 && got != code {
			t.Errorf("Podman's exit code is %d: %s", got, res.Stderr)
		}
	}
}

func TestDocker_MissingCommandOfExecIs127(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.WriteFile(t, "etc/plain", "text", 0o644)
	m.running()
	for program, want := range unusable {
		res := m.call("exec", "--process", m.processFile("p", []string{program}), "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID).Exit(t, 255)
		if !strings.Contains(res.Stderr, "exec failed: unable to start container process: "+want.text) {
			t.Errorf("%s: %s", program, res.Stderr)
		}
		m.shown(t, "OCI runtime exec failed: ", want.code)
	}
}

// shown checks what dockerd makes of the last error that its shim found.
func (m *manager) shown(t *testing.T, prefix string, code int) {
	t.Helper()
	msg, err := shimLastError(m.log())
	if err != nil || msg == "" {
		t.Fatalf("the log: %v", err)
	}
	if got := dockerExitCode(prefix + msg); got != code {
		t.Errorf("exit code %d, want %d: %s", got, code, msg)
	}
}

// A container whose config is at fault must not look like one whose command is missing, or not allowed.
func TestDocker_BrokenConfigIs128(t *testing.T) {
	t.Parallel()
	const dir = "../bundles/broken"
	files, err := filepath.Glob(dir + "/*.json")
	if err != nil || len(files) < 100 {
		t.Skipf("needs the broken bundles of the project: %d, %v", len(files), err)
	}
	m := newShim(t)
	for _, file := range files {
		want := 128
		if strings.HasPrefix(filepath.Base(file), "root-path-") && !containsAny(file, "empty", "nul") {
			want = 127 // what is wrong with root.path is that there is nothing, or no directory
		}
		if filepath.Base(file) == "args-program-empty.json" {
			continue // TestDocker_EmptyCommandIs127
		}
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m.WriteConfig(t, string(config))
		m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
		msg, err := shimLastError(m.log())
		if got := dockerExitCode(msg); err != nil || got != want {
			t.Errorf("%s: exit code %d, want %d: %s, %v", filepath.Base(file), got, want, msg, err)
		}
		if got := podmanExitCode(msg); got != 126 && filepath.Base(file) != "root-path-missing.json" {
			t.Errorf("%s: Podman's exit code %d: %s", filepath.Base(file), got, msg)
		}
	}
}

// A source of a mount that is missing is told as such, in words that decide the exit code whoever says them.
func TestDocker_MissingMountSource(t *testing.T) {
	t.Parallel()
	m := newShim(t, BindMount("/no/such/source", "/tmp"))
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "/no/such/source", "no such file or directory")
	m.shown(t, "OCI runtime create failed: ", 127)
}

// A file over a directory: "not a directory" brings the user a hint about just that.
func TestDocker_FileMountedOnDirectory(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	file := filepath.Join(m.Dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	BindMount(file, "/etc")(m.Spec)
	m.WriteSpec(t)
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "not a directory")
	m.shown(t, "OCI runtime create failed: ", 127)
}

// dockerd 20.10 answers 404 to texts such as these; of an unknown container they are true.
func TestDocker_UnknownContainerIs404(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	for _, args := range [][]string{{"start", m.ID}, {"pause", m.ID}, {"kill", m.ID, "9"}} {
		if res := m.call(args...).Fails(t); !docker404(res.Stderr) {
			t.Errorf("%v: %s", args, res.Stderr)
		}
	}
}

// A configured runtime with arguments is a shell script, so it is a shell that waits for the runtime, and the arguments come before
// all others.
func TestDocker_RuntimeArgsWrapper(t *testing.T) {
	t.Parallel()
	NeedProgram(t, "sh")
	m := newShim(t, Args("exit", "6"))
	script := filepath.Join(m.Dir, "wrapper")
	text := fmt.Sprintf("#!/bin/sh\n%s --debug --log-format text --root /nowhere --log %s/own.log $@\n", Runtime(), m.Dir)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	wrapped := func(args ...string) *exec.Cmd {
		cmd := m.command(args...)
		cmd.Path = script
		cmd.Args[0] = script
		return cmd
	}
	m.do(wrapped("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)).OK(t)
	pid := m.PidFile(m.pidFile())
	m.do(wrapped("start", m.ID)).OK(t)
	if status := m.Wait(pid); status.ExitStatus() != 6 {
		t.Errorf("wait status %x", status)
	}
	if res := m.do(wrapped("kill", m.ID, "9")); shimKillError(res.Stderr) != "process already finished" {
		t.Errorf("kill: %s", res.Stderr)
	}
	if _, err := shimLastError(m.log()); err != nil {
		t.Errorf("the later options do not count: %v", err)
	}
	m.do(wrapped("delete", m.ID)).OK(t)
}

// dockerd itself is the hook of Docker up to 25, and of 27, under the name of the function that it is to be. It gets the state by standard
// input, in the runtime's namespaces, and joins those of the container by its pid.
func TestDocker_PrestartHookByItsOwnBinary(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	daemon := exec.Command(Probe(), "ignore-term")
	Begin(t, daemon)
	record := filepath.Join(Dir(t), "calls")
	m := newShim(t, Args("sleep"), func(s *specs.Spec) {
		//lint:ignore SA1019 Docker uses it
		s.Hooks = &specs.Hooks{Prestart: []specs.Hook{{
			Path: fmt.Sprintf("/proc/%d/exe", daemon.Process.Pid),
			Args: []string{"libnetwork-setkey", "hook", record, "setkey"},
		}}}
	})
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	calls := HookCalls(t, record)
	if len(calls) != 1 {
		t.Fatalf("calls %+v", calls)
	}
	call := calls[0]
	if !slices.Equal(call.Args, []string{"libnetwork-setkey", "hook", record, "setkey"}) {
		t.Errorf("arguments %q", call.Args)
	}
	if call.State.Pid != pid || call.State.ID != m.ID || call.State.Bundle != m.Dir {
		t.Errorf("state %+v, want pid %d", call.State, pid)
	}
	if call.Namespaces["net"] != namespace(t, os.Getpid(), "net") || call.Namespaces["mnt"] != namespace(t, os.Getpid(), "mnt") {
		t.Errorf("namespaces %v", call.Namespaces)
	}
	m.Spec.Hooks.Prestart[0].Args = append(m.Spec.Hooks.Prestart[0].Args, "1") //lint:ignore SA1019 as above
	m.WriteSpec(t)
	m.Tare("delete", "--force", m.ID).OK(t)
	m.Wait(pid)
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
}

// Docker 26, and from 28 on, opens the network namespace between create and start.
func TestDocker_NetworkNamespaceBetweenCreateAndStart(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	m.silent("start", m.ID)
	var before, after unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &after); err != nil || before.Ino != after.Ino {
		t.Errorf("the namespace has changed: %d, %d, %v", before.Ino, after.Ino, err)
	}
}

// Docker's `kill` of a paused container is followed by a resume of what may be gone by then.
func TestDocker_KillOfPausedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	m.silent("pause", m.ID)
	m.silent("kill", m.ID, "9")
	m.call("resume", m.ID) // succeeds, or there is nothing to resume
	if status := m.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
	m.silent("delete", m.ID)
}

// A package's upgrade replaces the file while containers run.
func TestDocker_BinaryReplacedWhileContainersRun(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	path := filepath.Join(Dir(t), "runtime")
	upgrade := func() {
		CopyRuntime(t, path+".new")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	call := func(args ...string) {
		t.Helper()
		cmd := m.command(args...)
		cmd.Path, cmd.Args[0] = path, path
		cmd.Stdout = m.File(t, "out") // which the container inherits
		m.do(cmd).OK(t)
	}
	upgrade()
	call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	pid := m.PidFile(m.pidFile())
	upgrade()
	call("start", m.ID)
	upgrade()
	call("exec", m.ID, "/probe", "true")
	call("kill", m.ID, "9")
	m.Wait(pid)
	call("delete", m.ID)
}

// dockerd takes what stands before the first "version" for the name, and what follows it for the version.
func TestDocker_VersionText(t *testing.T) {
	t.Parallel()
	var name, version, commit string
	for line := range strings.Lines(versionOutput(t, Runtime())) {
		if before, after, ok := strings.Cut(line, "version"); ok && name == "" {
			name, version = strings.TrimSpace(before), strings.TrimSpace(after)
		}
		if after, ok := strings.CutPrefix(line, "commit:"); ok {
			commit = strings.TrimSpace(after)
		}
	}
	if name == "" || version == "" || strings.Contains(version, " ") {
		t.Errorf("name %q, version %q, commit %q", name, version, commit)
	}
}

// nerdctl wants three words, of which the first is runc.
func TestNerdctl_VersionLine(t *testing.T) {
	t.Parallel()
	runc := asRunc(t)
	cmd := exec.Command("sh", "-c", "runc --version")
	cmd.Env = []string{"PATH=" + filepath.Dir(runc) + ":/usr/bin:/bin"}
	out, err := cmd.Output()
	first, _, _ := strings.Cut(string(out), "\n")
	if words := strings.Fields(first); err != nil || len(words) != 3 || words[0] != "runc" || words[1] != "version" {
		t.Errorf("first line %q, %v", first, err)
	}
}

func versionOutput(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// nerdctl is its own createRuntime and poststop hook. It finds what it has to know in the annotations, and its env replaces all.
func TestNerdctl_HooksWithAnnotations(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	record := filepath.Join(Dir(t), "calls")
	hook := func(name string) []specs.Hook {
		h := HookRecord(record, name)
		h.Env = []string{"NERDCTL=1"}
		return []specs.Hook{h}
	}
	annotations := map[string]string{"nerdctl/state-dir": "/var/lib/nerdctl/x", "nerdctl/networks": `["bridge"]`, "nerdctl/namespace": "default"}
	m := newShim(t, Args("sleep"), func(s *specs.Spec) {
		s.Annotations = annotations
		s.Hooks = &specs.Hooks{CreateRuntime: hook("createRuntime"), Poststop: hook("poststop")}
	})
	m.stopped()
	m.silent("delete", m.ID)
	calls := HookCalls(t, record)
	if names := HookNames(calls); !slices.Equal(names, []string{"createRuntime", "poststop"}) {
		t.Fatalf("calls %v", names)
	}
	for _, call := range calls {
		for key, value := range annotations {
			if call.State.Annotations[key] != value {
				t.Errorf("%s: annotations %v", call.Name, call.State.Annotations)
			}
		}
		if !slices.Equal(call.Env, []string{"NERDCTL=1"}) || call.State.ID != m.ID {
			t.Errorf("%s: environment %q, state %+v", call.Name, call.Env, call.State)
		}
	}
	if calls[0].State.Pid == 0 || calls[1].State.Pid != 0 {
		t.Errorf("pids %d and %d", calls[0].State.Pid, calls[1].State.Pid)
	}
}

// What a container without its command comes to: nerdctl's tests look for these words.
func TestNerdctl_MissingCommandText(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.Spec.Process.Args = []string{"no-such-program"}
	m.WriteSpec(t)
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "executable file not found in $PATH")
}
