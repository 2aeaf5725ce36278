package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// containerd is a daemon of the run's own: its root, state and sockets are below the scene's directory. Only the sockets of its shims are
// where containerd has them compiled in, in /run/containerd/s.
type containerd struct {
	*daemon
	programs    string // the directory of containerd, ctr and the shim; empty: they are on PATH
	address     string
	snapshotter string
}

// criPlugin is Kubernetes' part of the daemon.
const criPlugin = "io.containerd.grpc.v1.cri"

// kubernetesPlugins are those of both versions, and the one that containerd 2 has for them with a socket of the system's.
var kubernetesPlugins = []string{criPlugin, "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"}

// startContainerd starts the daemon and loads the image into the namespace; plugins is TOML for the configuration. Kubernetes' part is
// left out where nothing is said about it.
func (s *scene) startContainerd(programs, namespace, plugins string) *containerd {
	c := &containerd{programs: programs, address: s.dir + "/containerd.sock"}
	disabled := ""
	if !strings.Contains(plugins, criPlugin) {
		disabled = `disabled_plugins = ["` + strings.Join(kubernetesPlugins, `", "`) + `"]`
	}
	config := s.write("containerd.toml", fmt.Sprintf(`version = 2
root = "%[1]s/root"
state = "%[1]s/state"
%[2]s
[grpc]
address = "%[3]s"
[ttrpc]
address = "%[3]s.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "%[1]s/opt"
%[4]s`, s.dir, disabled, c.address, plugins), 0o600)
	c.daemon = s.startDaemon("containerd", c.program("containerd"), "--config", config)
	s.eventually("containerd answers", func() error {
		if a := s.try(c.ctr("", "version")...); a.code != 0 {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	c.snapshotter = c.findSnapshotter(s)
	m, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	c.load(s, namespace, m)
	return c
}

func (c *containerd) program(name string) string { return filepath.Join(c.programs, name) }

// ctr makes a command of containerd's client for the daemon.
func (c *containerd) ctr(namespace string, args ...string) []string {
	return append([]string{c.program("ctr"), "--address", c.address, "--namespace", namespace}, args...)
}

// findSnapshotter gives overlayfs where containerd finds it working, else the one that copies.
func (c *containerd) findSnapshotter(s *scene) string {
	for line := range strings.Lines(s.must(c.ctr("", "plugins", "list")...)) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "overlayfs" && f[3] == "ok" {
			return "overlayfs"
		}
	}
	return "native"
}

// load imports an image.
func (c *containerd) load(s *scene, namespace string, m *image) {
	archive := s.dir + "/image.tar"
	if err := m.archive(archive); err != nil {
		s.failf("%v", err)
	}
	s.must(c.ctr(namespace, "images", "import", "--snapshotter", c.snapshotter, archive)...)
}
