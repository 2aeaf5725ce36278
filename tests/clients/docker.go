package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// docker is a Docker daemon of the run's own with the containerd it uses. The program's directory, its sockets and the images are below dir.
type docker struct {
	client             string // the command-line client
	dir                string
	parent             string // of the containers' cgroups: a name that nobody else has
	systemd            bool   // the cgroup driver
	config             map[string]any
	apart              string // a script that prepares a mount namespace for the daemons, and executes what it is given; empty: they are in the host's
	containerd, engine *daemon
	mounts             []string // below dir, of a daemon without containers
}

// chosen is the runtime's name in the daemon's configuration, and the default one; wrapped is the same with runtimeArgs, for which Docker makes
// a shell script.
const (
	chosen  = "chosen"
	wrapped = "wrapped"
)

// openDocker starts the daemon that the features share.
func openDocker(systemd bool) func(*scene) actions {
	return func(s *scene) actions {
		s.env = append(os.Environ(), "DOCKER_CONFIG="+s.dir+"/home", "DOCKER_BUILDKIT=0")
		d := newDocker(s, s.dir, systemd)
		d.start(s)
		d.load(s)
		d.mounts = mountsBelow(d.dir)
		return d.actions()
	}
}

// dockerVersion names the daemon and its containerd. Where the kernel has AppArmor the daemon starts no container without its parser.
func dockerVersion(ctx context.Context) (string, error) {
	if _, err := os.Stat("/sys/kernel/security/apparmor"); err == nil {
		if _, err := exec.LookPath("apparmor_parser"); err != nil {
			return "", fmt.Errorf("needs Debian's package apparmor: %w", err)
		}
	}
	var all []string
	for _, program := range []string{"dockerd", "containerd"} {
		out, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			return "", err
		}
		for _, word := range strings.Fields(string(out)) {
			if word[0] >= '0' && word[0] <= '9' {
				all = append(all, program+" "+strings.TrimSuffix(word, ","))
				break
			}
		}
	}
	return strings.Join(all, ", "), nil
}

func dockerSystemdVersion(ctx context.Context) (string, error) {
	if !hasSystemd() {
		return "", errors.New("needs systemd as init")
	}
	return dockerVersion(ctx)
}

// newDocker makes the configuration of a daemon in the directory.
func newDocker(s *scene, dir string, systemd bool) *docker {
	d := &docker{client: "/usr/bin/docker", dir: dir, systemd: systemd}
	if _, err := os.Stat(d.client); err != nil { // Debian's, rather than a newer one that comes earlier on PATH
		d.client = "docker"
	}
	mark := strings.ReplaceAll(filepath.Base(s.dir)+strings.TrimPrefix(dir, s.dir), "/", "-")
	driver := "cgroupfs"
	d.parent = "/" + mark
	if systemd { // a dash would nest slices
		driver, d.parent = "systemd", strings.ReplaceAll(mark, "-", "")+".slice"
	}
	d.config = map[string]any{
		"runtimes": map[string]any{
			chosen:  map[string]any{"path": s.runtime.Path},
			wrapped: map[string]any{"path": s.runtime.Path, "runtimeArgs": []string{"--debug"}},
		},
		"default-runtime": chosen,
		"exec-opts":       []string{"native.cgroupdriver=" + driver},
		"cgroup-parent":   d.parent,
		"data-root":       dir + "/data", "exec-root": dir + "/exec", "pidfile": dir + "/docker.pid",
		"hosts": []string{d.address()}, "containerd": dir + "/containerd.sock",
		"experimental": true,                                                               // checkpoints
		"bridge":       "none", "iptables": false, "ip6tables": false, "ip-forward": false, // the host's settings are not ours
	}
	if !canRaiseLimits() { // Docker's own limits are higher than what root may set there
		d.config["default-ulimits"] = map[string]any{
			"nofile": map[string]any{"Name": "nofile", "Soft": 1024, "Hard": 4096},
			"nproc":  map[string]any{"Name": "nproc", "Soft": 4096, "Hard": 4096},
		}
	}
	return d
}

func (d *docker) address() string { return "unix://" + d.dir + "/docker.sock" }

// start starts containerd and the daemon, which end with the scene: after all that was left of the containers has been removed.
func (d *docker) start(s *scene) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		s.failf("%v", err)
	}
	s.cleanup(func() { d.sweep(s) })
	s.env = d.buildRuntime(s)
	toml := fmt.Sprintf(`version = 2
root = "%[1]s/containerd"
state = "%[1]s/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "%[1]s/containerd.sock"
[ttrpc]
address = "%[1]s/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "%[1]s/opt"
`, d.dir)
	command := []string{"containerd", "--config", d.file(s, "containerd.toml", toml)}
	if d.apart != "" {
		command = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", d.apart, "sh"}, command...)
	}
	d.containerd = s.startDaemon(d.name(s, "containerd"), command...)
	config, err := json.MarshalIndent(d.config, "", " ")
	if err != nil {
		s.failf("%v", err)
	}
	d.file(s, "daemon.json", string(config))
	d.startEngine(s)
	s.cleanup(func() { d.removeAll(s) })
}

