package managers

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A manager is a program that calls the runtime for one container, always in the same way.
type manager struct {
	*Container

	t       *testing.T
	globals []string // the options before the command
	env     []string // all of it
	dir     string
	dies    bool   // it starts the runtime with a parent-death signal
	output  string // the file that the workload writes to, once there is one
}

// What the manager's own environment comes down to, and what is left where it passes on next to nothing: Podman's for root.
var (
	daemonEnv = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"}
	barestEnv = []string{"XDG_RUNTIME_DIR="}
)

// newShim is containerd's shim, by the library go-runc. It runs in the bundle, and one log file is for all of its calls.
func newShim(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	NeedRoot(t)
	c := NewContainer(t, edits...)
	m := &manager{Container: c, t: t, env: daemonEnv, dir: c.Dir, dies: true}
	m.globals = []string{"--root", c.Root, "--log", m.log(), "--log-format", "json"}
	return m
}

// newConmon is conmon on behalf of Podman, whose options for the runtime it passes on.
func newConmon(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	NeedRoot(t)
	c := NewContainer(t, edits...)
	m := &manager{Container: c, t: t, dir: "/", dies: true}
	m.env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "XDG_RUNTIME_DIR="}
	m.globals = []string{"--root=" + c.Root, "--log-format=json", "--log", m.log()}
	return m
}

// podman is Podman, which makes all calls but create and exec itself, with no more than the flags it was told of.
func (m *manager) podman() *manager {
	return &manager{Container: m.Container, t: m.t, env: barestEnv, dir: "/", globals: []string{"--root", m.Root}}
}

// newPlain is a program that gives its state root and nothing more: CRI-O, Buildah, SingularityCE.
func newPlain(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	NeedRoot(t)
	c := NewContainer(t, edits...)
	return &manager{Container: c, t: t, env: daemonEnv, dir: c.Dir, globals: []string{"--root", c.Root}}
}

// newCRIO passes on three variables.
func newCRIO(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	m := newPlain(t, edits...)
	m.dir, m.env = "/", []string{"CRI_O_EXTERNAL=1", "XDG_RUNTIME_DIR=", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	return m
}

// newGuardian is Guardian of Cloud Foundry, which always wants to know more.
func newGuardian(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	m := newPlain(t, edits...)
	m.globals = []string{"--root", m.Root, "--debug", "--log", m.log(), "--log-format", "json"}
	return m
}

// newBuildKit knows of no state root: the runtime's own is used.
func newBuildKit(t *testing.T, edits ...Edit) *manager {
	t.Helper()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the default state root is tare's")
	}
	c := NewContainer(t, edits...)
	c.Root = "/run/tare"
	m := &manager{Container: c, t: t, env: daemonEnv, dir: c.Dir, dies: true}
	m.globals = []string{"--log", m.log(), "--log-format", "json"}
	return m
}

func (m *manager) log() string     { return filepath.Join(m.Dir, "log.json") }
func (m *manager) pidFile() string { return filepath.Join(m.Dir, "init.pid") }

