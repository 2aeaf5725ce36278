package main

import (
	"fmt"
	"os"
	"strings"
)

// frozen says whether a process is in a frozen cgroup, of cgroup v2 or of the v1 freezer: where both are, the runtimes differ in what they take.
func (s *scene) frozen(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		s.failf("%v", err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case fields[1] == "freezer":
			state, _ := os.ReadFile("/sys/fs/cgroup/freezer" + fields[2] + "/freezer.state")
			if strings.TrimSpace(string(state)) == "FROZEN" {
				return true
			}
		case fields[0] == "0":
			for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
				events, _ := os.ReadFile(top + fields[2] + "/cgroup.events")
				if strings.Contains(string(events), "frozen 1") {
					return true
				}
			}
		}
	}
	return false
}
