package managers

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// SingularityCE runs in the foreground, from the bundle's directory.
func TestSingularity_RunFromTheBundle(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("exit", "5"))
	m.call("run", "-b", m.Dir, "--pid-file=relative.pid", m.ID).Exit(t, 5)
	if pid := atoi(t, filepath.Join(m.Dir, "relative.pid")); pid == 0 {
		t.Error("no pid")
	}
	m.call("run", m.ID).Exit(t, 5) // the current directory is the default bundle
	if left := m.Gone(); left != nil {
		t.Errorf("run left %v", left)
	}
}

// It forwards each signal that it gets, but SIGCHLD and SIGURG, by its number.
func TestSingularity_EverySignalNumber(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("await-signal"))
	pid, seen := m.WithOutput("create")
	m.silent("start", m.ID)
	Eventually(t, "the workload", func() bool { return seen() == "ready\n" })
	// What cannot be caught is for the end, and so is what a Go program ends by; SIGCONT goes after what stops.
	own := []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, 32, 33, 34}
	for number := unix.Signal(1); number <= 64; number++ {
		if number == unix.SIGCHLD || number == unix.SIGURG || number == unix.SIGKILL || number == unix.SIGTERM {
			continue
		}
		m.silent("kill", m.ID, strconv.Itoa(int(number)))
		if number == unix.SIGSTOP {
			m.silent("kill", m.ID, strconv.Itoa(int(unix.SIGCONT)))
		}
		if !slices.Contains(own, number) {
			Eventually(t, "signal "+strconv.Itoa(int(number)), func() bool { return strings.Contains(seen(), "\n"+strconv.Itoa(int(number))+"\n") })
		}
	}
	m.silent("kill", m.ID, "15")
	if status := m.Wait(pid); status.ExitStatus() != 0 {
		t.Errorf("wait status %x", status)
	}
}

// Options after the id are the command's.
func TestSingularity_ExecOfACommand(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("ignore-term"))
	m.running()
	if res := m.call("exec", m.ID, "/probe", "echo", "--root", "-d", "--pid-file=x").OK(t); res.Stdout != "--root -d --pid-file=x\n" {
		t.Errorf("output %q", res.Stdout)
	}
}

func TestSingularity_UpdateByShortOption(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("sleep"))
	m.running()
	file := m.File(t, "limits")
	if _, err := file.WriteString(`{"memory": {}, "cpu": {"shares": 512}}`); err != nil {
		t.Fatal(err)
	}
	NeedLimits(t, "cpu")
	m.silent("update", "-r", file.Name(), m.ID)
}

// In the background it has conmon write a log of text, which is no JSON: the error comes by standard error, then.
func TestSingularity_TextLogAndStandardError(t *testing.T) {
	t.Parallel()
	m := newPlain(t, Args("/no/such/program"))
	m.globals = append(m.globals, "--log", m.log())
	res := m.call("create", "-b", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t, "no such file or directory")
	if msg, err := podmanError(m.log()); err == nil {
		t.Errorf("the log is JSON: %s", msg)
	}
	if !strings.Contains(res.Stderr, "create failed: ") {
		t.Errorf("standard error: %s", res.Stderr)
	}
}
