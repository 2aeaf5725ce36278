package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cri is Kubernetes' Container Runtime Interface as a manager implements it, used by crictl. What the kubelet does beside it (directories
// for logs, cgroups of pods), we do. crictl, and not a gRPC client in this module, for what it costs: cri-api and gRPC would be five new
// requirements of every build, and crictl is what people use.
type cri struct {
	manager criManager
	*daemon
	address string // of the daemon
	session *scene // of all features: what it starts lives as long as the client is played
	config  string // crictl's
	systemd bool   // the cgroup driver
	pods    int    // a number for the next pod
	bridge  string // of the pods' network; empty: there can be none here
}

// A criManager implements the interface.
type criManager interface {
	start(c *cri) (d *daemon, address string) // with the runtime as the handler that pods have by default
	load(s *scene, m *image)                  // gives pods an image
	state() string                            // is the runtime's state root
	traits() criTraits
	own() actions // are the features that show otherwise with each manager, or not at all
}

// criTraits are what is not the same with each manager, and none of the runtime's doing.
type criTraits struct {
	unparented     string // the name of the cgroup of pods that are given no parent
	capabilities   int    // how many a container has by default
	refusal        string // what a program hears that the default profile refuses to unshare(2)
	hostUTS        bool   // who is in the host's network has its UTS namespace, too
	refusesSysctls bool   // that are the host's; the kubelet does, too
	lowersOOMScore bool   // of the pods' own container
}

// criRuntime is the name of the runtime's handler.
const criRuntime = "tested"

// pauseReference is the image of the pods' own container.
const pauseReference = "localhost/tare-clients-pause:1"

// config is a message of the CRI, in the form that crictl reads: the field names of its protocol buffers.
type config = map[string]any

// Namespaces as the CRI counts them.
const (
	ofPod = iota
	ofContainer
	ofNode
	ofTarget
)

// criVersions gives the versions of a manager's programs, and of crictl.
func criVersions(ctx context.Context, programs ...string) (string, error) {
	if _, err := exec.LookPath("crictl"); err != nil {
		return "", fmt.Errorf("%w; tests/clients/cri-tools.sh builds it", err)
	}
	var all []string
	for _, program := range append(programs, "crictl") {
		out, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			return "", fmt.Errorf("%s --version: %w", program, err)
		}
		for _, word := range strings.Fields(string(out)) {
			if version, _, _ := strings.Cut(strings.TrimPrefix(word, "v"), "~"); version[0] >= '0' && version[0] <= '9' {
				all = append(all, filepath.Base(program)+" "+version)
				break
			}
		}
	}
	return strings.Join(all, ", "), nil
}

// startCRI starts the manager and loads the pods' own image.
func startCRI(s *scene, manager criManager, systemd bool) *cri {
	c := &cri{manager: manager, session: s, systemd: systemd}
	others := cgroupsNamed(c.manager.traits().unparented)
	s.cleanup(func() { c.removeParents(s, others) })
	c.bridge = c.network()
	for _, dir := range []string{"logs", "pods"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			s.failf("%v", err)
		}
	}
	c.daemon, c.address = manager.start(c)
	pause, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	pause.name = pauseReference
	// wait reaps whoever has no parent any more. What waits is no sleep: critest looks for those of its own in the pod.
	pause.command = []string{"sh", "-c", "trap 'exit 0' INT TERM; tail -f /dev/null & wait"}
	manager.load(s, pause)
	c.config = s.write("crictl.yaml", fmt.Sprintf("runtime-endpoint: unix://%[1]s\nimage-endpoint: unix://%[1]s\ntimeout: %[2]d\n", c.address, 60*s.slow), 0o600)
	c.awaitReady(s)
	return c
}

