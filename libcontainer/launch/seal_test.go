package launch

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it mounts an overlay and becomes others")
	}
}

// digest is that of what is read at path.
func digest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// onThread runs f on a thread of its own, which ends with it: what f does to its ids and capabilities is gone.
func onThread(f func()) {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		defer close(done)
		f()
	}()
	<-done
}

// The main thread belongs to the main goroutine: it would not end with a goroutine of onThread.
func init() { runtime.LockOSThread() }

// variants are the ways to seal.
var variants = []struct {
	name string
	seal func() (*os.File, error)
	// what the kernel answers to root with all its capabilities
	write, truncate string
}{
	{"overlay", overlayExe, "read-only file system", "read-only file system"},
	{"memfd", copyExe, "opened; operation not permitted", "operation not permitted"},
}

func sealed(t *testing.T, seal func() (*os.File, error)) *os.File {
	t.Helper()
	f, err := seal()
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			t.Skipf("this kernel has no overlay with detached layers (Linux 6.15), and copies: %v", err)
		}
		t.Fatalf("seal: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestSealed: nobody writes through the sealed binary, and none but a reader of everything reads it (A08).
func TestSealed(t *testing.T) {
	needRoot(t)
	before := digest(t, "/proc/self/exe")
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			f := sealed(t, v.seal)
			st, err := sys.Fstat(int(f.Fd()))
			if err != nil || st.Mode != unix.S_IFREG|0o111 {
				t.Errorf("mode %#o, %v, want a file of mode 0111", st.Mode, err)
			}
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_PATH == 0 {
				t.Errorf("flags %#x, %v, want O_PATH", flags, err)
			}
			if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("it stays open across an execution: %v", err)
			}
			if got := digest(t, fdPath(f)); got != before {
				t.Error("it is not the running binary")
			}
			compare(t, "root", attempts(f), "opened", v.write, v.truncate)
			onThread(func() {
				own, err := sys.Capget()
				if err == nil {
					own.Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
					err = sys.Capset(own)
				}
				if err != nil {
					t.Error(err)
					return
				}
				compare(t, "root without DAC capabilities", attempts(f), "permission denied", "", "")
			})
			onThread(func() {
				if err := sys.Setresuid(65534); err != nil {
					t.Error(err)
					return
				}
				compare(t, "ordinary user", attempts(f), "permission denied", "", "")
			})
			compare(t, "root, after the others", attempts(f), "opened", v.write, v.truncate)
			if got := digest(t, fdPath(f)); got != before {
				t.Error("the sealed binary changed")
			}
		})
	}
	if after := digest(t, "/proc/self/exe"); after != before {
		t.Error("the host's binary changed")
	}
}

// compare checks what came of attempts. With write "" any refusal will do.
func compare(t *testing.T, who string, got map[string]string, read, write, truncate string) {
	t.Helper()
	if got["read"] != read {
		t.Errorf("%s: read: %s, want %s", who, got["read"], read)
	}
	for _, how := range []string{"write", "both"} {
		refused := got[how] == "permission denied" || got[how] == "read-only file system"
		if got[how] != write && (write != "" || !refused) {
			t.Errorf("%s: %s: %s, want %s", who, how, got[how], write)
		}
	}
	if got["truncate"] == "<nil>" || (truncate != "" && got["truncate"] != truncate) {
		t.Errorf("%s: truncate: %s, want %s", who, got["truncate"], truncate)
	}
}

// execute starts the file under that name and gives what it tells.
func execute(t *testing.T, path string, env []string, credential *syscall.Credential, args ...string) about {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Args, cmd.Env, cmd.Dir, cmd.Stderr = args, append(os.Environ(), env...), "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var a about
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

// TestSealed_Executed: it can be executed, by anybody, and the process cannot write what it runs.
func TestSealed_Executed(t *testing.T) {
	needRoot(t)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			f := sealed(t, v.seal)
			for who, credential := range map[string]*syscall.Credential{"root": nil, "ordinary user": {Uid: 65534, Gid: 65534}} {
				a := execute(t, fdPath(f), nil, credential, sealedArg0)
				if a.Mode != exeMode {
					t.Errorf("%s runs a binary of mode %#o", who, a.Mode)
				}
				if a.Write == "<nil>" {
					t.Errorf("%s can open what it runs for writing", who)
				}
			}
		})
	}
}

