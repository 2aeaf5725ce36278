package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// podman is Podman with storage and a configuration of its own, as root or as whoever the words before its command make it.
// The features of its type are in podman_life.go and podman_config.go.
type podman struct {
	as      []string // the words that have a command run by an ordinary user; none: root
	dir     string   // all that is kept, below the scene's
	driver  string   // of cgroups: cgroupfs or systemd
	states  string   // where runtimes keep their containers
	cgroups bool     // containers have cgroups of their own
}

func podmanClient(name, driver string) client {
	return client{
		name:    name,
		version: func(ctx context.Context) (string, error) { return podmanVersion(ctx, driver) },
		open: func(s *scene) actions {
			s.env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.dir, "LANG=C.UTF-8"}
			p := &podman{dir: s.dir, driver: driver, states: "/run", cgroups: true}
			p.open(s)
			return p.actions()
		},
		without: podmanLacks,
	}
}

// podmanLacks are the features that no user of Podman 4.3 has.
var podmanLacks = map[string]string{
	"recursive read-only": "podman 4.3 has no option for it: rro is refused",
	"validation":          "critest asks over Kubernetes' interface, which Podman does not have",
}

func podmanVersion(ctx context.Context, driver string) (string, error) {
	if driver == "systemd" && !hasSystemd() {
		return "", errors.New("needs systemd as init")
	}
	if _, err := exec.LookPath("conmon"); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "podman", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("podman --version: %w", err)
	}
	return strings.Replace(strings.TrimSpace(string(out)), " version", "", 1), nil
}

// actions are what root's and an ordinary user's podman have both.
func (p *podman) actions() actions {
	return actions{
		"version": p.version, "run": p.run, "exit code": p.exitCode, "missing command": p.missing, "stdin": p.stdin,
		"terminal": p.terminal, "detached": p.detached, "logs": p.logs, "exec": p.exec, "exec missing command": p.execMissing,
		"exec terminal": p.execTerminal, "top": p.top, "stop": p.stop, "kill": p.kill, "pause": p.pause, "restart": p.restart,
		"update": p.update, "stats": p.stats, "events": p.events, "healthcheck": p.healthcheck, "build": p.build,
		"checkpoint": p.checkpoint, "manager killed": p.managerKilled, "many": p.many, "nothing left": p.nothingLeft,

		"memory limit": p.memoryLimit, "pids limit": p.pidsLimit, "cpu limit": p.cpuLimit, "volume": p.volume, "tmpfs": p.tmpfs,
		"read-only": p.readOnly, "user": p.user, "user namespace": p.userNamespace, "idmapped volume": p.idmapped,
		"capabilities": p.capabilities, "seccomp": p.seccomp, "no new privileges": p.noNewPrivileges, "devices": p.devices,
		"sysctl": p.sysctl, "hostname": p.hostname, "ulimit": p.ulimit, "privileged": p.privileged, "init process": p.initProcess,
		"shared namespaces": p.sharedNamespaces, "host namespaces": p.hostNamespaces, "network": p.network, "hooks": p.hooks,
	}
}

// plain is the name under which the runtime is configured a second time, as one that podman expects no JSON of.
const plain = "without-json"

// open writes the configuration, tells it to the commands of the scene by their environment, and loads the image.
func (p *podman) open(s *scene) {
	s.cleanup(func() { s.try("umount", p.storage()) }) // fails where Podman has done so
	rt := s.runtime
	conf := fmt.Sprintf(`[containers]
log_driver = "k8s-file"
%s
[engine]
cgroup_manager = %q
events_logger = "file"
lock_type = "file" # the other kind is the whole host's
runtime = %q
runtime_supports_json = [%q]
tmp_dir = %q
[engine.runtimes]
%s = [%q]
%s = [%q]
[network]
network_backend = "netavark"
network_config_dir = %q
`, p.limits(), p.driver, rt.Name, rt.Name, p.dir+"/tmp", rt.Name, rt.Path, plain, rt.Path, p.dir+"/networks")
	storage := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", p.dir+"/storage", p.dir+"/run")
	s.env = append(s.env, "CONTAINERS_CONF="+s.write("containers.conf", conf, 0o644),
		"CONTAINERS_STORAGE_CONF="+s.write("storage.conf", storage, 0o644))
	image, err := findImage()
	if err == nil {
		err = image.archive(s.dir + "/image.tar")
	}
	if err != nil {
		s.failf("%v", err)
	}
	s.must(p.cmd("load", "--quiet", "--input", s.dir+"/image.tar")...)
	s.cleanup(func() {
		s.try(p.cmd("pod", "rm", "--all", "--force", "--time", "0")...)
		s.try(p.cmd("rm", "--all", "--force", "--time", "0")...)
	})
}

