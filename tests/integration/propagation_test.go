package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// share makes a directory of the test's own a mount that is shared, as all of a host with systemd are.
func share(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	// Its parent may be shared, and the mount a peer of it: a group of its own.
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
}

// mountLine is the line of a process's mountinfo for a mount point; empty if there is none.
func mountLine(t *testing.T, pid int, point string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Fields(line)[4] == point {
			return line
		}
	}
	return ""
}

// propagationOf is what the optional fields of a mountinfo line say, without the numbers; proc_pid_mountinfo(5).
func propagationOf(line string) string {
	fields, _, _ := strings.Cut(line, " - ")
	var words []string
	for _, field := range strings.Fields(fields)[6:] {
		word, _, _ := strings.Cut(field, ":")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// What the root directory is in the container, and whether a mount comes through a bind mount of a shared directory: of the host's into
// the container, and the other way.
func TestRootfsPropagation(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for _, tt := range []struct {
		root, bind, is string
		in, out        bool
	}{
		{"", "", "master", true, false},
		{"private", "", "", false, false},
		{"rprivate", "", "", false, false},
		{"slave", "", "master", true, false},
		{"rslave", "", "master", true, false},
		{"shared", "", "shared", true, true},
		{"rshared", "", "shared", true, true},
		{"unbindable", "", "unbindable", true, false},
		{"runbindable", "", "unbindable", false, false},
		{"private", "rshared", "", false, false},
		{"slave", "rshared", "master", true, false},
		{"shared", "rshared", "shared", true, true},
		{"rshared", "rslave", "shared", true, false},
		{"shared", "rprivate", "shared", false, false},
	} {
		for _, flags := range [][]string{nil, {"--no-pivot"}} {
			t.Run(fmt.Sprintf("%s, bind %s %v", tt.root, tt.bind, flags), func(t *testing.T) {
				t.Parallel()
				dir := Dir(t)
				for _, name := range []string{"by-host", "by-container"} {
					if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				share(t, dir)
				options := []string{"rbind"}
				if tt.bind != "" {
					options = append(options, tt.bind)
				}
				c := NewContainer(t, Args("sleep"), BindMount(dir, "/data", options...), func(s *specs.Spec) { s.Linux.RootfsPropagation = tt.root })
				share(t, c.RootFS)
				before := hostMounts(t, dir)
				pid := c.Create(flags...)
				if got := propagationOf(mountLine(t, pid, "/")); got != tt.is {
					t.Errorf("the root is %q, want %q", got, tt.is)
				}
				if err := unix.Mount("by-host", dir+"/by-host", "tmpfs", 0, ""); err != nil {
					t.Fatal(err)
				}
				if got := mountLine(t, pid, "/data/by-host") != ""; got != tt.in {
					t.Errorf("a mount of the host's is in the container: %v, want %v", got, tt.in)
				}
				c.Tare("exec", "--cap", "CAP_SYS_ADMIN", c.ID, "/probe", "mount", "/data/by-container").OK(t)
				if got := mountLine(t, os.Getpid(), dir+"/by-container") != ""; got != tt.out {
					t.Errorf("a mount of the container's is on the host: %v, want %v", got, tt.out)
				}
				c.Tare("delete", "--force", c.ID).OK(t)
				_ = unix.Unmount(dir+"/by-host", unix.MNT_DETACH)
				_ = unix.Unmount(dir+"/by-container", unix.MNT_DETACH) // which came through, or EINVAL
				if after := hostMounts(t, dir); after != before {
					t.Errorf("the host's mounts have changed:\n%s\nbefore:\n%s", after, before)
				}
			})
		}
	}
}
