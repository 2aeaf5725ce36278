package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The life of a container, and what is done with a running one.

func (p *podman) version(s *scene) {
	s.want("podman info", s.must(p.cmd("info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}} {{.Host.CgroupManager}}")...),
		s.runtime.Name+" "+s.runtime.Path+" "+p.driver)
	s.contains("podman info", s.must(p.cmd("info", "--format", "{{.Host.OCIRuntime.Version}}")...), s.runtime.Version)
	id := p.sleeping(s, "")
	s.want("the container's runtime", p.inspect(s, id, "{{.OCIRuntime}}"), s.runtime.Name)
	if _, err := os.Lstat(p.stateOf(s, id)); err != nil {
		s.failf("the runtime's state of a running container: %v", err)
	}
}

func (p *podman) run(s *scene) {
	for _, runtime := range []string{s.runtime.Name, plain, s.runtime.Path} {
		a := s.code(0, p.cmd(append([]string{"--runtime", runtime}, p.once("", "echo", "hello")[len(p.cmd()):]...)...)...)
		s.want("output with the runtime "+runtime, a.stdout, "hello\n")
		s.want("standard error with the runtime "+runtime, a.stderr, "")
	}
	s.want("both streams", s.code(0, p.once("", "sh", "-c", "echo one; echo two >&2")...).stderr, "two\n")
	s.want("output of what gets podman's own streams", s.must(p.once("--log-driver passthrough", "echo", "through")...), "through")
	s.want("containers after it", s.must(p.cmd("ps", "--all", "--quiet")...), "")
}

func (p *podman) exitCode(s *scene) {
	for _, code := range []int{0, 1, 32} {
		s.code(code, p.once("", "sh", "-c", fmt.Sprintf("exit %d", code))...)
	}
	s.code(3, p.once("", "sh", "-c", "sleep 0.1 & exit 3")...)
	id := p.sleeping(s, "")
	s.must(p.cmd("kill", id)...) // SIGKILL
	s.want("podman wait", s.must(p.cmd("wait", id)...), "137")
	s.want("podman inspect", p.inspect(s, id, "{{.State.ExitCode}}"), "137")
	a := s.code(126, p.cmd(append([]string{"--runtime-flag", "tare-has-no-such"}, p.once("", "true")[len(p.cmd()):]...)...)...)
	s.contains("a flag that the runtime does not know", a.stderr, "tare-has-no-such")
}

func (p *podman) missing(s *scene) {
	for _, runtime := range []string{s.runtime.Name, plain, s.runtime.Path} {
		try := func(code int, command, words string) {
			a := s.code(code, p.cmd(append([]string{"--runtime", runtime}, p.once("", command)[len(p.cmd()):]...)...)...)
			s.contains("error with the runtime "+runtime, a.stderr, command, words)
			s.want("output of what failed", a.stdout, "")
		}
		try(127, "no-such-command", "not found")
		try(127, "/no/such/command", "o such file or directory") // crun writes a capital
		try(126, "/etc", "ermission denied")
		try(126, "/etc/passwd", "ermission denied")
	}
	s.want("containers after it", s.must(p.cmd("ps", "--all", "--quiet")...), "")
}

func (p *podman) stdin(s *scene) {
	a := s.feed("one\ntwo\n", p.once("--interactive", "sh", "-c", "cat; echo end")...)
	if a.code != 0 || a.stdout != "one\ntwo\nend\n" {
		s.failf("input: %v", a)
	}
	if a := s.feed("text\n", p.once("", "cat")...); a.code != 0 || a.stdout != "" {
		s.failf("without --interactive: %v", a)
	}
	long := strings.Repeat("0123456789abcdef", 1<<16)
	if a := s.feed(long, p.once("--interactive", "wc", "-c")...); a.stdout != "1048576\n" {
		s.failf("a mebibyte: %v", said{line: a.line, stdout: a.stdout, stderr: a.stderr, code: a.code})
	}
	id := p.start(s, "--interactive", "sh", "-c", "read line; echo got $line; exit 6")
	if a := s.feed("attached\n", p.cmd("attach", id)...); a.code != 0 || strings.TrimSpace(a.stdout) != "got attached" {
		s.failf("podman attach: %v", a)
	}
	s.want("podman wait", s.must(p.cmd("wait", id)...), "6")
}

