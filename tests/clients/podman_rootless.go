package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
)

// rootlessPodman is the Podman of an ordinary user. What its features have of their own is here; the others are root's.
type rootlessPodman struct {
	podman
	user *account
}

func podmanRootlessClient() client {
	lacks := maps.Clone(podmanLacks)
	lacks["checkpoint"] = "podman refuses it: CRIU needs the host's root"
	lacks["idmapped volume"] = "the kernel has it for the host's root only"
	version := func(ctx context.Context) (string, error) { return podmanVersion(ctx, "cgroupfs") }
	return client{name: "podman rootless", version: asUser(version), open: openRootlessPodman, without: lacks}
}

// openRootlessPodman uses the driver that an ordinary user has: systemd's where there is one. Without it, cgroups are root's.
func openRootlessPodman(s *scene) actions {
	user := s.newAccount()
	s.reachable()
	p := &rootlessPodman{podman{as: user.command(), dir: user.dir, driver: "cgroupfs", states: user.run}, user}
	if hasSystemd() && isCgroupV2() {
		p.driver, p.cgroups = "systemd", true
	}
	s.cleanup(func() { s.try(p.cmd("system", "migrate")...) }) // ends the process that holds the user namespace
	p.open(s)
	do := p.actions()
	maps.Copy(do, actions{
		"volume": p.volume, "user namespace": p.userNamespace, "devices": p.devices, "sysctl": p.sysctl, "privileged": p.privileged,
		"shared namespaces": p.sharedNamespaces, "host namespaces": p.hostNamespaces, "network": p.network, "hooks": p.hooks, "nothing left": p.nothingLeft,
	})
	if !p.cgroups {
		for _, name := range []string{"pause", "update", "stats", "memory limit", "pids limit", "cpu limit"} {
			do[name] = func(s *scene) {
				s.skipf("an ordinary user has no cgroup here: only cgroup v2 is delegated, and by systemd")
			}
		}
	}
	delete(do, "checkpoint")
	delete(do, "idmapped volume")
	return do
}

// uid reads the user and group of a process, as the host counts them.
func (p *rootlessPodman) uid(s *scene, id string) string {
	pid := p.pid(s, id)
	return strings.Fields(s.status(pid, "Uid"))[0] + " " + strings.Fields(s.status(pid, "Gid"))[0]
}

// directory makes one that is the user's.
func (p *rootlessPodman) directory(s *scene, name string) string {
	s.own(p.user, p.dir+"/"+name)
	return p.dir + "/" + name
}

func (p *rootlessPodman) volume(s *scene) {
	dir := p.directory(s, "volume")
	s.must(p.once("--volume "+dir+":/v", "sh", "-c", "echo written >/v/root; chown 1234 /v/root; cp /v/root /v/mine")...)
	for name, want := range map[string]string{"mine": fmt.Sprint(p.user.uid), "root": p.user.mapped(s, 1234)} {
		s.want("the owner of "+name+" on the host", s.must("stat", "--format", "%u", dir+"/"+name), want)
	}
	a := s.code(1, p.once("--volume "+dir+":/v:ro", "sh", "-c", "cat /v/mine; : >/v/denied")...)
	s.want("content of a read-only volume", a.stdout, "written\n")
	s.contains("its error", a.stderr, "Read-only file system")
	id := p.sleeping(s, "--volume "+dir+":/v:ro,noexec,nosuid,nodev")
	s.contains("mount", s.mount(p.pid(s, id), "/v"), "ro,nosuid,nodev,noexec")
	s.must(p.once("--user 1234 --volume "+dir+":/v:U", "touch", "/v/by-1234")...)
	s.want("a volume that was given away", s.must("stat", "--format", "%u", dir), p.user.mapped(s, 1234))
	s.must(p.cmd("volume", "create", "kept")...)
	s.cleanup(func() { s.try(p.cmd("volume", "rm", "--force", "kept")...) })
	s.must(p.once("--volume kept:/v", "sh", "-c", "echo kept >/v/file")...)
	s.want("a named volume", s.must(p.once("--volume kept:/v", "cat", "/v/file")...), "kept")
}

