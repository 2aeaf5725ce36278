package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// criContainerd is the interface as containerd has it.
type criContainerd struct {
	*cri
	containerd *containerd
}

// criNamespace is where containerd keeps what Kubernetes has.
const criNamespace = "k8s.io"

func criVersion(ctx context.Context) (string, error) {
	return criVersions(ctx, "containerd")
}

func criSystemdVersion(ctx context.Context) (string, error) {
	if !hasSystemd() {
		return "", errors.New("needs systemd as init")
	}
	return criVersion(ctx)
}

func openCRI(s *scene) actions        { return startCRI(s, &criContainerd{}, false).actions() }
func openCRISystemd(s *scene) actions { return startCRI(s, &criContainerd{}, true).actions() }

func (m *criContainerd) start(c *cri) (d *daemon, address string) {
	m.cri = c
	m.containerd = c.session.startContainerd("", criNamespace, m.plugin(m.baseSpec(c.session)))
	return m.containerd.daemon, m.containerd.address
}

func (m *criContainerd) load(s *scene, image *image) { m.containerd.load(s, criNamespace, image) }

func (m *criContainerd) state() string { return filepath.Join(m.session.dir, "runtime", criNamespace) }

func (m *criContainerd) traits() criTraits {
	return criTraits{unparented: criNamespace, capabilities: 14, refusal: "Operation not permitted", hostUTS: true, refusesSysctls: true}
}

func (m *criContainerd) own() actions {
	return actions{
		"version": m.version, "missing command": m.missing, "stats": m.stats, "hooks": m.hooks, "manager killed": m.killed, suite: validation,
	}
}

// plugin is the configuration of Kubernetes' part: the runtime as a handler that is the default, and again with a base for its specs.
func (m *criContainerd) plugin(base string) string {
	handler := func(name, more string) string {
		return fmt.Sprintf(`[plugins.%[1]q.containerd.runtimes.%[2]s]
runtime_type = "io.containerd.runc.v2"
%[3]s
[plugins.%[1]q.containerd.runtimes.%[2]s.options]
BinaryName = %[4]q
Root = %[5]q
SystemdCgroup = %[6]t
`, criPlugin, name, more, m.session.runtime.Path, m.session.dir+"/runtime", m.systemd)
	}
	snapshotter := "native"
	if m.session.canOverlay() { // its name stands in the configuration before the daemon could be asked
		snapshotter = "overlayfs"
	}
	return fmt.Sprintf(`[plugins.%[1]q]
sandbox_image = %[2]q
restrict_oom_score_adj = %[3]t
disable_tcp_service = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins.%[1]q.cni]
bin_dir = "/usr/lib/cni"
conf_dir = %[4]q
[plugins.%[1]q.containerd]
default_runtime_name = %[5]q
snapshotter = %[6]q
`, criPlugin, pauseReference, !canRaiseLimits(), m.session.dir+"/cni", criRuntime, snapshotter) +
		handler(criRuntime, "") + handler("hooked", fmt.Sprintf("base_runtime_spec = %q", base))
}

// baseSpec writes containerd's own default spec with hooks.
func (m *criContainerd) baseSpec(s *scene) string {
	var spec config
	if err := json.Unmarshal([]byte(s.must("ctr", "oci", "spec")), &spec); err != nil {
		s.failf("ctr oci spec: %v", err)
	}
	hooks := config{}
	for stage, hook := range s.hooks() {
		hooks[stage] = []config{hook}
	}
	spec["hooks"] = hooks
	return s.write("base.json", string(encode(spec)), 0o600)
}

