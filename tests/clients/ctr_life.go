package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// version: the shim got the runtime by name, and its state is where the user wanted it.
func (c *ctr) version(s *scene) {
	s.contains("ctr version", s.must(c.do("version")...), "Server:")
	id, _ := c.background(s, "", "sleep", "1000")
	s.contains("ctr containers info", s.must(c.do("containers", "info", id)...), `"Name": "io.containerd.runc.v2"`)
	bundle := c.bundle(s, id)
	options, err := os.ReadFile(bundle + "/options.json")
	if err != nil {
		s.failf("%v", err)
	}
	s.contains("the shim's options", string(options), `"binary_name":"`+s.runtime.Path+`"`, c.state)
	if len(entries(c.states())) != 1 {
		s.failf("%s holds %q, want one container", c.states(), entries(c.states()))
	}
	s.contains("the runtime's list", s.must(s.runtime.Path, "--root", c.states(), "list"), id, "running", bundle)
}

// states is where the runtime keeps its own for the containers of the namespace.
func (c *ctr) states() string { return filepath.Join(c.state, c.namespace) }

// bundle is a container's directory with its config.json.
func (c *ctr) bundle(s *scene, id string) string {
	found, err := filepath.Glob(filepath.Join(s.dir, "state", "io.containerd.runtime.v2.task", c.namespace, id))
	if err != nil || len(found) != 1 {
		s.failf("bundles of %s: %q, %v", id, found, err)
	}
	return found[0]
}

func (c *ctr) foreground(s *scene) {
	a := s.code(0, c.create(s, "--rm --env WORD=blue", c.name(s), "sh", "-c", "echo out $WORD; echo err >&2; pwd")...)
	s.want("stdout", a.stdout, "out blue\n/\n")
	s.want("stderr", withoutWarnings(a.stderr), "err\n")
	id := c.name(s)
	s.want("with --rootfs", s.must(append(c.with(s, "--rm --rootfs", id), c.rootfs, id, "/bin/echo", "from", "files")...), "from files")
	s.want("with --no-pivot", c.run(s, "--no-pivot", "echo", "moved"), "moved")
	s.want("with --cwd", c.run(s, "--cwd /home/alice", "pwd"), "/home/alice")
}

// withoutWarnings leaves out what ctr 2 itself says on a host with cgroup v1.
func withoutWarnings(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, `time="`) || !strings.Contains(line, "DEPRECATION") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (c *ctr) exitCode(s *scene) {
	for _, code := range []int{0, 1, 32} {
		s.code(code, c.create(s, "--rm", c.name(s), "sh", "-c", "exit "+strconv.Itoa(code))...)
	}
	id, killed := c.name(s), make(chan said)
	go func() { killed <- s.try(c.create(s, "", id, "sleep", "1000")...) }()
	c.becomes(s, id, "RUNNING")
	s.signal(c.pid(s, id), syscall.SIGKILL)
	if a := <-killed; a.code != 137 {
		s.failf("killed: want exit code 137: %v", a)
	}
}

func (c *ctr) missingCommand(s *scene) {
	for command, words := range noCommands {
		a := s.code(1, c.create(s, "--rm", c.name(s), command)...) // of ctr itself: no task, no code
		s.contains("the words", a.stderr, append(words, "create failed")...)
		s.want("stdout", a.stdout, "")
	}
}

// noCommands are what the runtimes say of things that cannot be run.
var noCommands = map[string][]string{
	"nosuch": {"executable file", "nosuch", "not found in $PATH"}, "/bin/nosuch": {"/bin/nosuch", "no such file or directory"}, "/etc": {"permission denied"},
}

// stdin holds the input open until the task runs: ctr forgets an end that comes before.
func (c *ctr) stdin(s *scene) {
	id := c.name(s)
	running := quoted(c.do("tasks", "list")) + " | grep -q '^" + id + " .*RUNNING'"
	script := "{ printf 'one\\ntwo\\n'; for i in $(seq 100); do " + running + " && break; sleep 0.1; done; } | " + quoted(c.create(s, "--rm", id, "sh", "-c", "cat; echo end; exit 3"))
	s.want("stdout", s.code(3, "sh", "-c", script).stdout, "one\ntwo\nend\n")
}

