package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// marker has the workload write a file, which tells that it ran.
func marker(t *testing.T) (edit Edit, path string) {
	t.Helper()
	dir := Dir(t)
	return func(s *specs.Spec) {
		Args("write", "/marker/ran", "yes")(s)
		BindMount(dir, "/marker")(s)
	}, filepath.Join(dir, "ran")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// pointsOf lists the mount points that a process sees.
func pointsOf(t *testing.T, pid int) (all []string) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		all = append(all, strings.Fields(line)[4])
	}
	return all
}

// checkEnvironment compares the namespaces, mounts and cgroup of a process with what the config asks for.
func checkEnvironment(t *testing.T, c *Container, pid int) {
	t.Helper()
	for _, ns := range []string{"mnt", "pid", "net", "ipc", "uts"} {
		ours, err := os.Readlink("/proc/self/ns/" + ns)
		theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns))
		if err != nil || err2 != nil || ours == theirs {
			t.Errorf("%s namespace %s, ours is %s (%v, %v)", ns, theirs, ours, err, err2)
		}
	}
	points := pointsOf(t, pid)
	for _, m := range c.Spec.Mounts {
		if !slices.Contains(points, m.Destination) {
			t.Errorf("no mount on %s: %q", m.Destination, points)
		}
	}
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(cgroup), c.ID) {
		t.Errorf("cgroup %q (%v)", cgroup, err)
	}
}

func TestLifecycle_EnvironmentIsMadeByCreate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	checkEnvironment(t, c, c.Create())
}

func TestLifecycle_ProgramIsNotRunByCreate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	edit, ran := marker(t)
	c := NewContainer(t, edit)
	pid := c.Create()
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || strings.Contains(string(comm), "/probe") || exists(ran) {
		t.Errorf("after create the process is %q (%v), the program ran: %v", comm, err, exists(ran))
	}
	c.Start()
	c.Wait(pid)
	if !exists(ran) {
		t.Error("the program did not run after start")
	}
}

// Neither start nor exec reads the bundle again.
func TestLifecycle_ConfigChangesAfterCreateHaveNoEffect(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, Args("await-signal"), record(kindOf(t, "poststop"), dir, "as it was"), func(s *specs.Spec) {
		s.Annotations = map[string]string{"when": "before"}
		s.Process.Env = append(s.Process.Env, "WHEN=before")
	})
	pid, output := c.WithOutput("create")
	for _, text := range []string{`{"ociVersion":"1.0.2","root":{"path":"/"},"process":{"args":["/probe","exit","9"],"cwd":"/","env":["WHEN=after"]}}`, "no JSON"} {
		c.WriteConfig(t, text)
		c.Tare("state", c.ID).OK(t)
	}
	c.Start()
	Eventually(t, "the workload", func() bool { return output() == "ready\n" })
	if s := c.State(); s.Annotations["when"] != "before" {
		t.Errorf("annotations %v", s.Annotations)
	}
	if r := c.Tare("exec", c.ID, "/probe", "report").Report(t); !slices.Contains(r.Process.Env, "WHEN=before") {
		t.Errorf("environment of an exec: %q", r.Process.Env)
	}
	c.Tare("kill", c.ID, "TERM").OK(t)
	if status := c.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
	c.Tare("delete", c.ID).OK(t)
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"as it was"}) {
		t.Errorf("hooks %v", got)
	}
}

func TestLifecycle_ProgramIsRunByStart(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	edit, ran := marker(t)
	c := NewContainer(t, edit, func(s *specs.Spec) { s.Process.User.Umask = new(uint32(0o077)) })
	pid := c.Create()
	c.Start()
	if status := c.Wait(pid); status.ExitStatus() != 0 || !exists(ran) {
		t.Errorf("wait status %x, the program ran: %v", status, exists(ran))
	}
}

func TestLifecycle_DestroyUndoesCreate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	before := HostMounts(t, "")
	pid := c.Create()
	c.Start()
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
	if left := c.Traces(); left != nil {
		t.Errorf("left: %v", left)
	}
	for _, m := range HostMounts(t, c.Marks()...) {
		if !slices.Contains(before, m) {
			t.Errorf("a mount that was not there before: %s", m)
		}
	}
}

