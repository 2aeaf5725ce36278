package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"tare/internal/procfs"
)

func TestDefaultRoot(t *testing.T) {
	yes := func() bool { return true }
	no := func() bool { return false }
	never := func() bool { t.Error("user namespace asked for without need"); return false }
	tests := []struct {
		name string
		c    caller
		want string
	}{
		{"root", caller{0, "root", "", never, "/nonexistent"}, "/run/tare"},
		{"root with a runtime directory", caller{0, "root", "/run/user/0", never, "/nonexistent"}, "/run/tare"},
		{"root by sudo", caller{0, "alice", "/run/user/1000", no, "/nonexistent"}, "/run/tare"},
		{"root of a user namespace", caller{0, "alice", "/run/user/1000", yes, "/nonexistent"}, "/run/user/1000/tare"},
		{"root of a user namespace, no name", caller{0, "", "/run/user/1000", yes, "/nonexistent"}, "/run/user/1000/tare"},
		{"root of a user namespace, named root", caller{0, "root", "/run/user/0", never, "/nonexistent"}, "/run/tare"},
		{"user", caller{1000, "alice", "/run/user/1000", never, "/nonexistent"}, "/run/user/1000/tare"},
		{"user without a runtime directory", caller{1000, "alice", "", never, "/nonexistent"}, "/run/tare"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := defaultRoot(tt.c); got != tt.want {
				t.Errorf("defaultRoot = %s, want %s", got, tt.want)
			}
		})
	}
}

// What pam_systemd(8) made is found without XDG_RUNTIME_DIR, by its owner alone.
func TestLoginDir(t *testing.T) {
	const uid = 4711
	users := t.TempDir()
	c := caller{euid: uid, usersDir: users}
	if got := defaultRoot(c); got != "/run/tare" {
		t.Errorf("without a directory: %s", got)
	}
	dir := filepath.Join(users, strconv.Itoa(uid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := defaultRoot(c); got != "/run/tare" {
		t.Errorf("with one of another's: %s", got)
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Skip("a directory of another user's:", err)
	}
	if got := defaultRoot(c); got != filepath.Join(dir, "tare") {
		t.Errorf("with one of the user's own: %s", got)
	}
	c.usersDir = t.TempDir()
	if err := os.Symlink(dir, filepath.Join(c.usersDir, strconv.Itoa(uid))); err != nil {
		t.Fatal(err)
	}
	if got := defaultRoot(c); got != "/run/tare" {
		t.Errorf("with a link to it: %s", got)
	}
}

func TestStateRoot(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"/var/lib/x": "/var/lib/x", "/a//b/../c/": "/a/c", "rel": filepath.Join(wd, "rel"), ".": wd,
		"/": "", "//": "", "/..": "", "/x/..": "",
	} {
		a := &app{global: globalOptions{root: given}}
		got, err := a.stateRoot()
		if got != want || (err != nil) != (want == "") {
			t.Errorf("--root %s: %q, %v; want %q", given, got, err, want)
		}
	}
}

// The user's default root is made with the sticky bit; one that was named is not touched.
func TestMakeStateRoot(t *testing.T) {
	runtimeDir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
	given := filepath.Join(t.TempDir(), "x")
	a := &app{global: globalOptions{root: given}}
	if root, err := a.makeStateRoot(); err != nil || root != given {
		t.Fatalf("makeStateRoot = %s, %v", root, err)
	}
	if _, err := os.Stat(given); !os.IsNotExist(err) {
		t.Errorf("%s was made: %v", given, err)
	}

	if os.Geteuid() == 0 && !procfs.InUserNS() {
		t.Skip("the default root of the system's root is /run/tare: the rest needs a user or a user namespace")
	}
	t.Setenv("USER", "alice")
	root, err := (&app{}).makeStateRoot()
	if err != nil || root != filepath.Join(runtimeDir, "tare") {
		t.Fatalf("makeStateRoot = %s, %v", root, err)
	}
	st, err := os.Stat(root)
	if err != nil || st.Mode() != os.ModeDir|os.ModeSticky|0o700 {
		t.Errorf("%s: mode %v, %v", root, st.Mode(), err)
	}
}