func (d *docker) startEngine(s *scene) {
	s.eventually("containerd listens", func() error {
		_, err := os.Stat(d.dir + "/containerd.sock")
		return err
	})
	command := []string{"dockerd", "--config-file", d.dir + "/daemon.json"}
	if d.apart != "" { // where containerd is: they share the containers' root file systems
		command = append([]string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", d.containerd.cmd.Process.Pid)}, command...)
	}
	d.engine = s.startDaemon(d.name(s, "dockerd"), command...)
	s.eventually("the daemon answers", func() error {
		if a := d.try(s, "version"); a.code != 0 {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
}

// name is a file's name for the scene, whose directory may be one above.
func (d *docker) name(s *scene, file string) string {
	return strings.TrimPrefix(d.dir+"/"+file, s.dir+"/")
}

func (d *docker) file(s *scene, name, content string) string {
	return s.write(d.name(s, name), content, 0o644)
}

// load gives the daemon the image.
func (d *docker) load(s *scene) {
	m, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	archive := s.dir + "/image.tar"
	if err := m.archive(archive); err != nil {
		s.failf("%v", err)
	}
	d.must(s, "load", "--quiet", "--input", archive)
}

// removeAll removes containers that a failed feature has left.
func (d *docker) removeAll(s *scene) {
	if left := strings.Fields(d.try(s, "ps", "--all", "--quiet").stdout); left != nil {
		d.try(s, append([]string{"rm", "--force", "--volumes"}, left...)...)
	}
}

// sweep removes what no daemon is there for any more: shims that a killed one has left, the name of the host's network namespace, which
// Docker keeps mounted, and the cgroup that the containers' ones were in.
func (d *docker) sweep(s *scene) {
	for _, pid := range d.shims() {
		s.logf("killing shim %d", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, dir := range mountsBelow(d.dir) {
		s.logf("unmounting %s: %v", dir, unix.Unmount(dir, unix.MNT_DETACH))
	}
	if d.systemd {
		s.try("systemctl", "stop", d.parent)
		return
	}
	hierarchies, err := filepath.Glob("/sys/fs/cgroup/*" + d.parent)
	if err != nil || isCgroupV2() {
		hierarchies = []string{"/sys/fs/cgroup" + d.parent}
	}
	for _, top := range hierarchies {
		s.try("find", top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
	}
}

// shims are containerd's processes for our containers.
func (d *docker) shims() []int {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	var all []int
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), "containerd-shim") || !strings.Contains(string(line), d.dir+"/containerd.sock") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

func (d *docker) line(args ...string) []string {
	return append([]string{d.client, "--host", d.address()}, args...)
}

func (d *docker) try(s *scene, args ...string) said    { return s.try(d.line(args...)...) }
func (d *docker) must(s *scene, args ...string) string { return s.must(d.line(args...)...) }

func (d *docker) code(s *scene, want int, args ...string) said {
	return s.code(want, d.line(args...)...)
}

// running makes arguments of `docker run` that run a script in a container, without a network unless the options have one.
func running(script string, options ...string) []string {
	if !slices.Contains(options, "--network") {
		options = append(options, "--network", "none")
	}
	return slices.Concat([]string{"run"}, options, []string{reference, "sh", "-c", script})
}

// sh runs a script in a container that is removed afterwards, and gives its output without the last newline. It has to succeed.
func (d *docker) sh(s *scene, script string, options ...string) string {
	return d.must(s, running(script, append(options, "--rm")...)...)
}

// shCode is sh for a script that ends with the code.
func (d *docker) shCode(s *scene, code int, script string, options ...string) said {
	return d.code(s, code, running(script, append(options, "--rm")...)...)
}

// background starts a script in a container in the background, which is removed at the end of the scene, and gives the process' number.
func (d *docker) background(s *scene, name, script string, options ...string) (pid int) {
	s.cleanup(func() { d.try(s, "rm", "--force", "--volumes", name) })
	d.must(s, running(script, append(options, "--detach", "--name", name)...)...)
	return d.pid(s, name)
}

// sleeper is background with a program that does nothing.
func (d *docker) sleeper(s *scene, name string, options ...string) (pid int) {
	return d.background(s, name, "exec sleep 1000", options...)
}

// pid gives the number of a container's first process; 0: there is none.
func (d *docker) pid(s *scene, name string) int {
	pid, err := strconv.Atoi(d.inspect(s, name, ".State.Pid"))
	if err != nil {
		s.failf("pid of %s: %v", name, err)
	}
	return pid
}

// inspect gives a field of a container.
func (d *docker) inspect(s *scene, name, field string) string {
	return d.must(s, "inspect", "--format", "{{"+field+"}}", name)
}

// becomes waits until a field of a container has the value.
func (d *docker) becomes(s *scene, name, field, want string) {
	s.eventually(name+field+" is "+want, func() error {
		if got := d.inspect(s, name, field); got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// logged waits until the container has written the text.
func (d *docker) logged(s *scene, name, text string) {
	s.eventually(name+" writes "+text, func() error {
		if a := d.try(s, "logs", name); !strings.Contains(a.stdout, text) {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
}

// proc gives a file of /proc/PID.
func (d *docker) proc(s *scene, pid int, name string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		s.failf("%v", err)
	}
	return string(text)
}
