package sys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The descriptors' rules hold on any file system; a directory of the test's own will do for most.
func TestCgroupOpenDirStaysBelow(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.MkdirAll(base+"/a/b", 0o755), os.Symlink("/", base+"/link"), os.WriteFile(base+"/file", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	dir, err := CgroupOpenMount(base)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	for path, want := range map[string]error{
		"a/b": nil, "..": unix.EXDEV, "a/../..": unix.EXDEV, "link": unix.ELOOP, "link/etc": unix.ELOOP, "file": unix.ENOTDIR, "none": unix.ENOENT, "/a": unix.EXDEV,
	} {
		fd, err := CgroupOpenDir(dir, path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		var named *fs.PathError
		if err != nil && (!errors.As(err, &named) || named.Path != path) {
			t.Errorf("%s: error without its path: %v", path, err)
		}
		if err == nil {
			flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: not close-on-exec", path)
			}
			unix.Close(fd)
		}
	}
}

func TestCgroupReadWrite(t *testing.T) {
	base := t.TempDir()
	long := strings.Repeat("12345\n", 5000)
	if err := os.WriteFile(filepath.Join(base, "long"), []byte(long), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "short"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := CgroupOpenMount(base)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	if b, err := CgroupRead(dir, "long"); err != nil || string(b) != long {
		t.Errorf("%d of %d bytes (%v)", len(b), len(long), err)
	}
	if err := CgroupWrite(dir, "short", "+memory"); err != nil {
		t.Error(err)
	}
	if b, err := CgroupReadSmall(dir, "short"); err != nil || string(b) != "+memory" {
		t.Errorf("%q (%v)", b, err)
	}
	if err := CgroupWrite(dir, "none", "1"); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if err := errors.Join(CgroupMkdir(dir, "one"), CgroupMkdir(dir, "two")); err != nil {
		t.Error(err)
	}
	names, err := CgroupChildren(dir)
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"one", "two"}) {
		t.Errorf("%q (%v)", names, err)
	}
	if err := CgroupRmdir(dir, "one"); err != nil {
		t.Error(err)
	}
	if err := CgroupRmdir(dir, "one"); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
}

func TestPollPriEnds(t *testing.T) {
	fd, err := unix.Open("/proc/self/mounts", unix.O_RDONLY|unix.O_CLOEXEC, 0) // says changes by POLLPRI too
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if changed, err := PollPri(fd, time.Millisecond); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
	if changed, err := PollPri(fd, -time.Second); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
}
