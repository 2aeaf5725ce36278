package managers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// What a shim takes for "not found", which makes of a kill that came too late one that is done: see docs/managers.
func TestShim_KillOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	for _, signal := range []string{"15", "9"} {
		if code, text := m.combined("kill", m.ID, signal); code != 1 || shimKillError(text) != "process already finished" {
			t.Errorf("kill %s: exit code %d: %s", signal, code, text)
		}
	}
}

// A kill that comes between the end of the process and its reaping has come too late as well.
func TestShim_KillBeforeTheReaper(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	kill(t, pid)
	m.WaitStatus(specs.StateStopped) // a zombie
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "process already finished" {
		t.Errorf("exit code %d: %s", code, text)
	}
	m.silent("kill", "--all", m.ID, "9")
	m.Wait(pid)
}

// Any other failure is no "not found": the container would count as gone, and run.
func TestShim_KillThatFailsIsNoNotFound(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	for _, args := range [][]string{{"kill", m.ID, "99"}, {"kill", m.ID, "NONSENSE"}, {"kill", "--nonsense", m.ID, "9"}, {"kill"}} {
		if code, text := m.combined(args...); code != 1 || shimKillError(text) != unknownKillError || crioNotFound(text) {
			t.Errorf("%v: exit code %d: %s", args, code, text)
		}
	}
	if s := m.State(); s.Status != specs.StateRunning {
		t.Errorf("the container is %s", s.Status)
	}
}

func TestShim_KillOfUnknownContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "no such container" {
		t.Errorf("exit code %d: %s", code, text)
	}
}

// Behind the shim's back: another has deleted the container.
func TestShim_KillAndDeleteAfterDeleteBehindItsBack(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	pid := m.running()
	m.Tare("delete", "--force", m.ID).OK(t)
	m.Wait(pid)
	if code, text := m.combined("kill", m.ID, "9"); code != 1 || shimKillError(text) != "no such container" {
		t.Errorf("kill: exit code %d: %s", code, text)
	}
	if code, text := m.combined("delete", m.ID); code != 1 || !strings.Contains(text, "does not exist") {
		t.Errorf("delete: exit code %d: %s", code, text)
	}
}

// kill --all comes after the end of the first process, too, and from CRI's clean-up for every container, long dead.
func TestShim_KillAllOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	m.silent("kill", "--all", m.ID, "9")
	m.silent("kill", "--all", m.ID, "9")
	m.noLog()
}

// In a shared PID namespace the others live on when the first process has ended: kill --all is what ends them.
func TestShim_KillAllEndsLeftoversOfSharedPIDNamespace(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"), WithoutNamespace(specs.PIDNamespace))
	pid := m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	m.do(m.command("exec", "--process", m.processFile("p", []string{"/probe", "ignore-term"}), "--detach", "--pid-file", execFile, m.ID)).OK(t)
	other := m.PidFile(execFile)
	kill(t, pid)
	m.Wait(pid)
	if err := unix.Kill(other, 0); err != nil {
		t.Fatalf("the other process: %v", err)
	}
	m.silent("kill", "--all", m.ID, "9")
	if status := m.Wait(other); status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %x", status)
	}
}

func TestShim_DeleteForceOfUnknownContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.silent("delete", "--force", m.ID)
	m.noLog()
}

// The clean-up knows nothing but an id. What it finds may be a directory without any state, or with half of one.
func TestShim_DeleteForceOfPartialState(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no state": "", "half a state": `{"id":"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newShim(t)
			dir := filepath.Join(m.Root, m.ID)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if text != "" {
				if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m.silent("delete", "--force", m.ID)
			if left := m.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}
