package main

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Propagations as the CRI counts them.
const (
	private = iota
	hostToContainer
	bidirectional
)

func (c *cri) volume(s *scene) {
	dir := c.sharedVolume(s)
	p := c.pod(s, security(config{"privileged": true})) // who mounts for others must be
	mounted := func(name string, more config) config {
		return config{"mounts": []config{merge(config{"host_path": dir, "container_path": "/" + name}, more)}}
	}
	s.want("read", p.output(s, mounted("data", nil), "sh", "-c", "cat /data/file && echo new >/data/written"), "on the host")
	if text, err := os.ReadFile(dir + "/written"); err != nil || string(text) != "new\n" {
		s.failf("written: %q, %v", text, err)
	}
	r := p.run(s, mounted("data", config{"readonly": true}), "sh", "-c", "cat /data/file; touch /data/other")
	s.want("read, read-only", r.stdout, "on the host\n")
	s.contains("write, read-only", r.stderr, "Read-only file system")
	alone := p.start(s, mounted("data", nil), "sleep", "600")
	slave := p.start(s, mounted("data", config{"propagation": hostToContainer}), "sleep", "600")
	both := p.start(s, merge(mounted("data", config{"propagation": bidirectional}), security(config{"privileged": true})), "sleep", "600")
	s.must("mount", "-t", "tmpfs", "later", dir+"/host")
	for id, want := range map[string]bool{alone: false, slave: true, both: true} {
		if got := c.exec(s, id, "grep", "-q", " /data/host ", "/proc/mounts").code == 0; got != want {
			s.failf("a mount of the host's is seen in %s: %t, want %t", id, got, want)
		}
	}
	if a := c.exec(s, both, "mount", "-t", "tmpfs", "mine", "/data/container"); a.code != 0 {
		s.failf("%v", a)
	}
	s.contains("a mount of the container's, on the host", strings.Join(mountsBelow(dir), " "), dir+"/container")
	s.want("and in the other", fmt.Sprint(c.exec(s, slave, "grep", "-q", " /data/container ", "/proc/mounts").code), "0")
}

// sharedVolume makes a directory that is a shared mount of its own, so that what is mounted in it goes no further.
func (c *cri) sharedVolume(s *scene) string {
	dir := s.dir + "/volume"
	for _, sub := range []string{"", "/host", "/container"} {
		if err := os.MkdirAll(dir+sub, 0o755); err != nil {
			s.failf("%v", err)
		}
	}
	s.write("volume/file", "on the host\n", 0o644)
	s.must("mount", "--bind", dir, dir)
	s.cleanup(func() {
		for _, sub := range []string{"/host", "/container", ""} {
			s.try("umount", dir+sub)
		}
	})
	s.must("mount", "--make-private", dir)
	s.must("mount", "--make-shared", dir)
	return dir
}

// sharedMemory: the only tmpfs that a CRI has is /dev/shm, one for all containers of a pod.
func (c *cri) sharedMemory(s *scene) {
	p := c.pod(s, nil)
	id, pid := p.sleeper(s, nil)
	s.contains("mountinfo", s.mount(pid, "/dev/shm"), "nosuid,nodev,noexec", " tmpfs shm ", "size=65536k")
	s.want("mode", c.exec(s, id, "stat", "-c", "%a", "/dev/shm").stdout, "1777\n")
	s.must(c.crictl("exec", "--sync", id, "sh", "-c", "echo shared >/dev/shm/x")...)
	s.want("in another container", p.output(s, nil, "cat", "/dev/shm/x"), "shared")
}

func (c *cri) readOnly(s *scene) {
	r := c.pod(s, nil).run(s, security(config{"readonly_rootfs": true}), "sh", "-c", "touch /file; touch /tmp/file; echo x >/dev/shm/x && echo y")
	s.want("written", r.stdout, "y\n")
	s.want("refused", fmt.Sprint(strings.Count(r.stderr, "Read-only file system")), "2")
}

