package main

import (
	"fmt"
	"os"
	"strings"
)

func (m *crio) recursiveReadOnly(s *scene) {
	dir := s.folder("recursive")
	s.mountTmpfs(dir + "/sub")
	p := m.pod(s, nil)
	volume := func(more config) config {
		return config{"mounts": []config{merge(config{"host_path": dir, "container_path": "/v", "readonly": true}, more)}}
	}
	p.output(s, volume(nil), "touch", "/v/sub/yes")
	recursive := volume(config{"recursive_read_only": true})
	s.contains("writing below", p.run(s, recursive, "touch", "/v/sub/no").stderr, "Read-only file system")
	_, pid := p.sleeper(s, recursive)
	for _, path := range []string{"/v", "/v/sub"} {
		s.contains("mountinfo", s.mount(pid, path), " ro,")
	}
}

// crioIDs are the mappings of a pod in a user namespace, as the kubelet gives them with the pod and each of its volumes.
var crioIDs = []config{{"container_id": 0, "host_id": 300000, "length": 65536}}

func (m *crio) userPod(s *scene) *criPod {
	m.needsNetwork(s) // the host's is not for them
	ids := config{"mode": ofPod, "uids": crioIDs, "gids": crioIDs}
	return m.pod(s, security(config{"namespace_options": config{"network": ofPod, "userns_options": ids}}))
}

func (m *crio) userNamespace(s *scene) {
	p := m.userPod(s)
	id, pid := p.sleeper(s, nil)
	s.want("Uid outside", s.status(pid, "Uid"), "300000 300000 300000 300000")
	s.want("Gid outside", s.status(pid, "Gid"), "300000 300000 300000 300000")
	s.want("inside", m.exec(s, id, "sh", "-c", "id -u; id -g; stat -c '%u %g' /bin/busybox").stdout, "0\n0\n0 0\n")
	s.want("uid_map", strings.Join(strings.Fields(s.must("cat", fmt.Sprintf("/proc/%d/uid_map", pid))), " "), "0 300000 65536")
	s.want("in the root directory", p.output(s, nil, "sh", "-c", "echo mine >/own && cat /own"), "mine")
	_, other := p.sleeper(s, nil)
	if s.namespace(pid, "user") == s.namespace(os.Getpid(), "user") || s.namespace(pid, "user") != s.namespace(other, "user") {
		s.failf("the user namespaces are not the pod's")
	}
}

func (m *crio) idmapped(s *scene) {
	dir := s.folder("idmapped")
	volume := config{"mounts": []config{{"host_path": dir, "container_path": "/v", "uidMappings": crioIDs, "gidMappings": crioIDs}}}
	p := m.userPod(s)
	s.want("the owner inside", p.output(s, volume, "sh", "-c", "stat -c '%u %g' /v/file; touch /v/new"), "0 0")
	s.want("the owner outside", s.must("stat", "-c", "%u %g", dir+"/new"), "0 0")
}

// ulimit: they are in the daemon's configuration, for all containers.
func (m *crio) ulimit(s *scene) {
	s.want("inside", m.pod(s, nil).output(s, nil, "sh", "-c", "ulimit -Sn; ulimit -Hn"), "512\n600")
}

// writeHooks has the hooks called for containers with an annotation.
func (m *crio) writeHooks() {
	for stage, hook := range m.session.hooks() {
		m.session.write("hooks.d/"+stage+".json", string(encode(config{
			"version": "1.0.0", "hook": hook, "when": config{"annotations": config{"^hooked$": "^yes$"}}, "stages": []string{stage},
		})), 0o644)
	}
}

func (m *crio) hooks(s *scene) {
	hooked := config{"annotations": config{"hooked": "yes"}}
	m.pod(s, hooked).hooked(s, hooked)
}
