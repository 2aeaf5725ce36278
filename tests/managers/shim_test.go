package managers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// All that a shim asks for in a container's life, word by word as go-runc says it, is done without a word.
func TestShim_LifeIsSilent(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--no-pivot", "--no-new-keyring")
	m.silent("start", m.ID)
	m.ready()
	execFile := filepath.Join(m.Dir, "exec.pid")
	out := m.File(t, "exec-out")
	cmd := m.command("exec", "--process", m.processFile("runc-process1", []string{"/probe", "ignore-term"}), "--detach", "--pid-file", execFile, m.ID)
	cmd.Stdout, cmd.Stderr = out, out
	m.do(cmd).OK(t)
	second := m.PidFile(execFile)
	if res := m.call("ps", "--format", "json", m.ID).OK(t); res.Stdout != fmt.Sprintf("[%d,%d]\n", pid, second) || res.Stderr != "" {
		t.Errorf("ps says %q %q, want %d and %d", res.Stdout, res.Stderr, pid, second)
	}
	m.silent("pause", m.ID)
	m.silent("resume", m.ID)
	Eventually(t, "exec's workload", func() bool { info, err := out.Stat(); return err == nil && info.Size() > 0 })
	m.silent("kill", m.ID, "15")
	m.Wait(second) // before init: the end of a PID namespace waits for all in it to be reaped
	if status := m.Wait(pid); status.ExitStatus() != 64+int(unix.SIGTERM) {
		t.Errorf("wait status %x", status)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.silent("delete", m.ID)
	m.silent("delete", "--force", m.ID)
	m.noLog()
	if text, _ := os.ReadFile(out.Name()); string(text) != "ready\n" {
		t.Errorf("exec's output, but for the workload's: %q", text)
	}
}

// The shim waits for the pid of the pid file: that has to be its own child once the runtime has left, for exec as well.
func TestShim_ProcessesBecomeItsChildren(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("exit", "3"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	if pid != m.State().Pid {
		t.Errorf("pid file says %d, state %d", pid, m.State().Pid)
	}
	if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got != 0 || err != nil {
		t.Fatalf("wait for the created init: %d, %v", got, err)
	}
	execFile := filepath.Join(m.Dir, "exec.pid")
	m.silent("exec", "--process", m.processFile("p", []string{"/probe", "exit", "4"}), "--detach", "--pid-file", execFile, m.ID)
	if status := m.Wait(m.PidFile(execFile)); status.ExitStatus() != 4 {
		t.Errorf("exec's wait status %x", status)
	}
	m.silent("start", m.ID)
	if status := m.Wait(pid); status.ExitStatus() != 3 {
		t.Errorf("init's wait status %x", status)
	}
	if left := Processes(t, m.Marks()...); len(left) != 0 {
		t.Errorf("processes in between: %v", left)
	}
}

// A live shim says --systemd-cgroup with every command, its clean-up with none: what counts is how the container was created.
func TestShim_DriverIsTheStates(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	dir := OwnCgroup(t, pid)
	m.globals = append(m.globals, "--systemd-cgroup")
	m.silent("start", m.ID)
	m.silent("pause", m.ID)
	m.silent("resume", m.ID)
	m.silent("update", "--cpu-share", "512", m.ID)
	m.call("exec", m.ID, "/probe", "true").OK(t)
	if res := m.call("ps", "--format", "json", m.ID).OK(t); res.Stdout != fmt.Sprintf("[%d]\n", pid) {
		t.Errorf("ps says %q, want %d", res.Stdout, pid)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.Wait(pid)
	m.silent("delete", "--force", m.ID)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup after delete: %v", err)
	}
	m.noLog()
}

// Limits come by standard input, in the words of go-runc today and of that in containerd 1.6. These are what dockerd sends for
// an update that changes none of them.
func TestShim_UpdateByStandardInput(t *testing.T) {
	t.Parallel()
	const limits = `{"devices":null,"memory":{"limit":0,"reservation":0,"swap":0,"kernel":0},` +
		`"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}` + "\n"
	m := newShim(t, Args("sleep"))
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	for _, state := range []string{"created", "running", "paused"} {
		switch state {
		case "running":
			m.silent("start", m.ID)
		case "paused":
			m.silent("pause", m.ID)
		}
		for _, resources := range [][]string{{"--resources=-"}, {"--resources", "-"}} {
			cmd := m.command(append(append([]string{"update"}, resources...), m.ID)...)
			cmd.Stdin = strings.NewReader(limits)
			if res := m.do(cmd).OK(t); res.Stdout+res.Stderr != "" {
				t.Errorf("%s, %v: %q %q", state, resources, res.Stdout, res.Stderr)
			}
		}
	}
	m.noLog()
}

// One that is killed between create and start is stopped, not created, and start does not wait for it.
func TestShim_InitKilledRightAfterCreate(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	kill(t, pid)
	m.WaitStatus(specs.StateStopped) // a zombie: nobody has waited for it
	m.call("start", m.ID).Fails(t)
	m.Wait(pid)
	m.silent("delete", m.ID)
}

// An exec that races with the end of the container works or fails, and a failed one has no pid file.
func TestShim_ExecRacingWithTheEnd(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	process := m.processFile("p", []string{"/probe", "true"})
	const n = 12
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if i == n/2 {
				kill(t, pid)
				return
			}
			pidFile := filepath.Join(m.Dir, "exec.pid"+strconv.Itoa(i))
			res := m.call("exec", "--process", process, "--detach", "--pid-file", pidFile, m.ID)
			_, err := os.Stat(pidFile)
			if res.Code == 0 && err == nil {
				m.Container.Wait(atoi(t, pidFile))
				return
			}
			if res.Code != 255 || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("exec %d: exit code %d, pid file %v: %s", i, res.Code, err, res.Stderr)
			}
		})
	}
	all.Wait()
	m.Wait(pid)
	m.silent("delete", m.ID)
}

func TestShim_PidFileIsDigitsAlone(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	if pid := atoi(t, m.pidFile()); pid != m.State().Pid {
		t.Errorf("pid file %d, state %+v", pid, m.State())
	}
	data, err := os.ReadFile(m.pidFile())
	if err != nil || strings.Trim(string(data), "0123456789") != "" {
		t.Errorf("pid file %q, %v", data, err)
	}
}

// Pids of `ctr task ps` and `docker top`: a JSON array of those of the host, and null at most once there are none.
func TestShim_PidsAreAnArray(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	pid := m.running()
	pids := func() (all []int) {
		decode(t, m.call("ps", "--format", "json", m.ID).OK(t).Stdout, &all)
		return all
	}
	if all := pids(); !slices.Equal(all, []int{pid}) {
		t.Errorf("pids %v, want %d", all, pid)
	}
	kill(t, pid)
	m.Wait(pid)
	Eventually(t, "an empty cgroup", func() bool { return len(pids()) == 0 })
}
