package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// directory makes one for a volume.
func (d *docker) directory(s *scene, name string) string {
	path := d.dir + "/" + name
	if err := os.MkdirAll(path, 0o777); err != nil {
		s.failf("%v", err)
	}
	s.cleanup(func() { removeTree(path) })
	return path
}

func (d *docker) volume(s *scene) {
	dir := d.directory(s, "volume")
	d.sh(s, "echo from inside >/v/file", "--volume", dir+":/v")
	text, err := os.ReadFile(dir + "/file")
	if err != nil {
		s.failf("%v", err)
	}
	s.want("what the container wrote", string(text), "from inside\n")
	for _, option := range [][]string{{"--volume", dir + ":/v:ro"}, {"--mount", "type=bind,src=" + dir + ",dst=/v,readonly"}} {
		s.contains("writing to a read-only one", d.shCode(s, 1, "cat /v/file; echo >/v/file", option...).stderr, "Read-only file system")
	}
	s.cleanup(func() { d.try(s, "volume", "rm", "--force", "named") })
	d.sh(s, "cat /v/passwd; echo more >/v/more", "--volume", "named:/v", "--volume", "named:/etc")
	s.contains("a named volume", d.sh(s, "ls /v", "--volume", "named:/v"), "more", "passwd")
	d.propagation(s)
}

// propagation mounts something on either side of a volume, after the container's start.
func (d *docker) propagation(s *scene) {
	dir := d.directory(s, "shared")
	mountTmpfs(s, dir)
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		s.failf("%v", err)
	}
	modes := []string{"rprivate", "rslave", "rshared"}
	for _, mode := range modes {
		d.sleeper(s, mode, "--privileged", "--volume", dir+":/v:"+mode)
	}
	later := dir + "/later"
	if err := os.Mkdir(later, 0o755); err != nil {
		s.failf("%v", err)
	}
	mountTmpfs(s, later)
	for _, mode := range modes {
		d.must(s, "exec", mode, "mkdir", "-p", "/v/"+mode)
		d.must(s, "exec", mode, "mount", "-t", "tmpfs", "inside", "/v/"+mode)
		s.cleanup(func() { _ = unix.Unmount(dir+"/"+mode, unix.MNT_DETACH) })
		want := map[string]string{"rprivate": "1", "rslave": "2", "rshared": "2"}[mode] + "\n"
		s.want("mounts below a volume of "+mode, d.try(s, "exec", mode, "sh", "-c", "grep -cE ' /v(/later)? ' /proc/mounts").stdout, want)
	}
	below := strings.Join(mountsBelow(dir), " ")
	s.want("mounts below the directory", below, later+" "+dir+"/rshared")
}

func mountTmpfs(s *scene, dir string) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		s.failf("mounting a tmpfs on %s: %v", dir, err)
	}
	s.cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func (d *docker) tmpfs(s *scene) {
	const ask = "stat -c %a /t; dd if=/dev/zero of=/t/file bs=1k count=2048 2>&1 | grep -o 'No space left on device'; stat -c %s /t/file; grep ' /t ' /proc/mounts"
	for _, option := range [][]string{{"--tmpfs", "/t:size=1m,mode=700,noexec"}, {"--mount", "type=tmpfs,dst=/t,tmpfs-size=1048576,tmpfs-mode=700"}} {
		s.contains(option[1], d.sh(s, ask, option...), "700\nNo space left on device\n1048576\n", " tmpfs rw,", "size=1024k")
	}
	s.contains("size of /dev/shm", d.sh(s, "grep ' /dev/shm ' /proc/mounts", "--shm-size", "2m"), "size=2048k")
}

func (d *docker) readOnly(s *scene) {
	a := d.shCode(s, 1, "echo >/dev/shm/file && echo >/tmp/file && echo written; grep ' / ' /proc/mounts; echo >/file", "--read-only", "--tmpfs", "/tmp")
	s.contains("writable mounts", a.stdout, "written\n", " ro,")
	s.contains("what it says", a.stderr, "Read-only file system")
	d.sh(s, "echo >/file")
}

func (d *docker) user(s *scene) {
	for i, c := range []struct {
		options                  []string
		uids, gids, groups, home string
	}{
		{[]string{"--user", "1234"}, "1234", "1234", "50 1234", "/home/alice"},
		{[]string{"--user", "alice"}, "1234", "1234", "50 1234", "/home/alice"},
		{[]string{"--user", "4321:77"}, "4321", "77", "", "/"},
		{[]string{"--user", "alice:staff", "--group-add", "77"}, "1234", "50", "77", "/home/alice"},
		{[]string{"--group-add", "staff"}, "0", "0", "50", "/root"},
	} {
		name := "user" + strconv.Itoa(i)
		pid := d.background(s, name, "echo $HOME; exec sleep 1000", c.options...)
		s.want("uids", s.status(pid, "Uid"), fourTimes(c.uids))
		s.want("gids", s.status(pid, "Gid"), fourTimes(c.gids))
		groups := strings.Fields(s.status(pid, "Groups"))
		for _, want := range strings.Fields(c.groups) {
			if !strings.Contains(" "+strings.Join(groups, " ")+" ", " "+want+" ") {
				s.failf("%v: groups %v have no %s", c.options, groups, want)
			}
		}
		d.logged(s, name, c.home+"\n")
	}
	s.contains("an unknown user", d.shCode(s, 125, "true", "--user", "nobody-here").stderr, "nobody-here")
}

