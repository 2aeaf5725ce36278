package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func (d *docker) actions() actions {
	return actions{
		"version": d.version, "run": d.run, "exit code": d.exitCode, "missing command": d.missingCommand, "stdin": d.stdin,
		"terminal": d.terminal, "detached": d.detached, "logs": d.logs, "exec": d.exec, "exec missing command": d.execMissingCommand,
		"exec terminal": d.execTerminal, "top": d.top, "stop": d.stop, "kill": d.kill, "pause": d.pause, "restart": d.restart,
		"update": d.update, "stats": d.stats, "events": d.events, "memory limit": d.memoryLimit, "pids limit": d.pidsLimit,
		"cpu limit": d.cpuLimit, "volume": d.volume, "tmpfs": d.tmpfs, "read-only": d.readOnly, "user": d.user,
		"user namespace": d.userNamespace, "capabilities": d.capabilities, "seccomp": d.seccomp, "no new privileges": d.noNewPrivileges,
		"devices": d.devices, "sysctl": d.sysctl, "hostname": d.hostname, "ulimit": d.ulimit, "privileged": d.privileged,
		"init process": d.initProcess, "shared namespaces": d.sharedNamespaces, "host namespaces": d.hostNamespaces,
		"network": d.network, "healthcheck": d.healthcheck, "build": d.build, "checkpoint": d.checkpoint,
		"manager killed": d.managerKilled, "many": d.many, "nothing left": d.nothingLeft,
	}
}

// dockerWithout is what Docker 20.10 does not have.
var dockerWithout = map[string]string{
	"recursive read-only": "Docker has it since 25",
	"idmapped volume":     "Docker has no option for it",
	"hooks":               "Docker has no option for them; its own one sets the network up: see network",
	"validation":          "critest asks over Kubernetes' interface, which Docker does not have",
}

// network has a bridge made. Docker 20.10 moves the container's end of the link, and its addresses, by a prestart hook: the daemon's own
// binary, told by argv[0] what it is to be.
func (d *docker) network(s *scene) {
	s.contains("the loop back of a container without networks", d.sh(s, "ip addr show lo; ip link | grep -c eth0; true"), "LOOPBACK,UP", "127.0.0.1/8", "\n0")
	s.cleanup(func() { d.try(s, "network", "rm", "bridged") })
	if a := d.try(s, "network", "create", "--driver", "bridge", "bridged"); a.code != 0 {
		s.skipf("no bridge network here: %s", strings.TrimSpace(a.stderr))
	}
	gateway := d.must(s, "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", "bridged")
	bridged := []string{"--network", "bridged", "--publish", "127.0.0.1::80"}
	pid := d.background(s, "server", "exec httpd -f -p 80 -h /etc", bridged...)
	address := d.inspect(s, "server", ".NetworkSettings.Networks.bridged.IPAddress")
	s.contains("addresses", d.must(s, "exec", "server", "ip", "addr", "show", "eth0"), address+"/", ",UP")
	s.contains("route", d.must(s, "exec", "server", "ip", "route"), "default via "+gateway+" dev eth0")
	if s.namespace(pid, "net") == s.namespace(os.Getpid(), "net") {
		s.failf("the network namespace is the host's")
	}
	s.contains("from another container", d.sh(s, "ping -c 1 -W 10 "+gateway+"; wget -q -O - http://"+address+"/passwd", "--network", "bridged"), "1 packets received", "alice:x:1234")
	published := d.must(s, "port", "server", "80")
	s.eventually("the published port "+published, func() error {
		answer, err := http.Get("http://" + published + "/passwd")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(text), "alice:x:1234") {
			return fmt.Errorf("%s: %q, %w", answer.Status, text, err)
		}
		return nil
	})
	d.must(s, "network", "disconnect", "bridged", "server")
	s.want("links after it was disconnected", d.try(s, "exec", "server", "sh", "-c", "ip link | grep -c eth0").stdout, "0\n")
	d.must(s, "rm", "--force", "server")
}

func (d *docker) healthcheck(s *scene) {
	d.sleeper(s, "health", "--health-cmd", "echo probed; test -e /well", "--health-interval", "500ms", "--health-retries", "2", "--health-timeout", "30s")
	d.becomes(s, "health", ".State.Health.Status", "unhealthy")
	s.contains("what the probe said", d.inspect(s, "health", "json .State.Health.Log"), `"ExitCode":1,"Output":"probed\n"`)
	d.must(s, "exec", "health", "touch", "/well")
	d.becomes(s, "health", ".State.Health.Status", "healthy")
}

