package fsroot

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// tree makes a root and a canary directory beside it, which nothing may touch. A line of the description is "path", "path/" for a
// directory or "path -> target" for a link.
func tree(t *testing.T, lines ...string) (r *Root, root, canary string) {
	t.Helper()
	dir := t.TempDir()
	root, canary = filepath.Join(dir, "root"), filepath.Join(dir, "canary")
	must(t, os.Mkdir(root, 0o755))
	must(t, os.Mkdir(canary, 0o755))
	must(t, os.WriteFile(filepath.Join(canary, "file"), []byte("canary"), 0o600))
	for _, line := range lines {
		name, target, link := strings.Cut(line, " -> ")
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch {
		case link:
			must(t, os.Symlink(strings.ReplaceAll(target, "CANARY", canary), path))
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte(name), 0o600))
		}
	}
	fd, err := sys.Openat(unix.AT_FDCWD, root, unix.O_PATH|unix.O_DIRECTORY)
	must(t, err)
	r = New(fd)
	t.Cleanup(func() {
		r.Close()
		names, err := os.ReadDir(canary)
		if err != nil || len(names) != 1 {
			t.Errorf("canary changed: %v, %v", names, err)
		}
	})
	return r, root, canary
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// where is the path of a descriptor inside root.
func where(t *testing.T, root string, fd int) string {
	t.Helper()
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	must(t, err)
	rel, ok := strings.CutPrefix(path, root)
	if !ok {
		t.Fatalf("%s is outside of the root", path)
	}
	return rel
}

func TestOpen(t *testing.T) {
	r, root, _ := tree(t, "a/b/c", "a/up -> ../..", "abs -> /a", "out -> CANARY", "rel -> ../../../../a/b", "loop -> loop", "a/end -> b",
		"file", "dangling -> nowhere", "magic -> /proc/self/root", "proc/")
	tests := []struct {
		path     string
		follow   string // where Open leads; "!" and an errno's name when it fails
		nofollow string
	}{
		{"/a/b", "/a/b", "/a/b"},
		{"a//b/./c", "/a/b/c", "/a/b/c"},
		{"/", "", ""},
		{"//", "", ""},
		{".", "", ""},
		{"..", "", ""},
		{"../../a", "/a", "/a"},
		{"a/../../../a", "/a", "/a"},
		{"abs", "/a", "/abs"},
		{"abs/", "/a", "!not a directory"},
		{"abs/.", "/a", "/a"},
		{"abs/b", "/a/b", "/a/b"},
		{"rel", "/a/b", "/rel"},
		{"rel/..", "/a", "/a"},
		{"a/up", "", "/a/up"},
		{"a/up/a/end/c", "/a/b/c", "/a/b/c"},
		{"out", "!no such file", "/out"},
		{"out/file", "!no such file", "!no such file"},
		{"", "!no such file", "!no such file"},
		{"loop", "!too many levels", "/loop"},
		{"dangling", "!no such file", "/dangling"},
		{"file/", "!not a directory", "!not a directory"},
		{"file/.", "!not a directory", "!not a directory"},
		{"file/..", "!not a directory", "!not a directory"},
		{strings.Repeat("../", 60) + "a", "/a", "/a"},
		{strings.Repeat("x", 5000), "!file name too long", "!file name too long"},
	}
	for _, tt := range tests {
		t.Run(tt.path[:min(len(tt.path), 20)], func(t *testing.T) {
			for _, c := range []struct {
				open func(string) (int, error)
				want string
			}{{r.Open, tt.follow}, {r.OpenNoFollow, tt.nofollow}} {
				fd, err := c.open(tt.path)
				if want, fails := strings.CutPrefix(c.want, "!"); fails {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v; want %s", err, want)
					}
					continue
				}
				must(t, err)
				if got := where(t, root, fd); got != c.want {
					t.Errorf("leads to %q; want %q", got, c.want)
				}
				sys.Close(fd)
			}
		})
	}
}

func TestOpen_MagicLink(t *testing.T) {
	fd, err := sys.Openat(unix.AT_FDCWD, "/proc", unix.O_PATH|unix.O_DIRECTORY)
	must(t, err)
	r := New(fd)
	defer r.Close()
	for _, path := range []string{"self/root", "self/cwd", "self/exe", "self/root/etc"} {
		if fd, err := r.Open(path); !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s: %d, %v", path, fd, err)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	tests := []struct {
		name, path, want string // want: where it is, or "!" and the error
	}{
		{"exists", "/a/b", "/a/b"},
		{"new", "/a/n/m/o", "/a/n/m/o"},
		{"slashes and dots", "a//n/./m/", "/a/n/m"},
		{"through a link", "abs/n", "/a/n"},
		{"final link", "rel", "/a/b"},
		{"final link with slash", "rel/", "/a/b"},
		{"dangling link", "dangling/x", "/nowhere/deep/x"},
		{"dangling final link", "dangling", "/nowhere/deep"},
		{"dangling absolute link out", "out/x", "!"},
		{"dangling with ..", "updown", "/fresh"},
		{".. above the root", "../../n", "/n"},
		{".. through what is missing", "n/../m", "!no such file"},
		{"loop", "loop/x", "!too many levels"},
		{"over a file", "file", "!not a directory"},
		{"below a file", "file/x", "!not a directory"},
		{"file with slash", "file/", "!not a directory"},
		{"root", "/", ""},
		{"empty", "", "!no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, root, canary := tree(t, "a/b/c", "abs -> /a", "rel -> a/b", "dangling -> /nowhere/deep", "out -> CANARY", "loop -> loop2",
				"loop2 -> loop", "file", "updown -> a/../fresh")
			fd, err := r.MkdirAll(tt.path, 0o755)
			want, fails := strings.CutPrefix(tt.want, "!")
			if tt.name == "dangling absolute link out" {
				want, fails = canary+"/x", false // the same path, but inside
			}
			if fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %s", err, want)
				}
				return
			}
			must(t, err)
			defer sys.Close(fd)
			if got := where(t, root, fd); got != want {
				t.Errorf("made %q; want %q", got, want)
			}
		})
	}
}

