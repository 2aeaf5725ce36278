package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ctr drives containers as the users of containerd's own client do. Its namespace is named after the run, and with it all its cgroups.
type ctr struct {
	*containerd
	namespace string
	state     string // where the runtime keeps its own
	rootfs    string // the image's files, for containers that are not made of the image
	systemd   bool   // the runtime's cgroup driver
	count     int    // of containers so far
}

func ctrVersion(ctx context.Context) (string, error) { return containerdVersion(ctx, "") }

// containerdVersion looks for containerd's programs in a directory, or on PATH.
func containerdVersion(ctx context.Context, programs string) (string, error) {
	for _, name := range []string{"containerd", "ctr", "containerd-shim-runc-v2"} {
		if _, err := exec.LookPath(filepath.Join(programs, name)); err != nil {
			return "", err
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(programs, "containerd"), "--version").Output()
	if f := strings.Fields(string(out)); err == nil && len(f) > 2 {
		return "containerd " + f[2], nil
	}
	return "", fmt.Errorf("containerd --version: %q, %w", out, err)
}

// containerd2 is where deps.sh puts what it builds of the module in tests/clients/containerd2.
func containerd2() string { return builtPrograms("containerd2") }

// builtPrograms is where deps.sh puts the programs of a manager that Debian does not have.
func builtPrograms(manager string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/cache"
	}
	return filepath.Join(cache, "tare-clients", manager)
}

func ctr2Version(ctx context.Context) (string, error) {
	version, err := containerdVersion(ctx, containerd2())
	if err != nil {
		return "", fmt.Errorf("needs `make client-deps`, which builds it: %w", err)
	}
	return version, nil
}

func ctrSystemdVersion(ctx context.Context) (string, error) {
	if !hasSystemd() {
		return "", errors.New("needs systemd as init")
	}
	return ctrVersion(ctx)
}

func openCtr(s *scene) actions        { return startCtr(s, "", false).actions() }
func openCtrSystemd(s *scene) actions { return startCtr(s, "", true).actions() }
func openCtr2(s *scene) actions       { return startCtr(s, containerd2(), false).actions() }

func startCtr(s *scene, programs string, systemd bool) *ctr {
	m, err := findImage()
	if err != nil {
		s.failf("%v", err)
	}
	c := &ctr{namespace: filepath.Base(s.dir), state: s.dir + "/runtime", rootfs: s.dir + "/rootfs", systemd: systemd}
	if err := m.unpack(c.rootfs); err != nil {
		s.failf("%v", err)
	}
	// For a container with --uidmap or --no-pivot, ctr 1.6 forgets --runc-binary: the shim then takes the first runc of the daemon's PATH.
	bin := s.dir + "/bin"
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Symlink(s.runtime.Path, bin+"/runc")); err != nil {
		s.failf("%v", err)
	}
	path := bin + ":" + os.Getenv("PATH")
	if programs != "" { // of the shim, too
		path = programs + ":" + path
	}
	s.env = append(os.Environ(), "PATH="+path)
	s.cleanup(func() {
		c.removeCgroups(s)
		_ = os.Remove("/run/containerd/runc/" + c.namespace) // with --runc-binary, ctr 1.6 forgets --runc-root
	})
	c.containerd = s.startContainerd(programs, c.namespace, "")
	s.env = nil
	return c
}

func (c *ctr) actions() actions {
	return actions{
		"version": c.version, "run": c.foreground, "exit code": c.exitCode, "missing command": c.missingCommand, "stdin": c.stdin,
		"terminal": c.terminal, "detached": c.detached, "logs": c.logs, "exec": c.execs, "exec missing command": c.execMissing,
		"exec terminal": c.execTerminal, "top": c.top, "stop": c.stop, "kill": c.kill, "pause": c.pause, "restart": c.restart,
		"stats": c.stats, "events": c.events, "memory limit": c.memory, "pids limit": c.pids, "cpu limit": c.cpu,
		"volume": c.volume, "recursive read-only": c.recursiveReadOnly, "tmpfs": c.tmpfs, "read-only": c.readOnly, "user": c.user,
		"user namespace": c.userNamespace, "idmapped volume": c.idmapped, "capabilities": c.capabilities, "seccomp": c.seccomp,
		"no new privileges": c.noNewPrivileges, "devices": c.devices, "sysctl": c.sysctl, "hostname": c.hostname, "ulimit": c.ulimit,
		"privileged": c.privileged, "shared namespaces": c.sharedNamespaces, "host namespaces": c.hostNamespaces, "network": c.network,
		"hooks": c.hooks, "checkpoint": c.checkpoint, "manager killed": c.managerKilled, "many": c.many, "nothing left": c.nothingLeft,
	}
}

// ctrWithout are the features that containerd's own client has nothing for.
var ctrWithout = map[string]string{
	"update":       "ctr has no command for it; Kubernetes' interface to the same daemon has",
	"init process": "ctr has no init to give",
	"healthcheck":  "containerd leaves that to its clients",
	"build":        "containerd builds no images",
	"validation":   "critest asks over Kubernetes' interface, see CRI",
}

// do makes a command of ctr in the client's namespace.
func (c *ctr) do(args ...string) []string { return c.ctr(c.namespace, args...) }