func (c *cri) user(s *scene) {
	p := c.pod(s, nil)
	ids := []string{"sh", "-c", "id -u; id -g; id -G"}
	number := func(n int) config { return config{"value": n} }
	for _, test := range []struct {
		as   config
		want string
	}{
		{config{"run_as_user": number(1234)}, "1234 1234 1234 50"},
		{config{"run_as_user": number(1234), "run_as_group": number(5678)}, "1234 5678 5678 50"},
		{config{"run_as_username": "alice", "supplemental_groups": []int{77}}, "1234 1234 1234 50 77"},
		{config{"run_as_user": number(4321), "supplemental_groups": []int{50, 77}}, "4321 0 0 50 77"},
	} {
		got := strings.Fields(p.output(s, security(test.as), ids...))
		s.want(fmt.Sprint(test.as), strings.Join(got, " "), test.want)
	}
	_, pid := p.sleeper(s, security(config{"run_as_user": number(4321), "run_as_group": number(8765), "supplemental_groups": []int{77}}))
	s.want("the kernel's ids", s.status(pid, "Uid")+" "+s.status(pid, "Gid"), "4321 4321 4321 4321 8765 8765 8765 8765")
	s.contains("the kernel's groups", s.status(pid, "Groups"), "77")
	id := p.create(s, security(config{"run_as_username": "alice"}), "true")
	s.must(c.crictl("start", id)...)
	if a := s.try(p.creation(s, security(config{"run_as_username": "nobody-here"}), "true")...); a.code == 0 {
		s.failf("a user that is not there: %v", a)
	}
}

func (c *cri) capabilities(s *scene) {
	p := c.pod(s, nil)
	_, plain := p.sleeper(s, nil)
	if all := s.capabilities(plain, "CapEff"); bits.OnesCount64(all) != c.manager.traits().capabilities || s.capabilities(plain, "CapBnd") != all {
		s.failf("a default container has %x of %x", all, s.capabilities(plain, "CapBnd"))
	}
	change := func(add, drop []string) config {
		return security(config{"capabilities": config{"add_capabilities": add, "drop_capabilities": drop}})
	}
	_, changed := p.sleeper(s, change([]string{"NET_ADMIN"}, []string{"CHOWN"}))
	want := s.capabilities(plain, "CapEff")&^(1<<unix.CAP_CHOWN) | 1<<unix.CAP_NET_ADMIN
	for _, set := range []string{"CapEff", "CapPrm", "CapBnd"} {
		s.want(set, fmt.Sprintf("%x", s.capabilities(changed, set)), fmt.Sprintf("%x", want))
	}
	_, none := p.sleeper(s, change(nil, []string{"ALL"}))
	s.want("none", fmt.Sprint(s.capabilities(none, "CapEff"), s.capabilities(none, "CapBnd")), "0 0")
	_, one := p.sleeper(s, change([]string{"NET_BIND_SERVICE"}, []string{"ALL"}))
	s.want("one", fmt.Sprintf("%x", s.capabilities(one, "CapBnd")), fmt.Sprintf("%x", 1<<unix.CAP_NET_BIND_SERVICE))
	_, all := p.sleeper(s, change([]string{"ALL"}, nil))
	s.want("all", fmt.Sprintf("%x", s.capabilities(all, "CapBnd")), fmt.Sprintf("%x", s.capabilities(os.Getpid(), "CapBnd")))
	r := p.run(s, change(nil, []string{"CHOWN"}), "chown", "1234", "/tmp")
	s.contains("chown without the capability", r.stderr, "Operation not permitted")
}

// Profiles as the CRI counts them.
const (
	runtimeDefault = iota
	unconfined
	localhost
)

