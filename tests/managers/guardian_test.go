package managers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "tare/internal/testutil"
)

// All of Guardian's calls want debug records: those go to the log, and no word of them elsewhere.
func TestGuardian_DebugLogOfRunDetached(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("tty"), Terminal)
	console := NewReceiver(t)
	pid := m.create("run", "--detach", "--no-new-keyring", "--bundle", m.Dir, "--pid-file", m.pidFile(), "--console-socket", console.Path)
	master, _ := console.Receive()
	Expect(t, master, "size 0 0\r\n")
	for _, record := range ReadLog(t, m.log()) {
		if record.Level != "debug" && record.Level != "info" {
			t.Errorf("record %+v", record)
		}
	}
	if states, err := filepath.Glob(m.Root + "/*/state.json"); err != nil || len(states) != 1 {
		t.Errorf("state files %v, %v", states, err)
	}
	kill(t, pid)
	m.Wait(pid)
	m.silent("delete", m.ID)
}

// The process of an exec comes by a pipe, which is named through /proc and can be read once.
func TestGuardian_ProcessFromAPipe(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("ignore-term"))
	m.running()
	exec := func(tty bool, flags ...string) int {
		t.Helper()
		p := *m.Spec.Process
		p.Args, p.Terminal = []string{"/probe", "tty"}, tty
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		reader, writer := Pipe(t)
		if _, err := writer.Write(data); err != nil {
			t.Fatal(err)
		}
		writer.Close()
		fd := 0
		if err := control(reader, func(n int) error { fd = n; return nil }); err != nil {
			t.Fatal(err)
		}
		pidFile := filepath.Join(m.Dir, "exec.pid")
		args := append([]string{"exec", "--detach", "--pid-file", pidFile, "-p", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)}, flags...)
		cmd := m.command(append(args, m.ID)...)
		cmd.Stdout = m.File(t, "out")
		m.do(cmd).OK(t)
		return m.PidFile(pidFile)
	}
	if status := m.Wait(exec(false)); status.ExitStatus() != 0 { // its standard input is at its end
		t.Errorf("wait status %x", status)
	}
	console := NewReceiver(t)
	pid := exec(true, "--tty", "--console-socket", console.Path)
	master, _ := console.Receive()
	Expect(t, master, "size 0 0\r\n")
	kill(t, pid)
	m.Wait(pid)
}

// The last record of level error or fatal is shown, and one expression decides whether an executable is missing.
func TestGuardian_NoSuchExecutable(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("ignore-term"))
	m.WriteFile(t, "etc/plain", "text", 0o644)
	m.running()
	for program, missing := range map[string]bool{"/no/such/program": true, "no-such-program": true, "/etc/plain": false} {
		m.call("exec", "--process", m.processFile("p", []string{program}), "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID).Exit(t, 255)
		msg, err := guardianLastError(m.log())
		if err != nil || guardianNoSuchExecutable(msg) != missing {
			t.Errorf("exec of %s: %v: %s", program, err, msg)
		}
	}
}

// A run of what is not there, in the words that Guardian knows.
func TestGuardian_NoSuchExecutableOfRun(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"/no/such/program", "no-such-program"} {
		m := newGuardian(t)
		m.Spec.Process.Args = []string{program}
		m.WriteSpec(t)
		m.call("run", "--detach", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Exit(t, 1)
		if msg, err := guardianLastError(m.log()); err != nil || !guardianNoSuchExecutable(msg) {
			t.Errorf("run of %s: %v: %s", program, err, msg)
		}
		if _, err := os.Stat(m.pidFile()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a pid file: %v", err)
		}
	}
}

func TestGuardian_CreatedIsRFC3339(t *testing.T) {
	t.Parallel()
	m := newGuardian(t, Args("sleep"))
	start := time.Now().Add(-time.Second)
	m.running()
	var state struct{ Created string }
	decode(t, m.call("state", m.ID).OK(t).Stdout, &state)
	if created, err := time.Parse(time.RFC3339, state.Created); err != nil || created.Before(start) || created.After(time.Now()) {
		t.Errorf("created %q, %v", state.Created, err)
	}
}
