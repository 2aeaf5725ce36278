package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Managers that die, a hundred containers at once, and what is left of it all.

func (p *podman) managerKilled(s *scene) {
	id := p.sleeping(s, "--name orphan")
	pid := p.pid(s, id)
	monitor := p.inspect(s, id, "{{.State.ConmonPid}}")
	s.must("kill", "-KILL", monitor)
	s.want("the container lives on", p.inspect(s, id, "{{.State.Status}}"), "running")
	if !runs(pid) {
		s.failf("the container's process %d went with its monitor", pid)
	}
	p.removeOrphan(s, id)
	if runs(pid) {
		s.failf("the container's process %d is still there", pid)
	}
	id = p.sleeping(s, "--name orphan")
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	p.killedBefore(s)
}

// killedBefore ends the monitor of a container that has not been started.
func (p *podman) killedBefore(s *scene) {
	id := s.must(p.create("create", "--name orphan", "sleep", "1000")...)
	s.cleanup(func() { s.try(p.cmd("rm", "--force", "--time", "0", "--ignore", id)...) })
	s.must(p.cmd("init", id)...)
	s.want("status", p.inspect(s, id, "{{.State.Status}}"), "initialized")
	s.must("kill", "-KILL", p.inspect(s, id, "{{.State.ConmonPid}}"))
	p.removeOrphan(s, id)
}

// removeOrphan removes a container without a monitor. Podman 4.3 ends its processes and forgets it, whichever the runtime; what the
// runtime has of it is then for its administrator to remove.
func (p *podman) removeOrphan(s *scene, id string) {
	s.must(p.cmd("rm", "--force", "--time", "0", id)...)
	s.leftBehind("processes of "+id, func() []string { return processesOf(id) })
	if _, err := os.Lstat(p.stateOf(s, id)); err == nil {
		a := s.code(0, append(p.as[:len(p.as):len(p.as)], s.runtime.Path, "delete", "--force", id)...)
		s.want("what the runtime says to it", a.stdout+a.stderr, "")
	}
	p.gone(s, id)
}

func (p *podman) many(s *scene) {
	const all, atOnce = 100, 10
	began := time.Now()
	ids := make([]string, all)
	each := func(do func(i int)) {
		var w sync.WaitGroup
		for worker := range atOnce {
			w.Go(func() {
				for i := worker; i < all; i += atOnce {
					do(i)
				}
			})
		}
		w.Wait()
	}
	var failures sync.Map
	s.cleanup(func() { s.try(p.cmd("rm", "--all", "--force", "--time", "0")...) })
	each(func(i int) {
		a := s.try(p.create("run --detach", "", "sh", "-c", fmt.Sprintf("echo number %d; exec sleep 1000", i))...)
		if a.code != 0 {
			failures.Store(i, a)
		}
		ids[i] = strings.TrimSpace(a.stdout)
	})
	failures.Range(func(_, a any) bool { s.failf("%v", a); return false })
	running := strings.Fields(s.must(p.cmd("ps", "--quiet", "--no-trunc", "--filter", "status=running")...))
	if len(running) != all {
		s.failf("%d containers run, want %d", len(running), all)
	}
	held := strings.Join(cgroupsNamed("libpod-"), " ")
	for i, id := range ids {
		if p.cgroups && !strings.Contains(held, id) {
			s.failf("container %d has no cgroup", i)
		}
	}
	s.want("the last one's log", s.must(p.cmd("logs", ids[all-1])...), fmt.Sprintf("number %d", all-1))
	s.must(p.cmd("rm", "--all", "--force", "--time", "0")...)
	s.measure("100 at once", time.Since(began))
	s.want("containers after it", s.must(p.cmd("ps", "--all", "--quiet")...), "")
	s.leftBehind("traces", func() []string {
		all := append(slices.DeleteFunc(processesOf(s.dir), holdsUserNamespace), p.mounts()...)
		for _, path := range append(cgroupsNamed("libpod-"), entries(p.stateOf(s, ""))...) {
			if slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(path, id) }) {
				all = append(all, path)
			}
		}
		return all
	})
}

// holdsUserNamespace tells of a line of processesOf that it is the process which an ordinary user's Podman keeps between commands.
func holdsUserNamespace(line string) bool { return strings.HasSuffix(line, " catatonit -P") }

func (p *podman) nothingLeft(s *scene) {
	ids := []string{
		p.sleeping(s, ""), p.sleeping(s, "--tty"), p.sleeping(s, "--pid host"), p.sleeping(s, "--tmpfs /t --read-only --memory 64m"),
		p.start(s, "", "true"), p.start(s, "", "sh", "-c", "sleep 3000 & exit 2"),
	}
	s.must(p.cmd("exec", "--detach", ids[0], "sleep", "3000")...)
	a := s.try(p.create("run --detach", "", "no-such-command")...)
	if a.code != 127 {
		s.failf("no such command: %v", a)
	}
	failed := s.must(p.cmd("ps", "--all", "--quiet", "--no-trunc", "--filter", "status=created")...)
	if strings.Contains(failed, "\n") || failed == "" {
		s.failf("what could not be started is not one container: %q", failed)
	}
	s.leftBehind("traces of what could not be started", func() []string { return p.traces(s, failed) })
	for _, id := range append(ids, failed) {
		s.must(p.cmd("rm", "--force", "--time", "0", id)...)
		p.gone(s, id)
	}
	s.leftBehind("mounts", p.mounts)
	s.leftBehind("processes", func() []string { return processesOf(p.dir) })
}
