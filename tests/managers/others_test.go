package managers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// nvidia prepares a call through a wrapper as NVIDIA's: it changes config.json where it finds create among the words, has a record of its own
// in the log, and executes the runtime with the same words.
func (m *manager) nvidia(args ...string) *exec.Cmd {
	cmd := m.command(args...)
	const script = `case " $* " in *" create "*)
		printf '{"level":"info","msg":"Applied modification to OCI specification","time":"2026-01-02T03:04:05Z"}\n' >>"$LOG"
		printf %s "$CONFIG" >"$BUNDLE/config.json";;
	esac
	exec "$0" "$@"`
	wrapper := exec.Command("/bin/sh", append([]string{"-c", script}, cmd.Args...)...)
	m.Spec.Process.Env = append(m.Spec.Process.Env, "NVIDIA_VISIBLE_DEVICES=all")
	wrapper.Env = append(slices.Clone(cmd.Env), "LOG="+m.log(), "BUNDLE="+m.Dir, "CONFIG="+m.config())
	wrapper.Dir = cmd.Dir
	return wrapper
}

// The config that counts is the one that the wrapper has written, and its words are the caller's, in single dashes or two.
func TestNVIDIA_SingleDashBundle(t *testing.T) {
	t.Parallel()
	for _, bundle := range [][]string{{"-bundle", "@"}, {"-bundle=@"}, {"--bundle", "@"}, {"--bundle=@"}, {"-b", "@"}, {"-b=@"}} {
		t.Run(strings.Join(bundle, " "), func(t *testing.T) {
			t.Parallel()
			m := newShim(t, Args("report"))
			args := []string{"create"}
			for _, word := range bundle {
				args = append(args, strings.ReplaceAll(word, "@", m.Dir))
			}
			cmd := m.nvidia(append(args, "-pid-file", m.pidFile(), m.ID)...)
			out := m.File(t, "report")
			cmd.Stdout = out
			m.do(cmd).OK(t)
			pid := m.PidFile(m.pidFile())
			m.do(m.nvidia("start", m.ID)).OK(t)
			m.Wait(pid)
			data, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			if r := (&Result{Stdout: string(data)}).Report(t); !slices.Contains(r.Process.Env, "NVIDIA_VISIBLE_DEVICES=all") {
				t.Errorf("environment %q", r.Process.Env)
			}
		})
	}
}

// The wrapper's records are in the log before the runtime's, whose error is still the one that is shown.
func TestNVIDIA_ForeignLinesInTheLog(t *testing.T) {
	t.Parallel()
	m := newShim(t)
	m.Spec.Process.Args = []string{"no-such-program"}
	m.do(m.nvidia("create", "-bundle", m.Dir, "-pid-file", m.pidFile(), m.ID)).Fails(t)
	if records := ReadLog(t, m.log()); len(records) != 2 || records[0].Level != "info" {
		t.Errorf("log: %+v", records)
	}
	if msg, err := shimLastError(m.log()); err != nil || !strings.Contains(msg, "executable file not found in $PATH") {
		t.Errorf("shown: %q, %v", msg, err)
	}
}

// CDI's createContainer hooks run in the container's mount namespace before pivot_root, where they find the bundle by its path.
func TestNVIDIA_CreateContainerHookSeesTheBundle(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	record := filepath.Join(Dir(t), "calls")
	m := newShim(t, Args("sleep"), func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{HookRecord(record, "cdi")}}
	})
	m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
	calls := HookCalls(t, record)
	if len(calls) != 1 || calls[0].State.Bundle != m.Dir || calls[0].Namespaces["mnt"] == namespace(t, os.Getpid(), "mnt") {
		t.Fatalf("calls %+v", calls)
	}
	if !slices.Contains(calls[0].Points, filepath.Join(m.RootFS, "proc")) {
		t.Errorf("the mounts of the container are not below its root file system yet: %v", calls[0].Points)
	}
}