// userNamespace: root is the user, all others are subordinate; with keep-id the user is the user, and with a map of their own nobody is.
func (p *rootlessPodman) userNamespace(s *scene) {
	own, other := fmt.Sprint(p.user.uid), p.user.mapped(s, 1234)
	s.want("root", p.uid(s, p.sleeping(s, "")), own+" "+own)
	s.want("alice", p.uid(s, p.sleeping(s, "--user alice")), other+" "+other)
	kept := p.sleeping(s, "--userns keep-id")
	s.want("keep-id, outside", p.uid(s, kept), own+" "+own)
	s.want("keep-id, inside", s.must(p.cmd("exec", kept, "id", "-u")...), own)
	s.want("keep-id, root", s.must(p.cmd("exec", "--user", "0", kept, "id", "-u")...), "0")
	s.want("a file of the user's", s.must(p.cmd("exec", kept, "sh", "-c", "touch /tmp/file; stat -c %u /tmp/file")...), own)
	mapped := p.sleeping(s, "--uidmap 0:100:1000 --gidmap 0:100:1000")
	s.want("a map, outside", p.uid(s, mapped), p.user.mapped(s, 100)+" "+p.user.mapped(s, 100))
	s.want("a map, inside", s.must(p.cmd("exec", mapped, "id", "-u")...), "0")
	a := s.terminal(24, 80, p.once("--interactive --tty --user 1234", "sh", "-c", "stat -c %u $(tty); echo written >/dev/tty; exit 4")...)
	if a.code != 4 || a.stdout != "1234\nwritten\n" {
		s.failf("the terminal of a user: %v", a)
	}
}

// devices are the host's, bound: what may be done with one says its mode.
func (p *rootlessPodman) devices(s *scene) {
	device := s.dir + "/device"
	s.must("mknod", "--mode=666", device, "c", "241", "7") // a number of no driver's
	out := s.try(p.once("--device "+device+":/dev/added", "sh", "-c", `stat -c "%F %t:%T" /dev/added; cat /dev/added; mknod /dev/made c 241 8`)...)
	s.want("the device", out.stdout, "character special file f1:7\n")
	s.contains("opened, and made", out.stderr, "No such device or address", "Operation not permitted")
	s.want("usual devices", s.must(p.once("", "sh", "-c", "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo no $d; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c")...), "3")
	a := s.try(p.once("--device /dev/tare-has-none", "true")...)
	if a.code == 0 || !strings.Contains(a.stderr, "/dev/tare-has-none") {
		s.failf("a device that is not there: %v", a)
	}
}

func (p *rootlessPodman) sysctl(s *scene) {
	show := []string{"cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ping_group_range"}
	before := s.must(show...)
	values := s.must(p.cmd(append([]string{"run", "--rm", "--network", "none", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "net.ipv4.ping_group_range=0 0", reference}, show...)...)...)
	s.want("values", values, "1\n0\t0")
	s.want("the host's", s.must(show...), before)
	a := s.try(p.once("--sysctl kernel.panic=5", "true")...)
	if a.code == 0 || !strings.Contains(a.stderr, "kernel.panic") {
		s.failf("a value of the whole host's: %v", a)
	}
}

// privileged is all that the user can give: every capability over the user namespace, and nothing of the host's.
func (p *rootlessPodman) privileged(s *scene) {
	id := p.sleeping(s, "--privileged")
	pid := p.pid(s, id)
	if got, want := s.capabilities(pid, "CapEff"), p.bounding(s); got != want {
		s.failf("capabilities %x, want %x", got, want)
	}
	s.want("filter", s.status(pid, "Seccomp"), "0")
	s.want("the user, all the same", p.uid(s, id), fmt.Sprintf("%d %d", p.user.uid, p.user.uid))
	s.must(p.cmd("exec", id, "sh", "-c", "mkdir /mnt && mount -t tmpfs x /mnt && grep -q ' /mnt ' /proc/self/mountinfo")...)
	s.must(p.cmd("exec", id, "hostname", "other")...)
	s.code(1, p.cmd("exec", id, "sh", "-c", "echo 5 >/proc/sys/kernel/panic")...)
}