// awaitReady waits until the daemon answers, and says that it can run pods.
func (c *cri) awaitReady(s *scene) {
	s.eventually("the runtime is ready", func() error {
		a := s.try(c.crictl("info", "-o", "json")...)
		var info struct {
			Status struct {
				Conditions []struct {
					Type   string
					Status bool
				}
			}
		}
		if err := json.Unmarshal([]byte(a.stdout), &info); err != nil {
			return fmt.Errorf("%w: %v", err, a)
		}
		for _, condition := range info.Status.Conditions {
			if condition.Type == "RuntimeReady" && condition.Status {
				return nil
			}
		}
		return fmt.Errorf("%v", a)
	})
}

// network configures a bridge without an address: pods reach each other, and nothing of the host's is changed. Apart from the host it has
// one, and ports are forwarded. It gives the bridge's name.
func (c *cri) network() string {
	s := c.session
	dir := s.dir + "/cni"
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.failf("%v", err)
	}
	bridge := "cri" + strings.TrimPrefix(filepath.Base(s.dir), "tare-clients-")
	_, err := os.Stat("/usr/lib/cni/bridge")
	if err != nil || s.try("ip", "link", "add", bridge, "type", "bridge").code != 0 {
		return ""
	}
	s.cleanup(func() { s.try("ip", "link", "delete", bridge) })
	plugins := []config{{
		"type": "bridge", "bridge": bridge, "isGateway": s.isApart(), "ipMasq": false,
		"ipam": config{"type": "host-local", "subnet": "10.254.77.0/24", "dataDir": s.dir + "/ipam"},
	}}
	if s.isApart() {
		plugins = append(plugins, config{"type": "portmap", "capabilities": config{"portMappings": true}})
	}
	s.write("cni/10-pods.conflist", string(encode(config{"cniVersion": "0.4.0", "name": "pods", "plugins": plugins})), 0o600)
	return bridge
}

// canOverlay tells whether the machine can mount an overlay where the scene is.
func (s *scene) canOverlay() bool {
	trial := `mkdir lower upper work merged && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged`
	dir := s.dir + "/overlay"
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.failf("%v", err)
	}
	return s.try("unshare", "--mount", "sh", "-c", "cd "+dir+" && "+trial).code == 0
}

// crictl makes a command of crictl for the daemon.
func (c *cri) crictl(args ...string) []string {
	return append([]string{"crictl", "--config", c.config}, args...)
}