func fourTimes(id string) string { return strings.Join([]string{id, id, id, id}, " ") }

// userNamespace has a daemon of its own with userns-remap. It finds the subordinate ids in /etc/subuid, which is not ours: it runs in a mount
// namespace that has another one.
func (d *docker) userNamespace(s *scene) {
	const first = 300000
	dir := s.dir + "/remap"
	remap := newDocker(s, dir, d.systemd)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		s.failf("%v", err)
	}
	ids := remap.file(s, "subid", fmt.Sprintf("nobody:%d:65536\nnogroup:%d:65536\n", first, first))
	remap.config["userns-remap"] = "nobody:nogroup"
	remap.apart = `for f in /etc/subuid /etc/subgid; do mount --bind ` + ids + ` $f || exit 1; done; exec "$@"`
	remap.start(s)
	remap.load(s)
	pid := remap.sleeper(s, "remapped")
	s.want("user of the process", s.status(pid, "Uid"), fourTimes(strconv.Itoa(first)))
	s.want("uid_map", strings.Join(strings.Fields(d.proc(s, pid, "uid_map")), " "), fmt.Sprintf("0 %d 65536", first))
	s.want("gid_map", strings.Join(strings.Fields(d.proc(s, pid, "gid_map")), " "), fmt.Sprintf("0 %d 65536", first))
	s.want("seen inside", remap.must(s, "exec", "remapped", "sh", "-c", "id -u; stat -c %u:%g /bin/busybox"), "0\n0:0")
	secret := remap.directory(s, "secret")
	if err := os.Chmod(secret, 0o700); err != nil {
		s.failf("%v", err)
	}
	s.contains("a directory of the host's root", remap.shCode(s, 1, "ls /v", "--volume", secret+":/v").stderr, "Permission denied")
	host := remap.sleeper(s, "hosts", "--userns", "host")
	s.want("user of a process with --userns=host", s.status(host, "Uid"), fourTimes("0"))
	s.want("code", remap.must(s, "exec", "hosts", "sh", "-c", "exit 0"), "")
	remap.must(s, "rm", "--force", "remapped", "hosts")
}

// capsDefault is Docker's default: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
// sys_chroot, mknod, audit_write, setfcap.
const capsDefault = 0xa80425fb

func (d *docker) capabilities(s *scene) {
	own := s.capabilities(os.Getpid(), "CapBnd")
	for i, c := range []struct {
		options          []string
		effective, bound uint64
	}{
		{nil, capsDefault, capsDefault},
		{[]string{"--cap-drop", "ALL"}, 0, 0},
		{[]string{"--cap-drop", "ALL", "--cap-add", "CHOWN"}, capChown, capChown},
		{[]string{"--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN"}, capsDefault&^capChown | capNetAdmin, capsDefault&^capChown | capNetAdmin},
		{[]string{"--user", "alice"}, 0, capsDefault},
	} {
		pid := d.sleeper(s, "caps"+strconv.Itoa(i), c.options...)
		for set, want := range map[string]uint64{"CapEff": c.effective, "CapPrm": c.effective, "CapBnd": c.bound, "CapAmb": 0} {
			if got := s.capabilities(pid, set); got != want {
				s.failf("%v: %s is %x, want %x", c.options, set, got, want)
			}
		}
	}
	pid := d.sleeper(s, "caps-all", "--cap-add", "ALL")
	const known = 1<<(unix.CAP_AUDIT_READ+1) - 1 // to Docker in any case
	if got := s.capabilities(pid, "CapEff"); got&known != own&known {
		s.failf("--cap-add=ALL: CapEff is %x, want all of %x", got, own&known)
	}
	s.contains("what dropping does", d.shCode(s, 1, "chown alice /tmp", "--cap-drop", "CHOWN").stderr, "not permitted")
}

