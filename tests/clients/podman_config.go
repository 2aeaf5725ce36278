package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What a container is made with: mounts, ids, privileges, namespaces, hooks.

func (p *podman) volume(s *scene) {
	dir := s.dir + "/volume"
	s.must("mkdir", "-p", dir+"/sub")
	s.write("volume/file", "from the host\n", 0o644)
	s.want("read and written", s.must(p.once("--volume "+dir+":/v", "sh", "-c", "cat /v/file; echo from the container >/v/made")...), "from the host")
	if data, err := os.ReadFile(dir + "/made"); string(data) != "from the container\n" {
		s.failf("what the container wrote: %q, %v", data, err)
	}
	for _, options := range []string{"--volume " + dir + ":/v:ro", "--mount type=bind,source=" + dir + ",destination=/v,readonly=true"} {
		a := s.code(1, p.once(options, "sh", "-c", "cat /v/file; : >/v/denied")...)
		s.contains("error of a read-only volume", a.stderr, "Read-only file system")
		s.want("its content", a.stdout, "from the host\n")
	}
	id := p.sleeping(s, "--volume "+dir+":/v:ro,noexec,nosuid,nodev")
	s.contains("mount", s.mount(p.pid(s, id), "/v"), "ro,nosuid,nodev,noexec")
	s.want("a file", s.must(p.once("--volume "+dir+"/file:/etc/file", "cat", "/etc/file")...), "from the host")
	s.must(p.cmd("volume", "create", "kept")...)
	s.cleanup(func() { s.try(p.cmd("volume", "rm", "--force", "kept")...) })
	s.must(p.once("--volume kept:/v", "sh", "-c", "echo kept >/v/file")...)
	s.want("a named volume", s.must(p.once("--volume kept:/v", "cat", "/v/file")...), "kept")
	p.propagation(s)
}

// propagation mounts on the host, below a volume of a container that runs.
func (p *podman) propagation(s *scene) {
	dir := s.dir + "/shared"
	s.must("mkdir", "-p", dir)
	s.must("mount", "--bind", dir, dir)
	s.cleanup(func() { s.try("umount", "--recursive", dir) })
	s.must("mount", "--make-shared", dir)
	s.must("mkdir", "-p", dir+"/sub")
	follows := p.pid(s, p.sleeping(s, "--volume "+dir+":/v:rslave"))
	alone := p.pid(s, p.sleeping(s, "--volume "+dir+":/v:rprivate"))
	both := p.sleeping(s, "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --volume "+dir+":/v:rshared")
	s.must("mount", "-t", "tmpfs", "later", dir+"/sub")
	if s.mount(follows, "/v/sub") == "" || s.mount(p.pid(s, both), "/v/sub") == "" {
		s.failf("a mount of the host's does not reach a volume that follows")
	}
	if line := s.mount(alone, "/v/sub"); line != "" {
		s.failf("a mount of the host's reaches a private volume: %s", line)
	}
	s.must(p.cmd("exec", both, "sh", "-c", "mkdir -p /v/back && mount -t tmpfs back /v/back")...)
	if s.mount(os.Getpid(), dir+"/back") == "" {
		s.failf("a mount of the container's does not reach the host from a shared volume")
	}
}

func (p *podman) tmpfs(s *scene) {
	id := p.sleeping(s, "--tmpfs /t:size=1m,mode=1770,noexec")
	s.contains("mount", s.mount(p.pid(s, id), "/t"), "tmpfs", "noexec", "size=1024k", "mode=1770")
	s.want("mode", s.must(p.cmd("exec", id, "stat", "-c", "%a %u", "/t")...), "1770 0")
	a := s.try(p.cmd("exec", id, "dd", "if=/dev/zero", "of=/t/file", "bs=1M", "count=2")...)
	if a.code == 0 || !strings.Contains(a.stderr, "No space left") {
		s.failf("more than its size: %v", a)
	}
	s.want("what the image has there is in it", s.must(p.once("--tmpfs /etc", "sh", "-c", "grep -c alice /etc/passwd; : >/etc/new")...), "1")
	s.want("/dev/shm", s.must(p.once("--shm-size 2m", "sh", "-c", "df -k /dev/shm | awk 'NR == 2 { print $2 }'")...), "2048")
}