func (m *criContainerd) version(s *scene) {
	s.contains("crictl version", s.must(m.crictl("version")...), "RuntimeName:  containerd", "RuntimeApiVersion:  v1")
	var info struct {
		Config struct {
			Containerd struct {
				DefaultRuntimeName string
				Runtimes           map[string]struct{ Options struct{ BinaryName string } }
			}
		}
	}
	m.decode(s, &info, "info", "-o", "json")
	s.want("the default handler", info.Config.Containerd.DefaultRuntimeName, criRuntime)
	s.want("its program", info.Config.Containerd.Runtimes[criRuntime].Options.BinaryName, s.runtime.Path)
	var pod struct {
		Info struct {
			RuntimeOptions struct {
				BinaryName string `json:"binary_name"`
			}
		}
	}
	m.decode(s, &pod, "inspectp", "-o", "json", m.pod(s, nil).id)
	s.want("a pod's runtime", pod.Info.RuntimeOptions.BinaryName, s.runtime.Path)
	if _, a := m.tryPod(s, nil, "--runtime", "nobody"); a.code == 0 {
		s.failf("a handler that is not there: %v", a)
	}
}

// missing: the kubelet shows 128 and StartError for whatever could not be started.
func (m *criContainerd) missing(s *scene) {
	p := m.pod(s, nil)
	for _, command := range []string{"no-such-command", "/no/such/file", "/etc"} {
		id := p.create(s, nil, command)
		a := s.try(m.crictl("start", id)...)
		if a.code == 0 {
			s.failf("%v", a)
		}
		said := m.wait(s, id).Status
		s.want(command+": code and reason", fmt.Sprint(said.ExitCode, said.Reason), "128StartError")
		s.contains(command+": message", said.Message, command)
		s.contains(command+": what crictl says", a.stderr, command)
	}
}

// stats has those of the pod, too, which CRI-O gives on cgroup v2 alone.
func (m *criContainerd) stats(s *scene) {
	m.cri.stats(s)
	p := m.pod(s, nil)
	p.sleeper(s, nil)
	s.contains("stats of the pod", s.must(m.crictl("statsp", "-o", "json", "--id", p.id)...), p.id, `"processCount"`)
}

func (m *criContainerd) killed(s *scene) {
	p := m.newPod(s, "killed", nil)
	for range 2 { // the second time says that the name is free again
		p.id = s.must(m.crictl("runp", p.file)...)
		id, pid := p.sleeper(s, nil)
		shim := s.parentOf(pid)
		s.contains("the parent of a container", s.cmdline(shim), "containerd-shim")
		if err := unix.Kill(shim, unix.SIGKILL); err != nil {
			s.failf("%v", err)
		}
		status := m.wait(s, id)
		if status.Status.ExitCode == 0 {
			s.failf("a container without its shim: %+v", status)
		}
		s.awaitEnd(pid)
		s.must(m.crictl("stopp", p.id)...)
		s.must(m.crictl("rmp", p.id)...)
		s.leftBehind("state", func() []string { return entries(m.state()) })
	}
	m.removeParent(s)
}

// hooks come from the handler's base for specs.
func (m *criContainerd) hooks(s *scene) {
	p, a := m.tryPod(s, nil, "--runtime", "hooked")
	if a.code != 0 {
		s.failf("%v", a)
	}
	p.hooked(s, nil)
}

// criWithout is what Kubernetes does not have, or containerd 1.6 not yet.
var criWithout = map[string]string{
	"top":                 "the CRI lists no processes",
	"kill":                "the CRI has no signals but the one to stop with",
	"pause":               "the CRI does not pause",
	"events":              "containerd reports them over the CRI from 1.7 on; before, the kubelet asks again and again",
	"recursive read-only": "containerd has it from 2.0 on",
	"user namespace":      "containerd has it from 1.7 on",
	"idmapped volume":     "containerd has it from 2.0 on",
	"ulimit":              "the CRI has no resource limits of processes: they are the daemon's",
	"init process":        "the CRI has none: where a pod has one PID namespace, its own container reaps",
	"build":               "the CRI builds no images",
	"checkpoint":          "containerd has it from 2.0 on",
}

func criSystemdWithout() map[string]string {
	all := maps.Clone(criWithout)
	all[suite] = "the suite has no spec about the driver: it is played with the other one"
	return all
}
