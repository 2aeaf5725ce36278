package managers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// What CRIU makes of a container is tried with the managers themselves, by tests/clients, where CRIU works. Here is what becomes of containers, and of
// those who called, where it does not, or is never asked.

// needBrokenCRIU skips where a dump would work.
func needBrokenCRIU(t *testing.T) {
	t.Helper()
	if exec.Command(NeedProgram(t, "criu"), "check").Run() == nil {
		t.Skip("CRIU works here: what is left when it fails cannot be seen")
	}
}

// newCheckpointed is a manager of a runtime that has the commands.
func newCheckpointed(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	NeedCommand(t, "checkpoint", "restore")
	if !IsTare() {
		t.Skip("is about tare's words")
	}
	return newShim(t, edits...)
}

func (m *manager) images() string { return filepath.Join(m.Dir, "checkpoint") }
func (m *manager) work() string   { return filepath.Join(m.Dir, "work") }

// checkpoint is the call of containerd's shim.
func (m *manager) checkpoint(more ...string) *Result {
	m.t.Helper()
	args := append([]string{"checkpoint", "--image-path", m.images(), "--work-path", m.work()}, more...)
	return m.call(append(args, m.ID)...)
}

// restore is the call of containerd's shim, by go-runc.
func (m *manager) restore() *Result {
	m.t.Helper()
	return m.call("restore", "--image-path", m.images(), "--work-path", m.work(), "--detach", "--pid-file", m.pidFile(), "-no-subreaper",
		"--bundle", m.Dir, m.ID)
}

// goesOn demands that a container is there as it was, and lets itself be used.
func (m *manager) goesOn(pid int) {
	m.t.Helper()
	if s := m.State(); s.Status != specs.StateRunning || s.Pid != pid {
		m.t.Errorf("status %s, pid %d, want that of %d running", s.Status, s.Pid, pid)
	}
	m.call("exec", m.ID, "/probe", "true").OK(m.t)
}

// oneLine demands that an error is one for people.
func oneLine(t *testing.T, res *Result) {
	t.Helper()
	if res.Stdout != "" || strings.Count(res.Stderr, "\n") != 1 {
		t.Errorf("stdout %q, stderr %q: not one line", res.Stdout, res.Stderr)
	}
}

// noImages demands that nothing is left of a checkpoint but CRIU's log: it would be taken for one.
func (m *manager) noImages() {
	m.t.Helper()
	left, _ := filepath.Glob(filepath.Join(m.images(), "*"))
	if left = slices.DeleteFunc(left, func(path string) bool { return strings.HasSuffix(path, ".log") }); len(left) != 0 {
		m.t.Errorf("left behind: %q", left)
	}
}

// A user is told by Podman what the runtime says; the container is one as before, and Podman's next try is with it.
func TestPodman_CheckpointThatFails(t *testing.T) {
	t.Parallel()
	needBrokenCRIU(t)
	m := newCheckpointed(t, Args("sleep"))
	pid := m.running()
	p := m.podman()
	p.env = daemonEnv
	for range 2 {
		res := p.call("checkpoint", "--image-path", m.images(), "--work-path", m.work(), "--tcp-established", m.ID)
		res.Fails(t, "criu failed: ", "(see "+m.work()+"/dump.log)")
		oneLine(t, res)
		if log, err := os.ReadFile(filepath.Join(m.work(), "dump.log")); err != nil || !strings.Contains(string(log), "Error (") {
			t.Errorf("dump.log: %v: %s", err, log)
		}
		m.goesOn(pid)
	}
	m.noImages()
	if left := HostMounts(t, m.Marks()...); len(left) != 0 {
		t.Errorf("mounts: %q", left)
	}
	for _, p := range Processes(t, m.images(), m.work()) {
		t.Errorf("left behind: %v", p)
	}
}

// containerd pauses a container before a checkpoint, and resumes it after that.
func TestShim_CheckpointOfPausedContainer(t *testing.T) {
	t.Parallel()
	needBrokenCRIU(t)
	m := newCheckpointed(t, Args("sleep"))
	pid := m.running()
	work := Dir(t)
	if err := os.Symlink(work, m.work()); err != nil { // in a bundle of the shim's it is one
		t.Fatal(err)
	}
	m.silent("pause", m.ID)
	res := m.checkpoint("--leave-running").Fails(t, "criu failed: ", m.work()+"/dump.log")
	oneLine(t, res)
	if _, err := os.Stat(filepath.Join(work, "dump.log")); err != nil {
		t.Error(err)
	}
	m.WaitStatus("paused")
	m.silent("resume", m.ID)
	m.goesOn(pid)
	if records := ReadLog(t, m.log()); len(records) != 1 || records[0].Level != "error" || !strings.Contains(res.Stderr, records[0].Msg) {
		t.Errorf("log: %+v, standard error: %q", records, res.Stderr)
	}
}