// What cannot be applied: an error of create, and not of start, with the field, and nothing left.
var unappliable = map[string]struct {
	edit  Edit
	field string
}{
	"sysctl":      {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.no_such_thing": "1"} }, "/linux/sysctl"},
	"mount":       {BindMount("/no/such/source", "/mnt"), "/mounts/6"},
	"file system": {WithMount(specs.Mount{Destination: "/mnt", Type: "nosuchfs", Source: "none"}), "/mounts/6"},
	"device": {func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/proc/version", Type: "c", Major: 1, Minor: 3}}
	}, "/linux/devices/0"},
	"namespace": {WithNamespace(specs.NetworkNamespace, "/no/such/namespace"), "/linux/namespaces/4"},
	"root":      {func(s *specs.Spec) { s.Root.Path = "nothing" }, "/root/path"},
	"rlimit":    {func(s *specs.Spec) { s.Process.Rlimits[0].Hard = 1 << 40; s.Process.Rlimits[0].Soft = 1 << 40 }, "/process/rlimits/0"},
	"cgroup file": {func(s *specs.Spec) {
		s.Linux.Resources.Unified = map[string]string{"no.such.file": "1"}
	}, "/linux/resources/unified"},
	"seccomp": {func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_NOTHING"} }, "/linux/seccomp/defaultAction"},
}

func TestLifecycle_EnvironmentThatCannotBeMadeIsAnError(t *testing.T) { notApplied(t) }
func TestCreate_PropertyThatCannotBeAppliedIsAnError(t *testing.T)    { notApplied(t) }

func notApplied(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range unappliable {
		c := NewContainer(t, Args("sleep"), tt.edit)
		res := c.Hooked("create")
		if res.Code != 1 || !strings.Contains(res.Stderr, tt.field) {
			t.Errorf("%s: exit code %d, want the field %s: %s", name, res.Code, tt.field, res.Stderr)
		}
		c.Tare("state", c.ID).Fails(t, "does not exist")
	}
}

// The environment is as if the operation had never been attempted: processes, state, cgroups, mounts, and the id.
func TestErrors_LeaveTheEnvironmentAsItWas(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, tt := range unappliable {
		c := NewContainer(t, Args("sleep"), tt.edit)
		c.Tare("create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID).Exit(t, 1)
		if left := c.Traces(); left != nil {
			t.Errorf("%s: left %v", name, left)
		}
		if exists(c.Dir + "/pid") {
			t.Errorf("%s: a pid file", name)
		}
	}
}

func TestCreate_WithoutBundleOrIDIsAnError(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	if res := c.Tare("create", "--bundle", c.Dir); res.Code == 0 {
		t.Error("create without an id succeeds")
	}
	c.Tare("create", "--bundle", c.Dir, "").Fails(t, "container id cannot be empty")
	// No path is the current directory, which is no bundle.
	cmd := c.Command("create", c.ID)
	cmd.Dir = Dir(t)
	c.Do(cmd).Fails(t, "config.json", "no such file or directory")
	if left := c.Gone(); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestCreate_UsedOrInvalidIDIsAnErrorAndMakesNothing(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"))
	pid := c.Create()
	for _, status := range []specs.ContainerState{specs.StateCreated, specs.StateRunning, specs.StateStopped} {
		c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, "container with given ID already exists")
		if s := c.State(); s.Status != status || status != specs.StateStopped && s.Pid != pid {
			t.Errorf("the refused create changed the container: %+v", s)
		}
		switch status {
		case specs.StateCreated:
			c.Start()
		case specs.StateRunning:
			c.Tare("kill", c.ID, "KILL").OK(t)
			c.Wait(pid)
		}
	}
	c.Tare("delete", c.ID).OK(t)
	for _, id := range []string{".", "..", "a/b", "../x", "a b", "a\nb", "ä", "a:b", strings.Repeat("x", 5000)} {
		c.Tare("create", "--bundle", c.Dir, id).Fails(t)
	}
	if entries, _ := os.ReadDir(c.Root); len(entries) != 0 {
		t.Errorf("refused ids left %v in the state root", entries)
	}
}

func TestCreate_MakesANewContainer(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	a := NewContainer(t, Args("sleep"))
	b := a.Another(Args("sleep"))
	pidA, pidB := a.Create(), b.Create()
	if s := a.State(); s.Pid != pidA || s.Status != specs.StateCreated {
		t.Errorf("%+v", s)
	}
	if s := b.State(); s.Pid != pidB || s.Status != specs.StateCreated || pidA == pidB {
		t.Errorf("%+v", s)
	}
}

// Every property has a test of its own; here are some of each section at once, of a container that is only created.
func TestCreate_AppliesAllPropertiesButProcess(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_default_ttl": "63"}
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/of-ours", Type: "c", Major: 1, Minor: 3}}
	})
	pid := c.Create()
	checkEnvironment(t, c, pid)
	root := fmt.Sprintf("/proc/%d/root", pid)
	var st unix.Stat_t
	if err := unix.Stat(root+"/dev/of-ours", &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("device: %v, number %x", err, st.Rdev)
	}
	if err := unix.Access(root+"/etc", unix.W_OK); err != unix.EROFS {
		t.Errorf("write to the read-only root: %v", err)
	}
	if text, err := os.ReadFile(root + "/proc/1/net/snmp"); err != nil || !strings.Contains(string(text), "\nIp: ") || strings.Fields(string(text[strings.Index(string(text), "\nIp: "):]))[2] != "63" {
		t.Errorf("time to live: %q (%v)", text, err)
	}
}

