package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// What runc makes of the same bundle and options. What is different on purpose is told in the documentation.
func TestExecLikeRunc(t *testing.T) {
	t.Parallel()
	runc := NeedProgram(t, "runc")
	if !IsTare() {
		t.Skip("compares with runc")
	}
	umask := uint32(0o031)
	edits := map[string][]Edit{
		"root": {},
		"user": {WithCaps("CAP_KILL", "CAP_NET_RAW"), func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{5, 44}, Umask: &umask}
			s.Process.Cwd, s.Process.NoNewPrivileges = "/tmp", false
			s.Process.Env = append(s.Process.Env, "A=1", "A=2")
			s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 1, Hard: 2})
		}},
		"inheritable": {func(s *specs.Spec) {
			s.Process.Capabilities.Inheritable = []string{"CAP_KILL"}
			s.Process.Capabilities.Ambient = []string{"CAP_KILL"}
			s.Process.User.UID = 7
		}},
		"seccomp": {func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mknod"}, Action: specs.ActErrno}}}
		}},
	}
	flags := map[string][]string{
		"plain": {}, "user": {"-u", "12:34", "-g", "56"}, "user alone": {"-u", "12"}, "root": {"-u", "0"},
		"more": {"-e", "X=1", "-e", "PATH=/", "--cwd", "/etc", "--cap", "CAP_FOWNER"}, "privileges": {"--no-new-privs"},
		"process": {"-p", "process.json"},
	}
	for name, e := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reports [2]map[string]view.Report
			for i, path := range []string{"", runc} {
				c := NewContainer(t, append(slices.Clone(e), Args("ignore-term"))...)
				if path != "" {
					c.UseRuntime(path)
				}
				init := c.Create()
				c.Start()
				process := `{"args": ["/probe", "report"], "cwd": "/etc", "user": {"uid": 3}, "env": ["Q=1"]}`
				if err := os.WriteFile(filepath.Join(c.Dir, "process.json"), []byte(process), 0o644); err != nil {
					t.Fatal(err)
				}
				reports[i] = map[string]view.Report{}
				for what, f := range flags {
					args := slices.Concat([]string{"exec"}, f, []string{c.ID})
					if what != "process" {
						args = append(args, "/probe", "report")
					}
					cmd := c.Command(args...)
					cmd.Dir = c.Dir
					reports[i][what] = comparable(t, c.Do(cmd).Report(t), init)
				}
			}
			for what := range flags {
				if ours, theirs := reports[0][what], reports[1][what]; !reflect.DeepEqual(ours, theirs) {
					t.Errorf("%s:\ntare %s\nrunc %s", what, differing(ours, theirs), differing(theirs, ours))
				}
			}
		})
	}
}

// comparable keeps what two runtimes can agree on.
func comparable(t *testing.T, r *view.Report, init int) view.Report {
	t.Helper()
	p := r.Process
	p.PID, p.PPID, p.Threads, p.SID, p.PGID = 0, 0, nil, 0, 0
	slices.Sort(p.Groups)
	slices.Sort(p.Env)
	if p.Umask == 0o031 {
		p.Umask = 0o022 // runc 1.1 does not know process.user.umask
	}
	out := view.Report{Process: p, Privileges: r.Privileges, Limits: r.Limits, Signals: r.Signals, Terminal: r.Terminal, UTS: r.UTS}
	for _, fd := range r.FDs {
		out.FDs = append(out.FDs, view.FD{Number: fd.Number})
	}
	out.Namespaces = map[string]string{}
	for kind, id := range r.Namespaces {
		own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", init, kind))
		out.Namespaces[kind] = fmt.Sprint("init's: ", err == nil && own == id)
	}
	return out
}

// differing spells the parts of a that b has otherwise.
func differing(a, b view.Report) string {
	var text strings.Builder
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if x, y := va.Field(i).Interface(), vb.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			fmt.Fprintf(&text, "%s %+v ", va.Type().Field(i).Name, reflect.Indirect(va.Field(i)))
		}
	}
	return text.String()
}