// The shim looks at its own record first; who comes by another way is told what is wrong, and finds nothing made.
func TestShim_CheckpointNeedsProcesses(t *testing.T) {
	t.Parallel()
	m := newCheckpointed(t, Args("sleep"))
	m.checkpoint().Fails(t, "container does not exist")
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	oneLine(t, m.checkpoint().Fails(t, "cannot checkpoint", "it is created"))
	m.silent("start", m.ID)
	m.goesOn(pid)
	kill(t, pid)
	m.Wait(pid)
	oneLine(t, m.checkpoint().Fails(t, "cannot checkpoint", "it is stopped"))
	for _, dir := range []string{m.images(), m.work()} {
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s was made", dir)
		}
	}
	m.silent("delete", m.ID)
}

// A value that means nothing is refused before anything is made, or frozen.
func TestShim_CheckpointOptionsAreRead(t *testing.T) {
	t.Parallel()
	m := newCheckpointed(t, Args("sleep"))
	pid := m.running()
	for _, tt := range []struct{ option, value, text string }{
		{"--manage-cgroups-mode", "all", "--manage-cgroups-mode all: want soft, full, strict or ignore"},
		{"--page-server", "host", "--page-server host: want HOST:PORT"},
		{"--page-server", "host:65536", "--page-server host:65536: "},
		{"--parent-path", "/first", "--parent-path /first: "},
		{"--page-server", "host:0", "--page-server host:0: "},
		{"--status-fd", "-5", "--status-fd -5: bad file descriptor"},
		{"--status-fd", "77", "--status-fd 77: bad file descriptor"},
		{"--empty-ns", "pid", "--empty-ns: "},
	} {
		oneLine(t, m.checkpoint(tt.option, tt.value).Fails(t, tt.text))
	}
	oneLine(t, m.checkpoint("--lazy-pages").Fails(t, "--lazy-pages needs --page-server HOST:PORT"))
	m.noImages()
	m.goesOn(pid)
}

// Nobody gets to hear of a missing CRIU by an errno.
func TestDocker_CheckpointWithoutCRIU(t *testing.T) {
	t.Parallel()
	m := newCheckpointed(t, Args("sleep"))
	m.env = []string{"PATH=" + Dir(t)}
	pid := m.running()
	oneLine(t, m.checkpoint().Fails(t, "criu", "$PATH", "install it"))
	m.noImages()
	m.goesOn(pid)
	m.silent("delete", "--force", m.ID)
	if err := os.Remove(m.pidFile()); err != nil { // of the create
		t.Fatal(err)
	}
	m.snapshot(`{"descriptors": ["", "", ""], "mounts": []}`)
	oneLine(t, m.restore().Fails(t, "criu", "$PATH", "install it"))
	m.nothing()
}

// Podman says it itself, to its own users.
func TestPodman_CheckpointOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	const uid, gid = 65532, 65532
	m := newCheckpointed(t, Args("sleep"), WithoutMount("/sys", "/dev/pts"), func(s *specs.Spec) {
		WithNamespace(specs.UserNamespace, "")(s)
		s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: uid, Size: 1}}
		s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: gid, Size: 1}}
	})
	m.AsUser(uid, gid)
	pid := m.Create()
	m.Start()
	oneLine(t, m.Tare("checkpoint", "--image-path", m.images(), m.ID).Fails(t, "needs root"))
	if s := m.State(); s.Status != specs.StateRunning || s.Pid != pid {
		t.Errorf("status %s, pid %d", s.Status, s.Pid)
	}
	m.Tare("delete", "--force", m.ID).OK(t)
	m.snapshot(`{"descriptors": ["", "", ""], "mounts": []}`)
	oneLine(t, m.Tare("restore", "--image-path", m.images(), "--bundle", m.Dir, m.ID).Fails(t, "needs root"))
	m.nothing()
}

