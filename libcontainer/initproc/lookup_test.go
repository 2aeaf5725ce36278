package initproc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"a/prog": 0o755, "b/prog": 0o755, "b/plain": 0o644, "a/later": 0o644, "b/later": 0o755, "here": 0o755,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "a/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"a/link": "../b/prog", "a/dangling": "nowhere", "a/loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	both := "PATH=" + dir + "/a:" + dir + "/b"

	tests := []struct {
		name string
		prog string
		env  []string
		want string // with % for the directory
		err  string
	}{
		{name: "absolute", prog: "%/a/prog", want: "%/a/prog"},
		{name: "with a slash, not from PATH", prog: "a/prog", env: []string{"PATH=/nowhere"}, want: "a/prog"},
		{name: "dot and slash", prog: "./here", want: "./here"},
		{name: "link", prog: "%/a/link", want: "%/a/link"},
		{name: "absolute, missing", prog: "/nope/x", err: `exec: "/nope/x": stat /nope/x: no such file or directory`},
		{name: "relative, missing", prog: "./nope", err: `exec: "./nope": stat ./nope: no such file or directory`},
		{name: "dangling link", prog: "a/dangling", err: `exec: "a/dangling": stat a/dangling: no such file or directory`},
		{name: "link to itself", prog: "a/loop", err: `exec: "a/loop": stat a/loop: too many levels of symbolic links`},
		{name: "a file on the way", prog: "here/x", err: `exec: "here/x": stat here/x: not a directory`},
		{name: "directory", prog: "/", err: `exec: "/": is a directory: permission denied`},
		{name: "directory by name", prog: "./a", err: `exec: "./a": is a directory: permission denied`},
		{name: "not executable", prog: "b/plain", err: `exec: "b/plain": permission denied`},

		{name: "in the first of PATH", prog: "prog", env: []string{both}, want: "%/a/prog"},
		{name: "in the second of PATH", prog: "prog", env: []string{"PATH=/nowhere:" + dir + "/b"}, want: "%/b/prog"},
		{name: "the last PATH counts", prog: "prog", env: []string{"PATH=/nowhere", "A=1", "PATH=" + dir + "/b"}, want: "%/b/prog"},
		{name: "another variable that ends so", prog: "prog", env: []string{both, "XPATH=/nowhere", "PATHX=/nowhere"}, want: "%/a/prog"},
		{name: "not executable, but later so", prog: "later", env: []string{both}, want: "%/b/later"},
		{name: "missing in PATH", prog: "nope", env: []string{both}, err: `exec: "nope": executable file not found in $PATH`},
		{name: "not executable in PATH", prog: "plain", env: []string{both}, err: `exec: "plain": permission denied`},
		{name: "directory in PATH", prog: "sub", env: []string{both}, err: `exec: "sub": is a directory: permission denied`},
		{name: "relative entry", prog: "prog", env: []string{"PATH=a"}, want: "a/prog"},
		{name: "empty entry is the working directory", prog: "here", env: []string{"PATH=/nowhere::/nope"}, want: "./here"},
		{name: "empty entry at the end", prog: "here", env: []string{"PATH=/nowhere:"}, want: "./here"},
		// execvp(3): an empty PATH is one empty entry.
		{name: "PATH empty", prog: "here", env: []string{"PATH="}, want: "./here"},
		{name: "PATH empty, missing", prog: "prog", env: []string{"PATH="}, err: `exec: "prog": executable file not found in $PATH`},
		{name: "PATH unset, missing", prog: "prog", err: `exec: "prog": executable file not found in $PATH`},
		{name: "PATH without a value", prog: "prog", env: []string{"PATH"}, err: `exec: "prog": executable file not found in $PATH`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lookPath(strings.ReplaceAll(tt.prog, "%", dir), tt.env)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if want := strings.ReplaceAll(tt.want, "%", dir); err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
	}
	t.Run("errors.Is", func(t *testing.T) {
		for prog, want := range map[string]error{"nope": errNotFound, "plain": unix.EACCES, "sub": unix.EACCES, "/nope": unix.ENOENT} {
			if _, err := lookPath(prog, []string{both}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", prog, err, want)
			}
		}
	})
}
