package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// crio is the interface as CRI-O has it, with conmon for each container. All that it keeps is below the scene's directory.
type crio struct {
	*cri
	storage []string // the words that put an image where it looks
}

// crioWithout is what Kubernetes does not have, or CRI-O cannot show here.
var crioWithout = map[string]string{
	"top":          "the CRI lists no processes",
	"kill":         "the CRI has no signals but the one to stop with",
	"pause":        "the CRI does not pause",
	"init process": "the CRI has none: where a pod has one PID namespace, its own container reaps",
	"build":        "the CRI builds no images",
	suite:          "each pod has a container of CRI-O's own with an oom_score_adj below 0: played with containerd, which can be told not to",
	"checkpoint":   "an archive for another pod, which is not driven: CRIU's part of it is that of Podman",
}

// conmonCgroup is how CRI-O names the cgroup of a container's conmon, below the pod's. It leaves it to the kubelet to remove.
const conmonCgroup = "crio-conmon-"

func (m *crio) program(name string) string { return filepath.Join(crioPrograms(), name) }

// crioPrograms is where crio.sh has put crio and pinns.
func crioPrograms() string { return builtPrograms("crio") }

func crioVersion(ctx context.Context) (string, error) {
	program := filepath.Join(crioPrograms(), "crio")
	if _, err := exec.LookPath(program); err != nil {
		return "", fmt.Errorf("needs `make client-deps CRIO=crio`, which builds it: %w", err)
	}
	return criVersions(ctx, program, "conmon")
}

func crioSystemdVersion(ctx context.Context) (string, error) {
	if !hasSystemd() {
		return "", errors.New("needs systemd as init")
	}
	return crioVersion(ctx)
}

func openCRIO(s *scene) actions        { return startCRI(s, &crio{}, false).actions() }
func openCRIOSystemd(s *scene) actions { return startCRI(s, &crio{}, true).actions() }

func (m *crio) start(c *cri) (d *daemon, address string) {
	m.cri = c
	s := c.session
	driver := "vfs"
	if s.canOverlay() {
		driver = "overlay"
	}
	m.storage = []string{"buildah", "--root", s.dir + "/storage", "--runroot", s.dir + "/runroot", "--storage-driver", driver}
	for _, dir := range []string{"crio.conf.d", "hooks.d", "exits", "ns"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			s.failf("%v", err)
		}
	}
	m.writeHooks()
	m.writeConfig(driver)
	image, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	m.load(s, image)
	return m.run(), m.socket()
}

// run starts the daemon, as often as it is to be.
func (m *crio) run() *daemon {
	dir := m.session.dir
	return m.session.startDaemon("crio", m.program("crio"), "--config", dir+"/crio.conf", "--config-dir", dir+"/crio.conf.d")
}

func (m *crio) socket() string { return m.session.dir + "/crio.sock" }

// attachDir makes the directory of the sockets for attach: their names are too long to be below the scene's.
func (m *crio) attachDir() string {
	dir, err := os.MkdirTemp("/run", "tare-clients-")
	if err != nil {
		m.session.failf("%v", err)
	}
	m.session.cleanup(func() { removeTree(dir) })
	return dir
}

func (m *crio) writeConfig(driver string) {
	s := m.session
	manager, monitor := "cgroupfs", "pod"
	if m.systemd {
		manager, monitor = "systemd", "system.slice"
	}
	policy := s.write("policy.json", `{"default": [{"type": "insecureAcceptAnything"}]}`, 0o644)
	s.write("crio.conf", fmt.Sprintf(`[crio]
root = "%[1]s/storage"
runroot = "%[1]s/runroot"
storage_driver = %[2]q
log_dir = "%[1]s/logs"
version_file = "%[1]s/version"
clean_shutdown_file = "%[1]s/clean.shutdown"
[crio.api]
listen = %[3]q
[crio.runtime]
default_runtime = %[4]q
cgroup_manager = %[5]q
pinns_path = %[6]q
namespaces_dir = "%[1]s/ns"
container_exits_dir = "%[1]s/exits"
container_attach_socket_dir = %[12]q
default_ulimits = ["nofile=512:600"]
enable_pod_events = true
hooks_dir = ["%[1]s/hooks.d"]
apparmor_profile = "unconfined"
irqbalance_config_restore_file = "disable"
[crio.runtime.runtimes.%[4]s]
runtime_path = %[7]q
runtime_type = "oci"
runtime_root = %[8]q
monitor_path = "/usr/bin/conmon"
monitor_cgroup = %[9]q
[crio.image]
pause_image = %[10]q
pause_command = ""
signature_policy = %[11]q
signature_policy_dir = "%[1]s/policies"
[crio.network]
network_dir = "%[1]s/cni"
plugin_dirs = ["/usr/lib/cni"]
[crio.nri]
enable_nri = false
`, s.dir, driver, m.socket(), criRuntime, manager, m.program("pinns"), s.runtime.Path, m.state(), monitor,
		pauseReference, policy, m.attachDir()), 0o600)
}

// load has Buildah put the image into the storage, which all that is built on containers/storage share.
func (m *crio) load(s *scene, image *image) {
	archive := s.dir + "/image.tar"
	if err := image.archive(archive); err != nil {
		s.failf("%v", err)
	}
	s.must(append(m.storage, "pull", "--quiet", "docker-archive:"+archive)...)
}

func (m *crio) state() string { return m.session.dir + "/runtime" }

func (m *crio) traits() criTraits {
	return criTraits{unparented: "crio", capabilities: 9, refusal: "Function not implemented", lowersOOMScore: true}
}

func (m *crio) own() actions {
	return actions{
		"version": m.version, "missing command": m.missing, "events": m.events, "recursive read-only": m.recursiveReadOnly,
		"user namespace": m.userNamespace, "idmapped volume": m.idmapped, "ulimit": m.ulimit, "hooks": m.hooks, "manager killed": m.killed,
	}
}
