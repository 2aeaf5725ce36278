package managers

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// CRI-O decodes a state on top of its own record, which keeps what the text leaves out: pid 0 has to be said.
func TestCRIO_StateHasPIDZeroWhenStopped(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("sleep"), func(s *specs.Spec) { s.Annotations = map[string]string{"io.kubernetes.pod.uid": "7"} })
	pid := m.running()
	record := struct {
		specs.State
		Created time.Time
	}{State: specs.State{Pid: 4711}}
	decode(t, m.call("state", m.ID).OK(t).Stdout, &record)
	if record.Pid != pid || record.ID != m.ID || record.Bundle != m.Dir || record.Version == "" || record.Created.IsZero() ||
		record.Status != specs.StateRunning || record.Annotations["io.kubernetes.pod.uid"] != "7" {
		t.Errorf("running: %+v", record)
	}
	kill(t, pid)
	m.Wait(pid)
	text := m.call("state", m.ID).OK(t).Stdout
	decode(t, text, &record)
	if record.Pid != 0 || record.Status != specs.StateStopped {
		t.Errorf("stopped: %+v", record)
	}
	// Its record has more keys, whose meaning is its own.
	var all map[string]any
	decode(t, text, &all)
	for _, key := range []string{
		"started", "finished", "exitCode", "oomKilled", "seccompKilled", "error", "initPid", "initStartTime", "checkpointedTime",
	} {
		if _, ok := all[key]; ok {
			t.Errorf("the state has a key %q", key)
		}
	}
}

// A state that fails, for whatever reason, is the end of a container to CRI-O: what others do with it meanwhile is no reason.
func TestCRIO_StateNeverFails(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("ignore-term"))
	pid := m.running()
	var over atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !over.Load() {
				m.call("state", m.ID).OK(t)
			}
		})
	}
	process := m.processFile("p", []string{"/probe", "true"})
	for range 3 {
		m.silent("pause", m.ID)
		m.silent("resume", m.ID)
		m.call("exec", "--process", process, m.ID).OK(t)
		m.silent("update", "--cpu-share", "512", m.ID)
	}
	m.silent("kill", m.ID, "KILL")
	m.Wait(pid)
	over.Store(true)
	readers.Wait()
}

// The pid file is there before, empty, and is replaced by rename, not written to: who reads it sees all or nothing.
func TestCRIO_EmptyPidFileIsReplaced(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("sleep"))
	if err := os.WriteFile(m.pidFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(m.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	if info, err := old.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the pid file was written in place: %v, %v", info.Size(), err)
	}
	if pid := atoi(t, m.pidFile()); pid != m.State().Pid {
		t.Errorf("pid file says %d, state %d", pid, m.State().Pid)
	}
}

// What CRI-O takes for "not found": delete is done then, and the loop that stops a container ends.
func TestCRIO_StoppedIsNotFound(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("sleep"))
	m.stopped()
	for _, args := range [][]string{{"kill", m.ID, "KILL"}, {"kill", m.ID, "15"}, {"pause", m.ID}} {
		if res := m.call(args...).Fails(t); !crioNotFound(res.Stderr) {
			t.Errorf("%v: %s", args, res.Stderr)
		}
	}
	m.silent("kill", "-a", m.ID, "9")
	m.silent("delete", "--force", m.ID)
}

// Its stop loop says KILL by name, its clean-up of containers in the host's PID namespace -a.
func TestCRIO_KillByName(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("ignore-term"), WithoutNamespace(specs.PIDNamespace))
	pid := m.running()
	m.ready()
	m.silent("kill", "-a", m.ID, "15") // ignored there
	m.silent("kill", m.ID, "KILL")
	if status := m.Wait(pid); !status.Signaled() {
		t.Errorf("wait status %x", status)
	}
}

// A streaming exec is in the foreground, its exit code the answer, with no more than XDG_RUNTIME_DIR around it.
func TestCRIO_StreamingExec(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("ignore-term"))
	m.running()
	m.env = barestEnv
	for command, code := range map[string]int{"/probe true": 0, "/probe exit 32": 32, "/probe signal-self 9": 137, "/nowhere": 255} {
		m.call("exec", "--process", m.processFile("p", strings.Fields(command)), m.ID).Exit(t, code)
	}
	cmd := m.command("exec", "--process", m.processFile("p", []string{"/probe", "cat"}), m.ID)
	cmd.Stdin = strings.NewReader("both ways\n")
	if res := m.do(cmd).OK(t); res.Stdout != "both ways\n" || res.Stderr != "" {
		t.Errorf("output %q %q", res.Stdout, res.Stderr)
	}
}

