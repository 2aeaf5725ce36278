package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// version looks at what `docker info` and `docker version` say: they parse the runtime's --version.
func (d *docker) version(s *scene) {
	var info struct {
		DefaultRuntime string
		Runtimes       map[string]struct{ Path string }
		CgroupDriver   string
	}
	if err := json.Unmarshal([]byte(d.must(s, "info", "--format", "{{json .}}")), &info); err != nil {
		s.failf("docker info: %v", err)
	}
	s.want("default runtime", info.DefaultRuntime, chosen)
	s.want("path of the runtime", info.Runtimes[chosen].Path, s.runtime.Path)
	s.want("cgroup driver", info.CgroupDriver, map[bool]string{false: "cgroupfs", true: "systemd"}[d.systemd])
	words := strings.Fields(s.runtime.Version)
	s.contains("docker version", d.must(s, "version"), words[len(words)-1])
}

func (d *docker) run(s *scene) {
	a := d.shCode(s, 0, "echo out; echo err >&2")
	s.want("standard output", a.stdout, "out\n")
	s.want("standard error", a.stderr, "err\n")
	for _, name := range []string{chosen, wrapped} {
		a := d.shCode(s, 0, "echo out", "--runtime", name)
		s.want("output with --runtime="+name, a.stdout+a.stderr, "out\n")
	}
	pid := d.sleeper(s, "run", "--runtime", wrapped)
	s.want("runtime", d.inspect(s, "run", ".HostConfig.Runtime"), wrapped)
	d.ownCgroup(s, pid, "run")
	s.want("output of another process", d.must(s, "exec", "run", "echo", "out"), "out")
	d.must(s, "rm", "--force", "run")
}

// ownCgroup checks that a process is in the container's cgroup, below the parent of this daemon.
func (d *docker) ownCgroup(s *scene, pid int, name string) {
	dir, err := cgroupOf(pid, "memory")
	if err != nil {
		s.failf("%v", err)
	}
	id := d.inspect(s, name, ".Id")
	want := "/sys/fs/cgroup" + d.parent + "/" + id
	if controller := "/memory"; !isCgroupV2() {
		want = "/sys/fs/cgroup" + controller + d.parent + "/" + id
	}
	if d.systemd {
		want = "/sys/fs/cgroup/" + d.parent + "/docker-" + id + ".scope"
	}
	s.want("cgroup", dir, want)
}

