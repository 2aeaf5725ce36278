package managers

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// A failing command appends exactly one record, of level error, to what the log held, and says it on stderr too.
func TestShim_OneErrorRecordForEachFailure(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("/no/such/program"))
	start := time.Now().Add(-2 * time.Second)
	if err := os.WriteFile(m.log(), []byte(`{"level":"info","msg":"older","time":"2020-01-02T03:04:05Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]string{
		{"create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID},
		{"start", m.ID},
		{"kill", m.ID, "9"},
		{"create", "--bundle", m.Dir + "/nowhere", m.ID},
	} {
		res := m.call(args...).Fails(t)
		records := ReadLog(t, m.log())
		if len(records) != i+2 {
			t.Fatalf("%v: %d records in the log, want one more than %d: %+v", args, len(records), i+1, records)
		}
		last := records[len(records)-1]
		if last.Level != "error" || last.Time.Before(start) || last.Time.After(time.Now()) {
			t.Errorf("%v: record %+v", args, last)
		}
		if msg, err := shimLastError(m.log()); err != nil || msg == "" || !strings.Contains(res.Stderr, msg) {
			t.Errorf("%v: the shim shows %q, %v; standard error %q", args, msg, err, res.Stderr)
		}
		if res.Stdout != "" || strings.Count(res.Stderr, "\n") != 1 {
			t.Errorf("%v: standard output %q, standard error %q", args, res.Stdout, res.Stderr)
		}
	}
	if _, err := os.Stat(m.pidFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed create wrote the pid file (%v)", err)
	}
	if left := m.Gone(); left != nil {
		t.Errorf("a failed create left %v", left)
	}
}

// findsNoProgram has a create fail for its command, and cleans up after it.
func (m *manager) findsNoProgram(t *testing.T) {
	t.Helper()
	m.Spec.Process.Args = []string{"no-such-program"}
	m.WriteSpec(t)
	m.call("create", "--bundle", m.Dir, "--pid-file", m.pidFile(), m.ID).Fails(t)
	m.silent("delete", "--force", m.ID)
}

// The clean-up after a failed create must not hide its error.
func TestShim_CleanUpHidesNoError(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.findsNoProgram(t)
	if msg, err := shimLastError(m.log()); err != nil || !strings.Contains(msg, "executable file not found in $PATH") {
		t.Errorf("the shim shows %q, %v", msg, err)
	}
}

// A hook that fails when the container is gone is a warning: no record of level error is in the log, before the real one or after it.
func TestShim_FailingPoststopHidesNoError(t *testing.T) {
	t.Parallel()
	poststop := func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/false"}}} }
	m := newShim(t, Args("sleep"), poststop)
	m.stopped()
	m.silent("delete", m.ID)
	m.noLog()
	m = newShim(t, poststop)
	m.findsNoProgram(t)
	if msg, err := podmanError(m.log()); err != nil || !strings.Contains(msg, "executable file not found in $PATH") {
		t.Errorf("shown: %q, %v", msg, err)
	}
}

// Execs run beside each other, and all of them append to one log.
func TestShim_ConcurrentExecsLogWholeRecords(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.running()
	process := m.processFile("p", []string{"/no/such/" + strings.Repeat("program", 500)})
	const n = 16
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			m.call("exec", "--process", process, "--detach", "--pid-file", m.Dir+"/exec.pid", m.ID).Exit(t, 255)
		})
	}
	all.Wait()
	if records := ReadLog(t, m.log()); len(records) != n {
		t.Errorf("%d records of %d failures", len(records), n)
	}
}

// A shim shows what is wrong with pause and the like from the log, and from standard error what it takes for "not found".
func TestShim_PauseOfStoppedContainer(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("sleep"))
	m.stopped()
	m.call("pause", m.ID).Fails(t, "container not running")
	if msg, err := shimLastError(m.log()); err != nil || !strings.Contains(msg, "container not running") {
		t.Errorf("the shim shows %q, %v", msg, err)
	}
}