func (p *podman) terminal(s *scene) {
	a := s.terminal(33, 101, p.once("--interactive --tty", "sh", "-c", sized(33, 101)+"; tty; exit 7")...)
	if a.code != 7 || a.stdout != "33 101\n/dev/pts/0\n" {
		s.failf("with a terminal: %v", a)
	}
	if a := s.try(p.once("--tty", "tty")...); a.code != 0 || a.stdout != "/dev/pts/0\r\n" {
		s.failf("a terminal for the container alone: %v", a)
	}
	if a := s.try(p.once("", "tty")...); a.code != 1 || a.stdout != "not a tty\n" {
		s.failf("without a terminal: %v", a)
	}
}

func (p *podman) detached(s *scene) {
	id := p.start(s, "", "sh", "-c", "until [ -e /tmp/end ]; do sleep 0.1; done; exit 9")
	s.want("status", p.inspect(s, id, "{{.State.Status}}"), "running")
	s.contains("podman ps", s.must(p.cmd("ps", "--no-trunc", "--quiet")...), id)
	pid := p.pid(s, id)
	if !runs(pid) {
		s.failf("no process %d", pid)
	}
	if dir, err := cgroupOf(pid, "pids"); !p.cgroups {
		s.logf("no cgroup of its own")
	} else if err != nil || !strings.Contains(dir, id) {
		s.failf("the cgroup %s of process %d is not the container's: %v", dir, pid, err)
	} else if scope := strings.HasSuffix(dir, ".scope") || strings.Contains(dir, ".scope/"); scope != (p.driver == "systemd") {
		s.failf("the cgroup %s is not as the driver %s makes it", dir, p.driver)
	}
	s.try(p.cmd("exec", id, "touch", "/tmp/end")...) // which the end of the container may reach before its own
	s.want("podman wait", s.must(p.cmd("wait", id)...), "9")
	p.becomes(s, id, "exited") // an ordinary user's is seen as stopped until it is cleaned up
	s.want("state", p.inspect(s, id, "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"), "exited 9 0")
	if runs(pid) {
		s.failf("process %d is still there", pid)
	}
}

