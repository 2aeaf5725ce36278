package lsm

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/procfs"
)

func open(t *testing.T) *procfs.Handle {
	t.Helper()
	proc, err := procfs.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proc.Close() })
	return proc
}

func TestCheck(t *testing.T) {
	proc := open(t)
	if err := Check(proc, nil, ""); err != nil {
		t.Error(err)
	}
	if err := Check(proc, &specs.Process{}, ""); err != nil {
		t.Error(err)
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	selinux := strings.Contains(string(filesystems), "selinuxfs")
	for _, tt := range []struct {
		process specs.Process
		mount   string
		enabled bool
		want    string
	}{
		{specs.Process{ApparmorProfile: "x"}, "", appArmorEnabled(), "process.apparmorProfile (/process/apparmorProfile): AppArmor is not enabled"},
		{specs.Process{SelinuxLabel: "x"}, "", selinux, "process.selinuxLabel (/process/selinuxLabel): SELinux is not enabled"},
		{specs.Process{}, "x", selinux, "linux.mountLabel (/linux/mountLabel): SELinux is not enabled"},
	} {
		err := Check(proc, &tt.process, tt.mount)
		if tt.enabled != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v, %q: %v, want %q", tt.process, tt.mount, err, tt.want)
		}
	}
}

// TestWrite has the kernel refuse what no module knows: the error names the file and what was to be written to it.
func TestWrite(t *testing.T) {
	proc := open(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := write(proc, "exec", "no such label")
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "write no such label to /proc/thread-self/attr/exec: ") {
		t.Errorf("%v", err)
	}
	if err := write(proc, "none", "x"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v", err)
	}
}

func TestHints(t *testing.T) {
	for _, tt := range []struct {
		got  error
		want string
	}{
		{appArmorHint("p", unix.ENOENT), `no such file or directory: is a profile "p" loaded?`},
		{appArmorHint("p", unix.EACCES), "permission denied: the profile that the runtime itself runs under"},
		{appArmorHint("p", unix.EIO), "input/output error"},
		{seLinuxHint("l", unix.EINVAL), `invalid argument: the loaded policy has no context "l"`},
		{seLinuxHint("l", unix.EACCES), "permission denied: the policy does not let"},
	} {
		if !strings.HasPrefix(tt.got.Error(), tt.want) {
			t.Errorf("%v, want %q", tt.got, tt.want)
		}
	}
}
