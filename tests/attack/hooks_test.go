package attack

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// L18: hooks that hang, and hooks that leave a daemon behind, by kind.

func TestHangingHooks(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, kind := range HookKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			second := 1
			c := NewContainer(t, Args("sleep"))
			hook := specs.Hook{Path: Probe(), Args: []string{"probe", "sleep", "3600"}, Timeout: &second}
			if !kind.PathInRuntime {
				hook.Path = "/probe"
			}
			hook.Args = append(hook.Args, c.ID) // so that it can be told from others
			WithHook(kind, hook)(c.Spec)
			c.WriteSpec(t)
			for _, command := range kind.Before {
				c.Hooked(command).OK(t)
			}
			if kind.At == "delete" { // the container is gone all the same: a warning
				log := filepath.Join(c.Dir, "log")
				c.Tare("--debug", "--log", log, "delete", "--force", c.ID).OK(t)
				if text, _ := os.ReadFile(log); !strings.Contains(string(text), "timeout") {
					t.Errorf("the log says %q", text)
				}
				Eventually(t, "all to be gone", func() bool { return c.Traces() == nil })
				return
			}
			switch res := c.Hooked(kind.At); {
			case res.Code != 1 || !strings.Contains(res.Stderr, kind.Name) || !strings.Contains(res.Stderr, "timeout"):
				t.Errorf("exit code %d: %s", res.Code, res.Stderr)
			}
			Eventually(t, "all to be gone", func() bool { return c.Traces() == nil })
		})
	}
}

// A hook may start something that goes on, and that has the hook's standard streams still: nobody waits for it.
func TestDaemonisingHooks(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	for _, kind := range HookKinds() {
		if !kind.PathInRuntime {
			continue // there is no shell in the container, and its processes end with it
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args("sleep"))
			pidFile := filepath.Join(c.Dir, "daemon")
			hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "/bin/sleep 3600 & echo $! > " + pidFile}}
			WithHook(kind, hook)(c.Spec)
			c.WriteSpec(t)
			begin := time.Now()
			for _, command := range append(slices.Clone(kind.Before), kind.At) {
				c.Hooked(command).OK(t)
			}
			if spent := time.Since(begin); spent > Deadline() {
				t.Errorf("waited %v for the hook's daemon", spent)
			}
			data, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if kind.Name == "createContainer" {
				return // in the container's PID namespace: this number says nothing here
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Errorf("the hook's daemon is gone: %v", err)
			}
			Eventually(t, "the daemon's end", func() bool {
				got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil) // it is ours: we adopt orphans
				return got == pid || err != nil && unix.Kill(pid, 0) != nil
			})
		})
	}
}

// A33: what an image says about the environment reaches the container and the hooks in it, and no hook on the host.
func TestImageEnvironmentStaysOutOfHooks(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, kind := range HookKinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			log := Dir(t)
			c := NewContainer(t, Args("sleep"), BindMount(log, "/log"))
			path := log
			if !kind.PathInRuntime {
				path = "/log"
			}
			hook := HookRecord(path+"/calls", "hook")
			if !kind.PathInRuntime {
				hook.Path = "/probe"
			}
			c.Spec.Process.Env = append(c.Spec.Process.Env, "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "GODEBUG=evil=1", "PATH=/evil", "BASH_ENV=/evil")
			WithHook(kind, hook)(c.Spec)
			c.WriteSpec(t)
			for _, command := range append(slices.Clone(kind.Before), kind.At) {
				c.Hooked(command).OK(t)
			}
			data, err := os.ReadFile(log + "/calls")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), "evil") == kind.PathInRuntime {
				t.Errorf("the hook was called with %s", data)
			}
		})
	}
}