// `kubectl exec -it`: the terminal's size follows.
func TestCRIO_StreamingExecTerminal(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("ignore-term"))
	m.running()
	m.env = barestEnv
	process := m.processFile("p", []string{"/probe", "tty"}, func(p *specs.Process) { p.Terminal = true })
	followsTerminal(t, m.command("exec", "--process", process, m.ID))
}

// With infra CPUs set aside CRI-O starts the runtime by taskset: a container is not confined to those.
func TestCRIO_TasksetStaysOut(t *testing.T) {
	t.Parallel()
	NeedProgram(t, "taskset")
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	if all.Count() < 2 {
		t.Skip("needs two processors")
	}
	m := newCRIO(t, Args("sleep"))
	cmd := m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)
	taskset := exec.Command("taskset", append([]string{"1"}, cmd.Args...)...)
	taskset.Env, taskset.Dir = cmd.Env, cmd.Dir
	m.do(taskset).OK(t)
	pid := m.PidFile(m.pidFile())
	m.silent("start", m.ID)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil || set.Count() != all.Count() {
		t.Errorf("%d of %d processors, %v", set.Count(), all.Count(), err)
	}
}

// Both outputs of features are read as one document: a warning would cost all features.
func TestCRIO_FeaturesAreOneDocument(t *testing.T) {
	t.Parallel()
	f := features(t, func(cmd *exec.Cmd) ([]byte, error) { return cmd.CombinedOutput() })
	if f.Min == "" || f.Max == "" {
		t.Errorf("versions %q to %q", f.Min, f.Max)
	}
	if !slices.Contains(f.MountOptions, "rro") {
		t.Error("no rro: no recursive read-only mounts")
	}
	if f.Linux == nil || !slices.Contains(f.Linux.Namespaces, "user") || !f.idmap() {
		t.Errorf("no user namespaces for pods: %+v", f.Linux)
	}
}

// The version is shown with both outputs in one line.
func TestCRIO_VersionLines(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(Runtime(), "--version").CombinedOutput()
	if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || len(lines) < 3 || slices.Contains(lines, "") {
		t.Errorf("%v: %q", err, out)
	}
}

// Its updates are by standard input, too.
func TestCRIO_UpdateByStandardInput(t *testing.T) {
	t.Parallel()
	m := newCRIO(t, Args("sleep"))
	m.running()
	cmd := m.command("update", "--resources", "-", m.ID)
	data, err := json.Marshal(specs.LinuxResources{Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(string(data))
	if res := m.do(cmd).OK(t); res.Stdout+res.Stderr != "" {
		t.Errorf("update says %q %q", res.Stdout, res.Stderr)
	}
}

// A created container of the CRI plugin gets new limits before it is started, and a stop or removal twice is none the worse.
func TestCRI_StopAndRemoveTwice(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	for range 2 {
		m.silent("kill", "--all", m.ID, "9")
	}
	m.silent("delete", m.ID)
	if code, text := m.combined("delete", m.ID); code != 1 || !strings.Contains(text, "does not exist") {
		t.Errorf("second delete: exit code %d: %s", code, text)
	}
	m.silent("delete", "--force", m.ID)
}

// A sandbox wants an OOM score below the caller's, and a limit above its own: where that is not allowed the error says which.
func TestCRI_OOMScoreWithoutTheRightIsNamed(t *testing.T) {
	t.Parallel()
	score := -998
	m := newShim(t, func(s *specs.Spec) { s.Process.OOMScoreAdj = &score })
	res := m.without(unix.CAP_SYS_RESOURCE, m.command("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID)).Fails(t)
	if !containsAny(res.Stderr, "oom_score_adj", "oomScoreAdj") || !strings.Contains(res.Stderr, "-998") {
		t.Errorf("the error does not say what: %s", res.Stderr)
	}
}

func TestDocker_RlimitWithoutTheRightIsNamed(t *testing.T) {
	t.Parallel()
	m := newShim(t, func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{
			{Type: "RLIMIT_NOFILE", Soft: 1 << 20, Hard: 1<<20 + 1}, {Type: "RLIMIT_MEMLOCK", Soft: 1 << 50, Hard: 1 << 60},
		}
	})
	res := m.without(unix.CAP_SYS_RESOURCE, m.command("run", "--bundle", m.Dir, m.ID)).Fails(t)
	if !containsAny(res.Stderr, "RLIMIT_NOFILE", "RLIMIT_MEMLOCK") {
		t.Errorf("the error does not say what: %s", res.Stderr)
	}
	if !strings.Contains(res.Stderr, "operation not permitted") || podmanExitCode(res.Stderr) != 126 || dockerExitCode(res.Stderr) != 128 {
		t.Errorf("taken for a program that cannot be executed, or is not there: %s", res.Stderr)
	}
}