// snapshot makes an image directory with nothing in it but what tare itself writes there.
func (m *manager) snapshot(text string) {
	m.t.Helper()
	if err := os.MkdirAll(m.images(), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.images(), "tare.json"), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// nothing demands that a restore that failed was none.
func (m *manager) nothing() {
	m.t.Helper()
	if left := m.Traces(); len(left) != 0 {
		m.t.Errorf("left behind: %q", left)
	}
	if _, err := os.Lstat(m.pidFile()); err == nil {
		m.t.Error("there is a pid file")
	}
}

// Docker hands over whatever directory its user names. With every mistake the error is one line of the restore's, and nothing is left.
func TestDocker_RestoreFromWhatIsNoCheckpoint(t *testing.T) {
	t.Parallel()
	volume := Dir(t)
	bound := BindMount(volume, "/volume")
	for name, tt := range map[string]struct{ snapshot, text string }{
		"missing":         {"", "no such file or directory"},
		"not JSON":        {"x", "tare.json"},
		"empty file":      {" ", "tare.json"},
		"outside":         {`{"mounts": [{"path": "/volume", "mount": 6, "below": "../.."}]}`, "no path below its source"},
		"outside again":   {`{"mounts": [{"path": "/volume", "mount": 6, "below": "a/../../b"}]}`, "no path below its source"},
		"from the root":   {`{"mounts": [{"path": "/volume", "mount": 6, "below": "/etc"}]}`, "no path below its source"},
		"no bind mount":   {`{"mounts": [{"path": "/proc", "mount": 0}]}`, "no bind mount /mounts/0"},
		"no such mount":   {`{"mounts": [{"path": "/x", "mount": 7}]}`, "no bind mount /mounts/7"},
		"before the list": {`{"mounts": [{"path": "/x", "mount": -1}]}`, "no bind mount /mounts/-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newCheckpointed(t, Args("sleep"), bound)
			if tt.snapshot != "" {
				m.snapshot(tt.snapshot)
			}
			res := m.restore().Fails(t, "tare restore failed: ", tt.text)
			oneLine(t, res)
			m.nothing()
			if records := ReadLog(t, m.log()); len(records) != 1 || !strings.Contains(res.Stderr, records[0].Msg) {
				t.Errorf("log: %+v", records)
			}
		})
	}
}

// The image directory is empty, or its tare.json is what nobody wrote there.
func TestDocker_RestoreFromStrangeFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(path string) error
		text    string
	}{
		"empty directory": {func(string) error { return nil }, "was it written by tare checkpoint?"},
		"link":            {func(path string) error { return os.Symlink("/etc/passwd", path) }, "tare.json"},
		"directory":       {func(path string) error { return os.Mkdir(path, 0o700) }, "tare.json"},
		"fifo":            {func(path string) error { return unix.Mkfifo(path, 0o600) }, "tare.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newCheckpointed(t, Args("sleep"))
			if err := os.Mkdir(m.images(), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.prepare(filepath.Join(m.images(), "tare.json")); err != nil {
				t.Fatal(err)
			}
			oneLine(t, m.restore().Fails(t, "tare restore failed: ", tt.text))
			m.nothing()
		})
	}
}

// CRIU has been started then, in the container's cgroup and a mount namespace of its own: both go.
func TestShim_RestoreThatFails(t *testing.T) {
	t.Parallel()
	NeedProgram(t, "criu")
	volume := Dir(t)
	m := newCheckpointed(t, Args("sleep"), BindMount(volume, "/new/volume"))
	m.snapshot(`{"descriptors": ["", "", ""], "mounts": [{"path": "/new/volume", "mount": 6, "below": ""}]}`)
	oneLine(t, m.restore().Fails(t, "tare restore failed: criu failed: ", "(see "+m.work()+"/restore.log)"))
	m.nothing()
	if left := HostMounts(t, volume); len(left) != 0 {
		t.Errorf("mounts: %q", left)
	}
	if _, err := os.Stat(filepath.Join(m.work(), "restore.log")); err != nil {
		t.Error(err)
	}
	m.goesOn(m.running()) // the name is free, and the bundle as good as before
}

// Whoever ends the shim or the runtime meanwhile leaves nothing that delete does not remove: CRIU is known by then. This one hangs.
func TestShim_RestoreKilledMeanwhile(t *testing.T) {
	t.Parallel()
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			m := newCheckpointed(t, Args("sleep"))
			m.hangingCRIU()
			m.snapshot(`{"descriptors": ["", "", ""], "mounts": []}`)
			cmd := m.command("restore", "--image-path", m.images(), "--work-path", m.work(), "--detach", "--bundle", m.Dir, m.ID)
			Begin(t, cmd)
			m.WaitState("CRIU in the state", func(s specs.State) bool {
				return slices.ContainsFunc(Processes(t, m.Dir+"/bin/criu"), func(p Proc) bool { return p.PID == s.Pid })
			})
			if err := unix.Kill(cmd.Process.Pid, signal); err != nil {
				t.Fatal(err)
			}
			Finish(t, cmd)
			m.silent("delete", "--force", m.ID)
			m.nothing()
		})
	}
}

