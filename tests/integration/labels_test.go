package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// A label that nothing would heed is refused before anything is made.
func TestLabelsRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("crun passes labels over in silence, and the words are tare's")
	}
	apparmor := func(p *specs.Process) { p.ApparmorProfile = "some-profile" }
	selinux := func(p *specs.Process) { p.SelinuxLabel = "system_u:system_r:container_t:s0" }
	c, _ := running(t)
	if !appArmorEnabled() {
		t.Run("apparmor", func(t *testing.T) {
			refused := []string{"process.apparmorProfile (/process/apparmorProfile): AppArmor is not enabled on this host"}
			refusesLabel(t, func(s *specs.Spec) { apparmor(s.Process) }, refused...)
			execFails(t, inside(c, []string{"--apparmor", "unconfined"}, "true"), refused...)
			execFails(t, c.Tare("exec", "--process", processFile(t, c, apparmor), c.ID), refused...)
		})
	}
	if !seLinuxEnabled(t) {
		t.Run("selinux", func(t *testing.T) {
			refused := []string{"process.selinuxLabel (/process/selinuxLabel): SELinux is not enabled on this host"}
			refusesLabel(t, func(s *specs.Spec) { selinux(s.Process) }, refused...)
			execFails(t, inside(c, []string{"--process-label", "a:b:c:s0"}, "true"), refused...)
			execFails(t, c.Tare("exec", "--process", processFile(t, c, selinux), c.ID), refused...)
			refusesLabel(t, func(s *specs.Spec) { s.Linux.MountLabel = "a:b:c:s0" }, "linux.mountLabel (/linux/mountLabel): SELinux is not enabled on this host")
		})
	}
}

func refusesLabel(t *testing.T, edit Edit, texts ...string) {
	t.Helper()
	c := NewContainer(t, edit)
	c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, texts...)
	if left := c.Gone(); left != nil {
		t.Errorf("the refusal left %v", left)
	}
}

func appArmorEnabled() bool {
	text, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(text), "Y")
}

func seLinuxEnabled(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "\tselinuxfs\n")
}

// denying loads an AppArmor profile that allows everything but to write to a file, and gives its name.
func denying(t *testing.T, file string) string {
	t.Helper()
	NeedRoot(t)
	if !appArmorEnabled() {
		t.Skip("AppArmor is not enabled on this host (/sys/module/apparmor/parameters/enabled)")
	}
	parser := NeedProgram(t, "apparmor_parser")
	name := fmt.Sprintf("tare-test-%d-%s", os.Getpid(), strings.Trim(file, "/"))
	source := filepath.Join(Dir(t), "profile")
	text := fmt.Sprintf("profile %s flags=(attach_disconnected,mediate_deleted) {\n\tfile,\n\tcapability,\n\tnetwork,\n\tmount,\n\tsignal,\n\tptrace,\n\tunix,\n\tdeny %s w,\n}\n", name, file)
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	load := func(option string) {
		if out, err := exec.Command(parser, option, "--skip-cache", source).CombinedOutput(); err != nil {
			t.Fatalf("apparmor_parser: %v: %s", err, out)
		}
	}
	load("--replace")
	t.Cleanup(func() { load("--remove") })
	return name
}

// confined checks that a process has the profile, and that the profile is at work: first it is shown, then felt.
func confined(t *testing.T, profile string, probe func(args ...string) *Result, denied, allowed string) {
	t.Helper()
	if got := probe("report").Report(t).Attributes.AppArmor; got != profile+" (enforce)" {
		t.Errorf("the profile is %q, want %q", got, profile)
	}
	if res := probe("write", denied, "x"); res.Code != 1 || res.Stdout != "EACCES\n" {
		t.Errorf("write to %s: exit code %d, %q, %s", denied, res.Code, res.Stdout, res.Stderr)
	}
	probe("write", allowed, "x").OK(t)
}

func TestAppArmor(t *testing.T) {
	t.Parallel()
	first, second := denying(t, "/tmp/first"), denying(t, "/tmp/second")
	for name, edit := range map[string]Edit{
		"root":            func(*specs.Spec) {},
		"new privileges":  func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
		"ordinary user":   func(s *specs.Spec) { s.Process.User.UID, s.Process.Capabilities = 1000, nil },
		"user namespace":  WithUserNamespace(100000, 65536),
		"without a /proc": WithoutMount("/proc"),
		"host's PIDs":     WithoutNamespace(specs.PIDNamespace),
		"filter": func(s *specs.Spec) { // by which the label could not be written any more
			s.Process.NoNewPrivileges = false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"openat2"}, Action: specs.ActErrno},
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edits := []Edit{edit, WithMount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777"}}), func(s *specs.Spec) {
				s.Process.ApparmorProfile = first
			}}
			if name == "without a /proc" { // a report of the profile is not to be had
				c := NewContainer(t, append(edits, Args("write", "/tmp/first", "x"))...)
				if res := c.Run().Exit(t, 1); res.Stdout != "EACCES\n" {
					t.Errorf("%+v", res)
				}
				return
			}
			confined(t, first, func(args ...string) *Result {
				return NewContainer(t, append(edits, Args(args...))...).Run()
			}, "/tmp/first", "/tmp/second")
			c, _ := running(t, edits...)
			confined(t, first, func(args ...string) *Result { return inside(c, nil, args...) }, "/tmp/first", "/tmp/second")
			confined(t, second, func(args ...string) *Result { return inside(c, []string{"--apparmor", second}, args...) }, "/tmp/second", "/tmp/first")
			file := processFile(t, c, func(*specs.Process) {})
			if got := c.Tare("exec", "--process", file, c.ID).Report(t).Attributes.AppArmor; got != first+" (enforce)" {
				t.Errorf("a process of a file without a profile has %q", got)
			}
			file = processFile(t, c, func(p *specs.Process) { p.ApparmorProfile = "unconfined" })
			if got := c.Tare("exec", "--process", file, c.ID).Report(t).Attributes.AppArmor; got != "unconfined" {
				t.Errorf("a process of a file that asks for none has %q", got)
			}
		})
	}
}

func TestAppArmorUnknownProfile(t *testing.T) {
	t.Parallel()
	denying(t, "/tmp/unused")
	refused := []string{"process.apparmorProfile (/process/apparmorProfile)", "no such file or directory", `is a profile "tare-no-such" loaded?`}
	c := NewContainer(t, func(s *specs.Spec) { s.Process.ApparmorProfile = "tare-no-such" })
	c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, refused...)
	if left := c.Gone(); left != nil {
		t.Errorf("the refusal left %v", left)
	}
	c, _ = running(t)
	execFails(t, inside(c, []string{"--apparmor", "tare-no-such"}, "true"), refused...)
}

// The hooks that are executed in the container are confined like its process: an image's program may be among them.
func TestAppArmorHooks(t *testing.T) {
	t.Parallel()
	profile := denying(t, "/tmp/hooked")
	hooked := func(file string) *Result {
		return NewContainer(t, WithMount(specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"}), func(s *specs.Spec) {
			s.Process.ApparmorProfile = profile
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "write", file, "x"}}}}
		}).Run()
	}
	hooked("/tmp/other").OK(t)
	hooked("/tmp/hooked").Fails(t, "startContainer", "exit status 1")
}
