package nsenter

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStart_Descriptors: the child has the descriptors that were named and no others, whatever the caller leaks
// (CVE-2024-21626).
func TestStart_Descriptors(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	host := openPath(t, "/")
	// Leaked ones, without close-on-exec: low, beside those that stay, and high.
	leaked := []int{70, 100, 102, 300, 1000}
	named := []int{101, 200}
	for _, fd := range slices.Concat(leaked, named) {
		if err := unix.Dup3(int(host.Fd()), fd, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	if err := unix.Dup3(int(host.Fd()), 200, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"no namespaces", Request{}},
		{"new", Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWNS}},
		{"new user namespace", Request{New: unix.CLONE_NEWUSER, MapIDs: rootMaps}},
		{"joined", Request{Join: h.join("net")}},
		{"joined, and a new user namespace", Request{Join: h.join("net"), New: unix.CLONE_NEWUSER, MapIDs: rootMaps}},
		{"time offsets", Request{New: unix.CLONE_NEWTIME, TimeOffsets: []byte("boottime 1 0\n"), Proc: openPath(t, "/proc")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			tt.r.Inherit = []int{200, 1, 101, 101}
			got := runBeside(t, tt.r)
			// The one more is that of the report.
			out := -1
			if len(got.Args) == 3 {
				out, _ = strconv.Atoi(got.Args[2])
			}
			want := []int{0, 1, 2, out, 101, 200}
			slices.Sort(want)
			if !slices.Equal(got.FDs, want) {
				t.Errorf("descriptors %v, want %v", got.FDs, want)
			}
		})
	}
}

// TestStart_Cgroup: the child is born in the cgroup, not moved there.
func TestStart_Cgroup(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	path, name := scratchCgroup(t)
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"no namespaces", Request{}},
		{"new", Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWUSER, MapIDs: rootMaps}},
		{"joined", Request{Join: h.join("net")}},
		{"joined, and a new user namespace", Request{Join: h.join("net"), New: unix.CLONE_NEWUSER, MapIDs: rootMaps}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			tt.r.Cgroup = dir
			if got := runBeside(t, tt.r); !strings.HasSuffix(got.Cgroup, "/"+name) {
				t.Errorf("in the cgroup %q, want %s", got.Cgroup, name)
			}
		})
	}
	// The namespace has another root, which the way to the cgroup leads out of.
	t.Run("joined cgroup namespace", func(t *testing.T) {
		lock(t)
		if got := runBeside(t, Request{Cgroup: dir, Join: h.join("cgroup")}); !strings.HasSuffix(got.Cgroup, "/"+name) {
			t.Errorf("in the cgroup %q, want %s", got.Cgroup, name)
		}
	})
}

// scratchCgroup makes a cgroup of the v2 hierarchy, removed in the end.
func scratchCgroup(t *testing.T) (path, name string) {
	t.Helper()
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(mount, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		name = "tare-nsenter-" + strconv.Itoa(os.Getpid())
		path = filepath.Join(mount, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Skipf("no cgroup can be made here: %v", err)
		}
		t.Cleanup(func() {
			if err := os.Remove(path); err != nil {
				t.Errorf("the cgroup is not empty: %v", err)
			}
		})
		return path, name
	}
	t.Skip("no cgroup v2 hierarchy is mounted on /sys/fs/cgroup or /sys/fs/cgroup/unified")
	return "", ""
}