// limits are what podman would raise by default, lowered on a machine whose root may not do that.
func (p *podman) limits() string {
	if canRaiseLimits() {
		return ""
	}
	return `default_ulimits = ["nofile=1024:2048", "nproc=4096:4096"]`
}

func (p *podman) cmd(args ...string) []string {
	return append(append(p.as[:len(p.as):len(p.as)], "podman"), args...)
}

// once gives the words that run a container in the foreground. Options are divided by spaces.
func (p *podman) once(options string, command ...string) []string {
	return p.create("run --rm", options, command...)
}

// start runs a container in the background until the end of the scene, and gives its id.
func (p *podman) start(s *scene, options string, command ...string) (id string) {
	id = s.must(p.create("run --detach", options, command...)...)
	s.cleanup(func() { s.try(p.cmd("rm", "--force", "--time", "0", "--ignore", id)...) })
	return id
}

// sleeping is start with a program that does nothing for long.
func (p *podman) sleeping(s *scene, options string) (id string) {
	return p.start(s, options, "sleep", "1000")
}

func (p *podman) create(verb, options string, command ...string) []string {
	args := append(strings.Fields(verb), strings.Fields(options)...)
	if !strings.Contains(options, "--network") && !strings.Contains(options, "--pod") {
		args = append(args, "--network", "none")
	}
	return p.cmd(append(append(args, reference), command...)...)
}

// inspect gives what podman knows of a container, by a template.
func (p *podman) inspect(s *scene, id, format string) string {
	return s.must(p.cmd("container", "inspect", "--format", format, id)...)
}

// pid is the host's number of a container's first process.
func (p *podman) pid(s *scene, id string) int {
	pid, err := strconv.Atoi(p.inspect(s, id, "{{.State.Pid}}"))
	if err != nil || pid <= 0 {
		s.failf("a container that runs has the pid %d: %v", pid, err)
	}
	return pid
}

// logged waits until a container's log holds a line.
func (p *podman) logged(s *scene, id, line string) {
	s.eventually("the log has "+line, func() error {
		if a := s.try(p.cmd("logs", id)...); !strings.Contains(a.stdout+"\n", line+"\n") {
			return fmt.Errorf("it has %q", a.stdout)
		}
		return nil
	})
}

// becomes waits for a status that podman shows.
func (p *podman) becomes(s *scene, id, status string) {
	s.eventually("the container is "+status, func() error {
		if got := p.inspect(s, id, "{{.State.Status}}"); got != status {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// stateOf is where the runtime keeps a container.
func (p *podman) stateOf(s *scene, id string) string {
	return filepath.Join(p.states, filepath.Base(s.runtime.Path), id)
}

// traces lists all that a container has on the host.
func (p *podman) traces(s *scene, id string) []string {
	all := append(cgroupsNamed(id), processesOf(id)...)
	for _, m := range mountsBelow(p.dir) {
		if strings.Contains(m, id) {
			all = append(all, m)
		}
	}
	if _, err := os.Lstat(p.stateOf(s, id)); err == nil {
		all = append(all, p.stateOf(s, id))
	}
	return all
}

// gone fails with what a container that was removed has left.
func (p *podman) gone(s *scene, id string) {
	if a := s.try(p.cmd("container", "exists", id)...); a.code != 1 {
		s.failf("the container is still known: %v", a)
	}
	s.leftBehind("traces of "+id, func() []string { return p.traces(s, id) })
}

// took measures what is done.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// storage is mounted on itself by Podman while it is in use. Podman counts the users; when a hundred come and go at once, it stays.
func (p *podman) storage() string { return p.dir + "/storage/overlay" }

func (p *podman) mounts() []string {
	return slices.DeleteFunc(mountsBelow(p.dir), func(path string) bool { return path == p.storage() })
}
