package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// A tenant is an ordinary user's container in a cgroup that was given to that user.
type tenant struct {
	*Container
	dir     string                             // its cgroup
	command func(args ...string) *exec.Cmd     // a call of the runtime where the user may make one
	do      func(args ...string) (res *Result) // the same, done
}

func newTenant(t *testing.T, c *Container, dir string, command func(args ...string) *exec.Cmd) *tenant {
	return &tenant{c, dir, command, func(args ...string) *Result { t.Helper(); return Do(t, command(args...)) }}
}

// start begins a container that waits, and gives its pid.
func (n *tenant) start(t *testing.T) (pid int) {
	t.Helper()
	n.do("create", "--bundle", n.Dir, "--pid-file", n.Dir+"/pid", n.ID).OK(t)
	pid = n.PidFile(n.Dir + "/pid")
	n.do("start", n.ID).OK(t)
	return pid
}

// eachDriver runs a test in a cgroup that was delegated by hand, and in one of the user's systemd.
func eachDriver(t *testing.T, test func(t *testing.T, newContainer func(specs.LinuxResources, ...Edit) *tenant)) {
	NeedRoot(t)
	t.Run("cgroupfs", func(t *testing.T) {
		NeedController(t, "cpu", "memory", "pids", "io")
		d := delegate(t, 65533, "cpu", "memory", "pids", "io")
		test(t, func(r specs.LinuxResources, edits ...Edit) *tenant {
			c := d.container(t, &r, append([]Edit{Args("sleep")}, edits...)...)
			t.Cleanup(func() { c.Tare("delete", "--force", c.ID) }) // before the delegated cgroup goes
			return newTenant(t, c, d.dir+"/"+c.ID, func(args ...string) *exec.Cmd { return d.inside(c, args...) })
		})
	})
	t.Run("systemd", func(t *testing.T) {
		NeedSystemd(t)
		o := lingering(t)
		test(t, func(r specs.LinuxResources, edits ...Edit) *tenant {
			u := o.newUnit(t, append(edits, func(s *specs.Spec) { s.Linux.Resources = &r })...)
			return newTenant(t, u.Container, u.dir(), u.command)
		})
	})
}

// The limits of an ordinary user's container hold.
func TestRootlessLimitsHold(t *testing.T) {
	eachDriver(t, func(t *testing.T, newContainer func(specs.LinuxResources, ...Edit) *tenant) {
		t.Run("memory", func(t *testing.T) {
			limit := new(int64(16 << 20))
			n := newContainer(specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: limit, Swap: limit}}, Args("memory", strconv.Itoa(64<<20)))
			n.do("run", "--bundle", n.Dir, n.ID).Exit(t, 137)
		})
		t.Run("pids", func(t *testing.T) {
			n := newContainer(specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(30))}}, Args("fork", "50"))
			if res := n.do("run", "--bundle", n.Dir, n.ID).OK(t); !strings.Contains(res.Stdout, "EAGAIN") {
				t.Errorf("fork under a limit of 30: %q", res.Stdout)
			}
		})
		t.Run("cpu", func(t *testing.T) {
			n := newContainer(specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: new(int64(20000)), Period: new(uint64(100000))}}, Args("cpu", "3"))
			begin := time.Now()
			res := n.do("run", "--bundle", n.Dir, n.ID).OK(t)
			// A guest counts as used what its host keeps a CPU from it, so that a fifth is not kept to where others have the host.
			if used, err := strconv.Atoi(strings.TrimSpace(res.Stdout)); err != nil || time.Duration(used)*time.Millisecond > time.Since(begin)/2 {
				t.Errorf("used in %v at a fifth of a CPU: %s ms", time.Since(begin), res.Stdout)
			}
		})
		t.Run("io", func(t *testing.T) {
			d, name := disk(t)
			throttle := specs.LinuxThrottleDevice{LinuxBlockIODevice: d, Rate: 1 << 20}
			n := newContainer(specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{ThrottleWriteBpsDevice: []specs.LinuxThrottleDevice{throttle}}})
			n.start(t)
			if got, want := CgroupFile(t, n.dir, "io.max"), name+" rbps=max wbps=1048576 riops=max wiops=max"; got != want {
				t.Errorf("io.max is %q, want %q", got, want)
			}
		})
	})
}