func (c *ctr) terminal(s *scene) {
	a := s.terminal(31, 97, c.create(s, "--rm --tty", c.name(s), "sh", "-c", "tty; "+sized(31, 97)+"; exit 7")...)
	if a.code != 7 {
		s.failf("want exit code 7: %v", a)
	}
	s.contains("output", strings.ReplaceAll(a.stdout, "\r", ""), "/dev/pts/0\n", "31 97\n") // ctr leaves its terminal's OPOST on
}

func (c *ctr) detached(s *scene) {
	id, pid := c.background(s, "", "sh", "-c", "sleep 2; exit 32")
	s.contains("ctr containers list", s.must(c.do("containers", "list")...), id, reference)
	if code := c.end(s, id); code != 32 {
		s.failf("exit code %d, want 32", code)
	}
	if runs(pid) {
		s.failf("process %d is still there", pid)
	}
	_, pid = c.background(s, "--pid-file "+s.dir+"/pid", "sleep", "1000")
	s.want("pid file", s.must("cat", s.dir+"/pid"), strconv.Itoa(pid))
}

func (c *ctr) logs(s *scene) {
	log := s.dir + "/log"
	id := c.name(s)
	s.must(c.create(s, "--detach --log-uri file://"+log, id, "sh", "-c", "echo to stdout; echo to stderr >&2; seq 10000")...)
	s.eventually("the log is complete", func() error {
		text, err := os.ReadFile(log)
		if all := string(text); !strings.Contains(all, "to stdout\n") || !strings.Contains(all, "to stderr\n") || !strings.Contains(all, "\n10000\n") {
			return fmt.Errorf("%d bytes, %v", len(text), err)
		}
		return nil
	})
}

func (c *ctr) execs(s *scene) {
	id, pid := c.background(s, "--env WORD=blue", "sleep", "1000")
	a := s.code(32, c.exec("--cwd /tmp", id, "sh", "-c", "echo $WORD $PWD; echo err >&2; exit 32")...)
	s.want("stdout", a.stdout, "blue /tmp\n")
	s.want("stderr", withoutWarnings(a.stderr), "err\n")
	s.want("user by name", s.must(c.exec("--user alice", id, "id", "-un")...), "alice")
	s.want("user and group", s.must(c.exec("--user 1234:50", id, "sh", "-c", "id -u; id -g")...), "1234\n50")
	s.must(c.exec("--detach", id, "sleep", "1001")...)
	other := c.second(s, id, pid)
	for _, kind := range []string{"pid", "mnt", "net", "ipc", "uts"} {
		s.want("namespace "+kind, s.namespace(other, kind), s.namespace(pid, kind))
	}
	s.want("its cgroup", s.must("cat", fmt.Sprintf("/proc/%d/cgroup", other)), s.must("cat", fmt.Sprintf("/proc/%d/cgroup", pid)))
	s.want("its capabilities", s.status(other, "CapEff"), s.status(pid, "CapEff"))
}

// second gives the only process of a container beside its first.
func (c *ctr) second(s *scene, id string, first int) int {
	pids := slices.DeleteFunc(c.processes(s, id), func(pid int) bool { return pid == first })
	if len(pids) != 1 {
		s.failf("processes beside %d: %v, want one", first, pids)
	}
	return pids[0]
}