// hangingCRIU puts one into PATH that never answers.
func (m *manager) hangingCRIU() {
	m.t.Helper()
	m.fakeCRIU("read word <$0.fifo")
	if err := unix.Mkfifo(filepath.Join(m.Dir, "bin", "criu.fifo"), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// fakeCRIU puts a script into PATH in CRIU's place.
func (m *manager) fakeCRIU(script string) {
	m.t.Helper()
	bin := filepath.Join(m.Dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "criu"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.env = []string{"PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin"}
	m.t.Cleanup(func() {
		for _, p := range Processes(m.t, bin, m.ID) {
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
	})
}

// CRIU gets no descriptor that somebody leaked, and is in the container's cgroup where it is told to leave cgroups alone: what it makes is where it
// is itself.
func TestShim_RestoreWithinTheContainer(t *testing.T) {
	t.Parallel()
	m := newCheckpointed(t, Args("sleep"))
	m.snapshot(`{"descriptors": ["", "", ""], "mounts": []}`)
	// The request comes last.
	m.fakeCRIU("dd bs=1 count=1 <&3 >/dev/null 2>&1; ls -l /proc/self/fd >$0.fds; cat /proc/self/cgroup >$0.cgroup; exit 1")
	leaked := m.File(t, "leaked")
	cmd := m.command("restore", "--image-path", m.images(), "--work-path", m.work(), "--manage-cgroups-mode", "ignore", "--detach", "--bundle", m.Dir, m.ID)
	cmd.ExtraFiles = []*os.File{leaked, leaked}
	m.do(cmd).Fails(t, "criu died")
	m.nothing()
	fds, err := os.ReadFile(filepath.Join(m.Dir, "bin", "criu.fds"))
	if err != nil || strings.Contains(string(fds), leaked.Name()) {
		t.Errorf("descriptors: %s, %v", fds, err)
	}
	cgroup, err := os.ReadFile(filepath.Join(m.Dir, "bin", "criu.cgroup"))
	if err != nil || !strings.Contains(string(cgroup), m.ID) {
		t.Errorf("cgroup: %s, %v", cgroup, err)
	}
}

// A CRIU that was killed leaves the container frozen, or a paused one running. The shim finds it as it was.
func TestShim_CheckpointWhoseCRIUDies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, v2, v1 string }{{"running", "1", "FROZEN"}, {"paused", "0", "THAWED"}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newCheckpointed(t, Args("sleep"))
			pid := m.running()
			m.fakeCRIU(fmt.Sprintf(`find /sys/fs/cgroup -path '*%[1]s/cgroup.freeze' | while read f; do echo %[2]s >$f; done
find /sys/fs/cgroup -path '*%[1]s/freezer.state' | while read f; do echo %[3]s >$f; done
>$0.called`, m.ID, tt.v2, tt.v1))
			if tt.name == "paused" {
				m.silent("pause", m.ID)
			}
			m.checkpoint().Fails(t, "criu died")
			if _, err := os.Stat(filepath.Join(m.Dir, "bin", "criu.called")); err != nil {
				t.Fatal(err)
			}
			if tt.name == "paused" {
				m.WaitStatus("paused")
				m.silent("resume", m.ID)
			}
			m.goesOn(pid)
		})
	}
}

// A link in the image is not followed to make a mount point.
func TestDocker_RestoreMakesNoMountPointOutside(t *testing.T) {
	t.Parallel()
	NeedProgram(t, "criu")
	volume, outside := Dir(t), Dir(t)
	m := newCheckpointed(t, Args("sleep"), BindMount(volume, "/link/made"))
	m.Symlink(t, outside, "link")
	m.snapshot(`{"descriptors": ["", "", ""], "mounts": [{"path": "/link/made", "mount": 6, "below": ""}]}`)
	m.restore().Fails(t)
	m.nothing()
	if made, err := os.ReadDir(outside); err != nil || len(made) != 0 {
		t.Errorf("outside: %v, %v", made, err)
	}
}

// What CRIU could not bring back is refused by its field, at a restore before anything is made.
func TestPodman_UnsavableIsRefusedByField(t *testing.T) {
	t.Parallel()
	mapped := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}
	for field, edit := range map[string]Edit{
		"linux.namespaces (/linux/namespaces)": func(s *specs.Spec) {
			WithoutNamespace(specs.MountNamespace)(s)
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		},
		"linux.namespaces[5].path (/linux/namespaces/5/path)": WithNamespace(specs.CgroupNamespace, "/proc/self/ns/cgroup"),
		"mounts[6] (/mounts/6)": WithMount(specs.Mount{
			Destination: "/volume", Source: ".", Type: "bind", Options: []string{"bind"}, UIDMappings: mapped, GIDMappings: mapped,
		}),
		"linux.seccomp.listenerPath (/linux/seccomp/listenerPath)": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow, ListenerPath: "/run/agent",
				Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}},
			}
		},
		"linux.netDevices (/linux/netDevices)": func(s *specs.Spec) {
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"tare-none": {}}
		},
		"linux.intelRdt (/linux/intelRdt)": func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "tare-none"} },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			m := newCheckpointed(t, Args("sleep"), edit)
			m.snapshot(`{"descriptors": ["", "", ""], "mounts": []}`)
			oneLine(t, m.restore().Fails(t, field))
			m.nothing()
		})
	}
}
