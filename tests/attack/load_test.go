package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// L08: containers that are over before anybody has looked. None hangs, each exit code is the right one, and nothing
// stays, no zombie either: a foreground run has reaped its own.
func TestShortLived(t *testing.T) {
	NeedRoot(t)
	descriptors := OpenDescriptors(t)
	c := NewContainer(t)
	for range scaled(60) {
		c.Run().OK(t)
		if left := c.Traces(); left != nil {
			t.Fatalf("a run left %v", left)
		}
	}
	const n = 50
	var all []*Container
	for i := range n {
		all = append(all, NewContainer(t, Args("exit", fmt.Sprint(i))))
	}
	for range scaled(2) {
		for i, res := range together(t, n, func(i int) *exec.Cmd { return all[i].Command("run", "--bundle", all[i].Dir, all[i].ID) }) {
			if res.Code != i || res.Stderr != "" {
				t.Errorf("exit %d: exit code %d: %s", i, res.Code, res.Stderr)
			}
			if processes := Processes(t, all[i].Marks()...); processes != nil {
				t.Errorf("left: %v", processes)
			}
		}
	}
	if now := OpenDescriptors(t); len(now) > len(descriptors) {
		t.Errorf("descriptors leaked into the caller: %v, before %v", now, descriptors)
	}
}

// L10: the runtime's own descriptors do not grow with the container's devices and mounts.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	source := filepath.Join(Dir(t), "source")
	if err := os.WriteFile(source, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	many := func(s *specs.Spec) {
		s.Process.Rlimits = nil
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
		for i := range 100 {
			s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: fmt.Sprintf("/dev/node%d", i), Type: "c", Major: 1, Minor: 3})
			s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/tmp/bind%d", i), Type: "bind", Source: source, Options: []string{"rbind", "ro"}})
		}
	}
	for name, tt := range map[string]struct {
		limit uint64
		edit  Edit
	}{
		"plain": {64, func(*specs.Spec) {}},
		// The sources of bind mounts are opened by the host's root in the stead of the container's: one descriptor each, as far as they go.
		"user namespace":   {64, WithUserNamespace(100000, 65536)},
		"many descriptors": {160, WithUserNamespace(100000, 65536)},
		"idmapped mounts":  {64, idmapped(source, 30)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := IDMap(t, source, UserNS(t, 100000)); err != nil && name == "idmapped mounts" {
				t.Skipf("the file system of %s cannot be idmapped: %v", source, err)
			}
			// Nodes cannot be made in a user namespace: there they would be those of the host's /dev.
			c := NewContainer(t, many, tt.edit, func(s *specs.Spec) {
				if len(s.Linux.UIDMappings) > 0 {
					s.Linux.Devices = nil
				}
			}, WritableRoot, Args("report"))
			cmd := c.Command("run", "--bundle", c.Dir, c.ID)
			cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, tt.limit), "sh"}, cmd.Args...)
			cmd.Path = "/bin/sh"
			report := c.Do(cmd).Report(t)
			if got := report.Limits["RLIMIT_NOFILE"]; got.Hard != tt.limit {
				t.Errorf("the limit was not in force: %+v", got)
			}
			OnlyFDs(t, report, 0, 1, 2)
			binds := 0
			for _, m := range report.Mounts {
				if strings.HasPrefix(m.Point, "/tmp/bind") {
					binds++
				}
			}
			if binds != 100 {
				t.Errorf("%d bind mounts, want 100", binds)
			}
		})
	}
}

// idmapped has n idmapped mounts, of which no descriptor can be spared.
func idmapped(source string, n int) Edit {
	return func(s *specs.Spec) {
		WithUserNamespace(100000, 65536)(s)
		for i := range n {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/tmp/id%d", i), Source: source, Options: []string{"bind", "idmap"}})
		}
	}
}

// L11 and A44: with everything shared, as systemd has it, whatever propagation the container asks for, and with
// runtimes that are killed, the host's mounts stay as they are.
func TestMountsDoNotLeak(t *testing.T) {
	inMountNamespace(t, unix.MS_SHARED, func() {
		table := func() string { return strings.Join(HostMounts(t, ""), "\n") }
		before := table()
		if !strings.Contains(before, "shared:") {
			t.Fatalf("nothing is shared here:\n%s", before)
		}
		for _, propagation := range []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"} {
			source := Dir(t) // never a directory of the host's: see guard
			c := guard(t, NewContainer(t, WritableRoot, Args("sleep"), func(s *specs.Spec) {
				s.Linux.RootfsPropagation = propagation
				s.Mounts = append(s.Mounts,
					specs.Mount{Destination: "/data", Type: "bind", Source: source, Options: []string{"rbind", "rslave"}},
					specs.Mount{Destination: "/data2", Type: "bind", Source: source, Options: []string{"rbind", "rprivate"}})
			}))
			for i := range scaled(4) {
				c.Tare("create", "--bundle", c.Dir, c.ID).OK(t)
				during := table()
				c.Tare("start", c.ID).OK(t)
				c.Tare("delete", "--force", c.ID).OK(t)
				Reap(t, c.Marks()...)
				if during != before {
					t.Fatalf("rootfsPropagation %q: the host has other mounts while the container is there:\n%s\nbefore:\n%s", propagation, during, before)
				}
				cmd := c.Command("create", "--bundle", c.Dir, c.ID)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(2*i) * time.Millisecond)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				c.Tare("delete", "--force", c.ID).OK(t)
				Reap(t, c.Marks()...)
			}
			if after := table(); after != before {
				t.Fatalf("rootfsPropagation %q: the host's mounts changed:\n%s\nbefore:\n%s", propagation, after, before)
			}
		}
	})
}
