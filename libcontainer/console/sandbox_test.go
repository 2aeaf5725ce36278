package console

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/procfs"
)

// sandboxEnv tells a process that it is the child of sandbox, and where its root directory is.
const sandboxEnv = "TARE_CONSOLE_SANDBOX"

// sandbox runs body in a process of its own, a session leader in a mount namespace where root, a tmpfs, has a
// directory dev/pts.
func sandbox(t *testing.T, body func(t *testing.T, root string)) {
	t.Helper()
	if root := os.Getenv(sandboxEnv); root != "" {
		if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			t.Fatal(err)
		}
		mount(t, "tmpfs", root, "")
		if err := os.MkdirAll(pts(root), 0o755); err != nil {
			t.Fatal(err)
		}
		body(t, root)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it mounts a devpts")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), sandboxEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func pts(root string) string { return filepath.Join(root, "dev/pts") }

func mount(t *testing.T, fstype, target, data string) {
	t.Helper()
	if err := unix.Mount(fstype, target, fstype, unix.MS_NOSUID, data); err != nil {
		t.Fatalf("mount %s: %v", fstype, err)
	}
}

func mountDevpts(t *testing.T, root string) {
	t.Helper()
	mount(t, "devpts", pts(root), "newinstance,ptmxmode=0666,mode=0620")
}

// openIn is Open with that directory as the root.
func openIn(t *testing.T, root string) (*Pty, error) {
	t.Helper()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := fsroot.New(fd)
	defer r.Close()
	proc, err := procfs.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	return Open(r, proc)
}

// newPty is one of a devpts of its own.
func newPty(t *testing.T, root string) *Pty {
	t.Helper()
	mountDevpts(t, root)
	p, err := openIn(t, root)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { p.Master.Close(); p.Slave.Close() })
	return p
}
