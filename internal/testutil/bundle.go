package testutil

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Edit changes a test's config.json before it is written.
type Edit = func(*specs.Spec)

// Bundle is a directory with a root file system, that holds the probe as /probe, and a config.json.
type Bundle struct {
	Dir    string
	RootFS string
	Spec   *specs.Spec // what config.json says; WriteSpec after a change
}

// NewBundle makes a bundle with the default configuration (DefaultSpec) and the edits on top.
func NewBundle(t testing.TB, edits ...Edit) *Bundle {
	t.Helper()
	b := &Bundle{Dir: Dir(t), Spec: DefaultSpec()}
	b.RootFS = filepath.Join(b.Dir, "rootfs")
	for _, dir := range []string{"", "proc", "sys", "dev", "tmp", "etc"} {
		mkdir(t, filepath.Join(b.RootFS, dir))
	}
	if err := linkOrCopy(suite.probe, filepath.Join(b.RootFS, "probe")); err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(b.Spec)
	}
	b.WriteSpec(t)
	return b
}

// Dir makes a directory that everybody may enter and that goes away with the test.
func Dir(t testing.TB) string {
	t.Helper()
	return DirIn(t, suite.dir)
}

// DirIn makes such a directory in parent.
func DirIn(t testing.TB, parent string) string {
	t.Helper()
	pattern := "t-"
	if parent != suite.dir {
		pattern = "tare-test-" // by which tests that look at all mounts know those of others
	}
	dir, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeTree(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return dir
}

// WriteSpec writes config.json anew.
func (b *Bundle) WriteSpec(t testing.TB) {
	t.Helper()
	data, err := json.MarshalIndent(b.Spec, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	b.WriteConfig(t, string(data))
}

// WriteConfig writes config.json as given, for what specs.Spec cannot say.
func (b *Bundle) WriteConfig(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.Dir, "config.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// WriteFile puts a file into the root file system, with the directories above it.
func (b *Bundle) WriteFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	full := filepath.Join(b.RootFS, path)
	mkdir(t, filepath.Dir(full))
	if err := os.WriteFile(full, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(full, mode); err != nil {
		t.Fatal(err)
	}
}

// File makes an empty file beside the root file system, for what runs to write to.
func (b *Bundle) File(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(b.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Chmod(0o666); err != nil { // whoever it runs as
		t.Fatal(err)
	}
	return f
}

// Symlink puts a symbolic link into the root file system, in the place of whatever is there.
func (b *Bundle) Symlink(t testing.TB, target, path string) {
	t.Helper()
	full := filepath.Join(b.RootFS, path)
	if err := removeTree(full); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, full); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// linkOrCopy saves copying the probe for every test; a file system boundary or a protected file forbids the link.
func linkOrCopy(from, to string) (Err error) {
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	defer func() { Err = errors.Join(Err, dst.Close()) }()
	_, err = io.Copy(dst, src)
	return err
}

// Probe is the probe program's path on the host, for hooks.
func Probe() string { return suite.probe }

// Runtime is the path of the runtime under test.
func Runtime() string { return suite.runtime }

// CopyRuntime puts a copy of the runtime under test at a path, for tests that try to damage it.
func CopyRuntime(t testing.TB, path string) {
	t.Helper()
	data, err := os.ReadFile(suite.runtime)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Chown gives a tree to a user, without following links.
func Chown(t testing.TB, dir string, uid, gid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		if st.Nlink > 1 && st.Mode&unix.S_IFMT == unix.S_IFREG {
			return nil // the probe, shared by all bundles
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}
