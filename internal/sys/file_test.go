package sys

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func closeOnExec(t *testing.T, what string, fd int) {
	t.Helper()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("%s stays open across an execution: %v", what, err)
	}
}

func TestOpenDir(t *testing.T) {
	dir := t.TempDir()
	closeOnExec(t, "a directory", int(openDir(t, dir).Fd()))
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"file": unix.ENOTDIR, "link": unix.ENOTDIR, "none": fs.ErrNotExist} {
		_, err := OpenDir(dir + "/" + name)
		if e, ok := errors.AsType[*fs.PathError](err); !ok || !errors.Is(err, want) || e.Path != dir+"/"+name {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestMkfifoAt(t *testing.T) {
	d := openDir(t, t.TempDir())
	old := unix.Umask(0o777)
	err := MkfifoAt(d, "fifo", 0o622, os.Geteuid(), os.Getegid())
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Lstat(filepath.Join(d.Name(), "fifo"))
	if err != nil || fi.Mode() != fs.ModeNamedPipe|0o622 {
		t.Errorf("mode %v, %v, want a fifo of 0622", fi.Mode(), err)
	}
	if err := MkfifoAt(d, "fifo", 0o600, 0, 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	if !ExistsAt(d, "fifo") || ExistsAt(d, "none") {
		t.Error("ExistsAt is wrong")
	}
	if err := os.Symlink("nowhere", filepath.Join(d.Name(), "dangling")); err != nil {
		t.Fatal(err)
	}
	if !ExistsAt(d, "dangling") {
		t.Error("ExistsAt follows links")
	}
	if owner, err := OwnerOf(d); err != nil || int(owner) != os.Geteuid() {
		t.Errorf("owner %d, %v", owner, err)
	}
}

func TestFlockAndUnlinked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a, b := openDir(t, dir), openDir(t, dir)
	if err := Flock(a, false); err != nil {
		t.Fatal(err)
	}
	if err := Flock(b, false); !errors.Is(err, unix.EWOULDBLOCK) || !strings.Contains(err.Error(), dir) {
		t.Errorf("locked twice: %v, want EWOULDBLOCK on %s", err, dir)
	}
	if err := Funlock(a); err != nil {
		t.Fatal(err)
	}
	if err := Flock(b, true); err != nil {
		t.Errorf("locked after the unlock: %v", err)
	}
	if gone, err := Unlinked(b); gone || err != nil {
		t.Errorf("unlinked: %v, %v", gone, err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if gone, err := Unlinked(b); !gone || err != nil {
		t.Errorf("after the removal, unlinked: %v, %v", gone, err)
	}
}

func TestMemFile(t *testing.T) {
	f, err := MemFile("name", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	closeOnExec(t, "a MemFile", int(f.Fd()))
	if b, err := io.ReadAll(f); string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestCopyAll(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	in, err := MemFile("in", content)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := MemfdExecutable("out")
	if err != nil {
		t.Fatal(err)
	}
	defer Close(out)
	closeOnExec(t, "a memfd", out)
	if _, err := in.Seek(10, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := CopyAll(out, int(in.Fd())); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(content))
	if n, err := unix.Pread(out, got, 0); err != nil || !bytes.Equal(got[:n], content[10:]) {
		t.Errorf("%d bytes, %v, want %d", n, err, len(content)-10)
	}
	if _, err := unix.FcntlInt(uintptr(out), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Errorf("it cannot be sealed: %v", err)
	}
	if err := CopyAll(-1, int(in.Fd())); !errors.Is(err, unix.EBADF) {
		t.Errorf("to a closed descriptor: %v", err)
	}
}

func TestPipeAndCloseOnExec(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(r)
	closeOnExec(t, "the reading end", r)
	closeOnExec(t, "the writing end", w)
	if err := Write(w, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(w), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	if err := SetCloseOnExec(w); err != nil {
		t.Fatal(err)
	}
	closeOnExec(t, "the writing end", w)
	if !isOpen(w) {
		t.Error("isOpen says no")
	}
	Close(w)
	if isOpen(w) {
		t.Error("isOpen says yes of a closed one")
	}
	if err := SetCloseOnExec(w); !errors.Is(err, unix.EBADF) {
		t.Errorf("SetCloseOnExec of a closed one: %v", err)
	}
	b := make([]byte, 9)
	if n, err := ReadFull(r, b); err != nil || string(b[:n]) != "abc" {
		t.Errorf("read %q, %v, want what there was before the end", b[:n], err)
	}
}

func TestCloseOnExecFrom(t *testing.T) {
	const low = 500
	for _, fd := range []int{low - 1, low, low + 7} {
		if err := unix.Dup3(0, fd, 0); err != nil {
			t.Fatal(err)
		}
		defer Close(fd)
	}
	if err := CloseOnExecFrom(low); err != nil {
		t.Fatal(err)
	}
	if flags, _ := unix.FcntlInt(low-1, unix.F_GETFD, 0); flags&unix.FD_CLOEXEC != 0 {
		t.Error("one below is marked too")
	}
	closeOnExec(t, "the lowest", low)
	closeOnExec(t, "one above", low+7)
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func TestMakeDirs_Umask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/b/c")
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	for range 2 {
		if err := MakeDirs(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for ; filepath.Base(path) != "a"; path = filepath.Dir(path) {
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o700|os.ModeDir {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
	unix.Umask(old)
	if err := os.WriteFile(path+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeDirs(path+"/file", 0o700); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("in the place of a file: %v", err)
	}
	if err := MakeDirs(path+"/file/below", 0o700); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// A file is read to its end, whatever its size is said to be.
func TestReadFileAt(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	for _, size := range []int{0, 1, 511, 512, 513, 1 << 16} {
		want := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(dir+"/f", want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFileAt(d, "f"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	for _, path := range []string{"/proc/self/smaps", "/proc/kallsyms"} { // said to have no bytes
		if got, err := ReadFile(path); err == nil && len(got) <= 512 {
			t.Errorf("%s: %d bytes", path, len(got))
		}
	}
	if _, err := ReadFileAt(d, ".."); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
}