func (c *cri) seccomp(s *scene) {
	p := c.pod(s, nil)
	profile := func(kind int, path string) config {
		return security(config{"seccomp": config{"profile_type": kind, "localhost_ref": path}})
	}
	_, pid := p.sleeper(s, profile(runtimeDefault, ""))
	s.want("default: mode", s.status(pid, "Seccomp"), "2")
	_, pid = p.sleeper(s, profile(unconfined, ""))
	s.want("unconfined: mode", s.status(pid, "Seccomp"), "0")
	s.want("unconfined", p.output(s, profile(unconfined, ""), "sh", "-c", "mkdir /tmp/d && echo made"), "made")
	own := s.write("profile.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}]}`, 0o600)
	r := p.run(s, profile(localhost, own), "mkdir", "/tmp/d")
	s.contains("one of our own", r.stderr, "No message of desired type")
	r = p.run(s, profile(runtimeDefault, ""), "unshare", "-U", "true")
	s.contains("default", r.stderr, "unshare(0x10000000): "+c.manager.traits().refusal)
	if a := s.try(p.creation(s, profile(localhost, own+".not"), "true")...); a.code == 0 {
		s.failf("a profile that is not there: %v", a)
	}
}

func (c *cri) noNewPrivileges(s *scene) {
	p := c.pod(s, nil)
	for want, asked := range map[string]bool{"0": false, "1": true} {
		_, pid := p.sleeper(s, security(config{"no_new_privs": asked}))
		s.want("the kernel's flag", s.status(pid, "NoNewPrivs"), want)
	}
	id, _ := p.sleeper(s, security(config{"no_new_privs": true}))
	s.contains("in a second process", c.exec(s, id, "cat", "/proc/self/status").stdout, "NoNewPrivs:\t1")
}

func (c *cri) devices(s *scene) {
	node := hostDevice(s)
	p := c.pod(s, nil)
	device := func(permissions string) config {
		return config{"devices": []config{{"host_path": node, "container_path": "/dev/mine", "permissions": permissions}}}
	}
	number := s.must("stat", "-c", "%F %t:%T", node)
	script := []string{"sh", "-c", "stat -c '%F %t:%T' /dev/mine; : </dev/mine && echo read; : >>/dev/mine && echo written"}
	s.want("for all", p.output(s, device("rwm"), script...), number+"\nread\nwritten")
	r := p.run(s, device("r"), script...)
	s.want("to be read", r.stdout, number+"\nread\n")
	s.contains("to be read", r.stderr, "Operation not permitted")
	r = p.run(s, security(config{"capabilities": config{"add_capabilities": []string{"MKNOD"}}}), "sh", "-c", s.mknod(node, "/tmp/d")+" && : </tmp/d")
	s.contains("one that was not given", r.stderr, "Operation not permitted")
}

// hostDevice finds one that can be opened and does nothing by that, and that containers do not have.
func hostDevice(s *scene) string {
	for _, path := range []string{"/dev/fuse", "/dev/net/tun", "/dev/loop-control"} {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
			f.Close()
			return path
		}
	}
	s.skipf("no device of the host's can be opened: fuse, tun, loop-control")
	return ""
}

// mknod is a shell's command for the same device.
func (s *scene) mknod(node, path string) string {
	var st unix.Stat_t
	if err := unix.Stat(node, &st); err != nil {
		s.failf("%v", err)
	}
	return fmt.Sprintf("mknod %s c %d %d", path, unix.Major(st.Rdev), unix.Minor(st.Rdev))
}