func (d *docker) exitCode(s *scene) {
	for _, code := range []int{0, 1, 32} {
		d.shCode(s, code, "exit "+strconv.Itoa(code))
	}
	d.code(s, 125, "run", "--rm", "--runtime", "none-such", reference, "true")
	s.cleanup(func() { d.try(s, "rm", "--force", "killed") })
	foreground := s.command(d.line("run", "--name", "killed", "--network", "none", reference, "sleep", "1000")...)
	if err := foreground.Start(); err != nil {
		s.failf("%v", err)
	}
	s.eventually("it runs", func() error {
		if a := d.try(s, "inspect", "--format", "{{.State.Running}}", "killed"); a.stdout != "true\n" {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	if err := syscall.Kill(d.pid(s, "killed"), syscall.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	_ = foreground.Wait()
	s.want("exit code of a killed one", strconv.Itoa(foreground.ProcessState.ExitCode()), "137")
	s.want("its state", d.inspect(s, "killed", ".State.ExitCode"), "137")
}

func (d *docker) missingCommand(s *scene) {
	for _, c := range []struct {
		command string
		code    int
		words   string
	}{
		{"none-such", 127, "executable file"},
		{"/none/such", 127, "no such file or directory"},
		{"/etc", 126, "permission denied"},
		{"/etc/passwd", 126, "permission denied"},
	} {
		a := d.code(s, c.code, "run", "--rm", "--network", "none", reference, c.command)
		s.contains("what it says", strings.ToLower(a.stderr), c.command, c.words)
		s.want("output", a.stdout, "")
	}
	// The code is what keeps Docker from trying it again and again.
	s.cleanup(func() { d.try(s, "rm", "--force", "missing") })
	d.code(s, 127, "run", "--detach", "--restart", "on-failure:3", "--name", "missing", "--network", "none", reference, "none-such")
	s.want("restarts", d.inspect(s, "missing", ".RestartCount"), "0")
	s.want("state", d.inspect(s, "missing", ".State.Status"), "created")
	d.code(s, 1, "start", "missing")
}

func (d *docker) stdin(s *scene) {
	text := strings.Repeat("0123456789abcde\n", 1<<14)
	line := d.line("run", "--rm", "--interactive", "--network", "none", reference)
	s.want("lines", s.feed("one\ntwo\n", append(line, "cat")...).stdout, "one\ntwo\n")
	s.want("count", strings.TrimSpace(s.feed(text, append(line, "wc", "-c")...).stdout), strconv.Itoa(len(text)))
}

// awaitSize waits for the terminal's size, which the client sends after the start.
const awaitSize = `i=0; while [ "$(stty size 2>/dev/null)" != "33 111" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; stty size; test -t 1 && tty; exit 7`

func (d *docker) terminal(s *scene) {
	for _, flag := range []string{"-t", "-it"} {
		a := s.terminal(33, 111, d.line("run", "--rm", flag, "--network", "none", reference, "sh", "-c", awaitSize)...)
		s.contains("output with "+flag, a.stdout, "33 111\n/dev/pts/0\n")
		s.want("exit code", strconv.Itoa(a.code), "7")
	}
	pid := d.background(s, "terminal", "stty -echo; read word; echo got $word; exit 9", "-it")
	fd, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", pid))
	if err != nil {
		s.failf("%v", err)
	}
	s.want("standard input of the process", fd, "/dev/pts/0")
	a := s.terminal(33, 111, "sh", "-c", "(sleep 1; echo hello) | "+quoted([]string{"script", "--quiet", "--return", "--command", quoted(d.line("attach", "terminal")), "/dev/null"}))
	s.contains("attached", a.stdout, "got hello")
	s.want("exit code of attach", strconv.Itoa(a.code), "9")
}

func (d *docker) detached(s *scene) {
	pid := d.background(s, "detached", "echo begun; trap 'echo ended; exit 3' USR1; while :; do sleep 0.1; done")
	s.want("status", d.inspect(s, "detached", ".State.Status"), "running")
	s.contains("command line of the process", d.proc(s, pid, "cmdline"), "echo begun")
	s.contains("docker ps", d.must(s, "ps"), "detached")
	d.logged(s, "detached", "begun")
	attached := s.command(d.line("attach", "--no-stdin", "--sig-proxy=false", "detached")...)
	var out strings.Builder
	attached.Stdout = &out
	if err := attached.Start(); err != nil {
		s.failf("%v", err)
	}
	s.eventually("it is attached", func() error {
		if events := d.must(s, "events", "--since", "1h", "--until", "0s", "--filter", "container=detached", "--filter", "event=attach"); events == "" {
			return fmt.Errorf("no event of it")
		}
		return nil
	})
	d.must(s, "kill", "--signal", "USR1", "detached")
	s.want("code of wait", d.must(s, "wait", "detached"), "3")
	_ = attached.Wait()
	s.want("attached output", out.String(), "ended\n")
	s.want("code of attach", strconv.Itoa(attached.ProcessState.ExitCode()), "3")
	s.want("status", d.inspect(s, "detached", ".State.Status"), "exited")
	s.want("code", d.inspect(s, "detached", ".State.ExitCode"), "3")
	s.contains("docker ps --all", d.must(s, "ps", "--all"), "Exited (3)")
}

func (d *docker) logs(s *scene) {
	d.background(s, "logs", "echo out; echo err >&2; seq 1000")
	s.want("code", d.must(s, "wait", "logs"), "0")
	a := d.code(s, 0, "logs", "logs")
	s.want("standard error", a.stderr, "err\n")
	s.contains("standard output", a.stdout, "out\n1\n2\n", "\n1000\n")
	last := d.code(s, 0, "logs", "--tail", "1", "logs") // of the two streams, whichever came last
	s.want("lines of the last one", strconv.Itoa(strings.Count(last.stdout+last.stderr, "\n")), "1")
}

func (d *docker) exec(s *scene) {
	pid := d.sleeper(s, "exec")
	a := d.code(s, 0, "exec", "exec", "sh", "-c", "echo out; echo err >&2")
	s.want("streams", a.stdout+a.stderr, "out\nerr\n")
	s.want("environment", d.must(s, "exec", "--env", "WORD=one two", "exec", "sh", "-c", "echo $WORD"), "one two")
	s.want("directory", d.must(s, "exec", "--workdir", "/home/alice", "exec", "pwd"), "/home/alice")
	s.want("user", d.must(s, "exec", "--user", "alice", "exec", "id"), "uid=1234(alice) gid=1234(alice) groups=50(staff),1234(alice)")
	s.want("input", s.feed("in\n", d.line("exec", "--interactive", "exec", "cat")...).stdout, "in\n")
	d.code(s, 32, "exec", "exec", "sh", "-c", "exit 32")
	d.code(s, 137, "exec", "exec", "sh", "-c", "kill -9 $$")
	s.want("capabilities", strings.Fields(d.must(s, "exec", "exec", "grep", "CapEff", "/proc/self/status"))[1], s.status(pid, "CapEff"))
	if d.must(s, "exec", "--privileged", "exec", "grep", "CapEff", "/proc/self/status") == d.must(s, "exec", "exec", "grep", "CapEff", "/proc/self/status") {
		s.failf("exec --privileged has no more capabilities than without")
	}
	d.must(s, "exec", "--detach", "exec", "sleep", "1234")
	s.eventually("a second process in the cgroup", func() error {
		if all := d.processes(s, pid); len(all) != 2 {
			return fmt.Errorf("processes: %v", all)
		}
		return nil
	})
	d.code(s, 1, "exec", "none-such", "true")
}

// processes gives the pids in the cgroup of a container's process.
func (d *docker) processes(s *scene, pid int) []string {
	dir, err := cgroupOf(pid, "pids")
	if err != nil {
		s.failf("%v", err)
	}
	text, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		s.failf("%v", err)
	}
	return strings.Fields(string(text))
}

// execMissingCommand wants 126 of all: Docker 20.10 tells a file that is not there from one that may not be run only for containers.
func (d *docker) execMissingCommand(s *scene) {
	pid := d.sleeper(s, "execmissing")
	for _, c := range []struct{ command, words string }{
		{"none-such", "executable file"},
		{"/none/such", "no such file or directory"},
		{"/etc", "permission denied"},
		{"/etc/passwd", "permission denied"},
	} {
		a := d.code(s, 126, "exec", "execmissing", c.command)
		s.contains("what it says", strings.ToLower(a.stdout+a.stderr), c.command, c.words)
	}
	s.want("processes", strings.Join(d.processes(s, pid), " "), strconv.Itoa(pid))
}

func (d *docker) execTerminal(s *scene) {
	d.sleeper(s, "exectty")
	for _, flag := range []string{"-t", "-it"} {
		a := s.terminal(33, 111, d.line("exec", flag, "exectty", "sh", "-c", awaitSize)...)
		s.contains("output with "+flag, a.stdout, "33 111\n/dev/pts/")
		s.want("exit code", strconv.Itoa(a.code), "7")
	}
}

func (d *docker) top(s *scene) {
	pid := d.background(s, "top", "sleep 1001 & sleep 1002 & wait")
	s.eventually("three processes", func() error {
		if all := d.processes(s, pid); len(all) != 3 {
			return fmt.Errorf("processes: %v", all)
		}
		return nil
	})
	table := d.must(s, "top", "top")
	s.contains("docker top", table, "sleep 1001", "sleep 1002")
	var pids []string
	for _, row := range strings.Split(table, "\n")[1:] {
		pids = append(pids, strings.Fields(row)[1])
	}
	want := d.processes(s, pid)
	slices.Sort(pids)
	slices.Sort(want)
	s.want("its processes", strings.Join(pids, " "), strings.Join(want, " "))
	s.contains("with options of ps", d.must(s, "top", "top", "-o", "pid,args"), "sleep 1002")
}

// trapping is a script that says when it is ready and ends with 5 at the signal.
func trapping(signal string) string {
	return "trap 'exit 5' " + signal + "; echo ready; while :; do sleep 0.05; done"
}

func (d *docker) stop(s *scene) {
	d.background(s, "stop", trapping("TERM"))
	d.background(s, "stop-signal", trapping("HUP"), "--stop-signal", "HUP")
	d.background(s, "stop-deaf", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	for name, code := range map[string]string{"stop": "5", "stop-signal": "5", "stop-deaf": "137"} {
		d.logged(s, name, "ready")
		pid := d.pid(s, name)
		limit := map[string]string{"5": "60", "137": "1"}[code]
		d.must(s, "stop", "--time", limit, name)
		s.want("code of "+name, d.inspect(s, name, ".State.ExitCode"), code)
		s.want("status", d.inspect(s, name, ".State.Status"), "exited")
		if runs(pid) {
			s.failf("process %d of %s is still there", pid, name)
		}
	}
	d.must(s, "stop", "stop") // again: it is stopped
}

func (d *docker) kill(s *scene) {
	pid := d.background(s, "kill", "for n in USR1 USR2 HUP WINCH; do trap \"echo got $n\" $n; done; echo ready; while :; do sleep 0.05; done")
	d.logged(s, "kill", "ready")
	for given, name := range map[string]string{"USR1": "USR1", "SIGHUP": "HUP", "12": "USR2", "WINCH": "WINCH"} {
		d.must(s, "kill", "--signal", given, "kill")
		d.logged(s, "kill", "got "+name+"\n")
	}
	d.must(s, "kill", "kill")
	d.becomes(s, "kill", ".State.Status", "exited")
	s.want("code", d.inspect(s, "kill", ".State.ExitCode"), "137")
	s.contains("a second kill", d.code(s, 1, "kill", "kill").stderr, "is not running")
	if runs(pid) {
		s.failf("process %d is still there", pid)
	}
	d.proxiedSignal(s)
}

// proxiedSignal sends a signal to the client of a container in the foreground, which passes it on.
func (d *docker) proxiedSignal(s *scene) {
	s.cleanup(func() { d.try(s, "rm", "--force", "proxied") })
	cmd := s.command(d.line("run", "--name", "proxied", "--network", "none", reference, "sh", "-c", trapping("INT"))...)
	if err := cmd.Start(); err != nil {
		s.failf("%v", err)
	}
	d.logged(s, "proxied", "ready")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.failf("%v", err)
	}
	_ = cmd.Wait()
	s.want("code after SIGINT for the client", strconv.Itoa(cmd.ProcessState.ExitCode()), "5")
}

func (d *docker) pause(s *scene) {
	const count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"
	pid := d.background(s, "pause", count)
	d.logged(s, "pause", "3\n")
	d.must(s, "pause", "pause")
	s.want("status", d.inspect(s, "pause", ".State.Status"), "paused")
	if !s.frozen(pid) {
		s.failf("process %d is not frozen", pid)
	}
	before := d.must(s, "logs", "pause")
	d.code(s, 1, "exec", "pause", "true")
	s.want("what it wrote while paused", d.must(s, "logs", "pause"), before)
	d.must(s, "unpause", "pause")
	s.want("status", d.inspect(s, "pause", ".State.Status"), "running")
	if s.frozen(pid) {
		s.failf("process %d is still frozen", pid)
	}
	s.eventually("it goes on", func() error {
		if d.must(s, "logs", "pause") == before {
			return fmt.Errorf("it wrote nothing")
		}
		return nil
	})
	d.must(s, "pause", "pause")
	d.must(s, "kill", "pause")
	d.becomes(s, "pause", ".State.Status", "exited")
	s.want("code of what was killed while paused", d.inspect(s, "pause", ".State.ExitCode"), "137")
	pid = d.sleeper(s, "paused")
	d.must(s, "pause", "paused")
	d.must(s, "rm", "--force", "paused")
	if runs(pid) {
		s.failf("process %d of the removed container is still there", pid)
	}
}

func (d *docker) restart(s *scene) {
	pid := d.background(s, "restart", "echo begun >>/count; wc -l </count; exec sleep 1000")
	d.logged(s, "restart", "1\n")
	d.must(s, "restart", "--time", "0", "restart")
	if again := d.pid(s, "restart"); again == pid || again == 0 {
		s.failf("pid after a restart: %d, before %d", again, pid)
	}
	d.logged(s, "restart", "2\n")
	d.must(s, "stop", "--time", "0", "restart")
	d.must(s, "start", "restart")
	d.logged(s, "restart", "3\n")
	d.background(s, "policy", "exit 3", "--restart", "on-failure:2")
	d.becomes(s, "policy", ".RestartCount", "2")
	d.becomes(s, "policy", ".State.Status", "exited")
	pid = d.sleeper(s, "always", "--restart", "always")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	d.becomes(s, "always", ".RestartCount", "1")
	d.becomes(s, "always", ".State.Running", "true")
}

func (d *docker) events(s *scene) {
	d.shCode(s, 4, "exit 4", "--name", "events")
	pid := d.sleeper(s, "events2")
	d.must(s, "exec", "events2", "true")
	d.must(s, "pause", "events2")
	d.must(s, "unpause", "events2")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	d.becomes(s, "events2", ".State.Status", "exited")
	ask := func(name string) string {
		return d.must(s, "events", "--since", "1h", "--until", "0s", "--filter", "container="+name, "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}")
	}
	s.eventually("create, start, die and destroy", func() error {
		got := ask("events")
		at := 0
		for _, action := range []string{"create ", "start ", "die 4", "destroy "} {
			i := strings.Index(got[at:], action)
			if i < 0 {
				return fmt.Errorf("no %q after the one before it in %q", action, got)
			}
			at += i
		}
		return nil
	})
	s.eventually("the end of one that was killed", func() error {
		if got := ask("events2"); !strings.Contains(got, "die 137") {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	s.contains("events of one that was killed", ask("events2"), "exec_start", "exec_die 0", "\npause ", "\nunpause ")
}
