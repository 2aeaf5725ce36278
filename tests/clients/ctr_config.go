package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func (c *ctr) memory(s *scene) {
	events := s.startDaemon("oom", c.do("events")...)
	hog := "dd if=/dev/zero of=/dev/null bs=200M count=1" // busybox touches all of it
	id := c.name(s)
	log := s.dir + "/log-" + id
	s.must(c.create(s, "--detach --memory-limit 33554432 --log-uri file://"+log, id, "sh", "-c", hog+"; echo killed $?; sleep 1000")...)
	s.want("the limit", s.limit(c.pid(s, id), "memory.limit_in_bytes", "memory.max"), "33554432")
	s.says(log, "killed 137")
	events.reports(s, "/tasks/oom", `"container_id":"`+id+`"`)
	s.code(137, c.create(s, "--rm --memory-limit 33554432", c.name(s), "sh", "-c", "exec "+hog)...)
	s.code(0, c.create(s, "--rm", c.name(s), "sh", "-c", hog)...)
}

func (c *ctr) pids(s *scene) {
	id, limit := c.name(s), int64(4)
	a := s.try(c.configured(s, "--rm", id, "cat /proc/self/cgroup; for i in 1 2 3 4 5 6; do sleep 3 & done; echo all", func(spec *specs.Spec) {
		spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &limit}
	})...)
	if a.code == 0 || strings.Contains(a.stdout, "all") || !strings.Contains(a.stderr, "fork") {
		s.failf("want a failed fork: %v", a)
	}
	id = c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &limit}
	})...)
	s.want("the limit", s.limit(c.pid(s, id), "pids.max", "pids.max"), "4")
}

func (c *ctr) cpu(s *scene) {
	_, pid := c.background(s, "--cpus 0.5 --cpu-shares 512", "sleep", "1000")
	c.quota(s, pid, "50000", "100000")
	s.wantShares(pid, 512, 20, 59)
	_, pid = c.background(s, "--cpu-quota 30000 --cpu-period 60000", "sleep", "1000")
	c.quota(s, pid, "30000", "60000")
}

// quota wants a process' cgroup to hold it to a share of the CPUs.
func (c *ctr) quota(s *scene, pid int, quota, period string) {
	if isCgroupV2() {
		quota += " " + period
	} else {
		s.want("the period", s.limit(pid, "cpu.cfs_period_us", ""), period)
	}
	s.want("the quota", s.limit(pid, "cpu.cfs_quota_us", "cpu.max"), quota)
}

// folder makes a directory for a volume, with a file.
func (s *scene) folder(name string) string {
	dir := s.dir + "/" + name
	if err := os.MkdirAll(dir+"/sub", 0o777); err != nil {
		s.failf("%v", err)
	}
	s.write(name+"/file", "from outside\n", 0o644)
	return dir
}

func (c *ctr) volume(s *scene) {
	dir := s.folder("volume")
	bind := "--mount type=bind,src=" + dir + ",dst=/v,options=rbind:"
	s.want("what is read", c.run(s, bind+"rw", "sh", "-c", "cat /v/file; echo from inside >/v/answer"), "from outside")
	s.want("what was written", s.must("cat", dir+"/answer"), "from inside")
	s.contains("writing to a read-only volume", s.code(1, c.create(s, "--rm "+bind+"ro", c.name(s), "touch", "/v/no")...).stderr, "Read-only file system")
	_, pid := c.background(s, bind+"ro:nosuid:nodev:noexec", "sleep", "1000")
	s.contains("mountinfo", s.mount(pid, "/v"), " ro,nosuid,nodev,noexec")
	c.propagation(s)
}

// propagation: what is mounted outside comes in only where that was asked for.
func (c *ctr) propagation(s *scene) {
	dir := s.shared("propagation")
	bind := "--mount type=bind,src=" + dir + ",dst=/v,options=rbind:rw:"
	slave, slavePID := c.background(s, bind+"rslave", "sleep", "1000")
	private, privatePID := c.background(s, bind+"rprivate", "sleep", "1000")
	s.contains("mountinfo of a slave", s.mount(slavePID, "/v"), " master:")
	s.mountTmpfs(dir + "/late")
	s.write("propagation/late/here", "", 0o644)
	s.want("seen by a slave", s.must(c.exec("", slave, "ls", "/v/late")...), "here")
	s.want("seen by a private one", s.must(c.exec("", private, "ls", "/v/late")...), "")
	s.want("mountinfo of a private one", s.mount(privatePID, "/v/late"), "")
}

// shared makes a directory that is a shared mount, with an empty one in it.
func (s *scene) shared(name string) string {
	dir := s.folder(name)
	s.mountTmpfs(dir)
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		s.failf("%s: %v", dir, err)
	}
	if err := os.Mkdir(dir+"/late", 0o755); err != nil {
		s.failf("%v", err)
	}
	return dir
}