func (p *podman) readOnly(s *scene) {
	a := s.code(1, p.once("--read-only", "sh", "-c", "echo ok >/tmp/file; cat /tmp/file; : >/file")...)
	s.want("a temporary file", a.stdout, "ok\n")
	s.contains("a file in the root", a.stderr, "Read-only file system")
	s.code(1, p.once("--read-only --read-only-tmpfs=false", "touch", "/tmp/file")...)
	id := p.sleeping(s, "--read-only")
	s.contains("mount", s.mount(p.pid(s, id), "/"), " / ro")
	s.must(p.once("", "touch", "/file")...)
}

func (p *podman) user(s *scene) {
	try := func(options, inside, uid, gid, groups string) {
		id := p.sleeping(s, options)
		s.want("id with "+options, s.must(p.cmd("exec", id, "sh", "-c", "echo $(id -u) $(id -g)")...), inside)
		if p.as != nil {
			return // the host's numbers are others
		}
		pid := p.pid(s, id)
		s.want("uids with "+options, s.status(pid, "Uid"), strings.Join([]string{uid, uid, uid, uid}, " "))
		s.want("gids with "+options, s.status(pid, "Gid"), strings.Join([]string{gid, gid, gid, gid}, " "))
		s.want("groups with "+options, s.status(pid, "Groups"), groups)
	}
	try("--user 4321", "4321 0", "4321", "0", "0")
	try("--user 4321:77", "4321 77", "4321", "77", "77")
	try("--user alice", "1234 1234", "1234", "1234", "50 1234")
	try("--user alice:staff --group-add 99", "1234 50", "1234", "50", "50 99")
	s.want("a file's owner", s.must(p.once("--user 4321:77", "sh", "-c", "touch /tmp/file; stat -c '%u %g' /tmp/file")...), "4321 77")
	s.want("umask", s.must(p.once("--umask 0027", "sh", "-c", "umask")...), "0027")
	a := s.try(p.once("--user nobody-there", "true")...)
	if a.code == 0 || !strings.Contains(a.stderr, "nobody-there") {
		s.failf("a user that the image does not know: %v", a)
	}
}

const mapped = "--uidmap 0:100000:5000 --gidmap 0:200000:5000"

func (p *podman) userNamespace(s *scene) {
	p.keepsNull(s)
	id := p.sleeping(s, mapped)
	pid := p.pid(s, id)
	s.want("inside", s.must(p.cmd("exec", id, "sh", "-c", "echo $(id -u) $(id -g); cat /proc/self/uid_map | tr -s ' '")...), "0 0\n 0 100000 5000")
	s.want("uids outside", s.status(pid, "Uid"), "100000 100000 100000 100000")
	s.want("gids outside", s.status(pid, "Gid"), "200000 200000 200000 200000")
	if s.namespace(pid, "user") == s.namespace(os.Getpid(), "user") {
		s.failf("the container is in the host's user namespace")
	}
	s.want("the root's owner", s.must(p.cmd("exec", id, "stat", "-c", "%u", "/bin/busybox")...), "0")
	s.want("a user's files", s.must(p.cmd("exec", "--user", "1234", id, "sh", "-c", "touch /tmp/file; stat -c %u /tmp/file")...), "1234")
	joined := p.sleeping(s, "--userns container:"+id)
	s.want("a namespace that is joined", s.namespace(p.pid(s, joined), "user"), s.namespace(pid, "user"))
	a := s.terminal(24, 80, p.once("--interactive --tty "+mapped, "sh", "-c", "stat -c %u $(tty); exit 4")...)
	if a.code != 4 || a.stdout != "0\n" {
		s.failf("the terminal's owner: %v", a)
	}
	a = s.feed("text", p.once("--interactive --user 1234 "+mapped, "sh", "-c", "cat >/dev/stdout; echo error >/dev/stderr")...)
	if a.code != 0 || a.stdout != "text" || a.stderr != "error\n" {
		s.failf("streams that are opened again: %v", a)
	}
}

