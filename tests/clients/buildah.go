package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// buildah is Buildah with storage of its own: root's, or that of an ordinary user.
type buildah struct {
	user  *account // nil: root
	words []string // before those of a command
	told  []string // what tells run and build where the runtime's state is to be
	state string   // the runtime's
	dir   string   // where the user may write
}

func buildahClient() client {
	return client{name: "buildah", version: buildahVersion, open: func(s *scene) actions { return openBuildah(s, nil) }, without: buildahWithout}
}

func buildahVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "buildah", "--version").Output()
	version, _, _ := strings.Cut(string(out), " (")
	return version, err
}

// What a build tool has no use for.
var buildahWithout = map[string]string{
	"detached":             "a step of a build is waited for",
	"exec":                 "each command is a container of its own",
	"exec missing command": "each command is a container of its own",
	"exec terminal":        "each command is a container of its own",
	"top":                  "there is one process, and it is waited for",
	"kill":                 "Buildah sends SIGKILL when it is interrupted, and nothing else: see stop",
	"pause":                "no such command",
	"update":               "no such command",
	"stats":                "no such command",
	"events":               "no such command",
	"pids limit":           "no such option",
	"recursive read-only":  "no such option in 1.28",
	"read-only":            "a build writes",
	"idmapped volume":      "no such option in 1.28",
	"no new privileges":    "1.28 refuses the option",
	"sysctl":               "no such option in 1.28",
	"privileged":           "no such option",
	"init process":         "no such option",
	"healthcheck":          "goes into the image; Buildah probes nothing",
	"checkpoint":           "no such command",
	"validation":           "critest asks over Kubernetes' interface, which Buildah does not have",
}

// openBuildah loads the image, and makes a working container named box for what needs no options.
func openBuildah(s *scene, user *account) actions {
	b := &buildah{user: user, dir: s.dir, state: s.dir + "/state"}
	if user == nil {
		b.told = []string{"--runtime-flag", "root=" + b.state}
		s.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "XDG_RUNTIME_DIR=" + s.dir, "LANG=C.UTF-8"}
		s.env = append(s.env, "BUILDAH_ISOLATION=oci")
	} else {
		s.reachable()
		b.dir, b.state = user.dir, user.run+"/"+s.runtime.Name
		s.env = append(s.env, "BUILDAH_ISOLATION=rootless")
	}
	networks := b.dir + "/networks"
	conf := "[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = \"cgroupfs\"\n[network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"" + networks + "\"\n"
	s.env = append(s.env, "BUILDAH_RUNTIME="+s.runtime.Path, "CONTAINERS_CONF="+s.write("containers.conf", conf, 0o644))
	b.words = user.command("buildah", "--root", b.dir+"/storage", "--runroot", b.dir+"/runroot", "--storage-driver", "vfs")
	m, err := findImage()
	if err == nil {
		err = m.archive(s.dir + "/image.tar")
	}
	if err != nil {
		s.failf("%v", err)
	}
	s.must(b.do("pull", "--quiet", "oci-archive:"+s.dir+"/image.tar")...)
	b.from(s, "box")
	return b.actions()
}

func (b *buildah) actions() actions {
	return actions{
		"version": b.version, "run": b.runs, "exit code": b.exitCode, "missing command": b.missing, "stdin": b.stdin, "terminal": b.terminal,
		"logs": b.logs, "stop": b.stop, "restart": b.again, "memory limit": b.memory, "cpu limit": b.cpu, "volume": b.volume,
		"tmpfs": b.tmpfs, "user": b.users, "user namespace": b.userNamespace, "capabilities": b.capabilities, "seccomp": b.seccomp,
		"devices": b.devices, "hostname": b.hostname, "ulimit": b.ulimit, "shared namespaces": b.joined, "host namespaces": b.ofHost,
		"network": b.network, "hooks": b.hooks, "build": b.build, "manager killed": b.killed, "many": b.many, "nothing left": b.nothingLeft,
	}
}

// do is a command of Buildah's.
func (b *buildah) do(args ...string) []string {
	return append(append([]string(nil), b.words...), args...)
}

// from makes a working container without a network, which the scene removes at its end.
func (b *buildah) from(s *scene, name string, options ...string) {
	args := []string{"from", "--quiet", "--pull=never", "--name", name, "--network", "none"}
	s.must(b.do(append(append(args, options...), reference)...)...)
	s.cleanup(func() { s.try(b.do("rm", name)...) })
}

