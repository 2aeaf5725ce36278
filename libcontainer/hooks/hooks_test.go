package hooks

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func sh(script string, more ...func(*specs.Hook)) specs.Hook {
	h := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}}
	for _, f := range more {
		f(&h)
	}
	return h
}

func timeout(seconds int) func(*specs.Hook) {
	return func(h *specs.Hook) { h.Timeout = &seconds }
}

func TestRun_StateOnStdinAndOrder(t *testing.T) {
	dir := t.TempDir()
	state := &specs.State{Version: "1.3.0", ID: "web", Status: specs.StateCreating, Pid: 7, Annotations: map[string]string{"a": strings.Repeat("x", 1<<20)}}
	s := Set{Kind: "createRuntime", Dir: dir, Hooks: []specs.Hook{sh("cat > 1"), sh("cat > 2; test -e 1 && pwd > dir")}}
	if err := s.Run(state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1", "2"} {
		var got specs.State
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got.ID != "web" || got.Pid != 7 || len(got.Annotations["a"]) != 1<<20 {
			t.Errorf("hook %s got %.80s (%v)", name, b, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "dir")); strings.TrimSpace(string(b)) != dir {
		t.Errorf("the hook ran in %q, want %q", b, dir)
	}
}

func TestRun_Environment(t *testing.T) {
	t.Setenv("LD_LIBRARY_PATH", "/evil")
	out := filepath.Join(t.TempDir(), "env")
	printenv := func(env []string) specs.Hook {
		return specs.Hook{Path: "/usr/bin/env", Args: []string{"env", "-u", "_", "sh", "-c", "env > " + out}, Env: env}
	}
	for name, c := range map[string]struct {
		own, set []string
		want     string
	}{
		"absent is empty":     {nil, nil, ""},
		"absent with default": {nil, []string{"A=1"}, "A=1"},
		"exact":               {[]string{"B=2"}, []string{"A=1"}, "B=2"},
		"empty list is empty": {[]string{}, []string{"A=1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := Set{Kind: "createRuntime", Hooks: []specs.Hook{printenv(c.own)}, Env: c.set}
			if err := s.Run(&specs.State{}); err != nil {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(out)
			var got []string
			for line := range strings.Lines(string(b)) {
				if !strings.HasPrefix(line, "PWD=") { // the shell's own
					got = append(got, strings.TrimSpace(line))
				}
			}
			if strings.Join(got, ",") != c.want {
				t.Errorf("environment %q, want %q", got, c.want)
			}
		})
	}
}

func TestRun_Failures(t *testing.T) {
	for name, c := range map[string]struct {
		hook specs.Hook
		want string
	}{
		"exit status":     {sh("echo out; echo err >&2; exit 3"), "hook prestart[0] (/hooks/prestart/0): /bin/sh: exit status 3: out err"},
		"signal":          {sh("kill -TERM $$"), "ended by signal 15 (SIGTERM)"},
		"missing":         {specs.Hook{Path: "/nowhere/hook"}, "/nowhere/hook: no such file or directory"},
		"timeout":         {sh("sleep 1000", timeout(1)), "timeout"},
		"timeout, family": {sh("(trap '' TERM; sleep 1000) & wait", timeout(1)), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Set{Kind: "prestart", Hooks: []specs.Hook{c.hook, sh("touch /nowhere/second")}}
			err := s.Run(&specs.State{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want one line with %q", err, c.want)
			}
			if strings.HasPrefix(name, "timeout") && !errors.Is(err, ErrTimeout) {
				t.Errorf("%v, want ErrTimeout", err)
			}
		})
	}
}

// TestRun_EndlessOutput: a hook may print as much as it likes (A29).
func TestRun_EndlessOutput(t *testing.T) {
	s := Set{Kind: "poststart", Hooks: []specs.Hook{sh("yes line | head -c 50000000; echo last; exit 1")}}
	err := s.Run(&specs.State{})
	if err == nil || !strings.HasSuffix(err.Error(), "line last") || len(err.Error()) > 6000 {
		t.Errorf("error of %d bytes, want the end of the output: %.100v", len(err.Error()), err)
	}
}

// TestRun_Daemon: a process that a hook leaves behind with its stdio does not hold the runtime up.
func TestRun_Daemon(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	s := Set{Kind: "poststart", Hooks: []specs.Hook{sh("sleep 600 & echo $! > " + pid)}}
	start := time.Now()
	if err := s.Run(&specs.State{}); err != nil {
		t.Fatal(err)
	}
	if time.Since(start) > 5*time.Minute {
		t.Error("waited for the daemon")
	}
	b, _ := os.ReadFile(pid)
	_ = (&Set{Hooks: []specs.Hook{sh("kill " + string(b))}}).Run(&specs.State{})
}

func TestRunAll_GoesOn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	s := Set{Kind: "poststop", Hooks: []specs.Hook{sh("exit 1"), sh("echo ran > " + out), sh("exit 2")}}
	if failed := s.RunAll(&specs.State{}); len(failed) != 2 {
		t.Errorf("%d failures, want 2: %v", len(failed), failed)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error("the hook after a failed one did not run")
	}
}

func TestRun_Interrupt(t *testing.T) {
	dir := t.TempDir()
	interrupt, err := NewInterrupt()
	if err != nil {
		t.Fatal(err)
	}
	if err := interrupt.Err(); err != nil {
		t.Errorf("not raised yet: %v", err)
	}
	s := Set{Kind: "poststop", Dir: dir, Interrupt: interrupt, Hooks: []specs.Hook{sh("echo > begun; exec sleep 60"), sh("echo > next")}}
	go func() {
		for range 1000 {
			if _, err := os.Stat(filepath.Join(dir, "begun")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		interrupt.Raise(unix.SIGTERM)
	}()
	failed := s.RunAll(&specs.State{})
	if len(failed) != 1 || !strings.Contains(failed[0].Error(), "interrupted by signal 15 (SIGTERM)") {
		t.Errorf("%v", failed)
	}
	if _, err := os.Stat(filepath.Join(dir, "next")); err != nil {
		t.Errorf("the hook after the interrupted one: %v", err)
	}
	// Raised between hooks it ends the next one, unless it is cleared.
	interrupt.Raise(unix.SIGINT)
	interrupt.Clear()
	s.Hooks = s.Hooks[1:]
	if err := s.Run(&specs.State{}); err != nil {
		t.Error(err)
	}
}