func (d *docker) seccomp(s *scene) {
	const filters, ask = "Seccomp", "unshare -u true; mkdir /tmp/made"
	pid := d.sleeper(s, "seccomp")
	s.want("default profile: mode", s.status(pid, filters), "2")
	s.contains("default profile: unshare(2)", d.try(s, "exec", "seccomp", "sh", "-c", ask).stderr, "not permitted")
	pid = d.sleeper(s, "unconfined", "--security-opt", "seccomp=unconfined", "--cap-add", "SYS_ADMIN")
	s.want("unconfined: mode", s.status(pid, filters), "0")
	d.must(s, "exec", "unconfined", "sh", "-ec", ask)
	profile := d.file(s, "profile.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 121}]}`)
	pid = d.sleeper(s, "own", "--security-opt", "seccomp="+profile, "--cap-add", "SYS_ADMIN")
	s.want("own profile: mode", s.status(pid, filters), "2")
	a := d.code(s, 1, "exec", "own", "sh", "-ec", ask)
	s.contains("own profile: mkdir(2)", a.stderr, "mkdir", "Remote I/O error")
}

func (d *docker) noNewPrivileges(s *scene) {
	for option, want := range map[string]string{"no-new-privileges": "1", "no-new-privileges=false": "0"} {
		pid := d.sleeper(s, "nnp"+want, "--security-opt", option)
		s.want(option, s.status(pid, "NoNewPrivs"), want)
	}
	s.want("of another process", strings.Fields(d.must(s, "exec", "nnp1", "grep", "NoNewPrivs", "/proc/self/status"))[1], "1")
}

// devices uses a device that no container has otherwise, and that opens without more than its node.
func (d *docker) devices(s *scene) {
	device, major, minor := "", uint32(0), uint32(0)
	for _, path := range []string{"/dev/fuse", "/dev/loop-control", "/dev/net/tun"} {
		var st unix.Stat_t
		if fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil && unix.Fstat(fd, &st) == nil {
			device, major, minor = path, unix.Major(st.Rdev), unix.Minor(st.Rdev)
			unix.Close(fd)
			break
		}
	}
	if device == "" {
		s.skipf("no device to show it with")
	}
	const read, write = "exec 3</dev/mine; echo opened", "exec 3>>/dev/mine; echo opened"
	for access, may := range map[string]struct{ read, write bool }{"r": {true, false}, "w": {false, true}, "rwm": {true, true}} {
		for script, may := range map[string]bool{read: may.read, write: may.write} {
			option := "--device=" + device + ":/dev/mine:" + access
			if may {
				s.want(option+": "+script, d.sh(s, script, option), "opened")
			} else {
				s.contains(option+": "+script, d.try(s, running(script, option, "--rm")...).stderr, "not permitted")
			}
		}
	}
	rule := fmt.Sprintf("c %d:%d rwm", major, minor)
	node := fmt.Sprintf("mknod /tmp/node c %d %d && exec 3<>/tmp/node; echo opened", major, minor)
	s.want("with a rule", d.sh(s, node, "--device-cgroup-rule", rule), "opened")
	if a := d.try(s, running(node, "--rm")...); strings.Contains(a.stdout, "opened") {
		s.failf("without a rule: %v", a)
	}
}

func (d *docker) sysctl(s *scene) {
	files := map[string]string{"net.ipv4.ip_local_port_range": "20000\t20999", "kernel.shm_rmid_forced": "1", "kernel.msgmax": "4321"}
	var given []string
	outside := map[string]string{}
	for name, value := range files {
		given = append(given, "--sysctl", name+"="+value)
		outside[name] = s.must("cat", sysctlFile(name))
	}
	d.sleeper(s, "sysctl", given...)
	for name, value := range files {
		s.want(name, d.must(s, "exec", "sysctl", "cat", sysctlFile(name)), value)
		s.want(name+" outside", s.must("cat", sysctlFile(name)), outside[name])
	}
	d.shCode(s, 125, "true", "--sysctl", "kernel.panic=5") // of no namespace
}

func sysctlFile(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

func (d *docker) hostname(s *scene) {
	own, err := os.Hostname()
	if err != nil {
		s.failf("%v", err)
	}
	const ask = "hostname; cat /proc/sys/kernel/domainname /etc/hostname"
	s.want("names", d.sh(s, ask, "--hostname", "inside", "--domainname", "example.org"), "inside\nexample.org\ninside")
	pid := d.sleeper(s, "hostname")
	s.want("the default", d.must(s, "exec", "hostname", "hostname"), d.inspect(s, "hostname", ".Id")[:12])
	if s.namespace(pid, "uts") == s.namespace(os.Getpid(), "uts") {
		s.failf("the container has the host's UTS namespace")
	}
	now, err := os.Hostname()
	s.want("the host's name", fmt.Sprint(now, err), fmt.Sprint(own, nil))
}

func (d *docker) privileged(s *scene) {
	pid := d.sleeper(s, "privileged", "--privileged")
	own := s.capabilities(os.Getpid(), "CapBnd")
	const known = 1<<(unix.CAP_AUDIT_READ+1) - 1
	if got := s.capabilities(pid, "CapEff"); got&known != own&known {
		s.failf("CapEff is %x, want all of %x", got, own&known)
	}
	s.want("seccomp", s.status(pid, "Seccomp"), "0")
	d.must(s, "exec", "privileged", "sh", "-ec", "mount -t tmpfs none /tmp; echo >/tmp/file; unshare -u true")
	s.contains("sysfs", d.must(s, "exec", "privileged", "grep", " /sys ", "/proc/mounts"), " rw,")
	s.want("masked paths", d.try(s, "exec", "privileged", "grep", "-c", " /proc/", "/proc/mounts").stdout, "0\n")
	if hosts, inside := len(entries("/dev")), len(strings.Fields(d.must(s, "exec", "privileged", "ls", "/dev"))); inside < hosts/2 {
		s.failf("%d devices, of the host's %d", inside, hosts)
	}
	plain := d.must(s, "run", "--rm", "--network", "none", reference, "cat", "/proc/mounts")
	s.contains("mounts of another", plain, "proc /proc/sys proc ro,", "sysfs /sys sysfs ro,")
}

func (d *docker) initProcess(s *scene) {
	pid := d.background(s, "init", "trap 'exit 6' TERM; (sleep 0.1 & sleep 0.1 &); echo ready; while :; do sleep 0.05; done", "--init")
	d.logged(s, "init", "ready")
	s.contains("the first process", d.proc(s, pid, "cmdline"), "docker-init")
	s.eventually("no zombies", func() error {
		if table := d.must(s, "exec", "init", "ps", "-o", "pid,stat,args"); strings.Contains(table, " Z") {
			return fmt.Errorf("%s", table)
		}
		return nil
	})
	d.must(s, "stop", "--time", "60", "init")
	s.want("code", d.inspect(s, "init", ".State.ExitCode"), "6")
	d.shCode(s, 32, "exit 32", "--init")
	d.code(s, 127, "run", "--rm", "--init", "--network", "none", reference, "none-such")
}

func (d *docker) sharedNamespaces(s *scene) {
	first := d.sleeper(s, "first", "--ipc", "shareable")
	second := d.background(s, "second", "exec sleep 1002", "--network", "container:first", "--pid", "container:first", "--ipc", "container:first")
	for _, kind := range []string{"net", "pid", "ipc"} {
		s.want(kind, s.namespace(second, kind), s.namespace(first, kind))
		if s.namespace(first, kind) == s.namespace(os.Getpid(), kind) {
			s.failf("%s is the host's", kind)
		}
	}
	for _, kind := range []string{"mnt", "uts"} {
		if s.namespace(second, kind) == s.namespace(first, kind) {
			s.failf("%s is shared", kind)
		}
	}
	s.contains("processes", d.must(s, "exec", "second", "ps"), "sleep 1000", "sleep 1002")
	// What a container has left in another's PID namespace goes with its own first process.
	d.must(s, "exec", "--detach", "second", "sleep", "1003")
	s.eventually("the process of exec", func() error {
		if table := d.must(s, "exec", "first", "ps"); !strings.Contains(table, "sleep 1003") {
			return fmt.Errorf("%s", table)
		}
		return nil
	})
	d.must(s, "kill", "second")
	s.eventually("only the first is left", func() error {
		if table := d.must(s, "exec", "first", "ps"); strings.Contains(table, "sleep 1002") || strings.Contains(table, "sleep 1003") {
			return fmt.Errorf("%s", table)
		}
		return nil
	})
	s.want("the other", d.inspect(s, "first", ".State.Status"), "running")
}

func (d *docker) hostNamespaces(s *scene) {
	pid := d.background(s, "host", "exec sleep 1000", "--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host")
	for _, kind := range []string{"net", "pid", "ipc", "uts"} {
		s.want(kind, s.namespace(pid, kind), s.namespace(os.Getpid(), kind))
	}
	if s.namespace(pid, "mnt") == s.namespace(os.Getpid(), "mnt") {
		s.failf("the container has the host's mount namespace")
	}
	s.contains("the host's processes", d.must(s, "exec", "host", "ps", "-o", "pid,args"), "dockerd", "sleep 1000")
	d.must(s, "exec", "--detach", "host", "sleep", "1003")
	s.eventually("two processes", func() error {
		if all := d.processes(s, pid); len(all) != 2 {
			return fmt.Errorf("processes: %v", all)
		}
		return nil
	})
	dir, err := cgroupOf(pid, "pids")
	if err != nil {
		s.failf("%v", err)
	}
	d.must(s, "kill", "host") // nothing but the runtime ends the second one: no PID namespace does
	s.eventually("the cgroup is gone", func() error {
		if _, err := os.Stat(dir); err == nil {
			return fmt.Errorf("%s is there", dir)
		}
		return nil
	})
}
