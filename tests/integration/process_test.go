package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

func TestProcessIdentity(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	umask := uint32(0o027)
	c := NewContainer(t, WritableRoot, func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{5, 44}, Umask: &umask}
		s.Process.Cwd = "/new/dir"
		s.Process.Env = append(s.Process.Env, "A=1", "EMPTY=", "SPACES= a b ", "NL=a\nb", "A=2")
		s.Domainname = "example.org"
	})
	r := c.Report("one", "two three").Process
	if r.PID != 1 || r.PPID != 0 {
		t.Errorf("pid %d, parent %d", r.PID, r.PPID)
	}
	if r.UID != 1001 || r.EUID != 1001 || r.GID != 1002 || r.EGID != 1002 {
		t.Errorf("ids %d %d %d %d", r.UID, r.EUID, r.GID, r.EGID)
	}
	slices.Sort(r.Groups)
	if !slices.Equal(r.Groups, []int{5, 44}) && !slices.Equal(r.Groups, []int{5, 44, 1002}) {
		t.Errorf("groups %v", r.Groups)
	}
	if r.Umask != int(umask) {
		t.Errorf("umask %03o, want %03o", r.Umask, umask)
	}
	if r.Cwd != "/new/dir" {
		t.Errorf("cwd %q (it is made where it is missing)", r.Cwd)
	}
	if !slices.Equal(r.Args, []string{"/probe", "report", "one", "two three"}) {
		t.Errorf("args %q", r.Args)
	}
	for _, want := range []string{"EMPTY=", "SPACES= a b ", "NL=a\nb", "A=2", "TERM=xterm", "HOME=/"} {
		if !slices.Contains(r.Env, want) {
			t.Errorf("environment lacks %q: %q", want, r.Env)
		}
	}
	for _, entry := range r.Env {
		if name, _, _ := strings.Cut(entry, "="); !slices.Contains([]string{"PATH", "TERM", "A", "EMPTY", "SPACES", "NL", "HOME"}, name) {
			t.Errorf("environment has %q, which nobody asked for", entry)
		}
	}
	if slices.Index(r.Env, "A=1") > slices.Index(r.Env, "A=2") {
		t.Errorf("environment order: %q", r.Env)
	}
	if r.Dumpable != 1 {
		t.Errorf("dumpable %d: the workload cannot look at its own /proc", r.Dumpable)
	}
}

func TestGroupsOfCallerStayOut(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("report"))
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{33, 44, 55}}}
	if r := c.Do(cmd).Report(t); len(r.Process.Groups) != 0 && !slices.Equal(r.Process.Groups, []int{0}) {
		t.Errorf("groups %v: those of the caller came in", r.Process.Groups)
	}
}

// What the caller happens to have must not reach the workload.
func TestCallerStateStaysOut(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("report"))
	shell := NeedProgram(t, "sh")
	taskset := NeedProgram(t, "taskset")
	run := c.Command("run", "--bundle", c.Dir, c.ID)
	script := `trap '' HUP INT; ulimit -c 0; exec "$0" 1 "$@"`
	cmd := exec.Command(shell, append([]string{"-c", script, taskset}, run.Args...)...)
	cmd.Env = append(os.Environ(), "LEAKED=yes", "GODEBUG=x=y", "LD_PRELOAD=", "_LIBCONTAINER_X=1")
	r := c.Do(cmd).Report(t)
	if cpus := online(t); len(r.Schedule.CPUs) != cpus && IsTare() {
		t.Errorf("the caller's affinity came in: CPUs %v of %d", r.Schedule.CPUs, cpus)
	}
	if r.Signals.Ignored&3 != 0 && IsTare() {
		t.Errorf("ignored signals %x: HUP and INT of the caller came in", r.Signals.Ignored)
	}
	if r.Signals.Blocked != 0 {
		t.Errorf("blocked signals %x", r.Signals.Blocked)
	}
	for _, entry := range r.Process.Env {
		for _, name := range []string{"LEAKED", "GODEBUG", "LD_PRELOAD", "_LIBCONTAINER", "GOGC", "GOMAXPROCS", "TARE"} {
			if strings.HasPrefix(entry, name) {
				t.Errorf("environment has %q", entry)
			}
		}
	}
}

func online(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	return set.Count()
}

