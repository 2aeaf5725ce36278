package integration

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// finding is one of check's, as its JSON has them.
type finding struct {
	ID, Severity, Pointer, Message string
}

// check calls check on the container's bundle.
func check(t *testing.T, c *Container, args ...string) (findings []finding, code int) {
	t.Helper()
	res := c.Tare(append(append([]string{"check", "--format", "json"}, args...), c.Dir)...)
	var report struct{ Findings []finding }
	if err := json.Unmarshal([]byte(res.Stdout), &report); err != nil || res.Stderr != "" {
		t.Fatalf("%v: %s%s", err, res.Stdout, res.Stderr)
	}
	return report.Findings, res.Code
}

func needCheck(t *testing.T) {
	t.Helper()
	if !IsTare() {
		t.Skip("only tare has check")
	}
}

// What check calls an error makes a run fail, and what it finds nothing wrong with runs.
func TestCheckAgreesWithRun(t *testing.T) {
	needCheck(t)
	NeedRoot(t)
	dir := Dir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	copyProbe(t, dir+"/probe")
	dark := func(t *testing.T, c *Container) { chmod(t, c.Dir, 0o700) }
	for name, tt := range map[string]struct {
		edits   []Edit
		prepare func(*testing.T, *Container)
		id      string // "": nothing is wrong
	}{
		"default":                   {nil, nil, ""},
		"program missing":           {[]Edit{Args("/nowhere")}, nil, "program-missing"},
		"program in PATH":           {[]Edit{argv("probe", "true")}, nil, ""},
		"program not in PATH":       {[]Edit{argv("prove", "true")}, nil, "program-missing"},
		"program not executable":    {[]Edit{argv("/tmp/x", "true")}, func(t *testing.T, c *Container) { chmod(t, c.RootFS+"/tmp/x", 0o644) }, "program-not-executable"},
		"program on noexec":         {[]Edit{BindMount(dir, "/mnt", "noexec"), Args("/mnt/probe")}, nil, "program-not-executable"},
		"program on a bind":         {[]Edit{BindMount(dir, "/mnt"), argv("/mnt/probe", "true")}, nil, ""},
		"program hidden by a tmpfs": {[]Edit{WithMount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"}), Args("/tmp/x")}, nil, "program-missing"},
		"program of a user":         {[]Edit{runUser(1000)}, nil, ""},
		"program not of the user":   {[]Edit{runUser(1000), argv("/tmp/x", "true")}, func(t *testing.T, c *Container) { chmod(t, c.RootFS+"/tmp/x", 0o700) }, "program-not-executable"},
		"dark directory":            {[]Edit{runUser(1000), argv("/tmp/x", "true")}, func(t *testing.T, c *Container) { chmod(t, c.RootFS+"/tmp", 0o700) }, "no-search-permission"},
		"empty program":             {[]Edit{Args("/tmp/e")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/tmp/e", "", 0o755) }, "program-format"},
		"text as program":           {[]Edit{Args("/tmp/e")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/tmp/e", "echo\n", 0o755) }, "program-format"},
		"interpreter missing":       {[]Edit{Args("/tmp/e")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/tmp/e", "#!/bin/sh\n", 0o755) }, "interpreter-missing"},
		"interpreter there":         {[]Edit{Args("/tmp/e")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/tmp/e", "#!/probe true\n", 0o755) }, ""},
		"Windows line endings":      {[]Edit{Args("/tmp/e")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/tmp/e", "#!/probe\r\n", 0o755) }, "script-crlf"},
		"cwd made":                  {[]Edit{workDir("/tmp/new")}, nil, ""},
		"cwd a file":                {[]Edit{workDir("/probe")}, nil, "cwd-no-directory"},
		"cwd dark":                  {[]Edit{runUser(1000), workDir("/etc")}, func(t *testing.T, c *Container) { chmod(t, c.RootFS+"/etc", 0o700) }, ""},
		"source missing":            {[]Edit{BindMount("/nowhere/data", "/mnt")}, nil, "mount-source"},
		"relative source": {[]Edit{BindMount("data", "/mnt")}, func(t *testing.T, c *Container) {
			if err := os.Mkdir(c.Dir+"/data", 0o755); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"file on a directory":         {[]Edit{BindMount(file, "/etc")}, nil, "mount-point"},
		"directory on a file":         {[]Edit{BindMount(dir, "/probe")}, nil, "mount-point"},
		"mount on the root":           {[]Edit{BindMount(dir, "/")}, nil, "mount-refused"},
		"mount in proc":               {[]Edit{BindMount(file, "/proc/version")}, nil, "mount-refused"},
		"mount on the root by a link": {[]Edit{BindMount(dir, "/up")}, func(t *testing.T, c *Container) { c.Symlink(t, "..", "/up") }, "mount-refused"},
		"mount point by a link":       {[]Edit{BindMount(dir, "/up/mnt")}, func(t *testing.T, c *Container) { c.Symlink(t, "/tmp", "/up") }, ""},
		"option of no bind":           {[]Edit{BindMount(dir, "/mnt", "readonly")}, nil, ""},
		"device in the way":           {[]Edit{aDevice("/etc/passwd")}, func(t *testing.T, c *Container) { c.WriteFile(t, "/etc/passwd", "x", 0o644) }, "device-in-the-way"},
		"device":                      {[]Edit{aDevice("/etc/null")}, nil, ""},
		"no network device":           {[]Edit{func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"nodev0": {}} }}, nil, "net-device-absent"},
		"no namespace":                {[]Edit{WithNamespace(specs.NetworkNamespace, "/nowhere/net")}, nil, "namespace-path"},
		"namespace of another type":   {[]Edit{WithNamespace(specs.NetworkNamespace, "/proc/self/ns/ipc")}, nil, "namespace-path"},
		"no namespace but a file":     {[]Edit{WithNamespace(specs.NetworkNamespace, file)}, nil, "namespace-path"},
		"hook missing":                {[]Edit{aHook("/nowhere/hook")}, nil, "program-missing"},
		"hook not executable":         {[]Edit{aHook(file)}, nil, "program-not-executable"},
		"too many files":              {[]Edit{openFiles(1 << 40)}, nil, "rlimit-too-high"},
		"no such parameter":           {[]Edit{aSysctl("user.max_nothing", "1"), WithUserNamespace(100000, 65536)}, shift, "sysctl-absent"},
		"user namespace":              {[]Edit{WithUserNamespace(100000, 65536)}, shift, ""},
		"user namespace in the dark":  {[]Edit{WithUserNamespace(100000, 65536)}, func(t *testing.T, c *Container) { shift(t, c); dark(t, c) }, "rootfs-unreachable"},
		"group not mapped":            {[]Edit{WithUserNamespace(100000, 3)}, shift, "mount-group-unmapped"},
		"mount point not to be made":  {[]Edit{WithUserNamespace(100000, 65536), BindMount(dir, "/mnt")}, nil, "mount-point"},
		"execve forbidden":            {[]Edit{forbid("execve")}, nil, "seccomp-execve"},
		"execve not listed":           {[]Edit{allowOnly("read")}, nil, "seccomp-execve"},
		"mkdir forbidden":             {[]Edit{forbid("mkdir")}, nil, ""},
		"no such CPU":                 {[]Edit{cpus("65000")}, nil, "cpu-absent"},
		"no such page size":           {[]Edit{hugePages("16KB")}, nil, "page-size-absent"},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewContainer(t, tt.edits...)
			copyProbe(t, c.RootFS+"/tmp/x")
			if tt.prepare != nil {
				tt.prepare(t, c)
			}
			findings, code := check(t, c)
			run := c.Run()
			var errors []string
			for _, f := range findings {
				if f.Severity == "error" {
					errors = append(errors, f.ID)
				}
			}
			switch {
			case tt.id == "" && (len(errors) != 0 || code != 0 || run.Code != 0):
				t.Errorf("check: %d %+v; run: %d %s", code, findings, run.Code, run.Stderr)
			case tt.id != "" && (!slices.Equal(errors, []string{tt.id}) || code != 1 || run.Code == 0):
				t.Errorf("want %s; check: %d %+v; run: %d %s", tt.id, code, findings, run.Code, run.Stderr)
			}
			if tt.id != "" {
				t.Logf("check: %+v; run: %s", findings, run.Stderr)
			}
			_ = c.Tare("delete", "--force", c.ID)
		})
	}
}

func argv(args ...string) Edit { return func(s *specs.Spec) { s.Process.Args = args } }
func runUser(uid uint32) Edit {
	return func(s *specs.Spec) { s.Process.User = specs.User{UID: uid, GID: uid} }
}
func workDir(dir string) Edit { return func(s *specs.Spec) { s.Process.Cwd = dir } }
func cpus(list string) Edit {
	return func(s *specs.Spec) { s.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: list} }
}

func aHook(path string) Edit {
	return func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: path}}} }
}

func aDevice(path string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: path, Type: "c", Major: 1, Minor: 3}}
	}
}

func aSysctl(k, v string) Edit {
	return func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{k: v} }
}

func openFiles(hard uint64) Edit {
	return func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: hard, Soft: 1024}}
	}
}