// mountTmpfs mounts on a directory of the run's own for the time of the scene.
func (s *scene) mountTmpfs(dir string) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		s.failf("mounting on %s: %v", dir, err)
	}
	s.cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			s.logf("unmounting %s: %v", dir, err)
		}
	})
}

func (c *ctr) recursiveReadOnly(s *scene) {
	dir := s.folder("recursive")
	s.mountTmpfs(dir + "/sub")
	bind := "--mount type=bind,src=" + dir + ",dst=/v,options=rbind:"
	c.run(s, bind+"ro", "touch", "/v/sub/yes")
	s.contains("writing below", s.code(1, c.create(s, "--rm "+bind+"rro", c.name(s), "touch", "/v/sub/no")...).stderr, "Read-only file system")
	_, pid := c.background(s, bind+"rro", "sleep", "1000")
	s.contains("mountinfo", s.mount(pid, "/v/sub"), " ro,")
	s.contains("mountinfo", s.mount(pid, "/v"), " ro,")
}

func (c *ctr) tmpfs(s *scene) {
	id, pid := c.background(s, "--mount type=tmpfs,src=tmpfs,dst=/scratch,options=nosuid:noexec:size=1m:mode=1711", "sleep", "1000")
	s.want("its mode", s.must(c.exec("", id, "stat", "-c", "%a", "/scratch")...), "1711")
	s.contains("mountinfo", s.mount(pid, "/scratch"), "nosuid", "noexec", " tmpfs ", "size=1024k")
	s.contains("filling it", s.code(1, c.exec("", id, "dd", "if=/dev/zero", "of=/scratch/big", "bs=64k", "count=17")...).stderr, "No space left on device")
}

func (c *ctr) readOnly(s *scene) {
	id, pid := c.background(s, "--read-only", "sleep", "1000")
	s.contains("writing", s.code(1, c.exec("", id, "touch", "/no")...).stderr, "Read-only file system")
	s.must(c.exec("", id, "touch", "/run/yes")...)
	s.contains("mountinfo", s.mount(pid, "/"), " ro,")
	c.run(s, "", "touch", "/yes")
}

// user: ctr 1.6 has a flag for second processes only.
func (c *ctr) user(s *scene) {
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Process.User = specs.User{UID: 1234, GID: 50, AdditionalGids: []uint32{7, 8}}
	})...)
	pid := c.pid(s, id)
	s.want("Uid", s.status(pid, "Uid"), "1234 1234 1234 1234")
	s.want("Gid", s.status(pid, "Gid"), "50 50 50 50")
	s.want("Groups", s.status(pid, "Groups"), "7 8")
	s.want("capabilities", s.status(pid, "CapEff"), "0000000000000000")
	id, _ = c.background(s, "", "sleep", "1000")
	s.contains("by name", s.must(c.exec("--user alice", id, "id")...), "uid=1234(alice) gid=1234(alice)")
	s.contains("by name and group", s.must(c.exec("--user alice:staff", id, "id")...), "uid=1234(alice) gid=50(staff)")
}

func (c *ctr) userNamespace(s *scene) {
	for _, remap := range []string{"", " --remap-labels"} {
		id, pid := c.background(s, "--uidmap 0:100000:65536 --gidmap 0:200000:65536"+remap, "sleep", "1000")
		s.want("Uid outside", s.status(pid, "Uid"), "100000 100000 100000 100000")
		s.want("Gid outside", s.status(pid, "Gid"), "200000 200000 200000 200000")
		s.want("user inside", s.must(c.exec("", id, "id", "-u")...), "0")
		s.want("uid_map", strings.Join(strings.Fields(s.must("cat", fmt.Sprintf("/proc/%d/uid_map", pid))), " "), "0 100000 65536")
		if s.namespace(pid, "user") == s.namespace(os.Getpid(), "user") {
			s.failf("it is in the host's user namespace")
		}
	}
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) { inUserNamespace(spec, 300000) })...)
	s.want("Uid outside", s.status(c.pid(s, id), "Uid"), "300000 300000 300000 300000")
	s.contains("writing as nobody", s.code(1, c.exec("", id, "touch", "/no")...).stderr, "Permission denied")
}

// inUserNamespace gives a container ids that begin at the first.
func inUserNamespace(spec *specs.Spec, first uint32) {
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: 65536}}
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = ids, ids
}