// decode reads what crictl shows as JSON.
func (c *cri) decode(s *scene, v any, args ...string) {
	out := s.must(c.crictl(args...)...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		s.failf("crictl %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// criPod is a pod sandbox.
type criPod struct {
	*cri
	id, name   string
	file       string // its configuration
	namespaces config // of its containers, unless they say otherwise
	containers int    // a number for the next one
}

// pod runs a pod as the kubelet's default one, but in the host's network; it goes with the scene.
func (c *cri) pod(s *scene, extra config) *criPod {
	p, a := c.tryPod(s, extra)
	if a.code != 0 {
		s.failf("%v", a)
	}
	return p
}

func (c *cri) tryPod(s *scene, extra config, flags ...string) (*criPod, said) {
	c.pods++
	p := c.newPod(s, fmt.Sprintf("pod%d", c.pods), extra)
	a := s.try(c.crictl(append(append([]string{"runp"}, flags...), p.file)...)...)
	p.id = strings.TrimSpace(a.stdout)
	if a.code == 0 {
		s.cleanup(func() {
			p.end(s)
			c.removeParent(s)
		})
	}
	return p, a
}

// end stops the pod's containers at once, then the pod, and removes it, as the kubelet does. Whoever minds no SIGTERM and is still there
// when the pod is stopped, CRI-O gives all the time that its caller has.
func (p *criPod) end(s *scene) said {
	a := s.try(p.crictl("ps", "--quiet", "--no-trunc", "--pod", p.id)...)
	commands := [][]string{{"stopp", p.id}, {"rmp", "--force", p.id}}
	if ids := strings.Fields(a.stdout); len(ids) > 0 {
		commands = append([][]string{append([]string{"stop", "--timeout", "0"}, ids...)}, commands...)
	}
	for _, args := range commands {
		if b := s.try(p.crictl(args...)...); b.code != 0 {
			a = b
		}
	}
	return a
}

// newPod writes the configuration of a pod.
func (c *cri) newPod(s *scene, name string, extra config) *criPod {
	p := &criPod{cri: c, name: name, namespaces: config{"network": ofNode, "pid": ofContainer, "ipc": ofPod}}
	logs := filepath.Join(c.session.dir, "logs", name)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		s.failf("%v", err)
	}
	full := merge(config{
		"metadata": config{"name": name, "uid": name + "-uid", "namespace": "default", "attempt": 0}, "log_directory": logs,
		"linux": config{"cgroup_parent": c.parent(), "security_context": config{"namespace_options": p.namespaces}},
	}, extra)
	p.namespaces = full["linux"].(config)["security_context"].(config)["namespace_options"].(config)
	p.file = s.write("pods/"+name+".json", string(encode(full)), 0o600)
	return p
}

// parent is the cgroup of all pods, whole, as the kubelet gives it: containerd makes the name of a slice of it, and reads its files.
func (c *cri) parent() string {
	if c.systemd {
		return "/" + c.mark() + ".slice"
	}
	return "/" + c.mark()
}

// mark is in the names of all cgroups of ours, without a dash: systemd makes one slice of it.
func (c *cri) mark() string { return strings.ReplaceAll(filepath.Base(c.session.dir), "-", "") }

// removeParent removes the pods' cgroup, as the kubelet does; it can only where all containers' are gone.
func (c *cri) removeParent(s *scene) {
	if c.systemd {
		s.try("systemctl", "stop", filepath.Base(c.parent()))
		return
	}
	s.removeCgroups(c.helpers()) // whose monitors are gone; the kubelet removes them with the pod's
	s.removeCgroups(cgroupsNamed(c.mark()))
}

// helpers are the cgroups below the pods' that are no container's.
func (c *cri) helpers() []string {
	return slices.DeleteFunc(cgroupsNamed(conmonCgroup), func(dir string) bool { return !strings.Contains(dir, "/"+c.mark()+"/") })
}

// removeParents removes that and the one of pods without a parent, unless it was there before.
func (c *cri) removeParents(s *scene, before []string) {
	c.removeParent(s)
	s.removeNew(c.manager.traits().unparented, before)
}

// removeNew removes the cgroups with the name that are not among those before.
func (s *scene) removeNew(name string, before []string) {
	s.removeCgroups(slices.DeleteFunc(cgroupsNamed(name), func(dir string) bool {
		return slices.Contains(before, dir) || filepath.Base(dir) != name
	}))
}

func (s *scene) removeCgroups(dirs []string) {
	for _, dir := range dirs {
		if err := unix.Rmdir(dir); err != nil {
			s.logf("removing %s: %v", dir, err)
		}
	}
}

// criStatus is what crictl shows of a container.
type criStatus struct {
	Status struct {
		ID, State, Reason, Message, LogPath string
		ExitCode                            int
		Metadata                            struct {
			Name    string
			Attempt int
		}
	}
	Info struct{ Pid int }
}

// create makes a container, without starting it.
func (p *criPod) create(s *scene, extra config, command ...string) string {
	return strings.TrimSpace(s.must(p.creation(s, extra, command...)...))
}

// The kubelet says for every container what is not to be seen or written of /proc.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/proc/scsi", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// creation is the command that makes a container.
func (p *criPod) creation(s *scene, extra config, command ...string) []string {
	p.containers++
	name := fmt.Sprintf("c%d", p.containers)
	full := merge(config{
		"metadata": config{"name": name, "attempt": 0}, "image": config{"image": reference}, "command": command, "log_path": name + ".log",
		"linux": config{"security_context": config{"namespace_options": p.namespaces, "masked_paths": maskedPaths, "readonly_paths": readonlyPaths}},
	}, extra)
	file := s.write("pods/"+p.name+"-"+name+".json", string(encode(full)), 0o600)
	return p.crictl("create", "--no-pull", p.id, file, p.file)
}

// start makes a container and starts it.
func (p *criPod) start(s *scene, extra config, command ...string) string {
	id := p.create(s, extra, command...)
	s.must(p.crictl("start", id)...)
	return id
}

// criResult is what became of a container.
type criResult struct {
	criStatus
	stdout, stderr string
}

// run starts a container, waits for its end, and reads its log.
func (p *criPod) run(s *scene, extra config, command ...string) criResult {
	id := p.start(s, extra, command...)
	r := criResult{criStatus: p.wait(s, id)}
	a := s.code(0, p.crictl("logs", id)...)
	r.stdout, r.stderr = a.stdout, a.stderr
	return r
}

// output is run for what is to end with 0 and say nothing on its standard error.
func (p *criPod) output(s *scene, extra config, command ...string) string {
	r := p.run(s, extra, command...)
	if r.Status.ExitCode != 0 || r.stderr != "" {
		s.failf("%s: exit code %d, %s, stdout %q, stderr %q", strings.Join(command, " "), r.Status.ExitCode, r.Status.Reason, r.stdout, r.stderr)
	}
	return strings.TrimSuffix(r.stdout, "\n")
}

// sleeper starts a container that does nothing for long, and gives its id and the host's pid of it.
func (p *criPod) sleeper(s *scene, extra config) (string, int) {
	id := p.start(s, extra, "sleep", "600")
	return id, p.inspect(s, id).Info.Pid
}

func (c *cri) inspect(s *scene, id string) criStatus {
	var status criStatus
	c.decode(s, &status, "inspect", "-o", "json", id)
	return status
}

// wait waits for a container's end.
func (c *cri) wait(s *scene, id string) criStatus {
	var status criStatus
	s.eventually("the container ends", func() error {
		if status = c.inspect(s, id); status.Status.State != "CONTAINER_EXITED" {
			return fmt.Errorf("it is %s", status.Status.State)
		}
		return nil
	})
	return status
}

// exec runs a command in a container by the CRI's ExecSync; what it said is without what crictl adds.
func (c *cri) exec(s *scene, id string, command ...string) said {
	a := s.try(c.crictl(append([]string{"exec", "--sync", id}, command...)...)...)
	a.stdout = strings.TrimSuffix(a.stdout, "\n\n") // a line's end after each stream
	return a
}

// security is the part of a container's configuration that says what it may.
func security(options config) config { return config{"linux": config{"security_context": options}} }

// resources is the part that says how much.
func resources(limits config) config { return config{"linux": config{"resources": limits}} }

// merge gives a with all of b in it; where both have a message, it is merged.
func merge(a, b config) config {
	out := maps.Clone(a)
	for name, value := range b {
		inner, ok := value.(config)
		outer, ok2 := out[name].(config)
		if ok && ok2 {
			value = merge(outer, inner)
		}
		out[name] = value
	}
	return out
}

func (c *cri) actions() actions {
	all := actions{
		"run": c.run, "exit code": c.exitCode, "stdin": c.stdin, "terminal": c.terminal,
		"detached": c.detached,
		"logs":     c.logs,
		"exec":     c.execs, "exec missing command": c.execMissing,
		"exec terminal": c.execTerminal,
		"stop":          c.stop, "restart": c.restart, "update": c.update,
		"stats":        c.stats,
		"memory limit": c.memoryLimit, "pids limit": c.pidsLimit, "cpu limit": c.cpuLimit,
		"volume": c.volume, "tmpfs": c.sharedMemory,
		"read-only":    c.readOnly,
		"user":         c.user,
		"capabilities": c.capabilities, "seccomp": c.seccomp,
		"no new privileges": c.noNewPrivileges, "devices": c.devices, "sysctl": c.sysctl,
		"hostname": c.hostname, "privileged": c.privileged,
		"shared namespaces": c.sharedNamespaces, "host namespaces": c.hostNamespaces,
		"network":     c.networks,
		"healthcheck": c.health, "many": c.many,
		"nothing left": c.nothingLeft,
	}
	maps.Copy(all, c.manager.own())
	if c.systemd {
		delete(all, suite)
	}
	return all
}
