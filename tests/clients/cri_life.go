package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func (c *cri) run(s *scene) {
	r := c.pod(s, nil).run(s, nil, "echo", "hello  world")
	s.want("output", r.stdout, "hello  world\n")
	s.want("errors", r.stderr, "")
	s.want("reason", r.Status.Reason, "Completed")
}

func (c *cri) exitCode(s *scene) {
	p := c.pod(s, nil)
	for code, reason := range map[int]string{0: "Completed", 1: "Error", 32: "Error"} {
		r := p.run(s, nil, "sh", "-c", fmt.Sprintf("exit %d", code))
		s.want("code and reason", fmt.Sprint(r.Status.ExitCode, r.Status.Reason), fmt.Sprint(code, reason))
	}
	id, pid := p.sleeper(s, nil)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	s.want("code of who was killed", fmt.Sprint(c.wait(s, id).Status.ExitCode), "137")
}

func (c *cri) stdin(s *scene) {
	p := c.pod(s, nil)
	open := config{"stdin": true, "stdin_once": true}
	id := p.start(s, open, "sh", "-c", "wc -c; echo end")
	a := s.feed(strings.Repeat("x", 100000), c.crictl("attach", "--stdin", id)...)
	if a.code != 0 {
		s.failf("%v", a)
	}
	s.want("code", fmt.Sprint(c.wait(s, id).Status.ExitCode), "0")
	s.want("log", s.must(c.crictl("logs", id)...), "100000\nend")
	s.want("without input", p.output(s, nil, "wc", "-c"), "0")
	other, _ := p.sleeper(s, nil)
	s.want("exec with input", s.feed("a\nb\n", c.crictl("exec", "--interactive", other, "wc", "-l")...).stdout, "2\n")
}

// untilSize is a shell's command that ends when its terminal has the size: the client sets it after the start.
func untilSize(rows, columns, code int) string {
	return fmt.Sprintf(`tty; until [ "$(stty size 2>/dev/null)" = "%d %d" ]; do sleep 0.1; done; echo sized; exit %d`, rows, columns, code)
}

func (c *cri) terminal(s *scene) {
	p := c.pod(s, nil)
	id := p.start(s, config{"tty": true, "stdin": true}, "sh", "-c", untilSize(30, 99, 7))
	a := s.terminal(30, 99, c.crictl("attach", "--stdin", "--tty", id)...)
	s.logf("%v", a)
	s.want("code", fmt.Sprint(c.wait(s, id).Status.ExitCode), "7")
	s.contains("log", strings.ReplaceAll(s.must(c.crictl("logs", id)...), "\r", ""), "/dev/pts/0\n", "sized")
}

func (c *cri) detached(s *scene) {
	p := c.pod(s, nil)
	script := fmt.Sprintf("sleep %d; exit 5", 2*s.slow) // for as long as it is looked at
	id := p.create(s, nil, "sh", "-c", script)
	s.want("state before start", c.inspect(s, id).Status.State, "CONTAINER_CREATED")
	s.must(c.crictl("start", id)...)
	running := c.inspect(s, id)
	s.want("state", running.Status.State, "CONTAINER_RUNNING")
	s.want("listed", s.must(c.crictl("ps", "--quiet", "--no-trunc", "--pod", p.id)...), id)
	s.want("command of its pid", s.cmdline(running.Info.Pid), "sh -c "+script)
	s.want("code", fmt.Sprint(c.wait(s, id).Status.ExitCode), "5")
	s.want("listed after its end", s.must(c.crictl("ps", "--quiet", "--no-trunc", "--pod", p.id)...), "")
	s.must(c.crictl("rm", id)...)
	if a := s.try(c.crictl("inspect", id)...); a.code == 0 {
		s.failf("removed: %v", a)
	}
}

func (s *scene) cmdline(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		s.failf("%v", err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(data), "\x00"), "\x00", " ")
}

