package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// The container's filter is always there, with and without no_new_privs; and where it forbids what is left to be done.
func TestExecSeccomp(t *testing.T) {
	t.Parallel()
	forbidding := func(names ...string) Edit {
		return func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: append(names, "mkdir", "mkdirat"), Action: specs.ActErrno, ErrnoRet: uintPtr(uint(unix.EXDEV))},
			}}
		}
	}
	for name, names := range map[string][]string{
		"early": {}, "no setsid": {"setsid"}, "no prlimit": {"prlimit64", "setrlimit"},
	} {
		for _, nnp := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", no new privileges ", nnp), func(t *testing.T) {
				t.Parallel()
				c, _ := running(t, WritableRoot, forbidding(names...), WithCaps("CAP_KILL"), func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
				r := inside(c, nil, "report").Report(t)
				if got := r.Privileges; got.Seccomp != 2 || got.SeccompFilters != 1 || got.Effective != 1<<unix.CAP_KILL || (got.NoNewPrivs == 1) != nnp {
					t.Errorf("%+v", got)
				}
				if r.Process.SID != r.Process.PID {
					t.Errorf("session %d of %d", r.Process.SID, r.Process.PID)
				}
				if text := inside(c, nil, "read", "/proc/self/limits").OK(t).Stdout; !strings.Contains(text, "Max open files            1024                 1024") {
					t.Error(text)
				}
				if res := inside(c, nil, "mkdir", "/tmp/x"); res.Stdout != "EXDEV\n" {
					t.Errorf("mkdir: %+v", res)
				}
				// The user may not choose to be without.
				if r := inside(c, []string{"--no-new-privs=false", "-c", "CAP_SYS_ADMIN"}, "report").Report(t); r.Privileges.Seccomp != 2 {
					t.Errorf("%+v", r.Privileges)
				}
			})
		}
	}
	t.Run("no capset", func(t *testing.T) {
		t.Parallel()
		c, _ := running(t, forbidding("capset"), WithCaps("CAP_KILL"))
		inside(c, nil, "true").OK(t)
		if IsTare() { // the execution takes CAP_SYS_ADMIN away
			r := inside(c, []string{"--no-new-privs=false"}, "report").Report(t)
			if want := uint64(1 << unix.CAP_KILL); r.Privileges.Permitted != want || r.Privileges.Effective != want {
				t.Errorf("%+v", r.Privileges)
			}
		}
	})
	t.Run("a filter that kills", func(t *testing.T) {
		t.Parallel()
		c, _ := running(t, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"personality"}, Action: specs.ActKillProcess},
			}}
		})
		inside(c, nil, "report").Exit(t, 128+int(unix.SIGSYS))
	})
}

// What is found to be wrong once the stage has been started leaves no process, and is said as if it had been found before.
func TestExecBadFilter(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("writes to tare's state")
	}
	c, pid := running(t)
	saved := filepath.Join(c.Root, c.ID, "config.json")
	data, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_PRAY"}
	if data, err = json.Marshal(&spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(saved, data, 0o600); err != nil {
		t.Fatal(err)
	}
	res := inside(c, []string{"--pid-file", filepath.Join(c.Dir, "exec.pid")}, "true")
	execFails(t, res)
	if want := `tare exec failed: /linux/seccomp/defaultAction: unknown action "SCMP_ACT_PRAY"` + "\n"; res.Stderr != want {
		t.Errorf("%s, want %s", res.Stderr, want)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "exec.pid")); err == nil {
		t.Error("there is a pid file")
	}
	if procs := strings.Fields(CgroupFile(t, OwnCgroup(t, pid), "cgroup.procs")); !slices.Equal(procs, []string{strconv.Itoa(pid)}) {
		t.Errorf("processes %v, want only %d", procs, pid)
	}
}