// processes are the PIDs that `ctr tasks ps` lists, in order.
func (c *ctr) processes(s *scene, id string) []int {
	var all []int
	for line := range strings.Lines(s.must(c.do("tasks", "ps", id)...)) {
		if pid, err := strconv.Atoi(strings.Fields(line)[0]); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

func (c *ctr) execMissing(s *scene) {
	id, _ := c.background(s, "", "sleep", "1000")
	for command, words := range noCommands {
		a := s.code(1, c.exec("", id, command)...)
		s.contains("the words", a.stderr, append(words, "exec failed")...)
	}
	s.want("the next exec", s.must(c.exec("", id, "echo", "fine")...), "fine")
}

func (c *ctr) execTerminal(s *scene) {
	id, _ := c.background(s, "", "sleep", "1000")
	a := s.terminal(33, 91, c.exec("--tty", id, "sh", "-c", "tty; "+sized(33, 91)+"; exit 9")...)
	if a.code != 9 {
		s.failf("want exit code 9: %v", a)
	}
	s.contains("output", strings.ReplaceAll(a.stdout, "\r", ""), "/dev/pts/0\n", "33 91\n")
}

func (c *ctr) top(s *scene) {
	id, pid := c.background(s, "", "sh", "-c", "sleep 1000 & sleep 1000 & wait")
	s.eventually("three processes", func() error {
		if n := len(c.processes(s, id)); n != 3 {
			return fmt.Errorf("%d are listed", n)
		}
		return nil
	})
	dir, err := cgroupOf(pid, "pids")
	if err != nil {
		s.failf("%v", err)
	}
	var inCgroup []int
	for line := range strings.Lines(s.must("cat", dir+"/cgroup.procs")) {
		pid, _ := strconv.Atoi(strings.TrimSpace(line))
		inCgroup = append(inCgroup, pid)
	}
	slices.Sort(inCgroup)
	s.want("ctr tasks ps", fmt.Sprint(c.processes(s, id)), fmt.Sprint(inCgroup))
}

// logged starts a container whose output goes to a file, and waits for the word "ready" in it.
func (c *ctr) logged(s *scene, script string) (id, log string) {
	id = c.name(s)
	log = s.dir + "/log-" + id
	s.must(c.create(s, "--detach --log-uri file://"+log, id, "sh", "-c", script)...)
	s.says(log, "ready")
	return id, log
}

// says waits for a line of a file.
func (s *scene) says(file, line string) {
	s.eventually(file+" says "+line, func() error {
		text, err := os.ReadFile(file)
		if !slices.Contains(strings.Split(string(text), "\n"), line) {
			return fmt.Errorf("it holds %q, %v", text, err)
		}
		return nil
	})
}

func (c *ctr) stop(s *scene) {
	id, log := c.logged(s, "trap 'echo stopping; exit 5' TERM; echo ready; while :; do sleep 0.1; done")
	s.must(c.do("tasks", "kill", id)...)
	if code := c.end(s, id); code != 5 {
		s.failf("exit code %d, want 5", code)
	}
	s.says(log, "stopping")
	id, _ = c.logged(s, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	pid := c.pid(s, id)
	s.must(c.do("tasks", "kill", id)...)
	time.Sleep(time.Second)
	c.pid(s, id)
	s.try(c.do("tasks", "delete", "--force", id)...) // its code is the container's
	if _, status := c.task(s, id); status != "" || runs(pid) {
		s.failf("after ctr tasks delete --force: status %q, process runs: %t", status, runs(pid))
	}
}

func (c *ctr) kill(s *scene) {
	id, log := c.logged(s, `trap 'echo first' USR1; sh -c "trap 'echo second' USR1; while :; do sleep 0.1; done" & trap 'echo two' USR2; echo ready; while :; do sleep 0.1; done`)
	time.Sleep(500 * time.Millisecond * time.Duration(s.slow)) // until the second shell has its trap
	s.must(c.do("tasks", "kill", "--signal", "12", id)...)
	s.says(log, "two")
	s.must(c.do("tasks", "kill", "--signal", "SIGUSR1", id)...)
	s.says(log, "first")
	s.must(c.do("tasks", "kill", "--all", "--signal", "USR1", id)...)
	s.says(log, "second")
	pid := c.pid(s, id)
	s.must(c.do("tasks", "kill", "--signal", "KILL", id)...)
	c.becomes(s, id, "STOPPED")
	if runs(pid) {
		s.failf("process %d is still there", pid)
	}
	for range 2 {
		s.contains("the kill of a dead container", s.code(1, c.do("tasks", "kill", "--signal", "9", id)...).stderr, "process already finished: not found")
	}
	if code := c.end(s, id); code != 137 {
		s.failf("exit code %d, want 137", code)
	}
	c.killExec(s)
}

// killExec kills a second process; the first stays.
func (c *ctr) killExec(s *scene) {
	id, pid := c.background(s, "", "sleep", "1000")
	s.must(append(c.do("tasks", "exec", "--exec-id", "victim", "--detach", id), "sleep", "1001")...)
	other := c.second(s, id, pid)
	s.must(c.do("tasks", "kill", "--exec-id", "victim", "--signal", "9", id)...)
	s.eventually("the second process ends", func() error {
		if runs(other) {
			return fmt.Errorf("%d runs", other)
		}
		return nil
	})
	c.pid(s, id)
	s.contains("the kill of an unknown container", s.code(1, c.do("tasks", "kill", "nosuch")...).stderr, "not found")
}

func (c *ctr) pause(s *scene) {
	id, pid := c.background(s, "", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/data/count; done")
	s.must(c.do("tasks", "pause", id)...)
	if _, status := c.task(s, id); status != "PAUSED" {
		s.failf("status %q, want PAUSED", status)
	}
	if !s.frozen(pid) {
		s.failf("its cgroup is not frozen")
	}
	count := func() string { return s.must("cat", fmt.Sprintf("/proc/%d/root/data/count", pid)) }
	before := count()
	time.Sleep(300 * time.Millisecond)
	s.want("the count of a paused container", count(), before)
	s.must(c.do("tasks", "resume", id)...)
	if s.frozen(pid) {
		s.failf("its cgroup is still frozen")
	}
	s.eventually("it counts on", func() error {
		if now := count(); now == before {
			return fmt.Errorf("the count is %s", now)
		}
		return nil
	})
	c.pid(s, id)
	s.must(c.do("tasks", "pause", id)...)
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	if code := c.end(s, id); code != 137 {
		s.failf("killed while paused: exit code %d, want 137", code)
	}
}

func (c *ctr) restart(s *scene) {
	id, first := c.background(s, "", "sh", "-c", "echo once more >>/data/log; sleep 1000")
	c.noted(s, id, "once more\n")
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	c.end(s, id)
	s.must(c.do("tasks", "start", "--detach", id)...)
	second := c.pid(s, id)
	if second == first || runs(first) {
		s.failf("first process %d, then %d", first, second)
	}
	c.noted(s, id, "once more\nonce more\n")
}

// noted waits until a container has written in its root what it should by then.
func (c *ctr) noted(s *scene, id, want string) {
	s.eventually("what it has noted", func() error {
		if a := s.try(c.exec("", id, "cat", "/data/log")...); a.stdout != want {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
}

func (c *ctr) stats(s *scene) {
	id, pid := c.background(s, "", "sh", "-c", "sleep 1000 & while :; do :; done")
	var v1 struct {
		Pids   struct{ Current int }
		CPU    struct{ Usage struct{ Total int } }
		Memory struct{ Usage struct{ Usage int } }
	}
	var v2 struct {
		Pids struct{ Current int }
		CPU  struct {
			UsageUsec int `json:"usage_usec"`
		}
		Memory struct{ Usage int }
	}
	s.eventually("its metrics", func() error {
		text := []byte(s.must(c.do("tasks", "metrics", "--format", "json", id)...))
		pids, cpu, memory := 0, 0, 0
		var err error
		if isCgroupV2() {
			err = json.Unmarshal(text, &v2)
			pids, cpu, memory = v2.Pids.Current, v2.CPU.UsageUsec, v2.Memory.Usage
		} else {
			err = json.Unmarshal(text, &v1)
			pids, cpu, memory = v1.Pids.Current, v1.CPU.Usage.Total/1000, v1.Memory.Usage.Usage
		}
		if err != nil || pids != 2 || cpu < 200_000 || memory < 4096 {
			return fmt.Errorf("%d processes, %d µs, %d bytes, %v", pids, cpu, memory, err)
		}
		return nil
	})
	s.want("pids.current", s.limit(pid, "pids.current", "pids.current"), "2")
	s.contains("the table", s.must(c.do("tasks", "metrics", id)...), id, "pids.current")
}

func (c *ctr) events(s *scene) {
	events := s.startDaemon("events", c.do("events")...)
	time.Sleep(500 * time.Millisecond * time.Duration(s.slow)) // nothing tells that it listens
	id, pid := c.background(s, "", "sleep", "1000")
	s.must(c.exec("", id, "true")...)
	s.must(c.do("tasks", "pause", id)...)
	s.must(c.do("tasks", "resume", id)...)
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	c.end(s, id)
	about := fmt.Sprintf(`"container_id":"%s"`, id)
	for topic, word := range map[string]string{
		"/tasks/create": fmt.Sprintf(`"pid":%d`, pid), "/tasks/start": fmt.Sprintf(`"pid":%d`, pid), "/tasks/exec-added": "exec_id", "/tasks/exec-started": "exec_id",
		"/tasks/paused": "", "/tasks/resumed": "", "/tasks/exit": `"exit_status":137`, "/tasks/delete": `"exit_status":137`,
	} {
		events.reports(s, topic, about, word)
	}
}

// reports waits for a line of the daemon's output that holds all the words.
func (d *daemon) reports(s *scene, words ...string) {
	s.eventually(fmt.Sprintf("%q are reported", words), func() error {
		text, err := os.ReadFile(d.log)
		for line := range strings.Lines(string(text)) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return nil
			}
		}
		return fmt.Errorf("not in %q, %v", text, err)
	})
}