func TestHome(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		passwd, env, want string
		uid               uint32
	}{
		"from passwd":         {"root:x:0:0::/root:/bin/sh\nu:x:7:7::/home/u:/bin/sh\n", "", "HOME=/home/u", 7},
		"configuration first": {"u:x:7:7::/home/u:/bin/sh\n", "HOME=/set", "HOME=/set", 7},
		"unknown user":        {"root:x:0:0::/root:/bin/sh\n", "", "HOME=/", 7},
		"no passwd":           {"", "", "HOME=/", 7},
		"name is a number":    {"7:x:0:0::/evil:/bin/sh\nu:x:7:7::/home/u:/bin/sh\n", "", "HOME=/home/u", 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, func(s *specs.Spec) {
				s.Process.User.UID = tt.uid
				if tt.env != "" {
					s.Process.Env = append(s.Process.Env, tt.env)
				}
			})
			if tt.passwd != "" {
				c.WriteFile(t, "etc/passwd", tt.passwd, 0o644)
			}
			if r := c.Report(); !slices.Contains(r.Process.Env, tt.want) {
				t.Errorf("environment %q lacks %q", r.Process.Env, tt.want)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	const chown, kill, netBind, netRaw = 1 << unix.CAP_CHOWN, 1 << unix.CAP_KILL, 1 << unix.CAP_NET_BIND_SERVICE, 1 << unix.CAP_NET_RAW
	for name, tt := range map[string]struct {
		caps specs.LinuxCapabilities
		uid  uint32
		want view.Privileges
	}{
		"root": {
			specs.LinuxCapabilities{
				Bounding: []string{"CAP_CHOWN", "CAP_KILL"}, Effective: []string{"CAP_CHOWN", "CAP_KILL"},
				Permitted: []string{"CAP_CHOWN", "CAP_KILL"},
			},
			0,
			view.Privileges{Bounding: chown | kill, Permitted: chown | kill, Effective: chown | kill},
		},
		"none": {specs.LinuxCapabilities{}, 0, view.Privileges{}},
		// A06: without ambient ones a user has none after exec, whatever else is asked.
		"user": {
			specs.LinuxCapabilities{Bounding: []string{"CAP_NET_RAW"}, Effective: []string{"CAP_NET_RAW"}, Permitted: []string{"CAP_NET_RAW"}},
			1000,
			view.Privileges{Bounding: netRaw},
		},
		"user, ambient": {
			specs.LinuxCapabilities{
				Bounding: []string{"CAP_NET_RAW", "CAP_NET_BIND_SERVICE"}, Effective: []string{"CAP_NET_BIND_SERVICE"},
				Permitted: []string{"CAP_NET_BIND_SERVICE"}, Inheritable: []string{"CAP_NET_BIND_SERVICE"},
				Ambient: []string{"CAP_NET_BIND_SERVICE"},
			},
			1000,
			view.Privileges{Bounding: netRaw | netBind, Inheritable: netBind, Permitted: netBind, Effective: netBind, Ambient: netBind},
		},
		"inheritable": {
			specs.LinuxCapabilities{
				Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}, Inheritable: []string{"CAP_KILL"},
			},
			0,
			view.Privileges{Bounding: kill, Inheritable: kill, Permitted: kill, Effective: kill},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, func(s *specs.Spec) {
				s.Process.Capabilities = &tt.caps
				s.Process.User.UID = tt.uid
			})
			got := *c.Report().Privileges
			got.NoNewPrivs, got.Seccomp, got.SeccompFilters = 0, 0, 0
			if got != tt.want {
				t.Errorf("capabilities\n%+v, want\n%+v", got, tt.want)
			}
		})
	}
	t.Run("no block at all", func(t *testing.T) {
		t.Parallel()
		c := NewContainer(t, func(s *specs.Spec) { s.Process.Capabilities = nil })
		got := c.Report().Privileges
		const never = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_SYS_MODULE
		if IsTare() && (got.Effective|got.Permitted|got.Bounding)&never != 0 {
			t.Errorf("without a capabilities block: %+v", got) // A01
		}
	})
	t.Run("unknown name", func(t *testing.T) {
		t.Parallel()
		c := NewContainer(t, WithCaps("CAP_KILL", "CAP_NO_SUCH_THING"))
		if got := c.Report().Privileges; got.Permitted != kill {
			t.Errorf("an unknown capability: %+v", got)
		}
	})
}

func TestNoNewPrivileges(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, func(s *specs.Spec) { s.Process.NoNewPrivileges = on })
			if got := c.Report().Privileges.NoNewPrivs; (got == 1) != on {
				t.Errorf("NoNewPrivs %d", got)
			}
		})
	}
}

