package testutil

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Proc is a process of the host, as /proc shows it.
type Proc struct {
	PID, Parent int
	State       byte // 'Z' for a zombie, that only its parent can remove
	Comm        string
	Cmdline     string // words divided by spaces; empty for a zombie
	Cgroup      string // all lines of /proc/PID/cgroup, which a zombie still has
}

func (p Proc) String() string {
	return fmt.Sprintf("process %d (%s, state %c, child of %d): %s", p.PID, p.Comm, p.State, p.Parent, p.Cmdline)
}

// Processes lists the processes of the host whose command line or cgroup holds one of the marks: the id of a container
// is in its cgroup's path and on the command line of its runtime, and of what that has forked but not yet executed.
func Processes(t testing.TB, marks ...string) []Proc {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var all []Proc
	for _, dir := range names {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		cgroup, _ := os.ReadFile(dir + "/cgroup")
		marked := slices.ContainsFunc(marks, func(mark string) bool {
			return bytes.Contains(cmdline, []byte(mark)) || bytes.Contains(cgroup, []byte(mark))
		})
		if !marked {
			continue
		}
		p := Proc{PID: pid, Parent: parent(pid), Cgroup: string(cgroup), Cmdline: strings.TrimSpace(string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))}
		comm, _ := os.ReadFile(dir + "/comm")
		p.Comm = strings.TrimSpace(string(comm))
		stat, _ := os.ReadFile(dir + "/stat")
		if i := bytes.LastIndexByte(stat, ')'); i >= 0 && i+2 < len(stat) {
			p.State = stat[i+2]
			all = append(all, p)
		}
	}
	return all
}

// Reap takes the status of those zombies with a mark that are this process's children: what a runtime that was killed
// had started, and containers that were deleted. Preconditions: no one else waits for them.
func Reap(t testing.TB, marks ...string) {
	t.Helper()
	for _, p := range Processes(t, marks...) {
		if p.State == 'Z' && p.Parent == os.Getpid() {
			_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG, nil)
		}
	}
}

// HostMounts gives the lines of this process's mount table that hold one of the marks. Those of other packages' tests are left out: they come and go, in
// this mount namespace, too, when their mount points are removed on the host.
func HostMounts(t testing.TB, marks ...string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	others := filepath.Dir(suite.dir) + "/tare-test-"
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, others) && !strings.Contains(line, suite.dir+"/") {
			continue
		}
		if slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(line, mark) }) {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

// OpenDescriptors lists what this process has open, but for the Go runtime's own descriptors, which come and go.
func OpenDescriptors(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:") || strings.HasSuffix(target, "/cpu.max") || strings.Contains(target, "/cpu.cfs_") {
			continue // the directory that was just read is gone, too
		}
		all = append(all, entry.Name()+" "+target)
	}
	return all
}

// Marks are the texts that tell this container's processes and mounts from others: its id and its bundle.
func (c *Container) Marks() []string { return []string{c.ID, c.Dir + "/"} }

// Traces lists what is there of the container on the host, beside its bundle: processes, state, cgroups and mounts.
func (c *Container) Traces() []string {
	c.t.Helper()
	Reap(c.t, c.Marks()...)
	left := c.Gone()
	for _, p := range Processes(c.t, c.Marks()...) {
		left = append(left, p.String())
	}
	for _, m := range HostMounts(c.t, c.Marks()...) {
		left = append(left, "mount "+m)
	}
	return left
}