// createFile finds a file or makes it, in two steps as the mounts do.
func createFile(r *Root, path string) (int, error) {
	fd, err := r.Open(path)
	if errors.Is(err, unix.ENOENT) && path != "" {
		return r.MakeFile(path, 0o600)
	}
	return fd, err
}

func TestMakeFile(t *testing.T) {
	lines := []string{"a/b/c", "link -> a/b/c", "dangling -> /n/m", "out -> CANARY/new", "dir/", "loop -> loop"}
	tests := []struct{ name, path, want string }{
		{"new", "/a/n/m", "/a/n/m"},
		{"exists", "a/b/c", "/a/b/c"},
		{"link", "link", "/a/b/c"},
		{"dangling", "dangling", "/n/m"},
		{"directory is returned", "dir", "/dir"},
		{"slash", "new/", "!is a directory"},
		{"slash behind a file", "a/b/c/", "!not a directory"},
		{"below a file", "a/b/c/d", "!not a directory"},
		{"loop", "loop", "!too many levels"},
		{"empty", "", "!no such file"},
		{"..", "n/..", "!no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, root, _ := tree(t, lines...)
			fd, err := createFile(r, tt.path)
			if want, fails := strings.CutPrefix(tt.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %s", err, want)
				}
				return
			}
			must(t, err)
			defer sys.Close(fd)
			if got := where(t, root, fd); got != tt.want {
				t.Errorf("made %q; want %q", got, tt.want)
			}
		})
	}
	t.Run("content stays", func(t *testing.T) {
		r, root, _ := tree(t, lines...)
		fd, err := createFile(r, "link")
		must(t, err)
		sys.Close(fd)
		if text, _ := os.ReadFile(root + "/a/b/c"); string(text) != "a/b/c" {
			t.Errorf("content is now %q", text)
		}
	})
	t.Run("outside stays", func(t *testing.T) {
		r, root, canary := tree(t, lines...)
		fd, err := createFile(r, "out")
		must(t, err)
		defer sys.Close(fd)
		if got := where(t, root, fd); got != canary+"/new" {
			t.Errorf("made %q", got)
		}
	})
}

// A single name in a directory is no path, and a link is not followed: this is what is left when somebody exchanges what was just made.
func TestAt(t *testing.T) {
	r, _, _ := tree(t, "dir/in -> file", "dir/out -> CANARY/new", "dir/file")
	dir, err := r.OpenDir("dir")
	must(t, err)
	defer sys.Close(dir)
	for name, want := range map[string]error{"in": unix.ELOOP, "out": unix.ELOOP, "file": nil, "..": unix.EXDEV} {
		fd, err := OpenAt(dir, name, unix.O_PATH)
		if !errors.Is(err, want) {
			t.Errorf("open %s: %v; want %v", name, err, want)
		}
		sys.Close(fd)
		fd, err = CreateFileAt(dir, name, 0o600)
		if !errors.Is(err, want) {
			t.Errorf("create %s: %v; want %v", name, err, want)
		}
		sys.Close(fd)
	}
}

// A fifo, a socket, a terminal in a file's place must not make us wait: nobody is at their other end.
func TestMakeFile_DoesNotOpen(t *testing.T) {
	r, root, _ := tree(t)
	must(t, unix.Mkfifo(root+"/fifo", 0o600))
	must(t, unix.Mknod(root+"/sock", unix.S_IFSOCK|0o600, 0))
	if err := unix.Mknod(root+"/tty", unix.S_IFCHR|0o600, int(unix.Mkdev(5, 0))); err != nil {
		t.Log("no device nodes here: ", err)
	}
	for _, name := range []string{"fifo", "sock", "tty"} {
		done := make(chan error)
		go func() {
			fd, err := createFile(r, name)
			sys.Close(fd)
			done <- err
		}()
		select {
		case err := <-done:
			must(t, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: hangs", name)
		}
	}
}

// The last name is not looked up: what is there, a link out of the root for instance, is left for mkdirat and its sisters to refuse.
func TestParent(t *testing.T) {
	r, root, _ := tree(t, "a/b", "abs -> /a", "out -> CANARY", "dangling -> x")
	for path, want := range map[string]string{"a/b": "/a b", "n/m/new": "/n/m new", "abs/n": "/a n", "out": " out", "/dangling": " dangling"} {
		dir, name, err := r.Parent(path)
		must(t, err)
		if got := where(t, root, dir) + " " + name; got != want {
			t.Errorf("%q: %q; want %q", path, got, want)
		}
		sys.Close(dir)
	}
	for path, want := range map[string]error{
		"n/": unix.EINVAL, "..": unix.EINVAL, "a/.": unix.EINVAL, "": unix.EINVAL, "/": unix.EINVAL, "a/b/c": unix.ENOTDIR,
	} {
		if _, _, err := r.Parent(path); !errors.Is(err, want) {
			t.Errorf("%q: %v; want %v", path, err, want)
		}
	}
}