func hugePages(size string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: size, Limit: 0}}
	}
}

func forbid(name string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{name}, Action: specs.ActErrno}},
		}
	}
}

func allowOnly(name string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{name}, Action: specs.ActAllow}},
		}
	}
}

// shift gives the root file system to the ids of a user namespace from 100000 on.
func shift(t *testing.T, c *Container) {
	t.Helper()
	copyProbe(t, c.RootFS+"/own") // the probe's inode is the whole suite's
	if err := os.Rename(c.RootFS+"/own", c.RootFS+"/probe"); err != nil {
		t.Fatal(err)
	}
	Chown(t, c.RootFS, 100000, 100000)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func copyProbe(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(Probe())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// snapshot tells all about the files below the directories, but for when they were read.
func snapshot(t *testing.T, dirs ...string) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			var st unix.Stat_t
			if err == nil {
				err = unix.Lstat(path, &st)
			}
			fmt.Fprintln(&b, path, err, st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, st.Ctim)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Nothing is changed by a check: not the bundle, not the state root, no cgroup, no mount; and it can do with a file system
// that is read-only.
func TestCheckChangesNothing(t *testing.T) {
	needCheck(t)
	NeedRoot(t)
	c := NewContainer(t, BindMount("data", "/mnt/new"), workDir("/srv/new"), func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "c", Major: 1, Minor: 3}}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(10))}
	})
	if err := os.Mkdir(c.Dir+"/data", 0o755); err != nil {
		t.Fatal(err)
	}
	before, mounts := snapshot(t, c.Dir), HostMounts(t, c.Marks()...)
	if findings, code := check(t, c); len(findings) != 0 || code != 0 {
		t.Fatalf("%d: %+v", code, findings)
	}
	if after := snapshot(t, c.Dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if now := HostMounts(t, c.Marks()...); !slices.Equal(now, mounts) {
		t.Errorf("mounts: %v", now)
	}
	if left := c.Traces(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" 2>&- && exec "$2" check "$1"`, "sh", c.Dir, Runtime())
	NeedProgram(t, "unshare")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("a mount point cannot be made on a read-only file system, and nothing is said: %s", out)
	}
	for _, want := range []string{"/mnt/new", "/srv/new", "read-only file system", "2 errors"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// An ordinary user gets what there is to see, and is told of what is not.
func TestCheckAsUser(t *testing.T) {
	needCheck(t)
	NeedRoot(t)
	c := NewContainer(t, argv("/etc/dark/prog"))
	if err := os.MkdirAll(c.RootFS+"/etc/dark", 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := c.Command("check", "--format", "json", c.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345, Groups: []uint32{}}}
	res := c.Do(cmd).Exit(t, 1)
	for _, want := range []string{`"user-namespace-needed"`, `"not-looked-at"`, "call check as root"} {
		if !strings.Contains(res.Stdout, want) {
			t.Errorf("no %s in %s", want, res.Stdout)
		}
	}
	if strings.Contains(res.Stdout, "program-missing") {
		t.Errorf("what cannot be seen is missing: %s", res.Stdout)
	}
}

// Limits of an ordinary user take a cgroup that is that user's to make, and check knows before.
func TestCheckDelegation(t *testing.T) {
	needCheck(t)
	NeedRoot(t)
	if !CgroupV2() {
		t.Skip("cgroup v1 has as many owners as hierarchies")
	}
	c := NewContainer(t, WithUserNamespace(12345, 1), WithoutNamespace(specs.NetworkNamespace), WithoutMount("/dev/pts", "/sys"))
	c.AsUser(12345, 12345)
	if findings, code := check(t, c); len(findings) != 0 || code != 0 {
		t.Errorf("without limits: %d %+v", code, findings)
	}
	c.Run().OK(t)
	c.Spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(10))}}
	c.WriteSpec(t)
	findings, code := check(t, c)
	if code != 1 || len(findings) != 1 || findings[0].ID != "cgroup-not-delegated" {
		t.Errorf("with a limit: %d %+v", code, findings)
	}
	c.Run().Fails(t, "delegated")
}
