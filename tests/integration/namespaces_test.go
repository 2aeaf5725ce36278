package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// nsName is the name in /proc/PID/ns.
func nsName(kind specs.LinuxNamespaceType) string {
	switch kind {
	case specs.MountNamespace:
		return "mnt"
	case specs.NetworkNamespace:
		return "net"
	}
	return string(kind)
}

func nsOf(t *testing.T, pid int, kind specs.LinuxNamespaceType) string {
	t.Helper()
	target, err := os.Readlink(nsPath(pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func nsPath(pid int, kind specs.LinuxNamespaceType) string {
	return fmt.Sprintf("/proc/%d/ns/%s", pid, nsName(kind))
}

var allNamespaces = [...]specs.LinuxNamespaceType{
	specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace,
	specs.CgroupNamespace, specs.UserNamespace, specs.TimeNamespace,
}

// Each kind is new where it is listed and the caller's where it is not.
func TestNewNamespaces(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, kind := range allNamespaces {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			NeedNamespace(t, nsName(kind))
			if kind == specs.TimeNamespace && (IsRunc() || IsCrun()) {
				t.Skip("time namespaces are younger than these releases")
			}
			edit := WithNamespace(kind, "")
			if kind == specs.UserNamespace {
				edit = WithUserNamespace(100000, 65536)
			}
			r := NewContainer(t, edit).Report()
			if host := nsOf(t, os.Getpid(), kind); r.Namespaces[nsName(kind)] == host || r.Namespaces[nsName(kind)] == "" {
				t.Errorf("the %s namespace is %q, the host's %q", kind, r.Namespaces[nsName(kind)], host)
			}
		})
	}
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace} {
		t.Run("no "+string(kind), func(t *testing.T) {
			t.Parallel()
			r := NewContainer(t, WithoutNamespace(kind)).Report()
			for _, other := range allNamespaces {
				if other == specs.TimeNamespace || other == specs.CgroupNamespace && !CgroupV2() {
					continue
				}
				listed := slices.Contains([]specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace}, other) && other != kind
				if same := r.Namespaces[nsName(other)] == nsOf(t, os.Getpid(), other); same == listed {
					t.Errorf("%s namespace: the host's is %v, want %v", other, same, !listed)
				}
			}
		})
	}
}

// One container joins another's namespaces, one kind at a time and all at once, as the containers of a pod do.
func TestJoinNamespaces(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner := NewContainer(t, Args("sleep"), func(s *specs.Spec) { s.Hostname = "the-owner" }, WithNamespace(specs.CgroupNamespace, ""))
	pid := owner.Create()
	owner.Start()
	kinds := []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.CgroupNamespace,
	}
	join := func(c *Container, kinds ...specs.LinuxNamespaceType) *view.Report {
		for _, kind := range kinds {
			WithNamespace(kind, nsPath(pid, kind))(c.Spec)
		}
		c.Spec.Hostname = ""
		c.WriteSpec(t)
		return c.Report()
	}
	t.Run("group", func(t *testing.T) {
		for _, kind := range kinds {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				c := NewContainer(t)
				r := join(c, kind)
				if r.Namespaces[nsName(kind)] != nsOf(t, pid, kind) {
					t.Errorf("the %s namespace is %s, want %s", kind, r.Namespaces[nsName(kind)], nsOf(t, pid, kind))
				}
				if kind == specs.UTSNamespace && r.UTS.Hostname != "the-owner" {
					t.Errorf("hostname %q", r.UTS.Hostname)
				}
				if kind == specs.PIDNamespace && r.Process.PID == 1 {
					t.Error("pid 1 in a joined PID namespace")
				}
			})
		}
		t.Run("all", func(t *testing.T) {
			t.Parallel()
			r := join(NewContainer(t), kinds...)
			for _, kind := range kinds {
				if r.Namespaces[nsName(kind)] != nsOf(t, pid, kind) {
					t.Errorf("the %s namespace is %s, want %s", kind, r.Namespaces[nsName(kind)], nsOf(t, pid, kind))
				}
			}
		})
	})
}

// In a joined PID namespace init is still its caller's child, and its death takes nobody else along.
func TestJoinedPIDLifecycle(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner := NewContainer(t, Args("sleep"))
	ownerPid := owner.Create()
	owner.Start()
	c := NewContainer(t, Args("sleep"), WithNamespace(specs.PIDNamespace, nsPath(ownerPid, specs.PIDNamespace)))
	pid := c.Create()
	c.Start()
	if s := c.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("state %+v", s)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
	c.Tare("delete", c.ID).OK(t)
	if s := owner.State(); s.Status != specs.StateRunning {
		t.Errorf("the owner of the namespace is %s", s.Status)
	}
}

