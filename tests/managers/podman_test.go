package managers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// Podman decodes the whole log of a failed call as one JSON value, and shows its msg.
func TestPodman_OneJSONLineInTheLog(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]Edit{
		"missing program": Args("/no/such/program"),
		"unknown limit":   func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NONSENSE"}} },
		"warnings before": func(s *specs.Spec) {
			Args("/no/such/program")(s)
			s.Annotations = map[string]string{"run.oci.keep_original_groups": "1"}
			s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_UNHEARD_OF")
		},
		"failing hook": func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newConmon(t, damage)
			res := m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
			if msg, err := podmanError(m.log()); err != nil || msg == "" || !strings.Contains(res.Stderr, msg) {
				t.Errorf("Podman shows %q, %v; standard error %q", msg, err, res.Stderr)
			}
			m.podman().silent("delete", "--force", m.ID)
		})
	}
}

// What becomes of `podman run` and `podman exec` with a program that cannot be run.
func TestPodman_ExitCodes(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("ignore-term"))
	m.WriteFile(t, "etc/plain", "text", 0o644)
	m.running()
	for program, code := range map[string]int{"/no/such/program": 127, "no-such-program": 127, "/etc": 126, "/etc/plain": 126} {
		res := m.call("exec", "--pid-file", m.Dir+"/exec.pid", "--process", m.processFile("p", []string{program}), "--detach", m.ID).Exit(t, 255)
		if got := podmanExitCode(res.Stderr); got != code {
			t.Errorf("exec of %s: %d, want %d: %s", program, got, code, res.Stderr)
		}
		c := newConmon(t)
		c.Spec.Process.Args = []string{program}
		c.WriteFile(t, "etc/plain", "text", 0o644)
		c.WriteSpec(t)
		c.call("create", "--bundle", c.Dir, "--pid-file", c.pidFile(), c.ID).Fails(t)
		if msg, err := podmanError(c.log()); err != nil || podmanExitCode(msg) != code {
			t.Errorf("create of %s: %v: %s", program, err, msg)
		}
	}
}

// Labels that this host has no module for: 126, and no word that would make it 127.
func TestPodman_LabelsWithoutModuleAre126(t *testing.T) {
	t.Parallel()
	for label, edit := range map[string]Edit{
		"apparmor": func(s *specs.Spec) { s.Process.ApparmorProfile = "containers-default" },
		"selinux":  func(s *specs.Spec) { s.Process.SelinuxLabel = "system_u:system_r:container_t:s0" },
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat("/sys/module/" + label); err == nil {
				t.Skipf("this kernel has %s", label)
			}
			m := newConmon(t, edit)
			m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "is not enabled on this host")
			if msg, err := podmanError(m.log()); err != nil || podmanExitCode(msg) != 126 || dockerExitCode(msg) != 128 {
				t.Errorf("%v: %s", err, msg)
			}
		})
	}
}

// `podman --runtime-flag nonsense run` ends with 126, and says what the runtime did not know.
func TestPodman_UnknownRuntimeFlag(t *testing.T) {
	t.Parallel()
	m := newConmon(t)
	m.globals = append(m.globals, "--nonsense")
	res := m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "flag provided but not defined: -nonsense")
	if got := podmanExitCode(res.Stderr); got != 126 {
		t.Errorf("exit code %d: %s", got, res.Stderr)
	}
}

// All that Podman sets in the environment of kill, delete, pause and resume, and of state in 4.x, is an empty XDG_RUNTIME_DIR.
func TestPodman_NextToNoEnvironment(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{"XDG_RUNTIME_DIR alone": barestEnv, "nothing": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newConmon(t, Args("sleep"))
			pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
			p := m.podman()
			p.env, p.dir = env, "/proc"
			p.silent("start", m.ID)
			p.silent("pause", m.ID)
			if res := p.call("state", m.ID).OK(t); !strings.Contains(res.Stdout, `"status": "paused"`) || res.Stderr != "" {
				t.Errorf("state: %q %q", res.Stdout, res.Stderr)
			}
			p.silent("resume", m.ID)
			p.call("ps", m.ID).OK(t)
			p.silent("kill", m.ID, "9")
			m.Wait(pid)
			p.silent("delete", "--force", m.ID)
		})
	}
}

// Podman 4.x reads status and pid, and takes any other status for a mistake of its own.
func TestPodman_StateIsOneOfFour(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	check := func(status string, pid int) {
		t.Helper()
		var state struct {
			Status string
			Pid    *int
		}
		decode(t, m.podman().call("state", m.ID).OK(t).Stdout, &state)
		if state.Status != status || state.Pid == nil || *state.Pid != pid {
			t.Errorf("state %+v, want %s and %d", state, status, pid)
		}
	}
	check("created", pid)
	m.podman().silent("start", m.ID)
	check("running", pid)
	m.podman().silent("pause", m.ID)
	check("paused", pid)
	m.podman().silent("resume", m.ID)
	kill(t, pid)
	m.Wait(pid)
	check("stopped", 0)
}