// criLine is a line of a log as the kubelet reads it.
var criLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+(Z|[-+]\d\d:\d\d) (stdout|stderr) [FP] `)

func (c *cri) logs(s *scene) {
	p := c.pod(s, nil)
	r := p.run(s, nil, "sh", "-c", "echo one; echo two >&2; printf three; dd if=/dev/zero bs=1k count=40 2>/dev/null | tr '\\0' x >&2")
	s.want("stdout", r.stdout, "one\nthree")
	s.want("stderr", r.stderr, "two\n"+strings.Repeat("x", 40*1024))
	data, err := os.ReadFile(r.Status.LogPath)
	if err != nil {
		s.failf("%v", err)
	}
	for line := range strings.Lines(string(data)) {
		if !criLine.MatchString(line) {
			s.failf("%s has %q", r.Status.LogPath, line)
		}
	}
	s.contains("log", string(data), " stdout F one\n", " stderr F two\n", " stdout P three\n")
}

func (c *cri) execs(s *scene) {
	p := c.pod(s, nil)
	id := p.start(s, merge(security(config{"run_as_user": config{"value": 1234}, "supplemental_groups": []int{50}}), config{
		"envs": []config{{"key": "SET", "value": "by the pod"}}, "working_dir": "/data",
	}), "sleep", "600")
	a := c.exec(s, id, "sh", "-c", `echo "$SET"; id -u; id -G; pwd; tr '\0' ' ' </proc/1/cmdline`)
	s.want("output", a.stdout, "by the pod\n1234\n1234 50\n/data\nsleep 600 ")
	a = c.exec(s, id, "sh", "-c", "echo out; echo err >&2; exit 3")
	s.contains("a code", fmt.Sprint(a.code, a.stderr), "1", "exited with 3", "out", "err")
	a = s.try(c.crictl("exec", id, "sh", "-c", "echo out; echo err >&2")...)
	s.want("streams", fmt.Sprintf("%q %q %d", a.stdout, a.stderr, a.code), `"out\n" "err\n" 0`)
	if a = s.try(c.crictl("exec", id, "sh", "-c", "exit 3")...); a.code == 0 || !strings.Contains(a.stderr, "exit code 3") {
		s.failf("a streamed command's code: %v", a)
	}
	s.want("processes of the container", c.exec(s, id, "sh", "-c", "set -- /proc/[0-9]*; echo $#").stdout, "2\n") // sleep and sh
}

func (c *cri) execMissing(s *scene) {
	id, _ := c.pod(s, nil).sleeper(s, nil)
	for _, command := range []string{"no-such-command", "/no/such/file", "/etc"} {
		for _, a := range []said{c.exec(s, id, command), s.try(c.crictl("exec", id, command)...)} {
			if a.code == 0 {
				s.failf("%v", a)
			}
			s.contains(command, a.stderr, command, "exec failed")
		}
	}
	s.want("the container", c.inspect(s, id).Status.State, "CONTAINER_RUNNING")
}

func (c *cri) execTerminal(s *scene) {
	id, _ := c.pod(s, nil).sleeper(s, nil)
	a := s.terminal(31, 98, c.crictl("exec", "--interactive", "--tty", id, "sh", "-c", untilSize(31, 98, 0))...)
	s.want("code", fmt.Sprint(a.code), "0")
	s.contains("output", a.stdout, "/dev/pts/0\n", "sized\n")
	if a = s.terminal(31, 98, c.crictl("exec", "--interactive", "--tty", id, "sh", "-c", "exit 9")...); a.code == 0 || !strings.Contains(a.stdout, "exit code 9") {
		s.failf("code of a command with a terminal: %v", a)
	}
}

func (c *cri) stop(s *scene) {
	p := c.pod(s, nil)
	ready := func(id string) {
		s.eventually("it is ready", func() error {
			if s.must(c.crictl("logs", id)...) != "ready" {
				return fmt.Errorf("it has said nothing")
			}
			return nil
		})
	}
	polite := p.start(s, nil, "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
	ready(polite)
	s.must(c.crictl("stop", "--timeout", "30", polite)...)
	s.want("code of one that listens", fmt.Sprint(c.wait(s, polite).Status.ExitCode), "7")
	s.must(c.crictl("stop", "--timeout", "30", polite)...)
	deaf := p.start(s, nil, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	ready(deaf)
	began := time.Now()
	s.must(c.crictl("stop", "--timeout", "2", deaf)...)
	if took := time.Since(began); took < 2*time.Second || took > 15*time.Second*time.Duration(s.slow) {
		s.failf("stop took %v of a grace of 2 s", took)
	}
	s.want("code of one that does not", fmt.Sprint(c.wait(s, deaf).Status.ExitCode), "137")
	other, pid := p.sleeper(s, nil)
	// CRI-O gives the pod's processes all the time that its caller has, who may give up a moment before they are killed.
	s.try(c.crictl("--timeout", "20s", "stopp", p.id)...)
	s.must(c.crictl("stopp", p.id)...)
	s.must(c.crictl("stopp", p.id)...)
	s.want("code of one in a stopped pod", fmt.Sprint(c.wait(s, other).Status.ExitCode), "137")
	if runs(pid) {
		s.failf("process %d survived its pod", pid)
	}
	s.contains("the pod", s.must(c.crictl("inspectp", p.id)...), "SANDBOX_NOTREADY")
	s.must(c.crictl("rmp", p.id)...)
}

// restart: the kubelet starts a new container of the same name, with the number of the attempt.
func (c *cri) restart(s *scene) {
	p := c.pod(s, nil)
	var ids []string
	for attempt := range 3 {
		r := p.run(s, config{"metadata": config{"name": "main", "attempt": attempt}, "log_path": fmt.Sprintf("main-%d.log", attempt)},
			"sh", "-c", "echo $$; touch /kept 2>/dev/null && ls /kept; exit 4")
		s.want("code", fmt.Sprint(r.Status.ExitCode), "4")
		s.want("output", r.stdout, "1\n/kept\n")
		s.want("attempt", fmt.Sprint(r.Status.Metadata.Name, r.Status.Metadata.Attempt), fmt.Sprint("main", attempt))
		ids = append(ids, r.Status.ID)
	}
	taken := s.try(p.creation(s, config{"metadata": config{"name": "main", "attempt": 2}}, "true")...)
	if taken.code == 0 && strings.TrimSpace(taken.stdout) != ids[2] { // CRI-O gives who has the name
		s.failf("a name and attempt that is taken: %v", taken)
	}
	s.must(c.crictl(append([]string{"rm"}, ids...)...)...)
	s.must(c.crictl("rm", p.create(s, config{"metadata": config{"name": "main", "attempt": 2}}, "true"))...)
}

func (c *cri) stats(s *scene) {
	id := c.pod(s, nil).start(s, nil, "sh", "-c", "while :; do :; done")
	s.eventually("its use of CPU and memory is shown", func() error {
		var all struct {
			Stats []struct {
				CPU    struct{ UsageCoreNanoSeconds struct{ Value string } }
				Memory struct{ WorkingSetBytes, UsageBytes, RssBytes struct{ Value string } }
			}
		}
		c.decode(s, &all, "stats", "-o", "json", "--id", id)
		if len(all.Stats) != 1 || len(all.Stats[0].CPU.UsageCoreNanoSeconds.Value) < 8 || len(all.Stats[0].Memory.WorkingSetBytes.Value) < 5 {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
}

// health is what the kubelet does for a probe of a container: a command with a deadline, after which nothing of it is left.
func (c *cri) health(s *scene) {
	id, pid := c.pod(s, nil).sleeper(s, nil)
	if a := c.exec(s, id, "test", "-e", "/tmp/healthy"); a.code == 0 {
		s.failf("a probe that is to fail: %v", a)
	}
	s.must(c.crictl("exec", "--sync", "--timeout", "10", id, "touch", "/tmp/healthy")...)
	s.must(c.crictl("exec", "--sync", "--timeout", "10", id, "test", "-e", "/tmp/healthy")...)
	a := s.try(c.crictl("exec", "--sync", "--timeout", "1", id, "sleep", "4321")...)
	if a.code == 0 || !regexp.MustCompile("timeout|timed out|DeadlineExceeded").MatchString(a.stderr) {
		s.failf("a probe that takes too long: %v", a)
	}
	s.eventually("its process ends", func() error {
		if text := c.exec(s, id, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout; strings.Contains(text, "sleep 4321") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	s.want("the container", s.cmdline(pid), "sleep 600")
}

// shim gives the pid of the process that looks after a pod's containers.
func (s *scene) parentOf(pid int) int {
	var parent int
	if _, err := fmt.Sscan(s.status(pid, "PPid"), &parent); err != nil {
		s.failf("%v", err)
	}
	return parent
}

// many has 10 pods with 10 containers each; all hundred run at once.
func (c *cri) many(s *scene) {
	const pods, each = 10, 10
	began := time.Now()
	all := make([]*criPod, pods)
	for i := range all {
		all[i] = c.newPod(s, fmt.Sprintf("many%d", i), nil)
	}
	s.inParallel(8, pods, func(i int) error { return all[i].fill(s, each) })
	s.cleanup(func() { s.try(c.crictl("rmp", "--force", "--all")...); c.removeParent(s) })
	running := strings.Fields(s.must(c.crictl("ps", "--quiet", "--no-trunc", "--state", "running")...))
	s.want("running", fmt.Sprint(len(running)), fmt.Sprint(pods*each))
	s.measure("100 at once", time.Since(began))
	s.inParallel(8, pods, func(i int) error {
		if a := all[i].end(s); a.code != 0 {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	s.want("listed", s.must(c.crictl("ps", "--all", "--quiet")...), "")
	s.leftBehind("state", func() []string { return entries(c.manager.state()) })
}

// fill runs the pod and starts containers in it.
func (p *criPod) fill(s *scene, containers int) error {
	a := s.try(p.crictl("runp", p.file)...)
	p.id = strings.TrimSpace(a.stdout)
	start := []string{"start"}
	for i := 0; a.code == 0 && i < containers; i++ {
		a = s.try(p.creation(s, nil, "sleep", "600")...)
		start = append(start, strings.TrimSpace(a.stdout))
	}
	if a.code == 0 {
		a = s.try(p.crictl(start...)...)
	}
	if a.code != 0 {
		return fmt.Errorf("%v", a)
	}
	return nil
}

// inParallel does n things, some at a time, and fails with what went wrong.
func (s *scene) inParallel(workers, n int, do func(i int) error) {
	var all sync.WaitGroup
	wrong := make([]error, n)
	slots := make(chan struct{}, workers)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			wrong[i] = do(i)
		})
	}
	all.Wait()
	if i := slices.IndexFunc(wrong, func(err error) bool { return err != nil }); i >= 0 {
		s.failf("%v", wrong[i])
	}
}

func (c *cri) nothingLeft(s *scene) {
	p := c.pod(s, nil)
	p.run(s, nil, "true")
	id, _ := p.sleeper(s, nil)
	s.must(c.crictl("exec", "--sync", id, "true")...)
	if mountsBelow(s.dir) == nil || entries(c.manager.state()) == nil || cgroupsNamed(id) == nil {
		s.failf("a running pod has no mount, state or cgroup where they are looked for")
	}
	if a := p.end(s); a.code != 0 {
		s.failf("%v", a)
	}
	s.leftBehind("pods", func() []string { return strings.Fields(s.must(c.crictl("pods", "--quiet")...)) })
	s.leftBehind("mounts", func() []string {
		return slices.DeleteFunc(mountsBelow(s.dir), func(path string) bool { return path == s.dir+"/storage/overlay" }) // in use, see podman.go
	})
	s.leftBehind("state", func() []string { return entries(c.manager.state()) })
	s.leftBehind("cgroups", func() []string {
		return slices.DeleteFunc(slices.Concat(cgroupsNamed(p.id), cgroupsNamed(id)), func(dir string) bool { return slices.Contains(c.helpers(), dir) })
	})
	s.leftBehind("processes", func() []string {
		return slices.DeleteFunc(processesOf(s.dir), func(line string) bool {
			return strings.HasSuffix(line, c.cmd.String()) || strings.HasPrefix(line, fmt.Sprint(c.cmd.Process.Pid)+" ")
		})
	})
}