func TestNamespaceErrors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range map[string]struct {
		edit Edit
		text string
	}{
		"duplicate": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UTSNamespace})
		}, ""},
		"unknown":       {WithNamespace("nonsense", ""), "nonsense"},
		"missing path":  {WithNamespace(specs.NetworkNamespace, "/no/such/ns"), "/no/such/ns"},
		"wrong type":    {WithNamespace(specs.NetworkNamespace, "/proc/self/ns/uts"), ""},
		"no namespace":  {WithNamespace(specs.NetworkNamespace, "/dev/null"), ""},
		"hostname only": {func(s *specs.Spec) { WithoutNamespace(specs.UTSNamespace)(s); s.Hostname = "x" }, "hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, tt.edit)
			c.Run().Fails(t, tt.text)
			if left := c.Gone(); left != nil {
				t.Errorf("the failed run left %v", left)
			}
		})
	}
}

func TestUserNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), WithUserNamespace(100000, 65536), func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 10, GID: 20, AdditionalGids: []uint32{30}}
	})
	pid := c.Create()
	c.Start()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t100010\t100010\t100010\t100010", "Gid:\t100020\t100020\t100020\t100020"} {
		Eventually(t, want, func() bool {
			data, _ = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			return strings.Contains(string(data), want)
		})
	}
	if !strings.Contains(string(data), "Groups:\t100030") {
		t.Errorf("status on the host:\n%s", data)
	}
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if got := strings.Fields(string(maps)); !slices.Equal(got, []string{"0", "100000", "65536"}) {
		t.Errorf("uid_map %q", maps)
	}

	// A second container joins it by path, without mappings of its own.
	other := NewContainer(t, WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace)))
	if !IsTare() {
		t.Skip("runc and crun want the mappings again for a user namespace joined by path")
	}
	r := other.Report()
	if r.Namespaces["user"] != nsOf(t, pid, specs.UserNamespace) || r.Process.UID != 0 {
		t.Errorf("user namespace %s, uid %d", r.Namespaces["user"], r.Process.UID)
	}
}

// A user namespace together with a joined PID and network namespace, which other users' namespaces own.
func TestUserNamespaceMixtures(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner := NewContainer(t, Args("sleep"))
	pid := owner.Create()
	owner.Start()
	for _, kind := range []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace} {
		t.Run("join "+string(kind), func(t *testing.T) {
			c := NewContainer(t, WithUserNamespace(100000, 65536), WithNamespace(kind, nsPath(pid, kind)), WithoutMount("/sys", "/dev/mqueue"))
			c.Spec.Hostname = ""
			c.WriteSpec(t)
			r := c.Report()
			if r.Namespaces[nsName(kind)] != nsOf(t, pid, kind) {
				t.Errorf("the %s namespace is %s", kind, r.Namespaces[nsName(kind)])
			}
			if r.Namespaces["user"] == nsOf(t, os.Getpid(), specs.UserNamespace) {
				t.Error("no user namespace")
			}
		})
	}
}

func TestTimeOffsets(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedNamespace(t, "time")
	if !IsTare() {
		t.Skip("time namespaces are younger than these releases")
	}
	const monotonic, boottime = 1000, 1_000_000
	c := NewContainer(t, WithNamespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: monotonic, Nanosecs: 5}, "boottime": {Secs: boottime}}
	})
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
		t.Fatal(err)
	}
	got := c.Report().Clocks
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &after); err != nil {
		t.Fatal(err)
	}
	const offset = boottime * int64(time.Second)
	if got.Boottime < before.Nano()+offset || got.Boottime > after.Nano()+offset {
		t.Errorf("CLOCK_BOOTTIME is %d, want %d to %d", got.Boottime, before.Nano()+offset, after.Nano()+offset)
	}
	for name, edit := range map[string]Edit{
		"no time namespace": func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}} },
		"unknown clock": func(s *specs.Spec) {
			WithNamespace(specs.TimeNamespace, "")(s)
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"sundial": {Secs: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewContainer(t, edit).Run().Fails(t)
		})
	}
}

