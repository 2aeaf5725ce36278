package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// Contexts of testdata/selinux.cil.
const (
	processContext = "system_u:system_r:container_t:s0:c1"
	otherContext   = "system_u:system_r:container_t:s0:c0,c2"
	fileContext    = "system_u:object_r:container_file_t:s0:c1,c2"
)

// seLinux has SELinux at work with the policy of these tests. That is the whole machine's: only a guest's that is made for it.
func seLinux(t *testing.T) {
	t.Helper()
	NeedRoot(t)
	if !seLinuxEnabled(t) {
		t.Skip("SELinux is not enabled on this host (/proc/filesystems has no selinuxfs)")
	}
	if os.Getenv("TARE_VM_GUEST") == "" {
		t.Skip("loads a policy for the whole machine: in a guest only")
	}
	loadPolicy(t, NeedProgram(t, "secilc"))
}

var policy sync.Once

func loadPolicy(t *testing.T, secilc string) {
	t.Helper()
	policy.Do(func() {
		binary := filepath.Join(Dir(t), "policy")
		if out, err := exec.Command(secilc, "-c", "33", "-o", binary, "-f", "/dev/null", "testdata/selinux.cil").CombinedOutput(); err != nil {
			t.Fatalf("secilc: %v: %s", err, out)
		}
		text, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("selinuxfs", "/sys/fs/selinux", "selinuxfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("/sys/fs/selinux/load", text, 0); err != nil {
			t.Fatal(err)
		}
	})
	if text, err := os.ReadFile("/sys/fs/selinux/enforce"); err != nil || string(text) != "1" {
		t.Fatalf("SELinux is not enforcing: %q, %v", text, err)
	}
}

// labelled asks for both labels, and has a directory that is the container's.
func labelled(s *specs.Spec) {
	s.Process.SelinuxLabel, s.Linux.MountLabel = processContext, fileContext
	s.Root.Readonly = false
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777"}})
}

func TestSELinux(t *testing.T) {
	t.Parallel()
	seLinux(t)
	for name, edit := range map[string]Edit{
		"root":           func(*specs.Spec) {},
		"new privileges": func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
		"user namespace": WithUserNamespace(100000, 65536),
		"host's PIDs":    WithoutNamespace(specs.PIDNamespace),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(args ...string) *Result {
				c := NewContainer(t, edit, labelled, Args(args...))
				openToAll(t, c)
				return c.Run()
			}
			checkContext(t, processContext, run)
			checkMountLabels(t, run)
			c, _ := running(t, edit, labelled)
			openToAll(t, c)
			checkContext(t, processContext, func(args ...string) *Result { return inside(c, nil, args...) })
			checkContext(t, otherContext, func(args ...string) *Result { return inside(c, []string{"--process-label", otherContext}, args...) })
			file := processFile(t, c, func(*specs.Process) {})
			if got := c.Tare("exec", "--process", file, c.ID).Report(t).Attributes.SELinux; got != processContext {
				t.Errorf("a process of a file without a label has %q", got)
			}
		})
	}
}

// openToAll makes a directory that only its label keeps the container from writing to.
func openToAll(t *testing.T, c *Container) {
	t.Helper()
	dir := filepath.Join(c.RootFS, "open")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// checkContext wants a process to have a context, and the policy to heed it. The keyring is the container's first one, whoever looks.
func checkContext(t *testing.T, want string, probe func(args ...string) *Result) {
	t.Helper()
	a := probe("report").Report(t).Attributes
	if a.SELinux != want || a.Keyring != processContext {
		t.Errorf("process %q, want %q; keyring %q, want %q", a.SELinux, want, a.Keyring, processContext)
	}
	if res := probe("write", "/open/x", "x").Exit(t, 1); res.Stdout != "EACCES\n" {
		t.Errorf("write to a file of the host: %+v", res)
	}
	probe("write", "/tmp/x", "x").OK(t)
}

// checkMountLabels goes by the files, and not by what mountinfo says of the mounts: a label is of use in a file.
func checkMountLabels(t *testing.T, probe func(args ...string) *Result) {
	t.Helper()
	paths := []string{"/tmp", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/ptmx", "/sys/firmware"}
	got := strings.Fields(probe(append([]string{"contexts"}, paths...)...).OK(t).Stdout)
	for i, path := range paths {
		if i >= len(got) || got[i] != fileContext {
			t.Errorf("contexts %q: that of %s is not %s", got, path, fileContext)
		}
	}
	rest := []string{"/proc", "/sys", "/open"}
	got = strings.Fields(probe(append([]string{"contexts"}, rest...)...).OK(t).Stdout)
	if len(got) != len(rest) || slices.Contains(got, fileContext) {
		t.Errorf("contexts of %v: %v", rest, got)
	}
}

func TestSELinuxUnknownContext(t *testing.T) {
	t.Parallel()
	seLinux(t)
	const unknown = "system_u:system_r:nobody_t:s0"
	texts := []string{"process.selinuxLabel (/process/selinuxLabel)", "invalid argument", "the loaded policy has no context \"" + unknown}
	refusesLabel(t, func(s *specs.Spec) { s.Process.SelinuxLabel = unknown }, texts...)
	refusesLabel(t, func(s *specs.Spec) { s.Linux.MountLabel = unknown }, "/mounts/", "linux.mountLabel (/linux/mountLabel)", "has no context \""+unknown)
	c, _ := running(t)
	execFails(t, inside(c, []string{"--process-label", unknown}, "true"), texts...)
}

// Options that are too long for fsconfig(2) go by mount(2), where a comma in the label must not end it.
func TestSELinuxLongOptions(t *testing.T) {
	t.Parallel()
	seLinux(t)
	lower := "lowerdir="
	c := NewContainer(t, labelled, Args("contexts", "/long"))
	for i := range 8 {
		dir := filepath.Join(c.Dir, strings.Repeat("l", 40)+string(rune('a'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		lower += dir + ":"
	}
	c.Spec.Mounts = append(c.Spec.Mounts, specs.Mount{Destination: "/long", Type: "overlay", Source: "overlay", Options: []string{strings.TrimSuffix(lower, ":")}})
	c.WriteSpec(t)
	if res := c.Run().OK(t); res.Stdout != fileContext+"\n" {
		t.Errorf("context %q", res.Stdout)
	}
}