func TestCreate_DoesNotApplyArgs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	edit, ran := marker(t)
	c := NewContainer(t, edit)
	c.Create()
	c.Tare("delete", c.ID).OK(t)
	if exists(ran) {
		t.Error("the program ran")
	}
}

// startRefused has start fail, and the container stay what it was.
func startRefused(t *testing.T, c *Container, text string) {
	t.Helper()
	before := c.State()
	c.Tare("start", c.ID).Fails(t, text)
	if after := c.State(); after.Status != before.Status || after.Pid != before.Pid {
		t.Errorf("%s: the refused start changed %+v into %+v", text, before, after)
	}
}

func TestStart_OnNotCreatedFailsAndHasNoEffect(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, Args("sleep"), record(kindOf(t, "startContainer"), dir, "startContainer"), record(kindOf(t, "poststart"), dir, "poststart"))
	pid := c.Create()
	c.Start()
	startRefused(t, c, "cannot start an already running container")
	if HasCommand(t, "pause") {
		c.Tare("pause", c.ID).OK(t)
		startRefused(t, c, "cannot start")
		c.Tare("resume", c.ID).OK(t)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	startRefused(t, c, "cannot start a container that has stopped")
	if got := HookNames(HookCalls(t, dir+"/log")); !slices.Equal(got, []string{"startContainer", "poststart"}) {
		t.Errorf("hooks %v", got)
	}
}

func TestStart_RunsTheProgramAsSpecified(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("report", "kernel.hostname"), func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 12, GID: 34, AdditionalGids: []uint32{56}, Umask: new(uint32(0o027))}
		s.Process.Cwd = "/tmp"
		s.Process.Env = []string{"A=1", "PATH=/"}
	})
	pid, output := c.WithOutput("create")
	c.Start()
	c.Wait(pid)
	p := (&Result{Stdout: output()}).Report(t).Process
	if p.UID != 12 || p.GID != 34 || p.Cwd != "/tmp" || p.Umask != 0o027 || !slices.Equal(p.Groups, []int{56}) ||
		!slices.Equal(p.Args, []string{"/probe", "report", "kernel.hostname"}) || !slices.Contains(p.Env, "A=1") {
		t.Errorf("%+v", p)
	}
}

// create without process is legal; start has nothing to start, and what was created stays so.
func TestStart_WithoutProcessIsAnError(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, record(kindOf(t, "startContainer"), dir, "startContainer"), record(kindOf(t, "poststart"), dir, "poststart"),
		func(s *specs.Spec) { s.Process = nil })
	pid := c.Create()
	checkEnvironment(t, c, pid)
	for range 2 {
		startRefused(t, c, "process (/process)")
	}
	if s := c.State(); s.Status != specs.StateCreated || s.Pid != pid {
		t.Errorf("%+v", s)
	}
	if calls := HookCalls(t, dir+"/log"); calls != nil {
		t.Errorf("hooks %v", HookNames(calls))
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
	if left := c.Traces(); left != nil {
		t.Errorf("left: %v", left)
	}
	c.Run().Fails(t, "process (/process)")
	if left := c.Traces(); left != nil {
		t.Errorf("run left: %v", left)
	}
}