// name gives a container's name, and has what is left of the container removed with the scene.
func (c *ctr) name(s *scene) string {
	c.count++
	id := "c" + strconv.Itoa(c.count)
	s.cleanup(func() { c.remove(s, id) })
	return id
}

// remove ends and removes containers; those that are not there do not matter.
func (c *ctr) remove(s *scene, ids ...string) {
	s.try(append(c.do("tasks", "delete", "--force"), ids...)...)
	s.try(append(c.do("containers", "delete"), ids...)...)
}

// create is `ctr run` of the image; flags are divided by blanks.
func (c *ctr) create(s *scene, flags, id string, args ...string) []string {
	words := append(c.with(s, "--snapshotter "+c.snapshotter+" "+flags, id), reference, id)
	return append(words, args...)
}

// with is `ctr run` with the flags and the runtime, as far as it is the same for all containers.
func (c *ctr) with(s *scene, flags, id string) []string {
	words := c.do("run", "--runc-binary", s.runtime.Path, "--runc-root", c.state)
	if c.systemd {
		words = append(words, "--runc-systemd-cgroup", "--cgroup", c.cgroupsPath(id))
	}
	return append(words, strings.Fields(flags)...)
}

// cgroupsPath is as ctr would choose it, or the form for systemd.
func (c *ctr) cgroupsPath(id string) string {
	if c.systemd {
		return "system.slice:" + c.namespace + ":" + id
	}
	return "/" + c.namespace + "/" + id
}

// run runs a container of the image to its end, which has to be a good one, and gives its output.
func (c *ctr) run(s *scene, flags string, args ...string) string {
	return s.must(c.create(s, "--rm "+flags, c.name(s), args...)...)
}

// background starts a container of the image, and gives its name and the PID of its first process.
func (c *ctr) background(s *scene, flags string, args ...string) (id string, pid int) {
	id = c.name(s)
	s.must(c.create(s, "--detach "+flags, id, args...)...)
	return id, c.pid(s, id)
}

// configured is a `ctr run` with a config.json of the user's own: what containerd takes for the default, with the image's files as root.
// It is a shell with the script, unless the edit says otherwise.
func (c *ctr) configured(s *scene, flags, id, script string, edit func(*specs.Spec)) []string {
	spec := &specs.Spec{}
	if err := json.Unmarshal([]byte(s.must(c.do("oci", "spec")...)), spec); err != nil {
		s.failf("ctr oci spec: %v", err)
	}
	spec.Process.Args = []string{"/bin/sh", "-c", script}
	spec.Process.Env = []string{"PATH=/usr/bin:/bin"}
	spec.Root = &specs.Root{Path: c.rootfs}
	spec.Linux.CgroupsPath = c.cgroupsPath(id)
	edit(spec)
	data, err := json.Marshal(spec)
	if err != nil {
		s.failf("%v", err)
	}
	return append(c.with(s, flags+" --config "+s.write("config-"+id+".json", string(data), 0o600), id), id)
}

// task is what `ctr tasks list` says of a container; no words when it has no task.
func (c *ctr) task(s *scene, id string) (pid int, status string) {
	for line := range strings.Lines(s.must(c.do("tasks", "list")...)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == id {
			pid, _ := strconv.Atoi(f[1])
			return pid, f[2]
		}
	}
	return 0, ""
}

// pid gives the first process of a running container.
func (c *ctr) pid(s *scene, id string) int {
	pid, status := c.task(s, id)
	if status != "RUNNING" || !runs(pid) {
		s.failf("%s is %q with process %d, want a running one", id, status, pid)
	}
	return pid
}

// becomes waits for a container's status.
func (c *ctr) becomes(s *scene, id, want string) {
	s.eventually(id+" becomes "+want, func() error {
		if _, status := c.task(s, id); status != want {
			return fmt.Errorf("its status is %q", status)
		}
		return nil
	})
}

// exec makes a command that runs a second process.
func (c *ctr) exec(flags, id string, args ...string) []string {
	c.count++
	words := append(c.do("tasks", "exec", "--exec-id", "e"+strconv.Itoa(c.count)), strings.Fields(flags)...)
	return append(append(words, id), args...)
}

// end waits for a container's end and gives its exit code, as the removal of its task says it.
func (c *ctr) end(s *scene, id string) int {
	c.becomes(s, id, "STOPPED")
	a := s.code(0, c.do("tasks", "delete", id)...)
	_, code, found := strings.Cut(a.stderr, "non-zero exit code ")
	if !found {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimRight(code, "\"\n"))
	if err != nil {
		s.failf("%v", a)
	}
	return n
}

// signal sends to a process of the host that belongs to the run.
func (s *scene) signal(pid int, sig syscall.Signal) {
	s.logf("$ kill -%d %d", sig, pid)
	if err := syscall.Kill(pid, sig); err != nil {
		s.failf("kill %d: %v", pid, err)
	}
}

// removeCgroups removes the cgroup that the runtimes leave as the parent of a namespace's containers, and what they should not have left in it.
func (c *ctr) removeCgroups(s *scene) {
	for _, top := range cgroupsNamed(c.namespace) {
		var all []string
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(all) {
			if err := os.Remove(dir); err != nil {
				s.logf("%v", err)
			}
		}
	}
}