// An ordinary user, with a user namespace of one id, as `spec --rootless` describes it.
func TestRootless(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	const uid, gid = 65533, 65533
	c := NewContainer(t, WithoutNamespace(specs.NetworkNamespace), WithoutMount("/sys"), rootless(uid, gid))
	c.AsUser(uid, gid)
	r := c.Report()
	if r.Process.UID != 0 || r.Process.PID != 1 || r.UTS.Hostname != "tare-test" {
		t.Errorf("uid %d, pid %d, hostname %q", r.Process.UID, r.Process.PID, r.UTS.Hostname)
	}

	t.Run("lifecycle", func(t *testing.T) {
		c := NewContainer(t, Args("sleep"), WithoutMount("/sys"), rootless(uid, gid))
		c.AsUser(uid, gid)
		pid := c.Create()
		c.Start()
		c.WaitStatus(specs.StateRunning)
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Wait(pid)
		c.Tare("delete", c.ID).OK(t)
	})
	t.Run("a state root of somebody else", func(t *testing.T) {
		if !IsTare() {
			t.Skip("the words are tare's")
		}
		c := NewContainer(t, rootless(uid, gid))
		c.AsUser(uid, gid)
		c.Root = filepath.Join(Dir(t), "state")
		const way = ": permission denied: --root has to name a directory of yours\n"
		c.Run().Fails(t, "state root: mkdir "+c.Root+way)
		if err := os.Mkdir(c.Root, 0o755); err != nil {
			t.Fatal(err)
		}
		c.Run().Fails(t, "state directory: mkdir "+filepath.Join(c.Root, c.ID)+way)
		if err := os.Chmod(c.Root, 0o700); err != nil {
			t.Fatal(err)
		}
		c.Tare("list").Fails(t, "open "+c.Root+way)
		c.Tare("kill", c.ID).Fails(t, "open "+filepath.Join(c.Root, c.ID)+way)
	})
	t.Run("what spec writes", func(t *testing.T) {
		c := NewContainer(t)
		c.AsUser(uid, gid)
		config := filepath.Join(c.Dir, "config.json")
		args := c.Spec.Process.Args
		if err := os.Remove(config); err != nil {
			t.Fatal(err)
		}
		c.Tare("spec", "--rootless", "--bundle", c.Dir).OK(t)
		raw, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		c.Spec = new(specs.Spec)
		if err := json.Unmarshal(raw, c.Spec); err != nil {
			t.Fatal(err)
		}
		c.Spec.Process.Terminal, c.Spec.Process.Args = false, args
		c.WriteSpec(t)
		if r := c.Report(); r.Process.PID != 1 || r.UTS.Hostname != c.Spec.Hostname {
			t.Errorf("pid %d, hostname %q", r.Process.PID, r.UTS.Hostname)
		}
	})
	t.Run("more ids without a helper", func(t *testing.T) {
		c := NewContainer(t, WithoutMount("/sys"), rootless(uid, gid), func(s *specs.Spec) {
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 10}}
		})
		c.AsUser(uid, gid)
		c.Run().Exit(t, 1)
	})
}

// A user with a umask that leaves nothing can use what it has made all the same: a state root two levels deep, and all in it.
func TestRootlessUmask(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	const uid = 4343
	c := NewContainer(t, rootless(uid, uid), Args("sleep"))
	c.AsUser(uid, uid)
	c.Root = filepath.Join(c.Dir, "two", "levels")
	call := func(args ...string) {
		t.Helper()
		cmd := c.Command(args...)
		cmd.Args = append([]string{"sh", "-c", `umask 0777; exec "$0" "$@"`}, cmd.Args...)
		cmd.Path = "/bin/sh"
		c.Do(cmd).OK(t)
	}
	call("create", "--bundle", c.Dir, c.ID)
	call("state", c.ID)
	call("start", c.ID)
	call("exec", c.ID, "/probe", "true")
	call("delete", "--force", c.ID)
	call("run", "--detach", "--bundle", c.Dir, c.ID)
}

func rootless(uid, gid uint32) Edit {
	return func(s *specs.Spec) {
		WithNamespace(specs.UserNamespace, "")(s)
		s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}}
		s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: gid, Size: 1}}
		for i := range s.Mounts { // gid 5 is not mapped
			s.Mounts[i].Options = slices.DeleteFunc(s.Mounts[i].Options, func(o string) bool { return o == "gid=5" })
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	r := NewContainer(t).Report()
	if flags := r.Interfaces["lo"]; len(r.Interfaces) != 1 || flags&unix.IFF_UP == 0 {
		t.Errorf("interfaces %v, want one lo that is up", r.Interfaces)
	}
}