// An ordinary user's container has its whole life: each command that looks at the cgroup or changes it.
func TestRootlessWholeLife(t *testing.T) {
	eachDriver(t, func(t *testing.T, newContainer func(specs.LinuxResources, ...Edit) *tenant) {
		n := newContainer(specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(128 << 20))}, Pids: &specs.LinuxPids{Limit: new(int64(99))}})
		pid := n.start(t)
		if got := CgroupOf(t, pid, ""); got != n.dir {
			t.Fatalf("the cgroup is %s, want %s", got, n.dir)
		}
		n.do("exec", n.ID, "/probe", "exit", "7").Exit(t, 7)
		n.do("exec", "--detach", "--pid-file", n.Dir+"/exec-pid", n.ID, "/probe", "sleep").OK(t)
		second := n.PidFile(n.Dir + "/exec-pid")
		if got := CgroupOf(t, second, ""); got != n.dir {
			t.Errorf("exec's cgroup is %s, want %s", got, n.dir)
		}
		var pids []int
		if err := json.Unmarshal([]byte(n.do("ps", "--format", "json", n.ID).OK(t).Stdout), &pids); err != nil {
			t.Fatal(err)
		}
		slices.Sort(pids)
		if want := []int{pid, second}; !slices.Equal(pids, want) {
			t.Errorf("ps: %v, want %v", pids, want)
		}

		n.do("pause", n.ID).OK(t)
		if got, state := CgroupFile(t, n.dir, "cgroup.freeze"), n.State(); got != "1" || state.Status != "paused" {
			t.Errorf("paused: cgroup.freeze %s, status %s", got, state.Status)
		}
		n.do("exec", n.ID, "/probe", "true").Exit(t, 255)
		n.do("resume", n.ID).OK(t)
		n.WaitStatus(specs.StateRunning)

		n.do("update", "--memory", "67108864", "--pids-limit", "77", "--cpu-quota", "30000", "--cpu-period", "100000", n.ID).OK(t)
		hasFiles(t, n.dir, map[string]string{"memory.max": "67108864", "pids.max": "77", "cpu.max": "30000 100000"})
		if stats := n.do("events", "--stats", n.ID).OK(t).Stdout; !strings.Contains(stats, `"limit":77`) {
			t.Errorf("events --stats: %s", stats)
		}

		n.do("kill", n.ID, "KILL").OK(t)
		n.Wait(second) // the end of a PID namespace waits for the parents of all in it
		n.Wait(pid)
		n.do("delete", n.ID).OK(t)
		if _, err := os.Stat(n.dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", n.dir, err)
		}
	})
}

// Without a cgroup that is the user's to write, what needs none works; the rest says what is missing.
func TestRootlessWithoutCgroup(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the words are tare's")
	}
	const uid = 65532
	c := NewContainer(t, Args("sleep"), WithoutMount("/sys"), rootless(uid, uid))
	c.AsUser(uid, uid)
	pid := c.Create()
	c.Start()
	inside(c, nil, "exit", "7").Exit(t, 7)
	for command, want := range map[string]string{
		"ps":                     "the container has no cgroup of its own",
		"pause":                  "the container has no cgroup of its own",
		"resume":                 "container not paused",
		"update --pids-limit 20": "the container has no cgroup of its own",
		"events --stats":         "the container has no cgroup of its own",
	} {
		c.Tare(append(strings.Fields(command), c.ID)...).Fails(t, want)
	}
	c.Tare("kill", "--all", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)

	c.Spec.Process.Args = []string{"/probe", "exit", "7"}
	c.Spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(-1))}}
	c.WriteSpec(t)
	c.Run().Exit(t, 7) // Podman's --pids-limit=-1: no limit needs no cgroup
	c.Spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(20))}}
	c.WriteSpec(t)
	c.Run().Fails(t, "linux.resources.pids.limit (/linux/resources/pids/limit): make cgroup", "permission denied: ", " is not ours to write: ")
}