func (p *rootlessPodman) sharedNamespaces(s *scene) {
	kinds := []string{"net", "ipc", "uts", "user"}
	s.must(p.cmd("pod", "create", "--name", "pod", "--network", "none")...)
	s.cleanup(func() { s.try(p.cmd("pod", "rm", "--force", "--time", "0", "pod")...) })
	one, two := p.sleeping(s, "--pod pod"), p.sleeping(s, "--pod pod")
	p.share(s, one, two, kinds, []string{"mnt", "pid"})
	s.want("the pod's name", s.must(p.cmd("exec", one, "hostname")...), "pod")
	s.must(p.cmd("exec", "--detach", one, "nc", "-l", "-p", "4000", "-e", "echo", "answered")...)
	s.eventually("a connection within the pod", func() error {
		if a := s.try(p.cmd("exec", two, "nc", "-w", "2", "127.0.0.1", "4000")...); a.stdout != "answered\n" {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	s.must(p.cmd("pod", "stop", "--time", "0", "pod")...)
	s.must(p.cmd("pod", "start", "pod")...)
	p.share(s, one, two, kinds, []string{"mnt", "pid"})
	s.must(p.cmd("pod", "rm", "--force", "--time", "0", "pod")...)
	base := p.sleeping(s, "--ipc shareable")
	joined := p.sleeping(s, fmt.Sprintf("--network container:%s --ipc container:%s --pid container:%s --uts container:%s", base, base, base, base))
	p.share(s, base, joined, []string{"net", "ipc", "pid", "uts"}, []string{"mnt"})
}

func (p *rootlessPodman) hostNamespaces(s *scene) {
	kinds, options := []string{"net", "pid", "uts"}, "--network host --pid host --uts host"
	if _, err := os.Stat("/dev/mqueue"); err == nil { // podman binds it
		kinds, options = append(kinds, "ipc"), options+" --ipc host"
	}
	id := p.sleeping(s, options)
	pid := p.pid(s, id)
	for _, kind := range kinds {
		s.want("namespace "+kind, s.namespace(pid, kind), s.namespace(os.Getpid(), kind))
	}
	s.want("the host's processes", s.must(p.cmd("exec", id, "cat", fmt.Sprintf("/proc/%d/comm", pid))...), "sleep")
	other := p.pid(s, p.sleeping(s, ""))
	for _, kind := range []string{"net", "pid", "uts", "ipc", "mnt", "user"} {
		if s.namespace(other, kind) == s.namespace(os.Getpid(), kind) {
			s.failf("the namespace %s is the host's", kind)
		}
	}
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.gone(s, id)
}

// network is slirp4netns(1), and a port of the host's that leads to the container.
func (p *rootlessPodman) network(s *scene) {
	s.want("links without a network", s.must(p.once("--network none", "ls", "/sys/class/net")...), "lo")
	id := p.start(s, "--network slirp4netns --publish 127.0.0.1::80", "sh", "-c", "while :; do nc -l -p 80 -e echo answered; done")
	s.contains("addresses", s.must(p.cmd("exec", id, "ip", "-o", "addr")...), "tap0    inet 10.0.2.100/24")
	s.contains("routes", s.must(p.cmd("exec", id, "ip", "route")...), "default via 10.0.2.2 dev tap0")
	port := s.must(p.cmd("port", id, "80")...)
	address, number, _ := strings.Cut(port, ":")
	s.eventually("an answer from the published port", func() error {
		if a := s.try("busybox", "nc", "-w", "2", address, number); a.stdout != "answered\n" {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	joined := p.sleeping(s, "--network container:"+id)
	p.share(s, id, joined, []string{"net"}, []string{"mnt"})
}

func (p *rootlessPodman) hooks(s *scene) {
	dir := p.directory(s, "hooks")
	for _, name := range []string{"/d", "/out"} {
		s.own(p.user, dir+name)
	}
	s.write("user/hooks/hook.sh", `cat >"`+dir+`/out/$1.json"; echo "$1 $MARK" >>"`+dir+`/out/order"`+"\n", 0o644)
	for _, stage := range []string{"prestart", "createRuntime", "poststart", "poststop"} {
		s.write("user/hooks/d/"+stage+".json", hook(dir, stage), 0o644)
	}
	id := s.must(p.cmd("--hooks-dir", dir+"/d", "run", "--detach", "--network", "none", reference, "sleep", "1000")...)
	s.cleanup(func() { s.try(p.cmd("rm", "--force", "--time", "0", "--ignore", id)...) })
	pid := p.pid(s, id)
	for stage, status := range map[string]string{"prestart": "creat", "createRuntime": "creat", "poststart": "running"} {
		p.hooked(s, stage, readFile(s, dir+"/out/"+stage+".json"), id, status, pid)
	}
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.hooked(s, "poststop", readFile(s, dir+"/out/poststop.json"), id, "stopped", 0)
	s.want("their order", readFile(s, dir+"/out/order"), "prestart set\ncreateRuntime set\npoststart set\npoststop set\n")
}

// nothingLeft ends with the user's last process: the one that holds the user namespace between commands.
func (p *rootlessPodman) nothingLeft(s *scene) {
	ids := []string{p.sleeping(s, ""), p.sleeping(s, "--tty"), p.sleeping(s, "--tmpfs /t --read-only"), p.start(s, "", "true"), p.sleeping(s, "--userns keep-id")}
	s.must(p.cmd("exec", "--detach", ids[0], "sleep", "3000")...)
	if a := s.try(p.create("run --detach", "", "no-such-command")...); a.code != 127 {
		s.failf("no such command: %v", a)
	}
	failed := s.must(p.cmd("ps", "--all", "--quiet", "--no-trunc", "--filter", "status=created")...)
	if strings.Contains(failed, "\n") || failed == "" {
		s.failf("what could not be started is not one container: %q", failed)
	}
	for _, id := range append(ids, failed) {
		s.must(p.cmd("rm", "--force", "--time", "0", id)...)
		p.gone(s, id)
	}
	s.must(p.cmd("system", "migrate")...)
	s.leftBehind("processes", func() []string { return processesOf(s.dir) })
	s.leftBehind("containers of the runtime", func() []string { return entries(p.states + "/" + s.runtime.Name) })
}
