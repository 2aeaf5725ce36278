package sys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	for _, content := range []string{"first, long", "second"} {
		if err := ReplaceFileAt(d, "f", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFileAt(d, "f"); err != nil || string(got) != content {
			t.Errorf("%q, %v, want %q", got, err, content)
		}
	}
	if err := ReplaceFile(dir+"/g", []byte("by path"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := ReplaceFile("h", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// A reader that has the old file open keeps it.
	old, err := os.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := ReplaceFileAt(d, "f", []byte("third"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(old); string(b) != "second" {
		t.Errorf("the old file has %q, %v", b, err)
	}
	// A link at the name is replaced, not followed.
	if err := os.Symlink("g", "link"); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceFile("link", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile("g"); string(b) != "by path" {
		t.Errorf("written through a link: %q", b)
	}
	if err := os.MkdirAll("dir/in", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceFile("dir", []byte("x"), 0o600); err == nil || !strings.HasPrefix(err.Error(), "rename ") {
		t.Errorf("over a directory: %v", err)
	}
	if err := ReplaceFile("none/f", nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// TestReplaceFile_Stream: root that names /dev/null or /dev/stdout keeps both.
func TestReplaceFile_Stream(t *testing.T) {
	t.Chdir(t.TempDir())
	kind := func(name string) fs.FileMode {
		t.Helper()
		st, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		return st.Mode().Type()
	}
	t.Run("fifo", func(t *testing.T) {
		if err := unix.Mkfifo("fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := ReplaceFile("fifo", []byte("x"), 0o600); !errors.Is(err, unix.ENXIO) || !strings.HasPrefix(err.Error(), "open fifo: ") {
			t.Errorf("nobody reads: %v", err)
		}
		r, err := os.OpenFile("fifo", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := ReplaceFile("fifo", []byte("123"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := r.Read(b); string(b[:n]) != "123" || kind("fifo") != fs.ModeNamedPipe {
			t.Errorf("%q, %v, the fifo is %v", b[:n], err, kind("fifo"))
		}
	})
	t.Run("descriptor", func(t *testing.T) {
		f, err := os.OpenFile("out", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString("before "); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), "stdout"); err != nil { // as /dev/stdout is
			t.Fatal(err)
		}
		if err := ReplaceFile("stdout", []byte("123"), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile("out"); string(b) != "before 123" || kind("stdout") != fs.ModeSymlink {
			t.Errorf("%q, the link is %v", b, kind("stdout"))
		}
	})
	t.Run("socket", func(t *testing.T) {
		l, err := net.Listen("unix", "socket")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := ReplaceFile("socket", nil, 0o600); !errors.Is(err, unix.EOPNOTSUPP) || kind("socket") != fs.ModeSocket {
			t.Errorf("%v, the socket is %v", err, kind("socket"))
		}
	})
	t.Run("devices", func(t *testing.T) {
		for name, device := range map[string]struct {
			mode uint32
			dev  uint64
			want error
		}{
			"full":  {unix.S_IFCHR, unix.Mkdev(1, 7), unix.ENOSPC},
			"null":  {unix.S_IFCHR, unix.Mkdev(1, 3), nil},
			"block": {unix.S_IFBLK, unix.Mkdev(0, 1), unix.EOPNOTSUPP},
		} {
			if err := unix.Mknod(name, device.mode|0o600, int(device.dev)); err != nil {
				t.Skipf("mknod(2) of a device: %v", err)
			}
			before := kind(name)
			if err := ReplaceFile(name, []byte("123"), 0o600); !errors.Is(err, device.want) || kind(name) != before {
				t.Errorf("%s: %v, want %v; it is %v, was %v", name, err, device.want, kind(name), before)
			}
		}
	})
}