// On cgroup v1 a container without a cgroup of its own sees where it is, the caller's, and cannot write there, whatever the options.
func TestRootlessSeesCallersCgroups(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if _, err := os.Stat("/sys/fs/cgroup/pids/cgroup.procs"); err != nil {
		t.Skip("needs cgroup v1:", err)
	}
	const uid = 65532
	c := NewContainer(t, Args("read", "/sys/fs/cgroup/pids/notify_on_release"), WithoutMount("/sys"), rootless(uid, uid), WithMount(specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"rprivate", "nosuid", "noexec", "nodev", "relatime", "rw"},
	}))
	c.AsUser(uid, uid)
	c.Run().OK(t)
	c.Spec.Process.Args = []string{"/probe", "read", "/proc/self/mountinfo"}
	c.WriteSpec(t)
	seen := 0
	for line := range strings.Lines(c.Run().OK(t).Stdout) {
		f := strings.Fields(line)
		if len(f) > 5 && strings.HasPrefix(f[4], "/sys/fs/cgroup") {
			seen++
			if !strings.HasPrefix(f[5], "ro,") {
				t.Errorf("writable: %s", line)
			}
		}
	}
	if seen < 2 {
		t.Errorf("%d mounts of cgroups", seen)
	}
}

// ordinary has a command done by a user with an environment as a login leaves it, and no more.
func ordinary(cmd *exec.Cmd, uid uint32, env ...string) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{}}}
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"}, env...)
	return cmd
}

// `spec --rootless` and `run` are all that it takes from a login. The state is in the user's runtime directory.
func TestRootlessFromLogin(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the state root is tare's")
	}
	const uid = 65531
	c := NewContainer(t)
	c.AsUser(uid, uid)
	config, xdg := filepath.Join(c.Dir, "config.json"), "XDG_RUNTIME_DIR="+c.Dir
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	call := func(env, command string, args ...string) *Result {
		cmd := ordinary(exec.Command(Runtime(), append([]string{command}, args...)...), uid, env)
		cmd.Dir = c.Dir
		return Do(t, cmd)
	}
	call(xdg, "spec", "--rootless").OK(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	c.Spec = &spec
	spec.Process.Terminal, spec.Process.Args = false, []string{"/probe", "sleep"}
	c.WriteSpec(t)
	call(xdg, "run", "--detach", "--pid-file", c.Dir+"/pid", c.ID).OK(t)
	pid := c.PidFile(c.Dir + "/pid")
	c.Root = c.Dir + "/tare"
	if _, err := os.Stat(c.Root + "/" + c.ID); err != nil {
		t.Error(err)
	}
	if got := call(xdg, "list", "--quiet").OK(t).Stdout; got != c.ID+"\n" {
		t.Errorf("list: %q", got)
	}
	call(xdg, "delete", "--force", c.ID).OK(t)
	c.Wait(pid)

	const way = "permission denied: set XDG_RUNTIME_DIR to a directory of yours, or name one with --root"
	call("LANG=C", "run", c.ID).Fails(t, way)
	if _, err := os.Stat("/run/tare"); err == nil { // root has had a container
		call("LANG=C", "list").Fails(t, "open /run/tare: "+way)
		call("LANG=C", "state", c.ID).Fails(t, "open /run/tare/"+c.ID+": "+way)
	}
}

// Who may be pinged by whom is a setting of the container's own network namespace, which its root may make.
func TestRootlessPingGroups(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	const uid = 65531
	c := NewContainer(t, Args("read", "/proc/sys/net/ipv4/ping_group_range"), WithoutMount("/sys"), rootless(uid, uid), func(s *specs.Spec) {
		WithNamespace(specs.NetworkNamespace, "")(s)
		s.Linux.Sysctl = map[string]string{"net.ipv4.ping_group_range": "0 0"}
	})
	c.AsUser(uid, uid)
	if res := c.Run().OK(t); strings.Join(strings.Fields(res.Stdout), " ") != "0 0" {
		t.Errorf("ping_group_range is %q", res.Stdout)
	}
}