// in is a command in the working container; options of `run` go before the name.
func (b *buildah) in(container string, command ...string) []string {
	return b.with(nil, container, command...)
}

func (b *buildah) with(options []string, container string, command ...string) []string {
	args := append([]string{"run"}, b.told...)
	args = append(append(args, options...), container, "--")
	return b.do(append(args, command...)...)
}

// A sleeper is a container that is there to be looked at.
type sleeper struct {
	pid int
	end func() said // kills it, and waits for Buildah's end
}

// sleeping begins a run of sleep(1). The seconds tell it from others.
func (b *buildah) sleeping(s *scene, seconds, container string, options ...string) sleeper {
	s.cleanup(func() { b.sweep(s) })
	run := s.start(b.with(options, container, "sleep", seconds)...)
	pid := s.inContainer("sleep " + seconds)
	return sleeper{pid: pid, end: func() said {
		s.must("kill", "-KILL", strconv.Itoa(pid))
		return s.wait(run)
	}}
}

// sweep ends containers whose Buildah is gone, as who looks after the machine does: with the runtime's own commands.
func (b *buildah) sweep(s *scene) {
	for _, path := range entries(b.state) {
		s.try(b.runtime(s, "delete", "--force", filepath.Base(path))...)
	}
}

// runtime is a command of the runtime itself.
func (b *buildah) runtime(s *scene, args ...string) []string {
	return b.user.command(append([]string{s.runtime.Path, "--root", b.state}, args...)...)
}

func (b *buildah) version(s *scene) {
	s.want("the runtime in buildah info", s.must(b.do("info", "--format", "{{.host.OCIRuntime}}")...), s.runtime.Path)
}

func (b *buildah) runs(s *scene) {
	a := s.code(0, b.in("box", "echo", "hello", "there")...)
	s.want("stdout", a.stdout, "hello there\n")
	s.want("stderr", a.stderr, "")
	s.want("PID", s.must(b.in("box", "sh", "-c", "echo $$")...), "1")
	if left := entries(b.state); left != nil {
		s.failf("the runtime's state after the end: %q", left)
	}
}

func (b *buildah) exitCode(s *scene) {
	for _, code := range []int{0, 1, 32} {
		s.code(code, b.in("box", "sh", "-c", fmt.Sprintf("exit %d", code))...)
	}
	s.code(137, b.in("box", "sh", "-c", `sh -c 'kill -KILL $$'; exit $?`)...)
	if a := b.sleeping(s, "1111", "box").end(); a.code == 0 || !strings.Contains(a.stderr, "killed") {
		s.failf("killed: %v", a)
	}
}

// Buildah has one code for whatever fails before the command is there. What its users are told are the runtime's words.
func (b *buildah) missing(s *scene) {
	s.contains("missing", s.code(1, b.in("box", "no-such-command")...).stderr, "no-such-command", "not found")
	a := s.code(1, b.in("box", "/etc")...)
	if !strings.Contains(a.stderr, "permission denied") && !strings.Contains(a.stderr, "is a directory") && !strings.Contains(a.stderr, "is not a regular file") {
		s.failf("a directory: %v", a)
	}
	s.leftBehind("containers that could not be made", func() []string { return entries(b.state) })
}

func (b *buildah) stdin(s *scene) {
	text := strings.Repeat("some input\n", 20000)
	a := s.feed(text, b.in("box", "md5sum")...)
	if want := s.feed(text, "md5sum"); a.code != 0 || a.stdout != want.stdout {
		s.failf("%v, want %q", a, want.stdout)
	}
}

func (b *buildah) terminal(s *scene) {
	a := s.terminal(30, 99, b.with([]string{"--terminal"}, "box", "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size && tty; exit 3")...)
	if a.code != 3 {
		s.failf("want exit code 3: %v", a)
	}
	s.contains("output", a.stdout, "30 99\n/dev/pts/0\n")
	s.want("without a terminal", s.code(1, b.in("box", "tty")...).stdout, "not a tty\n")
}

