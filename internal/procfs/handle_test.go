package procfs

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpen_System(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, name := range []string{"self/stat", "thread-self/stat", "sys/kernel/ostype", "version"} {
		f, err := h.Open(name, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, err := io.ReadAll(f); err != nil || len(text) == 0 {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		f.Close()
	}
}

func TestOpen_Refuses(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for name, want := range map[string]error{
		"../etc/passwd":      unix.EXDEV,
		"/proc/version":      unix.EXDEV,
		"self/root/proc":     unix.ELOOP,
		"self/cwd":           unix.ELOOP,
		"self/exe":           unix.ELOOP,
		"self/fd/0":          unix.ELOOP,
		"self/../../version": unix.EXDEV,
		"":                   unix.ENOENT,
		"nothing":            unix.ENOENT,
	} {
		f, err := h.Open(name, os.O_RDONLY)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v; want %v", name, err, want)
		}
		if err == nil {
			f.Close()
		}
	}
}

func TestFromFile(t *testing.T) {
	for path, want := range map[string]bool{"/proc": true, "/proc/self": false, "/proc/sys": false, "/": false, "/sys": false} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := FromFile(f)
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil && !errors.Is(err, ErrNotProc) {
			t.Errorf("%s: %v; want ErrNotProc", path, err)
		}
		if h != nil {
			h.Close()
		} else {
			f.Close()
		}
	}
}

func TestReopenFD(t *testing.T) {
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := os.Rename(path, path+".moved"); err != nil { // the descriptor counts, not the path
		t.Fatal(err)
	}
	f, err := h.ReopenFD(fd, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, _ := io.ReadAll(f); string(text) != "text" {
		t.Errorf("read %q", text)
	}
	if err := h.Chmod(fd, 0o4711); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o7777 != 0o4711 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	if _, err := h.ReopenFD(9999, os.O_RDONLY); !errors.Is(err, unix.ENOENT) {
		t.Errorf("closed descriptor: %v", err)
	}
	before, _ := os.Getwd()
	err = h.WithPath(fd, func(path string) error {
		_, err := os.Stat(path)
		return err
	})
	if after, _ := os.Getwd(); err != nil || after != before {
		t.Errorf("WithPath: %v, working directory %s, was %s", err, after, before)
	}
}

// TestHandle_OverMounted runs itself in a mount namespace where files are mounted over entries of /proc.
func TestHandle_OverMounted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts need root")
	}
	if os.Getenv("PROCFS_CHILD") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "PROCFS_CHILD="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	fake := filepath.Join(os.Getenv("PROCFS_CHILD"), "fake")
	if err := os.WriteFile(fake, []byte("fake"), 0o600); err != nil {
		t.Fatal(err)
	}
	bind := func(target string) {
		if err := unix.Mount(fake, target, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(target, err)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	h, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	bind("/proc/sys/kernel/domainname")
	bind("/proc/" + strconv.Itoa(os.Getpid()) + "/stat")
	for _, name := range []string{"sys/kernel/domainname", "self/stat"} {
		f, err := h.Open(name, os.O_RDONLY)
		if err != nil { // a private instance has no such mount
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(f); strings.Contains(string(text), "fake") {
			t.Errorf("%s was read from the file mounted over it", name)
		}
		f.Close()
	}
	if _, err := openBelow(int(h.File().Fd()), "self/stat", os.O_RDONLY); !errors.Is(err, unix.EXDEV) {
		t.Errorf("without a private instance: %v", err)
	}
	// A tmpfs over all of /proc: a new handle is a private instance.
	if err := unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	h2, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h2.Stat(1); err != nil {
		t.Error(err)
	}
}
