package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cgroupOf gives the directory of a process' cgroup: of the controller's hierarchy, or the only one where cgroup v2 is alone.
func cgroupOf(pid int, controller string) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if isCgroupV2() && fields[0] == "0" {
			return filepath.Join("/sys/fs/cgroup", fields[2]), nil
		}
		for name := range strings.SplitSeq(fields[1], ",") {
			if !isCgroupV2() && name == controller {
				return filepath.Join("/sys/fs/cgroup", controller, fields[2]), nil
			}
		}
	}
	return "", fmt.Errorf("process %d has no cgroup of %s", pid, controller)
}

// limit reads a file of a process' cgroup: the one of cgroup v2, or that of a v1 controller. File names are CONTROLLER.WHAT.
func (s *scene) limit(pid int, v1, v2 string) string {
	name := v1
	if isCgroupV2() {
		name = v2
	}
	controller, _, _ := strings.Cut(v1, ".")
	dir, err := cgroupOf(pid, controller)
	if err != nil {
		s.failf("%v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		s.failf("%v", err)
	}
	return strings.TrimSpace(string(text))
}

// wantShares fails unless the cgroup of a process has the shares. Cgroup v2 has weights, and runtimes two ways to convert: the straight line that
// they had first, and the curve that makes 100 of 1024.
func (s *scene) wantShares(pid, shares, line, curve int) {
	got := s.limit(pid, "cpu.shares", "cpu.weight")
	if want := fmt.Sprint(shares); !isCgroupV2() {
		s.want("shares", got, want)
	} else if got != fmt.Sprint(line) && got != fmt.Sprint(curve) {
		s.failf("%d shares have become a weight of %s, want %d or %d", shares, got, line, curve)
	}
}
