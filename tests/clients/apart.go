package main

import (
	"fmt"
	"os"
	"strings"
)

// apart gives whatever the scene executes from here on mounts, a network and System V IPC of its own. What is mounted there, listens there,
// or is left behind there, the host does not see, and it ends with the scene.
func (s *scene) apart() {
	holder := s.startDaemon("namespaces", "unshare", "--mount", "--net", "--ipc", "sleep", "infinity")
	pid := holder.cmd.Process.Pid
	s.eventually("the namespaces are there", func() error {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.TrimSpace(string(comm)) != "sleep" { // until then unshare(1) is not done with them
			err = fmt.Errorf("it is still %s", comm)
		}
		return err
	})
	s.within = []string{"nsenter", fmt.Sprintf("--target=%d", pid), "--mount", "--net", "--ipc", "--"}
	s.must("ip", "link", "set", "lo", "up")
}

func (s *scene) isApart() bool { return s.within != nil }
