package integration

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// What is not said comes from the container's process, as it was at create; the rest from the options.
func TestExecProcess(t *testing.T) {
	t.Parallel()
	umask := uint32(0o027)
	c, _ := running(t, WithCaps("CAP_KILL", "CAP_CHOWN"), func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{5, 44}, Umask: &umask}
		s.Process.Cwd = "/tmp"
		s.Process.Env = append(s.Process.Env, "A=1", "B=2")
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_FSIZE", Soft: 1 << 40, Hard: 1 << 41}, {Type: "RLIMIT_CORE", Soft: 1, Hard: 2}}
		score := 900
		s.Process.OOMScoreAdj = &score
	})
	c.WriteFile(t, "etc/passwd", "u:x:1001:7::/home/u:/bin/sh\n1000:x:0:0::/evil:/bin/sh\n", 0o644)
	// The bundle may be gone or another one.
	c.WriteConfig(t, "{")

	r := inside(c, nil, "report", "x y").Report(t)
	p := r.Process
	slices.Sort(p.Groups)
	if p.UID != 1001 || p.GID != 1002 || !slices.Equal(p.Groups, []int{5, 44}) || p.Umask != 0o027 || p.Cwd != "/tmp" {
		t.Errorf("inherited: %+v", p)
	}
	if *p.OOMScoreAdj != 900 || r.Limits["RLIMIT_FSIZE"] != (view.Limit{Soft: 1 << 40, Hard: 1 << 41}) || r.Limits["RLIMIT_CORE"] != (view.Limit{Soft: 1, Hard: 2}) {
		t.Errorf("inherited: OOM score %v, limits %v", *p.OOMScoreAdj, r.Limits)
	}
	if r.Privileges.Bounding != 1<<unix.CAP_KILL|1<<unix.CAP_CHOWN || r.Privileges.NoNewPrivs != 1 {
		t.Errorf("inherited: %+v", r.Privileges)
	}
	want := append(slices.Clone(c.Spec.Process.Env), "HOME=/home/u")
	if !slices.Equal(p.Env, want) || !slices.Equal(p.Args, []string{"/probe", "report", "x y"}) {
		t.Errorf("environment %q, want %q; arguments %q", p.Env, want, p.Args)
	}

	r = inside(c, []string{
		"-u", "1000:7", "-g", "9", "--additional-gids", "8", "--cwd", "/etc", "-e", "A=3,C=4", "--env", "D=", "-e", "HOME=/h",
		"--cap", "CAP_NET_RAW", "-c", "CAP_FOWNER", "--no-new-privs=false",
	}, "report").Report(t)
	p = r.Process
	slices.Sort(p.Groups)
	if p.UID != 1000 || p.GID != 7 || !slices.Equal(p.Groups, []int{5, 8, 9, 44}) || p.Cwd != "/etc" {
		t.Errorf("changed: %+v", p)
	}
	for _, e := range []string{"A=3,C=4", "B=2", "D=", "HOME=/h"} {
		if !slices.Contains(p.Env, e) {
			t.Errorf("environment %q lacks %q", p.Env, e)
		}
	}
	if slices.Contains(p.Env, "A=1") || r.Privileges.NoNewPrivs != 0 {
		t.Errorf("changed: environment %q, %+v", p.Env, r.Privileges)
	}
	const all = 1<<unix.CAP_KILL | 1<<unix.CAP_CHOWN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_FOWNER
	if caps := r.Privileges; caps.Bounding != all || caps.Permitted|caps.Effective|caps.Inheritable|caps.Ambient != 0 {
		t.Errorf("capabilities of a user: %+v", caps)
	}
	if r = inside(c, []string{"-u", "0", "-c", "CAP_FOWNER"}, "report").Report(t); r.Process.GID != 1002 || r.Privileges.Inheritable|r.Privileges.Ambient != 0 ||
		r.Privileges.Effective != 1<<unix.CAP_KILL|1<<unix.CAP_CHOWN|1<<unix.CAP_FOWNER {
		t.Errorf("as root: gid %d, %+v", r.Process.GID, r.Privileges)
	}
}