// build runs the steps of a Dockerfile with the classic builder, whose containers are the daemon's, and with BuildKit, which starts a
// runtime by itself: it is runc from PATH unless the daemon's environment says otherwise.
func (d *docker) build(s *scene) {
	dir := d.directory(s, "context")
	write := func(text string) {
		if err := os.WriteFile(dir+"/Dockerfile", []byte("FROM "+reference+"\n"+text), 0o600); err != nil {
			s.failf("%v", err)
		}
	}
	for _, builder := range []struct{ environment, failure string }{
		{"DOCKER_BUILDKIT=0", "returned a non-zero code: 9"}, {"DOCKER_BUILDKIT=1", "exit code: 9"},
	} {
		build := append([]string{"env", builder.environment}, d.line("build", "--network", "none", "--no-cache", "--force-rm", "--tag", "built", dir)...)
		write("RUN id -un >/who && head -1 /proc/self/cgroup\nUSER alice\nWORKDIR /home\nRUN id -un >/tmp/who; pwd >>/tmp/who\nCMD cat /who /tmp/who\n")
		s.must(build...)
		s.cleanup(func() { d.try(s, "rmi", "--force", "built") })
		s.want("what the steps left", d.must(s, "run", "--rm", "--network", "none", "built"), "root\nalice\n/home")
		write("RUN echo so far; exit 9\n")
		a := s.try(build...)
		if a.code == 0 {
			s.failf("a step that fails is no failure of the build: %v", a)
		}
		s.contains("a step that fails", a.stdout+a.stderr, "so far", builder.failure)
	}
	asked, err := os.ReadFile(d.buildLog())
	if err != nil {
		s.failf("BuildKit has not asked the runtime: %v", err)
	}
	s.contains("what BuildKit asked the runtime for", string(asked), " run --bundle ")
}

// buildLog is where the runtime that BuildKit is told writes what it was asked.
func (d *docker) buildLog() string { return d.dir + "/buildkit.log" }

// buildRuntime makes what BuildKit starts as runc: the runtime, after a note of it. It gives the environment that says so to old and new.
func (d *docker) buildRuntime(s *scene) []string {
	bin := d.directory(s, "bin")
	path := d.file(s, "bin/runc", "#!/bin/sh\necho \"$@\" >>"+d.buildLog()+"\nexec "+s.runtime.Path+" \"$@\"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		s.failf("%v", err)
	}
	return append(slices.Clip(s.env), "PATH="+bin+":"+os.Getenv("PATH"), "DOCKER_BUILDKIT_RUNC_COMMAND="+path)
}