func TestRlimits(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	want := map[string]view.Limit{ // lowered only: raising needs CAP_SYS_RESOURCE
		"RLIMIT_NOFILE": {Soft: 777, Hard: 777}, "RLIMIT_CORE": {Soft: 1, Hard: 2}, "RLIMIT_CPU": {Soft: 1000, Hard: 2000},
		"RLIMIT_FSIZE": {Soft: 1 << 40, Hard: 1 << 41}, "RLIMIT_STACK": {Soft: 4 << 20, Hard: 8 << 20},
	}
	c := NewContainer(t, func(s *specs.Spec) {
		s.Process.Rlimits = nil
		for name, l := range want {
			s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: name, Soft: l.Soft, Hard: l.Hard})
		}
	})
	r := c.Report()
	for name, l := range want {
		if r.Limits[name] != l {
			t.Errorf("%s is %+v, want %+v", name, r.Limits[name], l)
		}
	}
	t.Run("unknown", func(t *testing.T) {
		c := NewContainer(t, func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NONSENSE"}} })
		c.Run().Fails(t, "RLIMIT_NONSENSE")
	})
	t.Run("duplicate", func(t *testing.T) {
		if !IsTare() {
			t.Skip("runc and crun take the last of two limits of one type, against the specification")
		}
		c := NewContainer(t, func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_CORE", Hard: 1}}
		})
		c.Run().Fails(t, "RLIMIT_CORE", "/process/rlimits/1")
	})
}

func TestOOMScore(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("unset", func(t *testing.T) {
		if got := NewContainer(t).Report().Process.OOMScoreAdj; got == nil || fmt.Sprintln(*got) != string(own) {
			t.Errorf("oom_score_adj %v, the caller's is %s", got, own)
		}
	})
	t.Run("set", func(t *testing.T) {
		want := 900 // higher is always allowed
		c := NewContainer(t, func(s *specs.Spec) { s.Process.OOMScoreAdj = &want })
		if got := c.Report().Process.OOMScoreAdj; got == nil || *got != want {
			t.Errorf("oom_score_adj %v", got)
		}
	})
}

func TestSessionKeyring(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	first, second := NewContainer(t), NewContainer(t)
	a, b := first.Report().Keyring, second.Report().Keyring
	if a == nil || b == nil {
		t.Skip("the kernel shows no session keyring")
	}
	host, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID == b.ID || a.ID == host || b.ID == host {
		t.Errorf("session keyrings %d and %d, the host's is %d", a.ID, b.ID, host)
	}
	if !strings.Contains(a.Description, first.ID) {
		t.Errorf("the keyring is %q, want it named for %s", a.Description, first.ID)
	}
}

func TestHostnameAndSysctl(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, func(s *specs.Spec) {
		s.Hostname, s.Domainname = "a-host", "a.domain"
		s.Linux.Sysctl = map[string]string{
			"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "17", "kernel.msgmax": "9000",
		}
	})
	r := c.Report("net.ipv4.ip_forward", "kernel.shm_rmid_forced", "fs.mqueue.msg_max", "kernel.msgmax")
	if r.UTS.Hostname != "a-host" {
		t.Errorf("hostname %q", r.UTS.Hostname)
	}
	if r.UTS.Domainname != "a.domain" && !IsRunc() { // since runc 1.2
		t.Errorf("domainname %q", r.UTS.Domainname)
	}
	for name, want := range c.Spec.Linux.Sysctl {
		if got := r.Sysctls[name]; got == nil || *got != want {
			t.Errorf("sysctl %s is not %s", name, want)
		}
	}
	for name, tt := range map[string]struct {
		key  string
		edit Edit
	}{
		"not namespaced":       {"vm.swappiness", func(*specs.Spec) {}},
		"kernel.core_pattern":  {"kernel.core_pattern", func(*specs.Spec) {}},
		"shared net namespace": {"net.ipv4.ip_forward", WithoutNamespace(specs.NetworkNamespace)},
		"shared ipc namespace": {"kernel.shm_rmid_forced", func(s *specs.Spec) { WithoutNamespace(specs.IPCNamespace)(s); WithoutMount("/dev/mqueue")(s) }},
		"way out":              {"net/../kernel/core_pattern", func(*specs.Spec) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, tt.edit, func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{tt.key: "1"} })
			c.Run().Fails(t, sysctlText())
		})
	}
}

// sysctlText is what an error about a sysctl has to name. runc notices a way out of /proc/sys by a missing file only.
func sysctlText() string {
	if IsTare() {
		return "sysctl"
	}
	return ""
}