// What a user's container cannot have, whoever asks, is refused with a word about how to do without.
func TestRootlessRefusals(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the words are tare's")
	}
	const uid = 65531
	for name, tt := range map[string]struct {
		edit Edit
		want string
	}{
		"a file system of the host's root": {
			WithMount(specs.Mount{Destination: "/mnt", Type: "bpf", Source: "bpf"}),
			"may a user namespace mount bpf? If not, mount it on the host, and bind it",
		},
		"a device that the host has not": {
			func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/tare-test", Type: "c", Major: 10, Minor: 250}}
			},
			"linux.devices[0] (/linux/devices/0): /dev/tare-test: bind the host's: ",
		},
		"a user who is not mapped": {
			func(s *specs.Spec) { s.Process.User.UID = 1000 },
			"/process/user/uid: 1000 is not mapped by linux.uidMappings",
		},
		"no user namespace": {
			func(s *specs.Spec) {
				WithoutNamespace(specs.UserNamespace)(s)
				s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			},
			"an ordinary user needs a user namespace (/linux/namespaces, type user)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, WithoutMount("/sys"), rootless(uid, uid), tt.edit)
			c.AsUser(uid, uid)
			c.Run().Fails(t, tt.want)
		})
	}
}

// subordinate gives a user of this host who has ranges of ids in /etc/subuid and /etc/subgid, and where they begin.
func subordinate(t *testing.T) (owner *user.User, firstUID, firstGID uint32) {
	t.Helper()
	NeedProgram(t, "newuidmap")
	gids := ranges(t, "/etc/subgid")
	for name, first := range ranges(t, "/etc/subuid") {
		if u, err := user.Lookup(name); err == nil && gids[name] != 0 && u.Uid != "0" {
			return u, first, gids[name]
		}
	}
	t.Skip("needs an ordinary user with ranges in /etc/subuid and /etc/subgid")
	return nil, 0, 0
}

// ranges reads the first id of each user's last range: NAME:FIRST:COUNT.
func ranges(t *testing.T, path string) map[string]uint32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skip("needs users with subordinate ids:", err)
	}
	defer f.Close()
	all := map[string]uint32{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 {
			continue
		}
		if first, err := strconv.ParseUint(fields[1], 10, 32); err == nil && fields[2] == "65536" {
			all[fields[0]] = uint32(first)
		}
	}
	return all
}

// With newuidmap(1) and newgidmap(1) a user's container has all the ids that the host's root has given to that user.
func TestRootlessSubordinateIDs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	u, firstUID, firstGID := subordinate(t)
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	own := uint32(id)
	c := NewContainer(t, WithoutMount("/sys"), rootless(own, own), WritableRoot, func(s *specs.Spec) {
		s.Linux.UIDMappings = append(s.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: 1, HostID: firstUID, Size: 65535})
		s.Linux.GIDMappings = append(s.Linux.GIDMappings, specs.LinuxIDMapping{ContainerID: 1, HostID: firstGID, Size: 65535})
		s.Process.User = specs.User{UID: 33, GID: 44, AdditionalGids: []uint32{55}}
	})
	c.AsUser(own, own)
	if p := c.Report().Process; p.UID != 33 || p.GID != 44 || !slices.Contains(p.Groups, 55) {
		t.Errorf("uid %d, gid %d, groups %v", p.UID, p.GID, p.Groups)
	}
	c.Spec.Process.Args = []string{"/probe", "sleep"}
	c.WriteSpec(t)
	pid := c.Create()
	c.Start()
	if got := ownerOf(t, fmt.Sprintf("/proc/%d", pid)); got != firstUID+32 {
		t.Errorf("user 33 is %d on the host, want %d", got, firstUID+32)
	}
	if res := inside(c, []string{"--user", "1000:1000"}, "report"); res.Report(t).Process.UID != 1000 {
		t.Error(res.Stdout)
	}
	c.Tare("delete", "--force", c.ID).OK(t)

	c.Spec.Linux.UIDMappings[1].HostID = 4000000
	c.WriteSpec(t)
	c.Run().Fails(t, "linux.uidMappings (/linux/uidMappings): newuidmap: ", "not allowed", "/etc/subuid lists the user's ranges")
}