func (d *docker) checkpoint(s *scene) {
	if a := s.try("criu", "check"); a.code != 0 {
		s.skipf("criu does not work here: %s", strings.TrimSpace(a.stderr))
	}
	d.background(s, "checkpoint", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done", "--security-opt", "seccomp=unconfined")
	d.logged(s, "checkpoint", "3\n")
	d.must(s, "checkpoint", "create", "checkpoint", "one")
	d.becomes(s, "checkpoint", ".State.Status", "exited")
	before := d.must(s, "logs", "--tail", "1", "checkpoint")
	d.must(s, "start", "--checkpoint", "one", "checkpoint")
	last, err := strconv.Atoi(before)
	if err != nil {
		s.failf("%v", err)
	}
	d.logged(s, "checkpoint", "\n"+strconv.Itoa(last+1)+"\n")
	if strings.Count("\n"+d.must(s, "logs", "checkpoint"), "\n1\n") != 1 {
		s.failf("it began anew")
	}
}

func (d *docker) managerKilled(s *scene) {
	pid := d.sleeper(s, "shim")
	parent, err := strconv.Atoi(s.status(pid, "PPid"))
	if err != nil || !slices.Contains(d.shims(), parent) {
		s.failf("the parent of the container's process is %d, and that is none of the shims %v", parent, d.shims())
	}
	dir, err := cgroupOf(pid, "pids")
	if err != nil {
		s.failf("%v", err)
	}
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	d.becomes(s, "shim", ".State.Status", "exited")
	s.eventually("process and cgroup are gone", func() error {
		if _, err := os.Stat(dir); err == nil {
			return fmt.Errorf("%s is there", dir)
		}
		if runs(pid) {
			return fmt.Errorf("process %d is there", pid)
		}
		return nil
	})
	d.must(s, "start", "shim")
	s.want("exec after a new start", d.must(s, "exec", "shim", "echo", "here"), "here")
	d.must(s, "rm", "--force", "shim")
	d.sleeper(s, "shim")
	d.must(s, "rm", "--force", "shim")
	d.liveRestore(s)
}

// liveRestore kills a daemon whose containers are to live on.
func (d *docker) liveRestore(s *scene) {
	live := newDocker(s, s.dir+"/live", d.systemd)
	live.config["live-restore"] = true
	live.start(s)
	live.load(s)
	pid := live.background(s, "live", trapping("TERM"))
	live.background(s, "ends", "echo begun; sleep 1; exit 8")
	live.logged(s, "ends", "begun")
	if err := live.engine.cmd.Process.Kill(); err != nil {
		s.failf("%v", err)
	}
	time.Sleep(1500 * time.Millisecond) // one of them ends while no daemon is there
	live.startEngine(s)
	s.want("pid", strconv.Itoa(live.pid(s, "live")), strconv.Itoa(pid))
	live.becomes(s, "ends", ".State.ExitCode", "8")
	s.want("exec", live.must(s, "exec", "live", "echo", "here"), "here")
	live.must(s, "stop", "--time", "60", "live")
	s.want("code", live.inspect(s, "live", ".State.ExitCode"), "5")
	live.must(s, "rm", "live", "ends")
}

func (d *docker) many(s *scene) {
	const count, clients = 100, 10
	names := make([]string, count)
	for i := range names {
		names[i] = "many" + strconv.Itoa(i)
	}
	s.cleanup(func() { d.try(s, append([]string{"rm", "--force"}, names...)...) })
	began := time.Now()
	failures := make([]said, count)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := c; i < count; i += clients {
				failures[i] = d.try(s, "run", "--detach", "--name", names[i], "--network", "none", reference, "sleep", "1000")
			}
		}()
	}
	wg.Wait()
	for _, a := range failures {
		if a.code != 0 {
			s.failf("%v", a)
		}
	}
	s.measure("100 at once", time.Since(began))
	pids := strings.Fields(d.must(s, append([]string{"inspect", "--format", "{{.State.Pid}}"}, names...)...))
	s.want("containers", strconv.Itoa(len(pids)), strconv.Itoa(count))
	for i, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			s.failf("%v", err)
		}
		s.want("process of "+names[i], d.proc(s, pid, "cmdline"), "sleep\x001000\x00")
	}
	began = time.Now()
	d.must(s, append([]string{"rm", "--force"}, names...)...)
	s.measure("100 removed", time.Since(began))
	s.want("containers", d.must(s, "ps", "--all", "--quiet"), "")
}

func (d *docker) nothingLeft(s *scene) {
	s.want("containers", d.must(s, "ps", "--all", "--quiet"), "")
	s.eventually("nothing is left", func() error {
		for what, left := range map[string][]string{
			"shims":                     numbers(d.shims()),
			"states of the runtime":     below(d.dir + "/exec/runtime-runc/*/*"),
			"cgroups":                   d.cgroups(),
			"mounts":                    d.newMounts(),
			"bundles":                   below(d.dir + "/containerd-state/io.containerd.runtime.v2.task/*/*"),
			"directories of containers": below(d.dir + "/data/containers/*"),
		} {
			if len(left) > 0 {
				return fmt.Errorf("%s: %s", what, strings.Join(left, ", "))
			}
		}
		return nil
	})
}

func numbers(all []int) []string {
	var words []string
	for _, n := range all {
		words = append(words, strconv.Itoa(n))
	}
	return words
}

func below(pattern string) []string {
	all, err := filepath.Glob(pattern)
	if err != nil {
		return []string{err.Error()}
	}
	return all
}

// cgroups are those of containers and build steps. The one that holds the steps' stays, whatever the runtime.
func (d *docker) cgroups() []string {
	parent := "/sys/fs/cgroup/" + d.parent
	if !isCgroupV2() {
		parent = "/sys/fs/cgroup/*/" + d.parent
	}
	all := slices.DeleteFunc(below(parent+"/*/cgroup.procs"), func(path string) bool { return strings.HasSuffix(path, "/buildkit/cgroup.procs") })
	return append(all, below(parent+"/buildkit/*/cgroup.procs")...)
}

// newMounts are those that the daemon has not had without containers. The host's network namespace stays for good where a container was in it.
func (d *docker) newMounts() []string {
	return slices.DeleteFunc(mountsBelow(d.dir), func(dir string) bool {
		return slices.Contains(d.mounts, dir) || dir == d.dir+"/exec/netns/default"
	})
}