// A15, the plain half: whatever the caller has open, the workload has its three streams and what it was promised.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	t.Run("leaked by the caller", func(t *testing.T) {
		c := NewContainer(t, Args("report"))
		cmd := c.Command("run", "--bundle", c.Dir, c.ID)
		cmd.ExtraFiles = LeakFDs(t, 18)
		OnlyFDs(t, c.Do(cmd).Report(t), 0, 1, 2)
	})
	t.Run("preserved", func(t *testing.T) {
		c := NewContainer(t, Args("report"))
		cmd := c.Command("run", "--bundle", c.Dir, "--preserve-fds", "2", c.ID)
		a, b := c.File(t, "a"), c.File(t, "b")
		cmd.ExtraFiles = append([]*os.File{a, b}, LeakFDs(t, 5)...)
		r := c.Do(cmd).Report(t)
		OnlyFDs(t, r, 0, 1, 2, 3, 4)
		for i, name := range []string{"a", "b"} {
			if len(r.FDs) == 5 && !strings.HasSuffix(r.FDs[3+i].Target, "/"+name) {
				t.Errorf("descriptor %d is %s", 3+i, r.FDs[3+i].Target)
			}
		}
	})
	t.Run("streams", func(t *testing.T) {
		c := NewContainer(t, Args("report"))
		pid, output := c.WithOutput("create")
		c.Start()
		c.Wait(pid)
		OnlyFDs(t, (&Result{Stdout: output()}).Report(t), 0, 1, 2)
	})
}

// A40: asked for more descriptors than there are, the runtime must not make up the rest from its own.
func TestPreserveMissingDescriptors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc's own Go runtime's descriptors can hide the gap; crun gives what there is")
	}
	for _, present := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(present, " of 4"), func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t)
			cmd := c.Command("run", "--bundle", c.Dir, "--preserve-fds", "4", c.ID)
			cmd.ExtraFiles = LeakFDs(t, present)
			c.Do(cmd).Fails(t, "preserve", fmt.Sprint(3+present))
		})
	}
}

func TestListenFDs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("listen-fds"))
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(c.Dir, "sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	// LISTEN_PID has to be the runtime's own pid, which only an exec can know.
	run := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd := exec.Command(NeedProgram(t, "sh"), append([]string{"-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`}, run.Args...)...)
	cmd.ExtraFiles = append([]*os.File{socket}, LeakFDs(t, 3)...)
	want := "LISTEN_FDS=1 LISTEN_PID=1 pid=1\n3 listening: true\n"
	if IsCrun() {
		want = "LISTEN_FDS= LISTEN_PID=1 pid=1\n"
	}
	if res := c.Do(cmd).OK(t); res.Stdout != want {
		t.Errorf("the workload says %q, want %q", res.Stdout, want)
	}
	t.Run("another's", func(t *testing.T) {
		cmd := c.Command("run", "--bundle", c.Dir, c.ID)
		cmd.Env = []string{"LISTEN_FDS=1", "LISTEN_PID=1", "PATH=" + os.Getenv("PATH")}
		cmd.ExtraFiles = []*os.File{socket}
		if res := c.Do(cmd).OK(t); res.Stdout != "LISTEN_FDS= LISTEN_PID= pid=1\n" && !IsCrun() {
			t.Errorf("the workload says %q", res.Stdout)
		}
	})
}

// sd_notify: create makes the way in, start waits for READY=1 and passes it on with the host's pid of init.
func TestNotify(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("notify"))
	path := filepath.Join(Dir(t), "host.sock")
	host, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	got := make(chan string, 16)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := host.Read(buf) // a BARRIER's descriptor is closed by not being asked for
			if err != nil {
				close(got)
				return
			}
			got <- string(buf[:n])
		}
	}()
	cmd := c.Command("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Env = []string{"NOTIFY_SOCKET=" + path}
	c.Do(cmd).OK(t)
	pid := c.PidFile(c.Dir + "/pid")
	cmd = c.Command("start", c.ID)
	cmd.Env = []string{"NOTIFY_SOCKET=" + path}
	c.Do(cmd).OK(t)
	host.Close()
	var all string
	for message := range got {
		all += message + "\n"
	}
	if !strings.Contains(all, "READY=1") {
		t.Errorf("the host's socket got %q", all)
	}
	if !strings.Contains(all, fmt.Sprintf("MAINPID=%d", pid)) && !IsCrun() {
		t.Errorf("the host's socket got %q, want the pid %d", all, pid)
	}
}
