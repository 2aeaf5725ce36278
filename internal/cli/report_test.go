package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// reported tells err through an app with the given options and returns the exit code and what was written where.
func reported(t *testing.T, g globalOptions, err error) (code int, stderr, file string) {
	t.Helper()
	g.rootless = "auto"
	var out bytes.Buffer
	a := &app{name: "tare", global: g, stderr: &out}
	code = a.report(err)
	if g.log != "" {
		b, err := os.ReadFile(g.log)
		if err != nil {
			t.Fatal(err)
		}
		file = string(b)
	}
	return code, out.String(), file
}

func TestReport_NoLog(t *testing.T) {
	for msg, want := range map[string]string{
		"container does not exist":          "tare: container does not exist\n",
		"tare create failed: no rootfs":     "tare create failed: no rootfs\n",
		`tare: "kill" requires`:             `tare: "kill" requires` + "\n",
		"two\nlines\n":                      "tare: two; lines\n",
		"a \x1b[31mred\x07 tab\there\u0085": `tare: a \x1b[31mred\x07 tab here\x85` + "\n",
	} {
		code, stderr, _ := reported(t, globalOptions{}, errors.New(msg))
		if code != 1 || stderr != want {
			t.Errorf("%q: exit %d, %q, want %q", msg, code, stderr, want)
		}
	}
}

func TestReport_ExitCode(t *testing.T) {
	if code, stderr, _ := reported(t, globalOptions{}, (&app{name: "tare"}).unknownCommand("x")); code != 3 || stderr != "tare: No help topic for 'x': there is no such command (see tare --help)\n" {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if code := (&app{exitCode: 137}).report(nil); code != 137 {
		t.Errorf("exit %d, want the workload's", code)
	}
}

// With a log file, the record goes there and the bare text to standard error.
func TestReport_LogFile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stderr, file := reported(t, globalOptions{log: log, logFormat: "json"}, errors.New(`exec: "x": no`))
	if code != 1 || stderr != `exec: "x": no`+"\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	record, ok := strings.CutPrefix(file, "before\n")
	if !ok || strings.Count(record, "\n") != 1 {
		t.Fatalf("log file %q", file)
	}
	var got struct{ Level, Msg, Time string }
	if err := json.Unmarshal([]byte(record), &got); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339, got.Time); err != nil || got.Level != "error" || got.Msg != `exec: "x": no` {
		t.Errorf("record %s: %v", record, err)
	}

	_, _, file = reported(t, globalOptions{log: filepath.Join(t.TempDir(), "log")}, errors.New("a b"))
	if !strings.HasSuffix(file, ` level=error msg="a b"`+"\n") || !strings.HasPrefix(file, `time="`) {
		t.Errorf("text record %q", file)
	}
}

// A record on standard error takes the place of the plain line.
func TestReport_RecordOnStderr(t *testing.T) {
	_, stderr, _ := reported(t, globalOptions{logFormat: "json"}, errors.New("a b"))
	if !strings.HasPrefix(stderr, `{"level":"error","msg":"a b","time":"`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("stderr %q", stderr)
	}
	_, stderr, _ = reported(t, globalOptions{debug: true}, errors.New("a b"))
	if !strings.Contains(stderr, ` level=error msg="a b" func=`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("stderr %q", stderr)
	}
}

func TestReport_BadLog(t *testing.T) {
	for _, g := range []globalOptions{{log: "/nonexistent/log", rootless: "auto"}, {logFormat: "xml", rootless: "auto"}} {
		var out bytes.Buffer
		a := &app{name: "tare", global: g, stderr: &out}
		err := a.openLog()
		if err == nil || a.report(err) != 1 || out.String() != "tare: "+err.Error()+"\n" {
			t.Errorf("%+v: %v, stderr %q", g, err, out.String())
		}
	}
}