func (c *cri) sysctl(s *scene) {
	p := c.pod(s, config{"linux": config{"sysctls": config{"kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "20"}}})
	s.want("of the IPC namespace", p.output(s, nil, "cat", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/fs/mqueue/msg_max"), "1\n20")
	s.want("of the host's", strings.TrimSpace(s.must("cat", "/proc/sys/fs/mqueue/msg_max")), "10")
	if c.bridge != "" {
		p = c.pod(s, c.ownNetwork(config{"linux": config{"sysctls": config{"net.ipv4.ip_default_ttl": "77"}}}))
		s.want("of the network namespace", p.output(s, nil, "cat", "/proc/sys/net/ipv4/ip_default_ttl"), "77")
	}
	r := p.run(s, nil, "sh", "-c", "echo 0 >/proc/sys/kernel/shm_rmid_forced")
	s.contains("from inside", r.stderr, "Read-only file system")
	if !c.manager.traits().refusesSysctls {
		return
	}
	if _, a := c.tryPod(s, config{"linux": config{"sysctls": config{"kernel.panic": "1"}}}); a.code == 0 {
		s.failf("a sysctl of the host's was taken: %v", a)
	}
}

// ownNetwork is a pod in a network of the CNI's.
func (c *cri) ownNetwork(more config) config {
	return merge(security(config{"namespace_options": config{"network": ofPod}}), more)
}

func (c *cri) needsNetwork(s *scene) {
	if c.bridge == "" {
		s.skipf("the network of pods needs Debian's containernetworking-plugins and a kernel with bridges")
	}
}

func (c *cri) hostname(s *scene) {
	c.needsNetwork(s)
	p := c.pod(s, c.ownNetwork(config{"hostname": "web-0"}))
	s.want("of a pod", p.output(s, nil, "sh", "-c", "hostname; cat /etc/hostname; echo $HOSTNAME"), "web-0\nweb-0\nweb-0")
	name, err := os.Hostname()
	if err != nil {
		s.failf("%v", err)
	}
	s.want("in the host's network", c.pod(s, nil).output(s, nil, "hostname"), name)
}

func (c *cri) privileged(s *scene) {
	privileged := security(config{"privileged": true})
	p := c.pod(s, privileged)
	id, pid := p.sleeper(s, privileged)
	s.want("capabilities", fmt.Sprintf("%x", s.capabilities(pid, "CapEff")), fmt.Sprintf("%x", s.capabilities(os.Getpid(), "CapBnd")))
	s.want("seccomp", s.status(pid, "Seccomp"), "0")
	s.want("devices", fmt.Sprint(c.exec(s, id, "test", "-c", "/dev/kmsg").code), "0")
	s.want("access to them", fmt.Sprint(c.exec(s, id, "sh", "-c", ": </dev/kmsg").code), "0")
	s.want("mount", c.exec(s, id, "sh", "-c", "mount -t tmpfs mine /tmp && grep -c '^mine /tmp tmpfs rw' /proc/mounts").stdout, "1\n")
	s.contains("/sys", s.mount(pid, "/sys"), " rw,")
	s.want("masks", s.mount(pid, "/proc/keys"), "")
	_, ordinary := p.sleeper(s, nil)
	s.contains("/sys of an ordinary one", s.mount(ordinary, "/sys"), " ro,")
	if s.mount(ordinary, "/proc/keys") == "" || s.mount(ordinary, "/proc/sys") == "" {
		s.failf("an ordinary container has no masks")
	}
	r := p.run(s, security(config{"masked_paths": []string{"/proc/version"}, "readonly_paths": []string{"/tmp"}}), "sh", "-c", "cat /proc/version; touch /tmp/x")
	s.want("a masked file", r.stdout, "")
	s.contains("a read-only path", r.stderr, "Read-only file system")
}

func (c *cri) sharedNamespaces(s *scene) {
	pod := func(pid int) *criPod {
		return c.pod(s, security(config{"namespace_options": config{"pid": pid}}))
	}
	same := func(kind string, a, b int, want bool) {
		if got := s.namespace(a, kind) == s.namespace(b, kind); got != want {
			s.failf("%s namespaces: the same: %t, want %t", kind, got, want)
		}
	}
	p := pod(ofContainer)
	first, a := p.sleeper(s, nil)
	_, b := p.sleeper(s, nil)
	for kind, want := range map[string]bool{"pid": false, "mnt": false, "ipc": true, "net": true, "uts": true} {
		same(kind, a, b, want)
	}
	_, debugger := p.sleeper(s, security(config{"namespace_options": config{"pid": ofTarget, "target_id": first}}))
	same("pid", a, debugger, true)
	if c.manager.traits().lowersOOMScore && !canRaiseLimits() {
		s.skipf("a pod with one PID namespace has a container of CRI-O's own, whose oom_score_adj root may not lower here")
	}
	p = pod(ofPod)
	one, a := p.sleeper(s, nil)
	_, b = p.sleeper(s, nil)
	same("pid", a, b, true)
	text := c.exec(s, one, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'").stdout
	s.want("containers' processes seen", fmt.Sprint(strings.Count(text, "sleep\n600\n")), "2")
	s.contains("and the pod's own", text, "tail\n-f\n/dev/null\n")
	s.must(c.crictl("stop", one)...) // kill --all, as it is no init process
	if runs(a) || !runs(b) {
		s.failf("after one container's end: it runs: %t, the other runs: %t", runs(a), runs(b))
	}
}

func (c *cri) hostNamespaces(s *scene) {
	p := c.pod(s, security(config{"namespace_options": config{"pid": ofNode, "ipc": ofNode}}))
	id, pid := p.sleeper(s, nil)
	kinds := []string{"pid", "ipc", "net"}
	if c.manager.traits().hostUTS {
		kinds = append(kinds, "uts")
	}
	for _, kind := range kinds {
		s.want(kind, s.namespace(pid, kind), s.namespace(os.Getpid(), kind))
	}
	if s.namespace(pid, "mnt") == s.namespace(os.Getpid(), "mnt") {
		s.failf("a container in the host's mount namespace")
	}
	s.want("its pid in it", c.exec(s, id, "cat", fmt.Sprintf("/proc/%d/comm", pid)).stdout, "sleep\n")
	child := c.inspect(s, p.start(s, nil, "sh", "-c", "sleep 601 & sleep 602")).Info.Pid
	s.eventually("its child", func() error {
		if s.childOf(child) == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
	left := s.childOf(child)
	p.end(s)
	s.eventually("what an init process in the host's PID namespace leaves is killed", func() error {
		if runs(left) {
			return fmt.Errorf("process %d runs", left)
		}
		return nil
	})
}

// childOf gives a child of a process, 0 when there is none.
func (s *scene) childOf(pid int) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var child int
	_, _ = fmt.Sscan(string(data), &child)
	return child
}

func (c *cri) networks(s *scene) {
	c.needsNetwork(s)
	address := func(p *criPod) string {
		var status struct {
			Status struct{ Network struct{ IP string } }
		}
		c.decode(s, &status, "inspectp", "-o", "json", p.id)
		if status.Status.Network.IP == "" {
			s.failf("the pod has no address")
		}
		return status.Status.Network.IP
	}
	one := c.pod(s, c.ownNetwork(config{"dns_config": config{"servers": []string{"10.1.2.3"}, "searches": []string{"example.test"}}}))
	two := c.pod(s, c.ownNetwork(nil))
	s.contains("address of one", one.output(s, nil, "ip", "-4", "addr", "show", "eth0"), address(one)+"/24", "UP")
	s.contains("loopback", one.output(s, nil, "ip", "addr", "show", "lo"), "127.0.0.1/8", "UP")
	s.want("resolv.conf", one.output(s, nil, "cat", "/etc/resolv.conf"), "search example.test\nnameserver 10.1.2.3")
	server := two.start(s, nil, "sh", "-c", "echo hello | nc -l -p 8080")
	s.eventually("the one reaches the other", func() error {
		if r := one.run(s, nil, "nc", "-w", "5", address(two), "8080"); r.stdout != "hello\n" {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	c.wait(s, server)
	s.must(c.crictl("stopp", two.id)...)
	s.leftBehind("addresses of a stopped pod", func() []string {
		all, _ := filepath.Glob(s.dir + "/ipam/pods/" + "10.254.77.*")
		if len(all) < 2 {
			return nil
		}
		return all
	})
}

// hooks are one for each stage of a container's life, as its spec has them. What they are given goes to a file each.
func (s *scene) hooks() map[string]config {
	all := map[string]config{}
	for _, stage := range []string{"createRuntime", "createContainer", "startContainer", "poststart", "poststop"} {
		line := fmt.Sprintf("cat >>%s/hook.%s", s.dir, stage)
		if stage == "startContainer" { // it runs in the container
			line = "cat >/tmp/hook.startContainer"
		}
		all[stage] = config{"path": "/bin/sh", "args": []string{"sh", "-c", line}}
	}
	return all
}

// hooked demands that these hooks are called for the pod's containers, at their time and with the state.
func (p *criPod) hooked(s *scene, extra config) {
	id, pid := p.sleeper(s, extra)
	s.must(p.crictl("stop", id)...)
	s.must(p.crictl("rm", id)...)
	for name, status := range map[string]string{"createRuntime": "creating", "createContainer": "creating", "poststart": "running", "poststop": "stopped"} {
		data, err := os.ReadFile(s.dir + "/hook." + name)
		if err != nil {
			s.failf("%v", err)
		}
		found := false
		for decoder := json.NewDecoder(strings.NewReader(string(data))); decoder.More(); {
			var state struct {
				ID, Status, Bundle string
				Pid                int
			}
			if err := decoder.Decode(&state); err != nil {
				s.failf("%s: %v in %s", name, err, data)
			}
			if state.ID == id {
				found = true
				s.want(name+": status", state.Status, status)
				s.contains(name+": bundle", state.Bundle, id)
				if name == "createRuntime" || name == "poststart" { // the others: of the container's namespace, and of nobody
					s.want(name+": pid", fmt.Sprint(state.Pid), fmt.Sprint(pid))
				}
			}
		}
		if !found {
			s.failf("%s was not called for %s: %s", name, id, data)
		}
	}
	s.contains("startContainer", p.output(s, extra, "cat", "/tmp/hook.startContainer"), `"status"`, `"created"`)
}