func TestExecProcessFile(t *testing.T) {
	t.Parallel()
	c, _ := running(t, func(s *specs.Spec) {
		s.Process.Env = append(s.Process.Env, "OF=config")
	})
	const text = `{"args": ["/probe", "report"], "env": ["OF=file"], "cwd": "/tmp", "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
		"rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}]}`
	path := filepath.Join(c.Dir, "process.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, r *view.Report) {
		t.Helper()
		p := r.Process
		if p.UID != 5 || p.GID != 6 || !slices.Equal(p.Groups, []int{7}) || p.Cwd != "/tmp" || !slices.Equal(p.Env, []string{"OF=file", "HOME=/"}) {
			t.Errorf("%+v", p)
		}
		if r.Limits["RLIMIT_CORE"] != (view.Limit{Soft: 1, Hard: 2}) || r.Privileges.Bounding == 0 || r.Privileges.NoNewPrivs != 0 {
			t.Errorf("limits %v, %+v", r.Limits, r.Privileges)
		}
	}
	t.Run("file", func(t *testing.T) {
		// The other options do not count, an old conmon's --tty among them.
		check(t, c.Tare("exec", "--process", path, "--cwd", "/etc", "-u", "0", "-e", "OF=option", c.ID).Report(t))
	})
	t.Run("pipe", func(t *testing.T) {
		for _, name := range []string{"/dev/stdin", "/proc/self/fd/0"} {
			cmd := c.Command("exec", "-p", name, c.ID)
			cmd.Stdin = io.MultiReader(strings.NewReader(text[:20]), strings.NewReader(text[20:])) // not a file, so a pipe
			check(t, c.Do(cmd).Report(t))
		}
	})
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"not JSON":      {`{"args": [`, []string{"process.json:1:"}},
		"type":          {`{"args": "x"}`, []string{"/args", "array"}},
		"nothing in it": {`{}`, []string{"/args", "/cwd"}},
		"relative cwd":  {`{"args": ["/probe"], "cwd": "tmp"}`, []string{"/cwd", "absolute"}},
		"label":         {`{"args": ["/probe"], "cwd": "/", "selinuxLabel": "x\ny", "apparmorProfile": "x\u0000y"}`, []string{"/selinuxLabel", "/apparmorProfile", "line break"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !IsTare() {
				t.Skip("the words are tare's")
			}
			path := filepath.Join(Dir(t), "process.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			execFails(t, c.Tare("exec", "-p", path, c.ID), tt.want...)
		})
	}
	execFails(t, c.Tare("exec", "-p", c.Dir+"/none", c.ID), "no such file or directory")
	execFails(t, c.Tare("exec", "-p", c.Dir, c.ID), "directory")
}

func TestExecAffinity(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("execCPUAffinity is younger than these releases")
	}
	if online(t) < 2 {
		t.Skip("needs two CPUs")
	}
	for name, tt := range map[string]struct {
		cpus *specs.CPUAffinity
		want []int
	}{
		"final":   {&specs.CPUAffinity{Initial: "0", Final: "1"}, []int{1}},
		"initial": {&specs.CPUAffinity{Initial: "1"}, []int{1}},
		"empty":   {&specs.CPUAffinity{}, nil},
		"none":    {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := running(t, func(s *specs.Spec) { s.Process.ExecCPUAffinity = tt.cpus })
			run := c.Command("exec", c.ID, "/probe", "report")
			cmd := exec.Command(NeedProgram(t, "taskset"), append([]string{"1"}, run.Args...)...)
			got := c.Do(cmd).Report(t).Schedule.CPUs
			if name == "initial" && CgroupV2() && len(got) == online(t) {
				t.Skip("this kernel gives a process all CPUs of the cgroup that it is born in, which is its to decide")
			}
			if tt.want == nil && len(got) != online(t) || tt.want != nil && !slices.Equal(got, tt.want) {
				t.Errorf("CPUs %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("CPUs that are not there", func(t *testing.T) {
		c, _ := running(t, func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Final: "4000"} })
		execFails(t, inside(c, nil, "true"), "/process/execCPUAffinity/final")
	})
}
