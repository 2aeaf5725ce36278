package integration

import (
	"fmt"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/smallest"
)

// leastProfile kills for everything but what the smallest programs do, and their execution.
func leastProfile(s *specs.Spec) {
	s.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActKillProcess,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"execve", "exit", "pause"}, Action: specs.ActAllow}},
	}
}

// leastContainer is a container under that profile with /true and /pause.
func leastContainer(t *testing.T, program string, edits ...Edit) *Container {
	t.Helper()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("others need more system calls once the filter is in force")
	}
	c := NewContainer(t, append(edits, leastProfile, Args(program))...)
	for name, write := range map[string]func(string) (bool, error){"true": smallest.Write, "pause": smallest.WriteWaiting} {
		ok, err := write(filepath.Join(c.RootFS, name))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Skip("no machine code for this architecture")
		}
	}
	return c
}

// Nothing of ours needs a system call once the filter is in force but execve, with and without no_new_privs, whose absence makes loading
// take CAP_SYS_ADMIN.
func TestSeccompLeastProfile(t *testing.T) {
	t.Parallel()
	user := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	for name, edits := range map[string][]Edit{
		"root":                 nil,
		"user":                 {user},
		"no capabilities":      {WithCaps()},
		"admin":                {WithCaps("CAP_SYS_ADMIN")},
		"user namespace":       {WithUserNamespace(100000, 65536)},
		"user of a namespace":  {WithUserNamespace(100000, 65536), user},
		"host's PID namespace": {WithoutNamespace(specs.PIDNamespace)},
	} {
		for _, nnp := range []bool{true, false} {
			edits := append([]Edit{func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp }}, edits...)
			t.Run(fmt.Sprintf("%s, no new privileges %v", name, nnp), func(t *testing.T) {
				t.Parallel()
				t.Run("run", func(t *testing.T) { leastContainer(t, "/true", edits...).Run().OK(t) })
				t.Run("create, start, exec", func(t *testing.T) {
					c := leastContainer(t, "/pause", edits...)
					c.Create()
					c.Tare("start", c.ID).OK(t)
					c.Tare("exec", c.ID, "/true").OK(t)
				})
				t.Run("terminal", func(t *testing.T) {
					c := leastContainer(t, "/pause", append([]Edit{Terminal}, edits...)...)
					console := NewReceiver(t)
					c.Create("--console-socket", console.Path)
					master, _ := console.Receive()
					defer master.Close()
					c.Tare("start", c.ID).OK(t)
					console = NewReceiver(t)
					pidFile := filepath.Join(c.Dir, "exec.pid")
					c.Tare("exec", "--detach", "--pid-file", pidFile, "--tty", "--console-socket", console.Path, c.ID, "/true").OK(t)
					second, _ := console.Receive()
					defer second.Close()
					if status := c.Wait(c.PidFile(pidFile)); !status.Exited() || status.ExitStatus() != 0 {
						t.Errorf("wait status %x", status)
					}
				})
			})
		}
	}
}

// Where the profile forbids capset, it is the execution that takes away what loading took: the workload has the capabilities of its config.
func TestSeccompWithoutCapset(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	forbid := func(s *specs.Spec) {
		s.Process.NoNewPrivileges = false
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"capset"}, Action: specs.ActErrno}},
		}
	}
	for name, edits := range map[string][]Edit{
		"root": nil,
		"user": {func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }},
	} {
		t.Run(name, func(t *testing.T) {
			plain := NewContainer(t, append([]Edit{func(s *specs.Spec) { s.Process.NoNewPrivileges = false }}, edits...)...).Report().Privileges
			got := *NewContainer(t, append([]Edit{forbid}, edits...)...).Report().Privileges
			if got.Seccomp != 2 {
				t.Fatalf("seccomp mode %d", got.Seccomp)
			}
			got.Seccomp, got.SeccompFilters = 0, 0
			if got != *plain {
				t.Errorf("%+v, want %+v", got, *plain)
			}
		})
	}
}