// Podman's own test-suite looks for what is left in the state directory.
func TestPodman_StateDirectoryIsLeftEmpty(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	pid := m.running()
	m.podman().silent("kill", "--all", m.ID, "9")
	m.Wait(pid)
	m.podman().silent("delete", "--force", m.ID)
	m.podman().silent("delete", "--force", m.ID)
	if entries, err := os.ReadDir(m.Root); err != nil || len(entries) != 0 {
		t.Errorf("left in the state directory: %v, %v", entries, err)
	}
}

// A stop, a removal and the clean-up of a container that ends meanwhile get into each other's way, and leave nothing.
func TestPodman_StopAndRemoveRace(t *testing.T) {
	t.Parallel()
	for range 4 {
		m := newConmon(t, Args("sleep"))
		pid := m.running()
		var all sync.WaitGroup
		for _, args := range [][]string{{"kill", m.ID, "15"}, {"kill", "--all", m.ID, "9"}, {"state", m.ID}} {
			all.Go(func() { m.podman().call(args...) }) // it may be too late
		}
		for range 3 {
			all.Go(func() { m.podman().silent("delete", "--force", m.ID) })
		}
		m.Wait(pid)
		all.Wait()
		if entries, err := os.ReadDir(m.Root); err != nil || len(entries) != 0 {
			t.Errorf("left in the state directory: %v, %v", entries, err)
		}
		if left := CgroupDirs(m.Spec.Linux.CgroupsPath); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func TestPodman_UpdateByFile(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	m.running()
	file := filepath.Join(m.Dir, "resources.json")
	limits := specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}, BlockIO: &specs.LinuxBlockIO{}}
	data, err := json.Marshal(limits)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m.podman().silent("update", "--resources="+file, m.ID)
}

// What the probes say decides whether Podman and CRI-O offer a checkpoint, and one of a container with an SELinux label.
func TestPodman_CheckpointProbes(t *testing.T) {
	t.Parallel()
	m := newConmon(t)
	p := m.podman()
	p.globals = nil
	code, text := p.combined("checkpoint", "--help")
	if code != 0 || !strings.Contains(text, "--image-path") {
		t.Errorf("checkpoint --help: exit code %d: %s", code, text)
	}
	code, text = p.combined("restore", "--lsm-mount-context")
	if code == 0 || !containsAny(text, "flag needs an argument", "requires an argument") {
		t.Errorf("restore --lsm-mount-context: exit code %d: %s", code, text)
	}
}

// A failed kill is asked again by kill(2), and a state in 4.x: what they say has to agree.
func TestPodman_KillOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	pid := m.running()
	kill(t, pid)
	m.Wait(pid)
	m.podman().call("kill", m.ID, "15").Fails(t, "container not running")
	if s := m.State(); s.Status != specs.StateStopped || s.Pid != 0 {
		t.Errorf("state %+v", s)
	}
	m.podman().silent("kill", "--all", m.ID, "9")
}

// It tells signals by number; both signals of `podman stop` arrive.
func TestPodman_StopByNumber(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	pid, output := m.WithOutput("create")
	m.podman().silent("start", m.ID)
	Eventually(t, "the workload", func() bool { return output() == "ready\n" })
	m.podman().silent("kill", m.ID, "15")
	if status := m.Wait(pid); status.ExitStatus() != 64+int(unix.SIGTERM) {
		t.Errorf("wait status %x", status)
	}
}

// Annotations that another runtime knows, and such as are for systemd's scope, change nothing here.
func TestPodman_ForeignAnnotations(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"), func(s *specs.Spec) {
		s.Annotations = map[string]string{
			"run.oci.keep_original_groups": "1", "run.oci.mount_context_type": "rootcontext", "io.podman.annotations.init": "FALSE",
			"org.systemd.property.KillSignal": "15", "org.systemd.property.TimeoutStopUSec": "uint64 10000000",
		}
	})
	m.running()
	m.noLog()
}

// A start that fails says so to the user, and chatter of one that works would, too.
func TestPodman_StartSaysNothingButErrors(t *testing.T) {
	t.Parallel()
	m := newConmon(t, Args("sleep"))
	m.running() // silently, or this has failed
	res := m.podman().call("start", m.ID).Fails(t, "cannot start an already running container")
	if res.Stdout != "" || strings.Count(res.Stderr, "\n") != 1 {
		t.Errorf("start says %q %q", res.Stdout, res.Stderr)
	}
}