// keepsNull fails, in the end, for a runtime that gives the container the host's /dev/null with its standard input, and takes it back.
func (p *podman) keepsNull(s *scene) {
	s.cleanup(func() {
		var st syscall.Stat_t
		if err := syscall.Stat(os.DevNull, &st); err == nil && st.Uid != 0 {
			s.outcome, s.reason = failed, fmt.Sprintf("the host's /dev/null belongs to uid %d now", st.Uid)
			s.try("chown", "0:0", os.DevNull)
		}
	})
}

func (p *podman) idmapped(s *scene) {
	p.keepsNull(s)
	dir := s.dir + "/idmapped"
	s.must("mkdir", "-p", dir)
	s.write("idmapped/root", "", 0o644)
	s.write("idmapped/five", "", 0o644)
	s.must("chown", "5:6", dir+"/five")
	show := "stat -c '%n %u %g' /v/root /v/five"
	try := func(option, want string) {
		s.want("owners with "+option, s.must(p.once(mapped+" --volume "+dir+":/v:"+option, "sh", "-c", show)...), want)
	}
	try("rw", "/v/root 65534 65534\n/v/five 65534 65534")
	try("idmap", "/v/root 0 0\n/v/five 5 6")
	// ON-DISK-IN-HOST-COUNT; with an @, the host's ids are counted in the container's namespace.
	try("idmap=uids=0-100007-1#5-100000-2;gids=0-200007-1#6-200000-1", "/v/root 7 7\n/v/five 0 0")
	try("idmap=uids=@0-7-1#@5-0-2;gids=@0-7-1#@6-0-1", "/v/root 7 7\n/v/five 0 0")
	s.must(p.once(mapped+" --volume "+dir+":/v:idmap", "touch", "/v/made")...)
	s.want("the owner on disk", s.must("stat", "--format", "%u %g", dir+"/made"), "0 0")
}

func (p *podman) capabilities(s *scene) {
	const chown, netAdmin, netRaw = 1 << 0, 1 << 12, 1 << 13
	effective := func(options string) uint64 {
		pid := p.pid(s, p.sleeping(s, options))
		set := s.capabilities(pid, "CapEff")
		if bound := s.capabilities(pid, "CapBnd"); bound != set {
			s.failf("%s: bounding set %x, effective %x", options, bound, set)
		}
		return set
	}
	usual := effective("")
	if usual&chown == 0 || usual&netAdmin != 0 {
		s.failf("by default: %x", usual)
	}
	check := func(options string, want uint64) {
		if got := effective(options); got != want {
			s.failf("%s: %x, want %x", options, got, want)
		}
	}
	check("--cap-add NET_ADMIN --cap-drop CHOWN", usual&^chown|netAdmin)
	check("--cap-drop ALL", 0)
	check("--cap-drop ALL --cap-add NET_RAW", netRaw)
	check("--cap-add ALL", p.bounding(s))
	pid := p.pid(s, p.sleeping(s, "--user 1234"))
	if set := s.capabilities(pid, "CapEff"); set != 0 {
		s.failf("an ordinary user has %x", set)
	}
	s.contains("without CHOWN", s.code(1, p.once("--cap-drop CHOWN", "chown", "1", "/etc/passwd")...).stderr, "Operation not permitted")
	s.must(p.once("", "chown", "1", "/etc/passwd")...)
}

// bounding is what there is of capabilities: for root's containers the host's, in a user namespace all that the kernel has.
func (p *podman) bounding(s *scene) uint64 {
	if p.as == nil {
		return s.capabilities(os.Getpid(), "CapBnd")
	}
	return s.allCapabilities()
}