func TestKill_OnStoppedFailsAndHasNoEffect(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, Args("exit", "3"))
	pid := c.Create()
	c.Start()
	c.Wait(pid)
	for _, sig := range []string{"TERM", "KILL", "0"} {
		c.Tare("kill", c.ID, sig).Fails(t, "container not running")
		if s := c.State(); s.Status != specs.StateStopped {
			t.Errorf("after kill %s: %+v", sig, s)
		}
	}
}

func TestKill_SendsTheSignal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	created := NewContainer(t, Args("sleep"))
	pid := created.Create()
	created.Tare("kill", created.ID, "KILL").OK(t)
	if status := created.Wait(pid); status.Signal() != unix.SIGKILL {
		t.Errorf("created: wait status %x", status)
	}
	c := NewContainer(t, Args("sleep"))
	pid, output := c.WithOutput("create")
	c.Start()
	// Until it has a handler the first process of a PID namespace gets no signal.
	Eventually(t, "the workload", func() bool { return output() == "ready\n" })
	c.Tare("kill", c.ID, "USR2").OK(t)
	if status := c.Wait(pid); status.ExitStatus() != 64+int(unix.SIGUSR2) {
		t.Errorf("running: wait status %x", status)
	}
}

func TestDelete_OnRunningFailsAndHasNoEffect(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	dir := Dir(t)
	c := NewContainer(t, Args("sleep"), record(kindOf(t, "poststop"), dir, "poststop"))
	pid := c.Create()
	c.Start()
	refused := func(status string) {
		t.Helper()
		c.Tare("delete", c.ID).Fails(t, "cannot delete container "+c.ID+" that is not stopped: "+status)
		if s := c.State(); string(s.Status) != status || s.Pid != pid {
			t.Errorf("the refused delete left %+v", s)
		}
		if err := unix.Kill(pid, 0); err != nil {
			t.Errorf("the process: %v", err)
		}
	}
	refused("running")
	c.Tare("kill", c.ID, "CONT").OK(t) // a signal that ends nobody is not waited for
	refused("running")
	if HasCommand(t, "pause") {
		c.Tare("pause", c.ID).OK(t)
		refused("paused")
		c.Tare("resume", c.ID).OK(t)
	}
	if calls := HookCalls(t, dir+"/log"); calls != nil {
		t.Errorf("hooks %v", HookNames(calls))
	}
}

// A kill that no one survives is as good as a stop: the delete after it waits.
func TestDelete_RightAfterKillSucceeds(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for i := range 10 {
		edits := []Edit{Args("spawn-children", "20")}
		if i%2 == 1 {
			edits = append(edits, WithoutNamespace(specs.PIDNamespace))
		}
		c := NewContainer(t, edits...)
		pid := c.Create()
		c.Start()
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Tare("delete", c.ID).OK(t)
		c.Wait(pid)
	}
}

func TestDelete_RemovesWhatCreateMade(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, WithoutNamespace(specs.PIDNamespace), Args("spawn-children", "3"))
	pid := c.Create()
	c.Start()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil { // init alone: the others are in the cgroup still
		t.Fatal(err)
	}
	c.Wait(pid)
	c.Tare("delete", c.ID).OK(t)
	Eventually(t, "the last trace to go", func() bool { return c.Traces() == nil })
	c.Tare("state", c.ID).Fails(t, "does not exist")
}

func TestDelete_LeavesWhatCreateDidNotMake(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	other := NewContainer(t, Args("sleep"))
	host := other.Create()
	source := Dir(t)
	if err := os.WriteFile(source+"/file", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := other.Another(BindMount(source, "/data"), WithNamespace(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", host)), Args("exit", "0"))
	c.Run("--pid-file", c.Dir+"/pid").OK(t)
	for _, path := range []string{source + "/file", c.Dir + "/config.json", c.RootFS + "/probe", other.Root + "/" + other.ID} {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	if s := other.State(); s.Status != specs.StateCreated || s.Pid != host {
		t.Errorf("the container whose network was joined: %+v", s)
	}
}