// cAdvisor knows a container by an id of 64 digits in the last element of its cgroup's path, and finds all its processes there.
func TestCAdvisor_CgroupIsNamedForTheID(t *testing.T) {
	t.Parallel()
	m := newShim(t, Args("ignore-term"))
	m.ID = fmt.Sprintf("%064x", os.Getpid())
	m.Spec.Linux.CgroupsPath = CgroupParent() + "/" + m.ID
	m.WriteSpec(t)
	pid := m.running()
	execFile := filepath.Join(m.Dir, "exec.pid")
	m.do(m.command("exec", "--process", m.processFile("p", []string{"/probe", "ignore-term"}), "--detach", "--pid-file", execFile, m.ID)).OK(t)
	second := m.PidFile(execFile)
	dir := OwnCgroup(t, pid)
	if filepath.Base(dir) != m.ID {
		t.Errorf("the cgroup is %s", dir)
	}
	procs := strings.Fields(CgroupFile(t, dir, "cgroup.procs"))
	if !slices.Contains(procs, strconv.Itoa(pid)) || !slices.Contains(procs, strconv.Itoa(second)) || len(procs) != 2 {
		t.Errorf("processes %v, want %d and %d", procs, pid, second)
	}
	m.silent("kill", m.ID, "9")
	m.Wait(second)
	m.Wait(pid)
}

// The paths that managers without systemd ask for, below a cgroup of the test's. Without --systemd-cgroup, slice:prefix:name is
// a path, too.
func TestEveryManager_CgroupfsPaths(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]string{
		"Docker": "docker/@", "ctr": "default/@", "containerd CRI": "kubepods/burstable/pod7/@", "CRI-O": "crio/crio-@",
		"Podman": "libpod_parent/libpod-@", "BuildKit": "buildkit/@", "a path for systemd": "system.slice:docker:@",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newShim(t, Args("sleep"))
			top := CgroupParent() + "-" + m.ID
			m.Spec.Linux.CgroupsPath = top + "/" + strings.ReplaceAll(form, "@", m.ID)
			m.WriteSpec(t)
			t.Cleanup(func() { removeParents(t, top, m.Spec.Linux.CgroupsPath) })
			pid := m.running()
			if dir := OwnCgroup(t, pid); !strings.HasSuffix(dir, m.Spec.Linux.CgroupsPath) {
				t.Errorf("the cgroup is %s, want one at %s", dir, m.Spec.Linux.CgroupsPath)
			}
			m.silent("kill", m.ID, "9")
			m.Wait(pid)
			m.silent("delete", m.ID)
			if left := CgroupDirs(m.Spec.Linux.CgroupsPath); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// removeParents removes the empty cgroups from above path up to top.
func removeParents(t *testing.T, top, path string) {
	t.Helper()
	for path != top {
		path = filepath.Dir(path)
		for _, dir := range CgroupDirs(path) {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	}
}

// The flag is given to create, and to whatever else a caller likes: the clean-up of containerd's shim, Podman, Buildah and conmon's exec
// come without, Buildah's state and SingularityCE's kill too. What systemd was asked for at create is in the state.
func TestEveryManager_SystemdPaths(t *testing.T) {
	NeedSystemd(t)
	for name, tt := range map[string]struct{ path, dir string }{
		"Docker": {"system.slice:docker:@", "system.slice/docker-@.scope"},
		"containerd CRI": {
			"kubepods-burstable-pod7.slice:cri-containerd:@",
			"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice/cri-containerd-@.scope",
		},
		"CRI-O":   {"kubepods-pod8.slice:crio:@", "kubepods.slice/kubepods-pod8.slice/crio-@.scope"},
		"Podman":  {"machine.slice:libpod:@", "machine.slice/libpod-@.scope"},
		"nerdctl": {":nerdctl:@", "system.slice/nerdctl-@.scope"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newShim(t, Args("sleep"), WithoutMount("/sys"))
			m.Spec.Linux.CgroupsPath = strings.ReplaceAll(tt.path, "@", m.ID)
			m.WriteSpec(t)
			want := "/sys/fs/cgroup/" + strings.ReplaceAll(tt.dir, "@", m.ID)
			later := m.globals
			m.globals = append(slices.Clone(later), "--systemd-cgroup", "--systemd-cgroup")
			pid := m.create("create", "--bundle", m.Dir, "--pid-file", m.pidFile())
			if dir := OwnCgroup(t, pid); dir != want {
				t.Errorf("the cgroup is %s, want %s", dir, want)
			}
			m.globals, m.env = later, barestEnv
			m.silent("start", m.ID)
			m.silent("pause", m.ID)
			m.silent("resume", m.ID)
			m.call("exec", m.ID, "/probe", "true").OK(t)
			m.silent("kill", m.ID, "9")
			m.Wait(pid)
			m.silent("delete", "--force", m.ID)
			if _, err := os.Stat(want); !os.IsNotExist(err) {
				t.Errorf("left: %s, %v", want, err)
			}
		})
	}
}