func (p *podman) logs(s *scene) {
	id := p.start(s, "", "sh", "-c", "echo out; echo err >&2; echo last")
	s.must(p.cmd("wait", id)...)
	a := s.code(0, p.cmd("logs", id)...)
	s.want("standard output in the log", a.stdout, "out\nlast\n")
	s.want("standard error in the log", a.stderr, "err\n")
	id = p.start(s, "", "printf", "no newline")
	s.must(p.cmd("wait", id)...)
	s.want("a log without a newline", s.must(p.cmd("logs", id)...), "no newline")
	id = p.start(s, "--tty", "sh", "-c", "echo out; echo err >&2")
	s.must(p.cmd("wait", id)...)
	s.want("a terminal's log", strings.ReplaceAll(s.must(p.cmd("logs", id)...), "\r", ""), "out\nerr")
	id = p.start(s, "", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done")
	s.want("a log that is followed", s.must(p.cmd("logs", "--follow", id)...), "1\n2\n3")
	s.want("its last line", s.must(p.cmd("logs", "--tail", "1", id)...), "3")
}

func (p *podman) top(s *scene) {
	id := p.start(s, "", "sh", "-c", "sleep 3000 & exec sleep 1000")
	pid := p.pid(s, id)
	s.eventually("podman top", func() error {
		all := s.must(p.cmd("top", id, "pid", "hpid", "args")...)
		for _, part := range []string{"sleep 1000", "sleep 3000", fmt.Sprint(pid)} {
			if !strings.Contains(all, part) {
				return fmt.Errorf("%q has no %q", all, part)
			}
		}
		return nil
	})
	s.contains("ps in the container", s.must(p.cmd("exec", id, "ps")...), "sleep 1000", "sleep 3000")
}

func (p *podman) stop(s *scene) {
	trap := "trap 'echo caught; exit 5' %s; echo ready; while :; do sleep 0.1; done"
	for signal, options := range map[string]string{"TERM": "", "USR2": "--stop-signal USR2"} {
		id := p.start(s, options, "sh", "-c", fmt.Sprintf(trap, signal))
		p.logged(s, id, "ready")
		s.must(p.cmd("stop", id)...)
		s.want("state", p.inspect(s, id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 5")
		s.contains("log", s.must(p.cmd("logs", id)...), "caught")
		s.must(p.cmd("stop", id)...)
	}
	id := p.start(s, "", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	p.logged(s, id, "ready")
	if t := took(func() { s.must(p.cmd("stop", "--time", "2", id)...) }); t < 2*time.Second {
		s.failf("killed after %v, not 2 s", t)
	}
	s.want("state of what ignores the signal", p.inspect(s, id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137")
}

func (p *podman) kill(s *scene) {
	id := p.start(s, "", "sh", "-c", "trap 'echo usr1' USR1; trap 'echo hup' HUP; trap 'echo winch' WINCH; echo ready; while :; do sleep 0.1; done")
	p.logged(s, id, "ready")
	for signal, line := range map[string]string{"USR1": "usr1", "1": "hup", "SIGWINCH": "winch"} {
		s.must(p.cmd("kill", "--signal", signal, id)...)
		p.logged(s, id, line)
	}
	s.want("it lives", p.inspect(s, id, "{{.State.Status}}"), "running")
	s.must(p.cmd("kill", "--signal", "KILL", id)...)
	s.want("podman wait", s.must(p.cmd("wait", id)...), "137")
	a := s.code(125, p.cmd("kill", id)...)
	s.contains("a second kill", a.stderr, "can only kill running containers")
	p.killRace(s)
}

// killRace kills a container twice at once: neither may hang, and what the loser says is that it has ended.
func (p *podman) killRace(s *scene) {
	id := p.sleeping(s, "")
	var all [2]said
	var w sync.WaitGroup
	for i := range all {
		w.Go(func() { all[i] = s.try(p.cmd("kill", id)...) })
	}
	w.Wait()
	if all[0].code != 0 && all[1].code != 0 {
		s.failf("neither of two kills was one: %v; %v", all[0], all[1])
	}
	s.want("podman wait", s.must(p.cmd("wait", id)...), "137")
}

func (p *podman) pause(s *scene) {
	id := p.start(s, "", "sh", "-c", "while :; do echo tick; sleep 0.05; done")
	pid := p.pid(s, id)
	p.logged(s, id, "tick")
	s.must(p.cmd("pause", id)...)
	s.want("status", p.inspect(s, id, "{{.State.Status}}"), "paused")
	if !s.frozen(pid) {
		s.failf("the cgroup of process %d is not frozen", pid)
	}
	before := s.must(p.cmd("logs", id)...)
	time.Sleep(300 * time.Millisecond)
	s.want("the log of a paused container grows", s.must(p.cmd("logs", id)...), before)
	if a := s.try(p.cmd("exec", id, "true")...); a.code == 0 {
		s.failf("a command in a paused container: %v", a)
	}
	s.must(p.cmd("unpause", id)...)
	s.want("status", p.inspect(s, id, "{{.State.Status}}"), "running")
	s.eventually("the log grows again", func() error {
		if s.must(p.cmd("logs", id)...) == before {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	s.must(p.cmd("pause", id)...)
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.gone(s, id)
}

func (p *podman) restart(s *scene) {
	id := p.start(s, "", "sh", "-c", "echo started >>/starts; echo ready; exec sleep 1000")
	p.logged(s, id, "ready")
	before := p.pid(s, id)
	s.must(p.cmd("restart", "--time", "0", id)...)
	if now := p.pid(s, id); now == before || !runs(now) {
		s.failf("the process was %d and is %d", before, now)
	}
	s.must(p.cmd("stop", "--time", "0", id)...)
	p.becomes(s, id, "exited")
	s.must(p.cmd("start", id)...)
	s.eventually("what three starts have written", func() error {
		if got := s.must(p.cmd("exec", id, "cat", "/starts")...); got != "started\nstarted\nstarted" {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	p.restartPolicy(s)
}

// restartPolicy has podman start a container again that fails.
func (p *podman) restartPolicy(s *scene) {
	id := p.start(s, "--restart on-failure:2", "sh", "-c", "echo run; exit 4")
	s.eventually("a container is started again twice", func() error {
		if got := p.inspect(s, id, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"); got != "exited 4 2" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	s.want("log", s.must(p.cmd("logs", id)...), "run\nrun\nrun")
}

func (p *podman) update(s *scene) {
	id := p.sleeping(s, "--memory 64m --pids-limit 50 --cpus 0.25")
	pid := p.pid(s, id)
	s.want("podman update", s.must(p.cmd("update", "--memory", "96m", "--cpus", "0.5", "--cpuset-cpus", "0", id)...), id)
	s.want("memory", s.limit(pid, "memory.limit_in_bytes", "memory.max"), "100663296")
	s.want("cpu", p.quota(s, pid), "50000 100000")
	s.want("processors", s.status(pid, "Cpus_allowed_list"), "0")
	s.want("what was not asked for", s.limit(pid, "pids.max", "pids.max"), "50")
	s.must(p.cmd("update", "--cpu-shares", "512", id)...)
	s.wantShares(pid, 512, 20, 59)
	s.want("memory after it", s.limit(pid, "memory.limit_in_bytes", "memory.max"), "100663296")
	a := s.try(p.cmd("update", "--memory", "1", id)...)
	if a.code == 0 && !isCgroupV2() {
		s.failf("a limit that the kernel does not take: %v", a)
	}
}

// quota is the CPU time in a period, in microseconds both.
func (p *podman) quota(s *scene, pid int) string {
	if isCgroupV2() {
		return s.limit(pid, "cpu.max", "cpu.max")
	}
	return s.limit(pid, "cpu.cfs_quota_us", "") + " " + s.limit(pid, "cpu.cfs_period_us", "")
}

func (p *podman) stats(s *scene) {
	id := p.start(s, "--memory 64m", "sh", "-c", "sleep 1000 & sleep 1001 & while :; do :; done")
	pid := p.pid(s, id)
	type numbers struct{ CPUNano, PIDs, MemLimit uint64 }
	ask := func() (n numbers) {
		s.eventually("podman stats", func() error {
			text := s.must(p.cmd("stats", "--no-stream", "--format", "{{.CPUNano}} {{.PIDs}} {{.MemLimit}} {{.MemUsageBytes}}", id)...)
			var usage string
			if _, err := fmt.Sscan(text, &n.CPUNano, &n.PIDs, &n.MemLimit, &usage); err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
			if n.PIDs != 3 || usage == "0B" {
				return fmt.Errorf("%q, want 3 processes, and memory", text)
			}
			return nil
		})
		return n
	}
	first := ask()
	time.Sleep(200 * time.Millisecond)
	later := ask()
	if first.CPUNano == 0 || later.CPUNano <= first.CPUNano {
		s.failf("CPU time of a busy loop: %d, later %d", first.CPUNano, later.CPUNano)
	}
	s.want("limit", fmt.Sprint(later.MemLimit), fmt.Sprint(64<<20))
	s.want("the cgroup's processes", s.limit(pid, "pids.current", "pids.current"), "3")
}

func (p *podman) events(s *scene) {
	id := p.start(s, "", "sh", "-c", "exit 3")
	s.must(p.cmd("wait", id)...)
	s.must(p.cmd("rm", "--force", id)...)
	var got string
	s.eventually("events", func() error {
		got = s.must(p.cmd("events", "--stream=false", "--since", "10m", "--filter", "container="+id, "--format", "{{.Status}} {{.ContainerExitCode}}")...)
		if !strings.Contains(got, "remove") {
			return fmt.Errorf("there is %q", got)
		}
		return nil
	})
	last := -1
	for _, want := range []string{"create ", "init ", "start ", "died 3", "remove "} {
		at := strings.Index(got, want)
		if at <= last {
			s.failf("%q does not come in its turn in %q", want, got)
		}
		last = at
	}
}

func (p *podman) healthcheck(s *scene) {
	id := p.start(s, "--health-cmd /tmp/probe --health-interval disable --health-retries 1", "sleep", "1000")
	probe := func(code int, script, status string) {
		s.must(p.cmd("exec", id, "sh", "-c", "printf '#!/bin/sh\\n"+script+"\\n' >/tmp/probe && chmod 755 /tmp/probe")...)
		s.code(code, p.cmd("healthcheck", "run", id)...)
		s.want("health", p.inspect(s, id, "{{.State.Health.Status}}"), status)
	}
	s.code(1, p.cmd("healthcheck", "run", id)...) // the probe is not there
	probe(0, "exit 0", "healthy")
	probe(1, "echo sick; exit 1", "unhealthy")
	s.contains("what the probe said", p.inspect(s, id, "{{json .State.Health.Log}}"), "sick")
	probe(0, "echo well", "healthy")
	if hasSystemd() {
		p.timedProbe(s)
	}
}

// timedProbe has systemd start podman for a probe. What a timer starts has the environment of systemd, so that gets what says where the
// containers are: an ordinary user's are below the home directory.
func (p *podman) timedProbe(s *scene) {
	manager := append(p.as[:len(p.as):len(p.as)], "systemctl")
	if p.as != nil {
		manager = append(manager, "--user")
	}
	set, unset := append(slices.Clip(manager), "set-environment"), append(slices.Clip(manager), "unset-environment")
	for _, variable := range s.env {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "CONTAINERS_") || name == "HOME" {
			set, unset = append(set, variable), append(unset, name)
		}
	}
	s.cleanup(func() { s.try(unset...) })
	s.must(set...)
	id := p.start(s, "--health-cmd true --health-interval 1s", "sleep", "1000")
	s.eventually("a probe that a timer starts", func() error {
		if got := p.inspect(s, id, "{{.State.Health.Status}}"); got != "healthy" {
			return fmt.Errorf("health is %s", got)
		}
		return nil
	})
}

func (p *podman) build(s *scene) {
	dir := s.dir + "/context"
	s.must("mkdir", "-p", dir)
	s.cleanup(func() { s.try(p.cmd("rmi", "--force", "localhost/built:1", "localhost/failed:1")...) })
	s.write("context/Containerfile", "FROM "+reference+`
ENV WORD=built
WORKDIR /data
RUN echo "$WORD $(id -u) $(pwd) $(hostname | wc -l)" >/made && echo said by a step
USER 1234
RUN id -u >>/tmp/who
CMD ["cat", "/made", "/tmp/who"]
`, 0o644)
	build := func(flags, tag, file string) []string {
		return p.cmd(append(strings.Fields(flags), "build", "--isolation", "oci", "--network", "none", "--pull-never", "--no-cache", "--tag", tag, "--file", file, dir)...)
	}
	a := s.code(0, build("", "localhost/built:1", dir+"/Containerfile")...)
	s.contains("output", a.stdout, "said by a step")
	s.want("what the steps have made", s.must(p.cmd("run", "--rm", "--network", "none", "localhost/built:1")...), "built 0 /data 1\n1234")
	s.write("context/Failing", "FROM "+reference+"\nRUN exit 11\n", 0o644)
	a = s.try(build("", "localhost/failed:1", dir+"/Failing")...)
	if a.code != 11 {
		s.failf("a step that ends with 11: %v", a)
	}
	a = s.try(build("--runtime-flag tare-has-no-such", "localhost/failed:1", dir+"/Containerfile")...)
	if a.code == 0 || !strings.Contains(a.stderr, "tare-has-no-such") {
		s.failf("the runtime is not asked: %v", a)
	}
}

func (p *podman) checkpoint(s *scene) {
	if a := s.try("criu", "check"); a.code != 0 {
		s.skipf("criu does not work here: %s", a.stderr)
	}
	id := p.start(s, "", "sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done")
	p.logged(s, id, "3")
	s.must(p.cmd("container", "checkpoint", id)...)
	s.want("status", p.inspect(s, id, "{{.State.Status}} {{.State.Checkpointed}}"), "exited true")
	before := s.must(p.cmd("logs", "--tail", "1", id)...)
	s.must(p.cmd("container", "restore", id)...)
	s.want("status", p.inspect(s, id, "{{.State.Status}}"), "running")
	var last, next int
	if _, err := fmt.Sscan(before, &last); err != nil {
		s.failf("the last line before it, %q: %v", before, err)
	}
	next = last + 1
	p.logged(s, id, fmt.Sprint(next))
}