// idmapped: containerd 1.6 drops a mount's own mappings from config.json, but not its options; idmap alone means the container's.
func (c *ctr) idmapped(s *scene) {
	dir := s.folder("idmapped")
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		inUserNamespace(spec, 300000)
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/data", Type: "bind", Source: dir, Options: []string{"rbind", "rw", "idmap"}})
	})...)
	s.want("the owner inside", s.must(c.exec("", id, "stat", "-c", "%u %g", "/data/file")...), "0 0")
	s.must(c.exec("", id, "touch", "/data/new")...)
	s.want("the owner outside", s.must("stat", "-c", "%u %g", dir+"/new"), "0 0")
	s.contains("mountinfo", s.mount(c.pid(s, id), "/data"), "idmapped")
}

func (c *ctr) capabilities(s *scene) {
	_, pid := c.background(s, "--cap-add CAP_SYS_ADMIN --cap-drop CAP_CHOWN", "sleep", "1000")
	for _, set := range []string{"CapBnd", "CapPrm", "CapEff"} {
		if bits := s.capabilities(pid, set); bits&(1<<unix.CAP_SYS_ADMIN) == 0 || bits&(1<<unix.CAP_CHOWN) != 0 || bits&(1<<unix.CAP_KILL) == 0 {
			s.failf("%s is %x: want sys_admin and kill in it, not chown", set, bits)
		}
	}
	_, pid = c.background(s, "", "sleep", "1000")
	s.want("containerd's default", s.status(pid, "CapEff"), "00000000a80425fb")
	s.want("inheritable ones", s.status(pid, "CapInh"), "0000000000000000")
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) { spec.Process.Capabilities = &specs.LinuxCapabilities{} })...)
	for _, set := range []string{"CapBnd", "CapPrm", "CapEff", "CapAmb"} {
		s.want("none: "+set, s.status(c.pid(s, id), set), "0000000000000000")
	}
}

func (c *ctr) seccomp(s *scene) {
	id, pid := c.background(s, "--seccomp", "sleep", "1000")
	s.want("Seccomp with the default profile", s.status(pid, "Seccomp"), "2")
	s.contains("a new user namespace", s.code(1, c.exec("", id, "unshare", "-U", "true")...).stderr, "Operation not permitted")
	profile := s.write("seccomp.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}`, 0o644)
	id, pid = c.background(s, "--seccomp --seccomp-profile "+profile, "sleep", "1000")
	s.want("Seccomp with a profile", s.status(pid, "Seccomp"), "2")
	s.contains("mkdir", s.code(1, c.exec("", id, "mkdir", "/tmp/no")...).stderr, "No space left on device")
	s.must(c.exec("", id, "touch", "/tmp/yes")...)
	_, pid = c.background(s, "", "sleep", "1000")
	s.want("Seccomp without", s.status(pid, "Seccomp"), s.status(os.Getpid(), "Seccomp"))
}

func (c *ctr) noNewPrivileges(s *scene) {
	id, pid := c.background(s, "", "sleep", "1000")
	s.want("containerd's default", s.status(pid, "NoNewPrivs"), "1")
	s.contains("a second process", s.must(c.exec("", id, "grep", "NoNewPrivs", "/proc/self/status")...), "\t1")
	id, pid = c.background(s, "--allow-new-privs", "sleep", "1000")
	s.want("with --allow-new-privs", s.status(pid, "NoNewPrivs"), "0")
	s.contains("a second process", s.must(c.exec("", id, "grep", "NoNewPrivs", "/proc/self/status")...), "\t0")
}

// devices use the kernel's log, which all kernels have and which can be opened for writing without a capability.
func (c *ctr) devices(s *scene) {
	s.want("a device added", c.run(s, "--device /dev/kmsg", "sh", "-c", ": >/dev/kmsg && stat -c '%t %T' /dev/kmsg"), "1 b")
	for _, access := range []string{">", "<"} {
		a := s.try(c.create(s, "--rm", c.name(s), "sh", "-c", "mknod /tmp/kmsg c 1 11; : "+access+"/tmp/kmsg")...)
		if a.code == 0 || !strings.Contains(a.stderr, "/tmp/kmsg: Operation not permitted") {
			s.failf("without the device, want EPERM: %v", a)
		}
	}
	major, minor := int64(1), int64(11)
	a := s.try(c.configured(s, "--rm", c.name(s), "mknod /tmp/kmsg c 1 11; : </tmp/kmsg && echo read; : >/tmp/kmsg && echo written", func(spec *specs.Spec) {
		spec.Process.Capabilities.Effective = append(spec.Process.Capabilities.Effective, "CAP_SYSLOG")
		spec.Process.Capabilities.Permitted = append(spec.Process.Capabilities.Permitted, "CAP_SYSLOG")
		spec.Process.Capabilities.Bounding = append(spec.Process.Capabilities.Bounding, "CAP_SYSLOG")
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
		spec.Linux.Resources.Devices = append(spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rm"})
	})...)
	s.want("access rm", a.stdout, "read\n")
	s.contains("access rm", a.stderr, "/tmp/kmsg: Operation not permitted")
}

func (c *ctr) sysctl(s *scene) {
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.msgmax": "12345", "net.ipv4.ip_unprivileged_port_start": "77"}
	})...)
	s.want("inside", s.must(c.exec("", id, "sysctl", "-n", "net.ipv4.ip_forward", "kernel.msgmax", "net.ipv4.ip_unprivileged_port_start")...), "1\n12345\n77")
	if outside := s.must("cat", "/proc/sys/kernel/msgmax"); outside == "12345" {
		s.failf("the host's kernel.msgmax was changed")
	}
}