// TestSealedExe_OrdinaryUser: who cannot mount gets a copy.
func TestSealedExe_OrdinaryUser(t *testing.T) {
	needRoot(t) // to become that user
	a := execute(t, "/proc/self/exe", nil, &syscall.Credential{Uid: 65534, Gid: 65534}, sealArg0)
	if a.Overlay == "<nil>" {
		t.Fatal("an ordinary user can mount an overlay here: this test shows nothing")
	}
	if a.Mode != exeMode {
		t.Errorf("mode %#o, want 0111", a.Mode)
	}
	compare(t, "the owner", a.Attempts, "permission denied", "", "")
}

// TestSealedExe_PrefersOverlay: a copy costs a millisecond, and the binary's size in memory.
func TestSealedExe_PrefersOverlay(t *testing.T) {
	needRoot(t)
	if f, err := overlayExe(); err != nil {
		t.Skipf("no overlay can be mounted over the directory of the test binary: %v", err)
	} else {
		f.Close()
	}
	fs, err := sys.Fstatfs(int(sealed(t, sealedExe).Fd()))
	if err != nil || fs.Type != unix.OVERLAYFS_SUPER_MAGIC {
		t.Errorf("file system %#x, %v, want an overlay", fs.Type, err)
	}
}

// TestSealedExe_LeavesNothingOpen: neither layers nor mounts.
func TestSealedExe_LeavesNothingOpen(t *testing.T) {
	needRoot(t)
	for _, v := range variants {
		before := openFDs(t)
		f, err := v.seal()
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			continue // see TestSealed
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if after := openFDs(t); after != before {
			t.Errorf("%s: %d descriptors are open, %d before", v.name, after, before)
		}
	}
}

func openFDs(t *testing.T) (n int) {
	t.Helper()
	for fd := range 1024 {
		if isOpen(fd) {
			n++
		}
	}
	return n
}

// TestSameExe: when the name leads to another file by now, it is not that one which is executed.
func TestSameExe(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/other", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/exe", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, name := range []string{"other", "missing", "link"} {
		if err := sameExe(fd, name); err == nil {
			t.Errorf("%s is taken for the running binary", name)
		}
	}
}

func TestReseal(t *testing.T) {
	needRoot(t)
	plain := execute(t, "/proc/self/exe", nil, nil, resealArg0, "new")
	if plain.Mode == exeMode || plain.Resealed || plain.Marks != 0 {
		t.Errorf("with a new PID namespace: mode %#o, resealed %v", plain.Mode, plain.Resealed)
	}
	joined := execute(t, "/proc/self/exe", nil, nil, resealArg0, "join")
	if joined.Mode != exeMode || !joined.Resealed || joined.Marks != 1 || joined.Write == "<nil>" {
		t.Errorf("with a joined PID namespace: %+v, want it resealed, once", joined)
	}
	if want := []string{resealArg0, "join"}; !slices.Equal(joined.Args, want) {
		t.Errorf("arguments %q, want %q", joined.Args, want)
	}
	// The mark alone, which a caller may set, makes nothing sealed.
	if a := execute(t, "/proc/self/exe", []string{resealedEnv + "=1"}, nil, resealArg0, "join"); a.Mode != exeMode || a.Write == "<nil>" {
		t.Errorf("with a forged mark: %+v, want it resealed", a)
	}
}

func TestJoinsPIDNamespace(t *testing.T) {
	linux := func(ns ...specs.LinuxNamespace) *specs.Spec { return &specs.Spec{Linux: &specs.Linux{Namespaces: ns}} }
	for name, tt := range map[string]struct {
		spec *specs.Spec
		want bool
	}{
		"no linux": {&specs.Spec{}, false},
		"none":     {linux(), false},
		"new":      {linux(specs.LinuxNamespace{Type: specs.PIDNamespace}), false},
		"other":    {linux(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/n"}), false},
		"joined":   {linux(specs.LinuxNamespace{Type: specs.NetworkNamespace}, specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "/p"}), true},
	} {
		if got := JoinsPIDNamespace(tt.spec); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}