// Who interrupts a step kills it, whatever it does about signals.
func (b *buildah) stop(s *scene) {
	context := b.context(s, "stop", "FROM "+reference+"\nRUN trap '' INT TERM; sleep 2222; sleep 2222\n")
	for name, command := range map[string][]string{
		"run":   b.in("box", "sh", "-c", "trap '' INT TERM; sleep 2222; sleep 2222"),
		"build": b.building(context, "stop"),
	} {
		run := s.start(command...)
		s.inContainer("sleep 2222")
		run.signal(s, syscall.SIGINT)
		if a := s.wait(run); a.code == 0 {
			s.failf("an interrupted %s: %v", name, a)
		}
		s.leftBehind("processes of an interrupted "+name, func() []string { return commandsOf(s.dir, "sleep 2222") })
		b.sweep(s)
	}
	s.must(b.in("box", "true")...)
}

func commandsOf(dir, text string) []string {
	var all []string
	for _, pid := range containerProcesses(dir, text) {
		all = append(all, fmt.Sprint(pid))
	}
	return all
}

// A working container keeps its files from one command to the next.
func (b *buildah) again(s *scene) {
	b.from(s, "again")
	s.must(b.in("again", "sh", "-c", "echo kept >/data/file")...)
	s.want("the file in the next run", s.must(b.in("again", "cat", "/data/file")...), "kept")
	s.code(1, b.in("box", "cat", "/data/file")...)
}

// kill -9 of Buildah and its helper leaves the container to itself. The runtime's own commands find it, and the working container
// is as usable as before.
func (b *buildah) killed(s *scene) {
	s.cleanup(func() { b.sweep(s) })
	run := s.start(b.in("box", "sleep", "3333")...)
	pid := s.inContainer("sleep 3333")
	run.signal(s, syscall.SIGKILL)
	s.wait(run)
	for _, p := range processesOf(s.dir) {
		if number, line, _ := strings.Cut(p, " "); strings.HasPrefix(line, "buildah-oci-runtime") {
			s.must("kill", "-KILL", number)
		}
	}
	left := entries(b.state)
	if len(left) != 1 {
		s.failf("the runtime's containers: %q, want one", left)
	}
	id := filepath.Base(left[0])
	s.contains("state", s.must(b.runtime(s, "state", id)...), `"status": "running"`, fmt.Sprintf(`"pid": %d`, pid))
	s.must(b.runtime(s, "delete", "--force", id)...)
	s.leftBehind("processes", func() []string { return commandsOf(s.dir, "sleep 3333") })
	for _, bundle := range b.bundles() {
		removeTree(bundle) // who was killed could not
	}
	s.want("another run", s.must(b.in("box", "echo", "works")...), "works")
}

// many has ten working containers run ten commands each, one after the other. Two runs in the same one at once are nothing that Buildah
// can do: at the end of one it removes the files that the mounts of the other are to be on.
func (b *buildah) many(s *scene) {
	const containers, each = 10, 10
	s.cleanup(func() { b.sweep(s) })
	for i := range containers {
		b.from(s, fmt.Sprintf("many%d", i))
	}
	began := time.Now()
	var runs []*background
	for i := range containers {
		line := quoted(b.in(fmt.Sprintf("many%d", i), "sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i%8)))
		runs = append(runs, s.start("sh", "-c", strings.Repeat(line+"; [ $? = "+fmt.Sprint(i%8)+" ] || exit; ", each)+"exit 100"))
	}
	for i, run := range runs {
		if a := s.wait(run); a.code != 100 || a.stdout != strings.Repeat(fmt.Sprintln(i), each) {
			s.failf("want exit code 100, and stdout %d ten times: %v", i, a)
		}
	}
	s.measure("100, 10 at once", time.Since(began))
	s.leftBehind("containers", func() []string { return entries(b.state) })
}

func (b *buildah) nothingLeft(s *scene) {
	s.leftBehind("processes", func() []string { return processesOf(s.dir) })
	s.leftBehind("containers of the runtime", func() []string { return entries(b.state) })
	s.leftBehind("mounts", func() []string { return mountsBelow(s.dir) })
	s.leftBehind("cgroups", func() []string { return cgroupsNamed("buildah-buildah") })
	s.leftBehind("bundles", b.bundles)
}

// bundles are those that Buildah makes for its containers, and removes.
func (b *buildah) bundles() []string {
	found, _ := filepath.Glob(b.dir + "/buildah[0-9]*")
	more, _ := filepath.Glob(b.dir + "/tmp/buildah[0-9]*")
	return append(found, more...)
}
