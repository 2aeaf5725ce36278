package testutil

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CgroupDirs finds a cgroup in every hierarchy of the host: one on v2, one per controller on v1.
func CgroupDirs(path string) []string {
	var found []string
	for _, mount := range append(globDirs("/sys/fs/cgroup/*"), "/sys/fs/cgroup") {
		if info, err := os.Lstat(mount); err != nil || !info.IsDir() {
			continue // a link to the hierarchy that a controller shares with others
		}
		if dir := filepath.Join(mount, path); isDir(dir) {
			found = append(found, dir)
		}
	}
	return found
}

func globDirs(pattern string) []string {
	names, _ := filepath.Glob(pattern)
	return names
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// removeCgroups empties and removes what a runtime has left, so that one bad test does not spoil the next.
func removeCgroups(path string) {
	for _, dir := range CgroupDirs(path) {
		data, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, pid := range strings.Fields(string(data)) {
			var n int
			if _, err := fmt.Sscan(pid, &n); err == nil && n != os.Getpid() {
				_ = unix.Kill(n, unix.SIGKILL)
			}
		}
		for range 200 { // the killed take their time to leave
			for _, sub := range globDirs(filepath.Join(dir, "*")) {
				_ = unix.Rmdir(sub)
			}
			if unix.Rmdir(dir) != unix.EBUSY {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// leftCgroups removes the parent of all the suite's cgroups and tells which of them still hold some.
func leftCgroups() error {
	var errs []error
	for _, dir := range CgroupDirs(CgroupParent()) {
		if err := unix.Rmdir(dir); err != nil {
			errs = append(errs, &os.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return errors.Join(errs...)
}

// CgroupOf gives the directory of a process's cgroup for a controller, or on v2 the only one there is.
func CgroupOf(t testing.TB, pid int, controller string) string {
	t.Helper()
	for _, h := range hierarchies(t, pid) {
		if h.controller == controller || h.controller == "" && CgroupV2() {
			return h.dir
		}
	}
	t.Fatalf("process %d has no cgroup for %s", pid, controller)
	return ""
}

// OwnCgroup gives the directory of a container's cgroup: the first one that this process is not in itself. On a hybrid
// host a runtime may use any of the hierarchies.
func OwnCgroup(t testing.TB, pid int) string {
	t.Helper()
	own := hierarchies(t, os.Getpid())
	for _, h := range hierarchies(t, pid) {
		if !slices.Contains(own, h) {
			return h.dir
		}
	}
	t.Fatalf("process %d is in no cgroup of its own: %v", pid, own)
	return ""
}

type hierarchy struct{ controller, dir string }

// hierarchies reads /proc/PID/cgroup, the v2 one first. On a host that is v2 by its mounts the rest does not count.
func hierarchies(t testing.TB, pid int) []hierarchy {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []hierarchy
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, name := range strings.Split(fields[1], ",") {
			switch {
			case name == "" && CgroupV2():
				return []hierarchy{{"", filepath.Join("/sys/fs/cgroup", fields[2])}}
			case name == "":
				all = slices.Insert(all, 0, hierarchy{"", filepath.Join("/sys/fs/cgroup/unified", fields[2])})
			default:
				all = append(all, hierarchy{name, filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(name, "name="), fields[2])})
			}
		}
	}
	return all
}

// CgroupFile reads one file of a cgroup, without its last newline.
func CgroupFile(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}
