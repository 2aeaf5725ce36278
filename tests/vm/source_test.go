package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCopySource(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, dir := range []string{"pkg/testdata", ".git/objects"} {
		if err := os.MkdirAll(filepath.Join(from, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pkg/a.go", "pkg/testdata/golden", ".git/objects/x", "pkg/.hidden", "disk.img"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(from, "disk.img"), sourceLimit+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../nowhere", filepath.Join(from, "pkg/link")); err != nil {
		t.Fatal(err)
	}
	if err := copySource(from, to); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pkg/a.go", "pkg/testdata/golden"} {
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil || info.Mode() != 0o750 || info.Size() != int64(len(name)) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, "pkg/link")); err != nil || target != "../nowhere" {
		t.Errorf("pkg/link leads to %q, %v", target, err)
	}
	for _, name := range []string{".git", "pkg/.hidden", "disk.img"} {
		if _, err := os.Lstat(filepath.Join(to, name)); !os.IsNotExist(err) {
			t.Errorf("%s was copied (%v)", name, err)
		}
	}
}
