package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func (m *crio) version(s *scene) {
	s.contains("crictl version", s.must(m.crictl("version")...), "RuntimeName:  cri-o", "RuntimeApiVersion:  v1")
	s.contains("its configuration", s.must(m.program("crio"), "status", "--socket", m.address, "config"),
		fmt.Sprintf("default_runtime = %q", criRuntime), fmt.Sprintf("runtime_path = %q", s.runtime.Path))
	id, pid := m.pod(s, nil).sleeper(s, nil)
	s.contains("conmon's command", s.cmdline(s.parentOf(pid)), "-r "+s.runtime.Path)
	s.contains("the runtime's containers", s.must(s.runtime.Path, "--root", m.state(), "list", "--quiet"), id)
	if _, a := m.tryPod(s, nil, "--runtime", "nobody"); a.code == 0 {
		s.failf("a handler that is not there: %v", a)
	}
}

// missing: CRI-O has a runtime make the container when it is made itself, which the kubelet shows as a CreateContainerError.
func (m *crio) missing(s *scene) {
	p := m.pod(s, nil)
	for _, command := range []string{"no-such-command", "/no/such/file", "/etc"} {
		a := s.try(p.creation(s, nil, command)...)
		if a.code == 0 {
			s.failf("%v", a)
		}
		s.contains(command+": what crictl says", a.stderr, command)
	}
	s.want("containers", s.must(m.crictl("ps", "--all", "--quiet", "--pod", p.id)...), "")
}

// events come as one JSON text after another, those of all containers.
func (m *crio) events(s *scene) {
	events := s.startDaemon("events", m.crictl("events", "-o", "json")...)
	id := m.pod(s, nil).run(s, nil, "sh", "-c", "exit 3").Status.ID
	s.must(m.crictl("rm", id)...)
	s.eventually("create, start, stop and removal are reported", func() error {
		text, err := os.ReadFile(events.log)
		var kinds []string
		for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
			var event struct{ ContainerID, ContainerEventType string }
			if err := decoder.Decode(&event); err != nil {
				return fmt.Errorf("%w in %s", err, text)
			}
			if event.ContainerID == id {
				kinds = append(kinds, event.ContainerEventType)
			}
		}
		if got := strings.Join(kinds, " "); got != "CONTAINER_CREATED_EVENT CONTAINER_STARTED_EVENT CONTAINER_STOPPED_EVENT CONTAINER_DELETED_EVENT" {
			return fmt.Errorf("%s, %w", got, err)
		}
		return nil
	})
}

// killed kills a container's conmon, and then the daemon: containers outlive it.
func (m *crio) killed(s *scene) {
	p := m.newPod(s, "killed", nil)
	for range 2 { // the second time says that the name is free again
		p.id = s.must(m.crictl("runp", p.file)...)
		_, pid := p.sleeper(s, nil)
		conmon := s.parentOf(pid)
		s.contains("the parent of a container", s.cmdline(conmon), "conmon")
		m.end(s, conmon)
		if a := p.end(s); a.code != 0 {
			s.failf("%v", a)
		}
		if runs(pid) {
			s.failf("process %d has survived its pod", pid)
		}
		s.leftBehind("state", func() []string { return entries(m.state()) })
	}
	m.removeParent(s)
	m.restarted(s)
}

func (m *crio) end(s *scene, pid int) {
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		s.failf("%v", err)
	}
	s.awaitEnd(pid)
}

func (m *crio) restarted(s *scene) {
	p := m.pod(s, nil)
	sleeper, pid := p.sleeper(s, nil)
	ending := p.start(s, nil, "sh", "-c", "until [ -e /tmp/end ]; do sleep 0.1; done; exit 6")
	root := fmt.Sprintf("/proc/%d/root", m.inspect(s, ending).Info.Pid)
	m.end(s, m.daemon.cmd.Process.Pid)
	if err := os.WriteFile(root+"/tmp/end", nil, 0o644); err != nil {
		s.failf("%v", err)
	}
	m.cri.daemon = m.run()
	m.awaitReady(s)
	s.want("who lived on", fmt.Sprint(m.inspect(s, sleeper).Info.Pid), fmt.Sprint(pid))
	s.want("a command in it", m.exec(s, sleeper, "echo", "here").stdout, "here\n")
	s.want("code of who ended meanwhile", fmt.Sprint(m.wait(s, ending).Status.ExitCode), "6")
}