// hostname: containerd 1.6 drops the domain name from config.json, but its sysctl works.
func (c *ctr) hostname(s *scene) {
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Hostname = "whale"
		spec.Linux.Sysctl = map[string]string{"kernel.domainname": "sea.example"}
	})...)
	s.want("inside", s.must(c.exec("", id, "sh", "-c", "hostname; cat /proc/sys/kernel/domainname")...), "whale\nsea.example")
	if name, err := os.Hostname(); err != nil || name == "whale" {
		s.failf("the host is %s, %v", name, err)
	}
}

func (c *ctr) ulimit(s *scene) {
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 512, Hard: 600}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}}
	})...)
	s.want("inside", s.must(c.exec("", id, "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c")...), "512\n600\n0")
	for line := range strings.Lines(s.must("cat", fmt.Sprintf("/proc/%d/limits", c.pid(s, id)))) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max open files") {
			s.want("outside", strings.Join(f[3:5], " "), "512 600")
		}
	}
}

func (c *ctr) privileged(s *scene) {
	id, pid := c.background(s, "--privileged", "sleep", "1000")
	s.want("capabilities", s.status(pid, "CapEff"), s.status(os.Getpid(), "CapBnd"))
	s.want("Seccomp", s.status(pid, "Seccomp"), s.status(os.Getpid(), "Seccomp"))
	s.contains("/sys", s.mount(pid, "/sys"), " rw,")
	for _, path := range []string{"/proc/sys", "/proc/kcore", "/sys/firmware"} {
		s.want("what hides "+path, s.mount(pid, path), "")
	}
	s.must(c.exec("", id, "sh", "-c", "test -c /dev/kmsg && mknod /tmp/kmsg c 1 11 && : >/tmp/kmsg")...)
	s.must(c.exec("", id, "mount", "-t", "tmpfs", "tmpfs", "/data")...)
	if !isCgroupV2() {
		s.want("devices", s.limit(pid, "devices.list", ""), "a *:* rwm")
	}
}

func (c *ctr) sharedNamespaces(s *scene) {
	_, first := c.background(s, "", "sleep", "1000")
	kinds := map[string]string{"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
	flags := ""
	for kind, file := range kinds {
		flags += fmt.Sprintf(" --with-ns %s:/proc/%d/ns/%s", kind, first, file)
	}
	id, second := c.background(s, flags, "sleep", "1001")
	for _, file := range kinds {
		s.want("namespace "+file, s.namespace(second, file), s.namespace(first, file))
	}
	if s.namespace(second, "mnt") == s.namespace(first, "mnt") {
		s.failf("they share their mounts")
	}
	s.contains("the processes it sees", s.must(c.exec("", id, "ps")...), "sleep 1000", "sleep 1001")
	s.must(c.exec("--detach", id, "sleep", "1002")...)
	left := c.processes(s, id)
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	if code := c.end(s, id); code != 137 {
		s.failf("exit code %d, want 137", code)
	}
	for _, pid := range left { // without a PID namespace of its own, the end of the first process ends no other
		if runs(pid) {
			s.failf("process %d of the removed container runs", pid)
		}
	}
	if !runs(first) {
		s.failf("the container that it joined has ended, too")
	}
}

func (c *ctr) hostNamespaces(s *scene) {
	_, pid := c.background(s, "--net-host", "sleep", "1000")
	s.want("namespace net", s.namespace(pid, "net"), s.namespace(os.Getpid(), "net"))
	id := c.name(s)
	s.must(c.configured(s, "--detach", id, "sleep 1000", func(spec *specs.Spec) {
		spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	})...)
	for _, file := range []string{"net", "ipc", "uts", "pid"} {
		s.want("namespace "+file, s.namespace(c.pid(s, id), file), s.namespace(os.Getpid(), file))
	}
	s.contains("the processes it sees", s.must(c.exec("", id, "ps")...), "containerd")
	s.must(c.do("tasks", "kill", "--signal", "9", id)...)
	if code := c.end(s, id); code != 137 {
		s.failf("exit code %d, want 137", code)
	}
}
