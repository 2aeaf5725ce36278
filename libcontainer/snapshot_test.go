package libcontainer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tare/internal/fsroot"
	"tare/internal/sys"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestNearest(t *testing.T) {
	paths := []string{"/proc", "/dev", "/dev/shm", "/data", "/data"}
	for p, want := range map[string]int{
		"/": -1, "/proc": 0, "/proc/sys": 0, "/process": -1, "/dev/pts": 1, "/dev/shm": 2, "/dev/shm/a": 2, "/data/b": 4,
	} {
		if got := nearest(paths, p); got != want {
			t.Errorf("%s: %d, want %d", p, got, want)
		}
	}
}

// An image directory may be anybody's: it names no place of the host's that config.json does not.
func TestSnapshotSources(t *testing.T) {
	data := t.TempDir()
	makeTree(t, data, "below/", "away -> /etc", "up -> below")
	spec := &specs.Spec{Mounts: []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/data", Type: "bind", Source: data, Options: []string{"rbind"}},
		{Destination: "/etc/hosts", Source: "hosts", Options: []string{"bind"}},
	}}
	s := snapshot{Mounts: []bound{{"/data", 1, ""}, {"/data/below", 1, "below"}, {"/etc/hosts", 2, ""}}}
	got, err := s.sources(spec, "/bundle")
	want := []string{"mnt[/data]:" + data, "mnt[/data/below]:" + data + "/below", "mnt[/etc/hosts]:/bundle/hosts"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, b := range map[string]bound{
		"no such mount": {"/data", 3, ""}, "a negative one": {"/data", -1, ""}, "no bind mount": {"/proc", 0, ""},
		"above": {"/data", 1, "../etc"}, "absolute": {"/data", 1, "/etc"}, "up and down": {"/data", 1, "a/../../b"},
		"a link out": {"/data/away", 1, "away"}, "through it": {"/data/away", 1, "away/ssh"}, "a link within": {"/data/up", 1, "up"},
		"not there": {"/data/none", 1, "none"}, "two paths": {"/data]:/etc", 1, ""},
	} {
		s := snapshot{Mounts: []bound{b}}
		if got, err := s.sources(spec, "/bundle"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A container that goes on after its checkpoint can move a directory that a mount point is in, and put a link there.
func TestSnapshotPlaces(t *testing.T) {
	dir := t.TempDir()
	makeTree(t, dir, "var/lib/db/", "dev/", "link -> /usr", "bin -> /usr/bin", "relative -> var")
	root := fsroot.New(openFD(t, dir))
	defer root.Close()
	s := snapshot{Places: []string{"/var/lib/db", "/dev", "/none"}}
	if err := s.checkPlaces(root); err != nil {
		t.Error(err)
	}
	for _, p := range []string{"/bin", "/link/bin", "/link/none", "/relative/lib/db"} {
		s := snapshot{Places: []string{"/var/lib/db", p}}
		if err := s.checkPlaces(root); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	mounts := []*mountinfo.Info{
		{ID: 1, Parent: 0, Mountpoint: "/"},
		{ID: 2, Parent: 1, Mountpoint: "/dev"},
		{ID: 3, Parent: 2, Mountpoint: "/dev/pts"},
		{ID: 4, Parent: 1, Mountpoint: "/var/lib/db"},
		{ID: 5, Parent: 1, Mountpoint: "/var"},
	}
	if got, want := places(mounts), []string{"/dev", "/var/lib/db", "/var"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// makeTree makes directories (a slash at the end) and links (NAME -> TARGET).
func makeTree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		err := error(nil)
		if isLink {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else {
			err = os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func openFD(t *testing.T, dir string) int {
	t.Helper()
	fd, err := sys.Openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestPageServer(t *testing.T) {
	for in, want := range map[string]string{"host:1": "host", "[::1]:27": "::1", "10.0.0.1:65535": "10.0.0.1"} {
		if p, err := pageServer(in); err != nil || p.Address != want {
			t.Errorf("%s: %+v, %v", in, p, err)
		}
	}
	for _, in := range []string{"host", "host:", "host:port", "host:65536", "host:-1"} {
		if _, err := pageServer(in); err == nil {
			t.Errorf("%s: taken", in)
		}
	}
	if p, err := pageServer(""); p != nil || err != nil {
		t.Errorf("none: %v, %v", p, err)
	}
}

func TestCheckRestorable(t *testing.T) {
	own := []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace, Path: "/run/netns/a"}}
	whole := func() *specs.Spec { return &specs.Spec{Linux: &specs.Linux{Namespaces: slices.Clone(own)}} }
	if err := checkRestorable(whole()); err != nil {
		t.Errorf("an ordinary one: %v", err)
	}
	for field, edit := range map[string]func(*specs.Spec){
		"/linux/namespaces":           func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] },
		"/linux/namespaces/1/path":    func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/proc/1/ns/pid" },
		"/mounts/0":                   func(s *specs.Spec) { s.Mounts = []specs.Mount{{Type: "bind", Options: []string{"bind", "idmap"}}} },
		"/linux/intelRdt":             func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} },
		"/linux/netDevices":           func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}} },
		"/linux/seccomp/listenerPath": func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{ListenerPath: "/run/agent"} },
	} {
		s := whole()
		edit(s)
		if err := checkRestorable(s); err == nil || !strings.Contains(err.Error(), "("+field+")") {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := checkRestorable(&specs.Spec{}); err == nil {
		t.Error("without linux: restorable")
	}
}