// command prepares a call.
func (m *manager) command(args ...string) *exec.Cmd {
	cmd := exec.Command(Runtime(), append(slices.Clone(m.globals), args...)...)
	cmd.Dir, cmd.Env = m.dir, m.env
	if m.dies {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	return cmd
}

// do runs a prepared call. The parent-death signal is sent by the end of the thread that forked, so that one is kept.
func (m *manager) do(cmd *exec.Cmd) *Result {
	m.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return m.Do(cmd)
}

func (m *manager) call(args ...string) *Result {
	m.t.Helper()
	return m.do(m.command(args...))
}

// silent is a call that has to succeed without a word: what it says would get into the container's log, or before a user.
func (m *manager) silent(args ...string) {
	m.t.Helper()
	if res := m.call(args...).OK(m.t); res.Stdout+res.Stderr != "" {
		m.t.Errorf("%s says on success: %q %q", strings.Join(args, " "), res.Stdout, res.Stderr)
	}
}

// combined is a call with both outputs in one place, as callers have it that connect neither.
func (m *manager) combined(args ...string) (code int, text string) {
	m.t.Helper()
	out := m.File(m.t, "combined")
	cmd := m.command(args...)
	cmd.Stdout, cmd.Stderr = out, out
	res := m.do(cmd)
	data, err := os.ReadFile(out.Name())
	if err != nil {
		m.t.Fatal(err)
	}
	return res.Code, string(data)
}

// create is a call of create or run, silent, with outputs that the container inherits. It gives the pid of its first process.
func (m *manager) create(args ...string) int {
	m.t.Helper()
	cmd := m.command(append(args, m.ID)...)
	out := m.File(m.t, "out")
	complaints := m.File(m.t, "err")
	cmd.Stdout, cmd.Stderr = out, complaints
	m.output = out.Name()
	res := m.do(cmd)
	said, err := os.ReadFile(complaints.Name())
	if err != nil {
		m.t.Fatal(err)
	}
	res.Stderr = string(said)
	res.OK(m.t)
	if len(said) != 0 {
		m.t.Errorf("%s says on success: %q", strings.Join(args, " "), said)
	}
	return m.PidFile(m.pidFile())
}

// running is a container that the manager has created and started in its usual way.
func (m *manager) running() int {
	m.t.Helper()
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	m.silent("start", m.ID)
	return pid
}

// ready waits for a workload of the probe's to have said that it now minds signals: until then PID 1 ignores one, and others die by it.
func (m *manager) ready() {
	m.t.Helper()
	Eventually(m.t, "the workload", func() bool { said, _ := os.ReadFile(m.output); return string(said) == "ready\n" })
}

// stopped is one whose first process was killed behind the manager's back, and reaped.
func (m *manager) stopped() {
	m.t.Helper()
	pid := m.running()
	kill(m.t, pid)
	m.Wait(pid)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// processFile writes the process of an exec, as callers do: a whole specs.Process, derived from the container's.
func (m *manager) processFile(name string, args []string, edits ...func(*specs.Process)) string {
	m.t.Helper()
	p := *m.Spec.Process
	p.Args, p.Terminal = args, false
	for _, edit := range edits {
		edit(&p)
	}
	data, err := json.Marshal(p)
	if err != nil {
		m.t.Fatal(err)
	}
	path := filepath.Join(m.Dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// atoi reads a pid file as go-runc does: the bytes as they are, so that a newline is a mistake.
func atoi(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		t.Errorf("pid file: %v", err)
	}
	return pid
}

// noLog reports what a log holds after nothing but successes.
func (m *manager) noLog() {
	m.t.Helper()
	if info, err := os.Stat(m.log()); err == nil && info.Size() > 0 {
		m.t.Errorf("log after success: %+v", ReadLog(m.t, m.log()))
	}
}

// ended demands that nobody has the other end of a pipe, and that nothing was written to it.
func ended(t *testing.T, reader *os.File) {
	t.Helper()
	if err := reader.SetReadDeadline(time.Now().Add(Deadline())); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(reader); err != nil || len(out) != 0 {
		t.Errorf("a pipe that should have no writers: %q, %v", out, err)
	}
}

func namespace(t *testing.T, pid int, kind string) string {
	t.Helper()
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// without runs a call that can never have a capability, as root of a container or of a confined service has it. The bounding set is the
// thread's: it ends with the goroutine that locks it.
func (m *manager) without(capability uintptr, cmd *exec.Cmd) *Result {
	m.t.Helper()
	var res *Result
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			m.t.Errorf("prctl PR_CAPBSET_DROP: %v", err)
			return
		}
		res = m.Do(cmd)
	})
	done.Wait()
	if res == nil {
		m.t.FailNow()
	}
	return res
}

// config is the text of the container's config.
func (m *manager) config() string {
	m.t.Helper()
	data, err := json.Marshal(m.Spec)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data)
}
