package main

import (
	"fmt"
	"os"
	"strings"
)

// What a container of Buildah's is given: limits, mounts, ids, privileges, namespaces.

// limited is a Buildah that may have limits: an ordinary user's needs a cgroup that was delegated, and on cgroup v1 there is none.
func (b *buildah) limited(s *scene) *buildah {
	if b.user == nil {
		return b
	}
	if !isCgroupV2() || !hasSystemd() {
		s.skipf("no cgroup is delegated to an ordinary user here")
	}
	l := *b
	l.words = append(b.user.command("systemd-run", "--user", "--scope", "--quiet", "--property=Delegate=yes"), b.words[1:]...)
	return &l
}

func (b *buildah) memory(s *scene) {
	b = b.limited(s)
	b.from(s, "memory", "--memory", "32m", "--memory-swap", "32m")
	c := b.sleeping(s, "4444", "memory")
	s.want("the limit", s.limit(c.pid, "memory.limit_in_bytes", "memory.max"), "33554432")
	c.end()
	s.code(137, b.in("memory", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1; exit $?")...)
	s.code(0, b.in("memory", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=8M count=1; exit $?")...)
}

func (b *buildah) cpu(s *scene) {
	b = b.limited(s)
	b.from(s, "cpu", "--cpu-quota", "30000", "--cpu-period", "100000", "--cpuset-cpus", "0")
	c := b.sleeping(s, "5555", "cpu")
	if isCgroupV2() {
		s.want("cpu.max", s.limit(c.pid, "", "cpu.max"), "30000 100000")
	} else {
		s.want("quota and period", s.limit(c.pid, "cpu.cfs_quota_us", "")+" "+s.limit(c.pid, "cpu.cfs_period_us", ""), "30000 100000")
	}
	s.want("processors", s.status(c.pid, "Cpus_allowed_list"), "0")
	c.end()
}

func (b *buildah) volume(s *scene) {
	dir := b.dir + "/volume"
	s.own(b.user, dir)
	s.must(b.with([]string{"--volume", dir + ":/mnt"}, "box", "sh", "-c", "echo written >/mnt/file")...)
	text, err := os.ReadFile(dir + "/file")
	if err != nil || string(text) != "written\n" {
		s.failf("outside: %q: %v", text, err)
	}
	a := s.code(1, b.with([]string{"--volume", dir + ":/mnt:ro"}, "box", "sh", "-c", "cat /mnt/file; echo no >/mnt/file")...)
	s.want("read", a.stdout, "written\n")
	s.contains("write", a.stderr, "Read-only file system")
	mounts := s.must(b.with([]string{"--mount", "type=bind,source=" + dir + ",destination=/mnt,bind-propagation=rslave"}, "box", "cat", "/proc/self/mountinfo")...)
	s.contains("the mount", mounts, " /mnt ")
}

func (b *buildah) tmpfs(s *scene) {
	out := s.must(b.with([]string{"--mount", "type=tmpfs,destination=/mnt,tmpfs-size=1m,tmpfs-mode=0750"}, "box",
		"sh", "-c", "stat -f -c %T /mnt; stat -c %a /mnt; dd if=/dev/zero of=/mnt/file bs=1k count=2000 2>/dev/null; stat -c %s /mnt/file")...)
	s.want("type, mode, and the size of what fits", out, "tmpfs\n750\n1048576")
}

func (b *buildah) users(s *scene) {
	const who = "id -u; id -g; id -G"
	for user, want := range map[string]string{
		"1234": "1234 1234 1234 50", "4321": "4321 0 0", "1234:50": "1234 50 50", "alice": "1234 1234 1234 50", "alice:staff": "1234 50 50",
	} {
		s.want(user, strings.Join(strings.Fields(s.must(b.with([]string{"--user", user}, "box", "sh", "-c", who)...)), " "), want)
	}
	b.from(s, "user")
	s.must(b.do("config", "--user", "alice", "--workingdir", "/home/alice", "--env", "A=b c", "user")...)
	s.want("configured", s.must(b.in("user", "sh", "-c", "id -un; pwd; echo $A")...), "alice\n/home/alice\nb c")
	s.want("for once", s.must(b.with([]string{"--user", "0", "--workingdir", "/data", "--env", "A=d"}, "user", "sh", "-c", "id -u; pwd; echo $A")...), "0\n/data\nd")
}

// Root of a container with a user namespace is nobody outside; that of an ordinary user's is that user.
func (b *buildah) userNamespace(s *scene) {
	outside, other := "100000", "101000"
	if b.user == nil {
		b.from(s, "userns", "--userns-uid-map", "0:100000:65536", "--userns-gid-map", "0:100000:65536")
	} else {
		b.from(s, "userns")
		outside, other = fmt.Sprint(b.user.uid), b.user.mapped(s, 1000)
	}
	for user, want := range map[string]string{"0": outside, "1000": other} {
		c := b.sleeping(s, "6666", "userns", "--user", user)
		s.want("user "+user+" outside", s.status(c.pid, "Uid"), strings.Join([]string{want, want, want, want}, " "))
		c.end()
	}
	s.want("inside", s.must(b.in("userns", "sh", "-c", "id -u; touch /data/file; stat -c %u /data/file")...), "0\n0")
}

func (b *buildah) capabilities(s *scene) {
	sets := func(container string, options ...string) (effective, bounding uint64) {
		text := s.must(b.with(options, container, "cat", "/proc/self/status")...)
		if _, err := fmt.Sscanf(statusLine(text, "CapEff")+" "+statusLine(text, "CapBnd"), "%x %x", &effective, &bounding); err != nil {
			s.failf("%v in %q", err, text)
		}
		return effective, bounding
	}
	usual, bounding := sets("box")
	if usual == 0 || usual != bounding || usual&capChown == 0 || usual&capNetAdmin != 0 {
		s.failf("by default: effective %x, bounding %x", usual, bounding)
	}
	more, bounding := sets("box", "--cap-add", "CAP_NET_ADMIN", "--cap-drop", "CAP_CHOWN")
	if want := usual&^capChown | capNetAdmin; more != want || bounding != want {
		s.failf("added and dropped: effective %x, bounding %x, want %x", more, bounding, want)
	}
	b.from(s, "none", "--cap-drop", "all")
	if none, bounding := sets("none"); none != 0 || bounding != 0 {
		s.failf("none: effective %x, bounding %x", none, bounding)
	}
	b.from(s, "all", "--cap-add", "all")
	if all, _ := sets("all"); all != b.possible(s) {
		s.failf("all: effective %x, want %x", all, b.possible(s))
	}
}

// possible are all capabilities that a container could have here: in a user namespace those of the kernel, else those of the host's root.
func (b *buildah) possible(s *scene) uint64 {
	if b.user != nil {
		return s.allCapabilities()
	}
	return s.capabilities(os.Getpid(), "CapBnd")
}

func (b *buildah) seccomp(s *scene) {
	mode := func(container string) string {
		return statusLine(s.must(b.in(container, "cat", "/proc/self/status")...), "Seccomp")
	}
	s.want("by default", mode("box"), "2")
	b.from(s, "unconfined", "--security-opt", "seccomp=unconfined")
	s.want("unconfined", mode("unconfined"), "0")
	profile := s.write("no-mkdir.json", `{"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}`, 0o644)
	b.from(s, "own", "--security-opt", "seccomp="+profile)
	s.want("an own profile", mode("own"), "2")
	s.contains("what it forbids", s.code(1, b.in("own", "mkdir", "/data/new")...).stderr, "not supported")
	s.must(b.in("box", "mkdir", "/data/new")...)
}

func (b *buildah) hostname(s *scene) {
	s.want("--hostname", s.must(b.with([]string{"--hostname", "boxed"}, "box", "sh", "-c", "hostname; cat /etc/hostname")...), "boxed\nboxed")
	b.from(s, "named")
	s.must(b.do("config", "--hostname", "configured", "named")...)
	s.want("configured", s.must(b.in("named", "hostname")...), "configured")
	name, err := os.Hostname()
	if err != nil || name == "boxed" || name == "configured" {
		s.failf("the host's name is %q now: %v", name, err)
	}
}

func (b *buildah) ulimit(s *scene) {
	b.from(s, "ulimit", "--ulimit", "nofile=300:400", "--ulimit", "core=0", "--ulimit", "nproc=500")
	s.want("limits", s.must(b.in("ulimit", "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -u")...), "300\n400\n0\n500")
}

// shown are the namespaces that can be those of the host, or another container's.
func shown(s *scene) []string {
	all := []string{"pid", "uts", "net"}
	if _, err := os.Stat("/dev/mqueue"); err == nil {
		return append(all, "ipc") // with the host's Buildah binds that directory
	}
	s.logf("without /dev/mqueue the IPC namespace cannot be the host's")
	return all
}

// tellNamespaces is a command that tells the names of its namespaces.
func tellNamespaces(names []string) []string {
	return []string{"sh", "-c", "for n in " + strings.Join(names, " ") + "; do readlink /proc/self/ns/$n; done"}
}

func namespacesOf(s *scene, pid int, names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, s.namespace(pid, name))
	}
	return strings.Join(all, "\n")
}

func (b *buildah) ofHost(s *scene) {
	names := shown(s)
	host := namespacesOf(s, os.Getpid(), names)
	for line := range strings.Lines(s.must(b.in("box", tellNamespaces(names)...)...)) {
		if strings.Contains(host, strings.TrimSpace(line)) {
			s.failf("by default the container has %s of the host", line)
		}
	}
	var options []string
	for _, name := range names {
		options = append(options, map[string]string{"pid": "--pid", "uts": "--uts", "net": "--network", "ipc": "--ipc"}[name], "host")
	}
	s.want("namespaces", s.must(b.with(options, "box", tellNamespaces(names)...)...), host)
}

// joined has a second container join the namespaces of the first, by path. Both are made in one user namespace, which for an ordinary
// user takes `buildah unshare`: the second is told the PID by a fifo.
func (b *buildah) joined(s *scene) {
	s.cleanup(func() { b.sweep(s) })
	names := []string{"pid", "uts", "net", "ipc"}
	s.must("mkfifo", "--mode=666", b.dir+"/pid")
	path := func(name string) string { return "'/proc/'$pid'/ns/" + name + "'" }
	line := quoted(b.plain().with([]string{"--hostname", "shared"}, "box", "sleep", "7777")) + " >&2 & read pid <" + b.dir + "/pid;" +
		quoted(b.plain().do("run")) + " " + quoted(b.told) + " --pid " + path("pid") + " --uts " + path("uts") + " --ipc " + path("ipc") +
		" --network 'ns:/proc/'$pid'/ns/net' box -- " + quoted([]string{"sh", "-c", tellNamespaces(names)[2] + "; hostname; ps"}) + "; kill -KILL $pid; wait"
	run := s.start(b.unshared("sh", "-c", line)...)
	pid := s.inContainer("sleep 7777")
	want := namespacesOf(s, pid, names)
	if err := os.WriteFile(b.dir+"/pid", fmt.Append(nil, pid, "\n"), 0); err != nil {
		s.failf("%v", err)
	}
	s.contains("namespaces, name and processes", s.wait(run).stdout, want, "shared\n", "sleep 7777")
}

// plain is Buildah for who has the user's ids already.
func (b *buildah) plain() *buildah {
	p := *b
	p.user = nil
	if b.user != nil {
		p.words = b.words[1:]
	}
	return &p
}

// unshared has a command done where an ordinary user's containers are, by root of their user namespace.
func (b *buildah) unshared(args ...string) []string {
	if b.user == nil {
		return args
	}
	return b.do(append([]string{"unshare"}, args...)...)
}

// network is set up between create and start: a bridge for root, in a network namespace of the test's; slirp4netns for an ordinary user.
func (b *buildah) network(s *scene) {
	private := []string{"--network", "private"}
	if b.user != nil {
		out := s.must(b.with(private, "box", "ip", "-o", "addr")...)
		s.contains("addresses", out, "tap0    inet 10.0.2.100/24")
		return
	}
	inside := quoted(b.with(private, "box", "sh", "-c", "ip -o addr show dev eth0; ping -c 1 10.88.0.1"))
	out := s.must("unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", "ip link set lo up; exec "+inside)
	s.contains("addresses, and an answer from the bridge", out, "inet 10.88.", "1 packets received")
}
