package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// status is a line of /proc/PID/status, its words divided by one space.
func (s *scene) status(pid int, name string) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		s.failf("%v", err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	s.failf("/proc/%d/status has no %s", pid, name)
	return ""
}

// Capabilities by their numbers in linux/capability.h, as bits of a set.
const (
	capChown    = 1 << unix.CAP_CHOWN
	capNetAdmin = 1 << unix.CAP_NET_ADMIN
)

// capabilities is a set of /proc/PID/status: CapEff, CapBnd ...
func (s *scene) capabilities(pid int, set string) uint64 {
	bits, err := strconv.ParseUint(s.status(pid, set), 16, 64)
	if err != nil {
		s.failf("%s of process %d: %v", set, pid, err)
	}
	return bits
}

// allCapabilities is the set of all that the kernel has.
func (s *scene) allCapabilities() uint64 {
	data, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		s.failf("%v", err)
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		s.failf("%v", err)
	}
	return 1<<(last+1) - 1
}

// namespace is what /proc/PID/ns says of a process.
func (s *scene) namespace(pid int, kind string) string {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		s.failf("%v", err)
	}
	return link
}

// mount is the line of /proc/PID/mountinfo for what was last mounted on a directory, empty when there is none.
func (s *scene) mount(pid int, dir string) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		s.failf("%v", err)
	}
	last := ""
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == dir {
			last = strings.TrimSpace(line)
		}
	}
	return last
}

// awaitEnd waits until a process has ended.
func (s *scene) awaitEnd(pid int) {
	s.eventually("the process is gone", func() error {
		if runs(pid) {
			return fmt.Errorf("%d runs", pid)
		}
		return nil
	})
}

// runs says whether there is a process with the pid that has not ended.
func runs(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}

// frozen says whether the cgroup of a process is frozen: by cgroup v2, also where it has no controllers, or by v1's freezer.
func (s *scene) frozen(pid int) bool {
	for controller, file := range map[string][2]string{"": {"cgroup.events", "frozen 1"}, "freezer": {"freezer.state", "FROZEN"}} {
		dir, err := cgroupOf(pid, controller)
		if err == nil && controller == "" && !isCgroupV2() {
			dir = strings.Replace(dir, "/sys/fs/cgroup/", "/sys/fs/cgroup/unified/", 1)
		}
		if text, err := os.ReadFile(dir + "/" + file[0]); err == nil && strings.Contains(string(text), file[1]) {
			return true
		}
	}
	return false
}