func (p *podman) seccomp(s *scene) {
	id := p.sleeping(s, "")
	s.want("filter by default", s.status(p.pid(s, id), "Seccomp"), "2")
	profile := s.write("seccomp.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat","fchmodat2"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}`, 0o644)
	own := p.sleeping(s, "--security-opt seccomp="+profile)
	s.want("filter of the user's", s.status(p.pid(s, own), "Seccomp"), "2")
	for _, args := range [][]string{p.cmd("exec", own, "chmod", "700", "/tmp"), p.once("--security-opt seccomp="+profile, "chmod", "700", "/tmp")} {
		s.contains("a call that the filter denies", s.code(1, args...).stderr, "supported") // of EOPNOTSUPP
	}
	s.must(p.cmd("exec", id, "chmod", "700", "/tmp")...)
	none := p.sleeping(s, "--security-opt seccomp=unconfined")
	s.want("no filter", s.status(p.pid(s, none), "Seccomp"), "0")
	s.want("no filter for a second process", s.must(p.cmd("exec", none, "grep", "Seccomp:", "/proc/self/status")...), "Seccomp:\t0")
	s.want("a filter for a second process", s.must(p.cmd("exec", id, "grep", "Seccomp:", "/proc/self/status")...), "Seccomp:\t2")
	// hostname(1) may set the name only with a capability, which takes the default profile's filter along.
	s.code(1, p.once("", "hostname", "other")...)
	s.must(p.once("--cap-add SYS_ADMIN", "hostname", "other")...)
}

func (p *podman) noNewPrivileges(s *scene) {
	s.want("by default", s.status(p.pid(s, p.sleeping(s, "")), "NoNewPrivs"), "0")
	id := p.sleeping(s, "--security-opt no-new-privileges")
	s.want("when asked for", s.status(p.pid(s, id), "NoNewPrivs"), "1")
	s.want("a second process", s.must(p.cmd("exec", id, "grep", "NoNewPrivs", "/proc/self/status")...), "NoNewPrivs:\t1")
}

func (p *podman) devices(s *scene) {
	// Opening it for reading takes CAP_SYSLOG where dmesg is root's alone; for writing, nothing but the cgroup's permission.
	probe := "[ -c /dev/mine ] && true </dev/mine && echo reads; true >>/dev/mine && echo writes"
	try := func(options, want string) {
		a := s.try(p.once(options+" --cap-add SYSLOG", "sh", "-c", probe)...)
		s.want("output with "+options, a.stdout, want)
		if !strings.Contains(want, "writes") {
			s.contains("error with "+options, a.stderr, "Operation not permitted")
		}
	}
	try("--device /dev/kmsg:/dev/mine:r", "reads\n")
	try("--device /dev/kmsg:/dev/mine", "reads\nwrites\n")
	s.want("a device nobody asked for", s.must(p.once("--cap-add MKNOD", "sh", "-c",
		"mknod /dev/made c 1 11 && true >>/dev/made || echo denied")...), "denied")
	s.must(p.cmd("run", "--rm", "--network", "none", "--cap-add", "MKNOD", "--device-cgroup-rule", "c 1:11 rwm", reference, "sh", "-c",
		"mknod /dev/made c 1 11 && true >>/dev/made")...)
	s.want("usual devices", s.must(p.once("", "sh", "-c", "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo no $d; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c")...), "3")
}

func (p *podman) sysctl(s *scene) {
	show := []string{"cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/msgmax", "/proc/sys/fs/mqueue/msg_max"}
	before := s.must(show...)
	s.want("values", s.must(p.once("--sysctl net.ipv4.ip_forward=1 --sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=4321 --sysctl fs.mqueue.msg_max=21", show...)...), "1\n77\n4321\n21")
	s.want("the host's", s.must(show...), before)
	a := s.try(p.once("--sysctl kernel.panic=5", "true")...)
	if a.code == 0 || !strings.Contains(a.stderr, "kernel.panic") {
		s.failf("a value of the whole host's: %v", a)
	}
}

func (p *podman) hostname(s *scene) {
	before := s.must("uname", "--nodename")
	s.want("inside", s.must(p.once("--hostname its-name", "sh", "-c", "hostname; echo $(cat /etc/hostname) $HOSTNAME")...), "its-name\nits-name its-name")
	id := p.sleeping(s, "")
	s.want("by default", s.must(p.cmd("exec", id, "hostname")...), id[:12])
	s.want("the host's", s.must("uname", "--nodename"), before)
}

func (p *podman) ulimit(s *scene) {
	id := p.sleeping(s, "--ulimit nofile=512:700 --ulimit core=0:0 --ulimit nproc=300:400")
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid(s, id)) + "/limits")
	if err != nil {
		s.failf("%v", err)
	}
	text := strings.Join(strings.Fields(string(limits)), " ")
	s.contains("limits", text, "Max open files 512 700", "Max core file size 0 0", "Max processes 300 400")
	s.want("of a second process", s.must(p.cmd("exec", id, "sh", "-c", "ulimit -Sn; ulimit -Hn")...), "512\n700")
}

func (p *podman) privileged(s *scene) {
	id := p.sleeping(s, "--privileged")
	pid := p.pid(s, id)
	if got, want := s.capabilities(pid, "CapEff"), p.bounding(s); got != want {
		s.failf("capabilities %x, want %x", got, want)
	}
	s.want("filter", s.status(pid, "Seccomp"), "0")
	s.must(p.cmd("exec", id, "sh", "-c", "test -c /dev/kmsg && true >>/dev/kmsg && test -w /proc/sys/kernel/panic && ls /sys/dev/block >/dev/null")...)
	s.want("a mount", s.must(p.cmd("exec", id, "sh", "-c", "mount -t tmpfs x /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs x /mnt; grep -c ' /mnt ' /proc/self/mountinfo")...), "1")
	if line := s.mount(pid, "/sys/dev/block"); line != "" {
		s.failf("masked: %s", line)
	}
	if s.mount(p.pid(s, p.sleeping(s, "")), "/sys/dev/block") == "" {
		s.failf("/sys/dev/block of a container without privileges is not masked")
	}
	if got := s.must(p.once("--privileged", "grep", "-c", "CapEff.*"+fmt.Sprintf("%016x", p.bounding(s)), "/proc/self/status")...); got != "1" {
		s.failf("a command in the foreground: %s", got)
	}
	other := p.sleeping(s, "")
	s.want("a second process with privileges", s.must(p.cmd("exec", "--privileged", other, "grep", "CapEff", "/proc/self/status")...),
		fmt.Sprintf("CapEff:\t%016x", p.bounding(s)))
}

func (p *podman) initProcess(s *scene) {
	id := p.start(s, "--init", "sh", "-c", "(sleep 0.1 & sleep 0.1 &); trap 'exit 6' TERM; echo ready; while :; do sleep 0.1; done")
	p.logged(s, id, "ready")
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid(s, id)))
	if err != nil || !strings.HasPrefix(string(line), "/run/podman-init\x00") {
		s.failf("the first process is %q: %v", line, err)
	}
	s.eventually("orphans are reaped", func() error {
		if all := s.must(p.cmd("exec", id, "ps", "-o", "stat,args")...); strings.Contains(all, "Z") {
			return fmt.Errorf("there is %q", all)
		}
		return nil
	})
	s.must(p.cmd("stop", id)...)
	s.want("exit code", p.inspect(s, id, "{{.State.ExitCode}}"), "6")
	s.code(3, p.once("--init", "sh", "-c", "exit 3")...)
}

func (p *podman) sharedNamespaces(s *scene) {
	s.must(p.cmd("pod", "create", "--name", "pod", "--network", "none", "--share", "net,ipc,uts,pid")...)
	s.cleanup(func() { s.try(p.cmd("pod", "rm", "--force", "--time", "0", "pod")...) })
	one, two := p.sleeping(s, "--pod pod"), p.sleeping(s, "--pod pod")
	infra := s.must(p.cmd("pod", "inspect", "--format", "{{.InfraContainerID}}", "pod")...)
	p.share(s, one, two, []string{"net", "ipc", "uts", "pid"}, []string{"mnt"})
	p.share(s, one, infra, []string{"net", "ipc", "uts", "pid"}, []string{"mnt"})
	s.want("the pod's name", s.must(p.cmd("exec", one, "hostname")...), "pod")
	s.must(p.cmd("exec", one, "sh", "-c", "sleep 1 | nc -l -p 4000 &")...)
	s.must(p.cmd("pod", "pause", "pod")...)
	s.want("a paused pod", p.inspect(s, two, "{{.State.Status}}"), "paused")
	s.must(p.cmd("pod", "unpause", "pod")...)
	s.must(p.cmd("pod", "stop", "--time", "0", "pod")...)
	s.must(p.cmd("pod", "start", "pod")...)
	p.share(s, one, two, []string{"net", "ipc", "uts", "pid"}, nil)
	s.must(p.cmd("pod", "rm", "--force", "--time", "0", "pod")...)
	for _, id := range []string{one, two, infra} {
		p.gone(s, id)
	}
	base := p.sleeping(s, "--ipc shareable")
	for _, kind := range []string{"net", "ipc", "uts", "pid"} {
		option := map[string]string{"net": "network"}[kind]
		if option == "" {
			option = kind
		}
		p.share(s, base, p.sleeping(s, "--"+option+" container:"+base), []string{kind}, []string{"mnt"})
	}
}

// share checks which namespaces two containers have in common.
func (p *podman) share(s *scene, one, two string, same, different []string) {
	a, b := p.pid(s, one), p.pid(s, two)
	for _, kind := range same {
		s.want("namespace "+kind+", shared", s.namespace(a, kind), s.namespace(b, kind))
	}
	for _, kind := range different {
		if s.namespace(a, kind) == s.namespace(b, kind) {
			s.failf("the namespace %s is shared", kind)
		}
	}
}

func (p *podman) hostNamespaces(s *scene) {
	id := p.sleeping(s, "--network host --pid host --ipc host --uts host --cgroupns host")
	pid := p.pid(s, id)
	for _, kind := range []string{"net", "pid", "ipc", "uts", "cgroup"} {
		s.want("namespace "+kind, s.namespace(pid, kind), s.namespace(os.Getpid(), kind))
	}
	s.contains("the host's processes", s.must(p.cmd("exec", id, "sh", "-c", fmt.Sprintf("cat /proc/%d/comm", pid))...), "sleep")
	s.want("the host's name", s.must(p.cmd("exec", id, "hostname")...), s.must("uname", "--nodename"))
	other := p.pid(s, p.sleeping(s, "--cgroupns private"))
	for _, kind := range []string{"net", "pid", "ipc", "uts", "cgroup", "mnt"} {
		if s.namespace(other, kind) == s.namespace(os.Getpid(), kind) {
			s.failf("the namespace %s is the host's", kind)
		}
	}
	// Without a PID namespace, the first process' end is not that of the others.
	id = p.start(s, "--pid host", "sh", "-c", "sleep 3000 & exec sleep 1000")
	s.eventually("a second process", func() error {
		if n := entriesOf(s, p.pid(s, id)); n != 2 {
			return fmt.Errorf("%d in the cgroup", n)
		}
		return nil
	})
	s.must(p.cmd("stop", "--time", "1", id)...)
	s.leftBehind("processes of a container in the host's PID namespace", func() []string { return processesOf(id) })
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.gone(s, id)
}

func (p *podman) network(s *scene) {
	s.want("links without a network", s.must(p.once("--network none", "sh", "-c", "ls /sys/class/net")...), "lo")
	// The bridge is made in network and mount namespaces of its own, and so goes with them: the host's links and netfilter rules are not touched.
	// Of the host's /run only systemd and its bus are kept, which may have the making of cgroups.
	script := `ip link set lo up
mount --rbind /run "$2"
mount -t tmpfs networks /run
for kept in systemd dbus; do
  [ ! -d "$2/$kept" ] || { mkdir "/run/$kept" && mount --rbind "$2/$kept" "/run/$kept"; }
done
umount --lazy "$2"
podman network create --subnet 10.97.5.0/24 apart >&2
id=$(podman run --detach --network apart --publish 8099:80 "$1" sleep 1000)
address=$(podman inspect --format '{{.NetworkSettings.Networks.apart.IPAddress}}' "$id")
podman exec "$id" ip -4 -o addr show dev eth0 | grep -q "$address/24" && echo address
podman run --rm --network apart "$1" ping -c 1 -W 5 "$address" >&2 && echo ping
busybox ping -c 1 -W 5 "$address" >&2 && echo from the host
podman exec "$id" ip route | grep -q 'default via 10.97.5.1' && echo route
podman run --rm --network "container:$id" "$1" ip -4 -o addr show dev eth0 | grep -q "$address/24" && echo joined
podman rm --force --time 0 "$id" >&2
podman network rm apart >&2
ip -o link | grep -v ': lo:' | grep -c podman
true
`
	s.must("mkdir", "-p", p.dir+"/networks", s.dir+"/hosts")
	got := s.must("unshare", "--net", "--mount", "sh", "-c", script, "network", reference, s.dir+"/hosts")
	s.want("a bridge", got, "address\nping\nfrom the host\nroute\njoined\n0")
}

// hook is what a file of a hooks directory holds.
func hook(dir, stage string, args ...string) string {
	if args == nil {
		args = []string{"hook", dir + "/hook.sh", stage}
	}
	return string(encode(map[string]any{
		"version": "1.0.0", "when": map[string]bool{"always": true}, "stages": []string{stage},
		"hook": map[string]any{"path": "/bin/sh", "args": args, "env": []string{"PATH=/usr/bin:/bin", "MARK=set"}},
	}))
}

func (p *podman) hooks(s *scene) {
	dir := s.dir + "/hooks"
	s.must("rm", "-rf", dir)
	s.must("mkdir", "-p", dir+"/d", dir+"/bad", dir+"/out")
	s.write("hooks/hook.sh", `cat >"`+dir+`/out/$1.json"; echo "$1 $MARK" >>"`+dir+`/out/order"`+"\n", 0o644)
	for _, stage := range []string{"prestart", "createRuntime", "createContainer", "poststart", "poststop"} {
		s.write("hooks/d/"+stage+".json", hook(dir, stage), 0o644)
	}
	s.write("hooks/d/startContainer.json", hook(dir, "startContainer", "sh", "-c", "cat >/inside.json"), 0o644)
	id := s.must(p.cmd("--hooks-dir", dir+"/d", "run", "--detach", "--network", "none", reference, "sleep", "1000")...)
	s.cleanup(func() { s.try(p.cmd("rm", "--force", "--time", "0", "--ignore", id)...) })
	pid := p.pid(s, id)
	for stage, status := range map[string]string{"prestart": "creat", "createRuntime": "creat", "poststart": "running"} {
		p.hooked(s, stage, readFile(s, dir+"/out/"+stage+".json"), id, status, pid)
	}
	p.hooked(s, "createContainer", readFile(s, dir+"/out/createContainer.json"), id, "creat", 0)
	p.hooked(s, "startContainer", s.must(p.cmd("exec", id, "cat", "/inside.json")...), id, "created", 0)
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.hooked(s, "poststop", readFile(s, dir+"/out/poststop.json"), id, "stopped", 0)
	s.want("their order", readFile(s, dir+"/out/order"), "prestart set\ncreateRuntime set\ncreateContainer set\npoststart set\npoststop set\n")
	s.write("hooks/bad/bad.json", hook(dir, "createRuntime", "hook", "-c", "echo refused by a hook >&2; exit 3"), 0o644)
	a := s.try(p.cmd(append([]string{"--hooks-dir", dir + "/bad"}, p.once("", "true")[len(p.cmd()):]...)...)...)
	if a.code != 126 || !strings.Contains(a.stderr, "hook") {
		s.failf("a hook that fails: %v", a)
	}
}

func readFile(s *scene, path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		s.failf("%v", err)
	}
	return string(data)
}

// hooked checks the state that a hook was given. The pid is compared unless it is 0: inside the container it is another.
func (p *podman) hooked(s *scene, stage, text, id, status string, pid int) {
	var state struct {
		ID, Status, Bundle string
		Pid                int
		Annotations        map[string]string
	}
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		s.failf("the state of %s is %q: %v", stage, text, err)
	}
	if state.ID != id || !strings.HasPrefix(state.Status, status) || !strings.Contains(state.Bundle, id) || pid != 0 && state.Pid != pid {
		s.failf("the state of %s is %+v, the container's pid %d", stage, state, pid)
	}
	if _, ok := state.Annotations["io.kubernetes.cri-o.TTY"]; !ok {
		s.failf("the state of %s has the annotations %q", stage, state.Annotations)
	}
}
