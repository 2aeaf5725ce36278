package main

import (
	"fmt"
	"strings"
)

// Limits: written, and enforced.

func (p *podman) memoryLimit(s *scene) {
	id := p.sleeping(s, "--memory 32m --memory-swap 32m --memory-reservation 16m")
	pid := p.pid(s, id)
	s.want("limit", s.limit(pid, "memory.limit_in_bytes", "memory.max"), "33554432")
	s.want("reservation", s.limit(pid, "memory.soft_limit_in_bytes", "memory.low"), "16777216")
	if isCgroupV2() {
		s.want("swap", s.limit(pid, "", "memory.swap.max"), "0")
	}
	id = p.start(s, "--memory 16m --memory-swap 16m", "sh", "-c", "tail /dev/zero; echo ended with $?; exec sleep 1000")
	p.logged(s, id, "ended with 137")
	s.contains("the cgroup", s.limit(p.pid(s, id), "memory.oom_control", "memory.events"), "oom_kill 1")
	id = p.start(s, "--memory 16m --memory-swap 16m", "tail", "/dev/zero")
	s.want("podman wait", s.must(p.cmd("wait", id)...), "137")
	if isCgroupV2() { // conmon 2.1.6 does not see what v1 tells it
		s.want("out of memory", p.inspect(s, id, "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137")
	}
	id = p.start(s, "--memory 16m --memory-swap 16m", "true")
	s.must(p.cmd("wait", id)...)
	s.want("not out of memory", p.inspect(s, id, "{{.State.OOMKilled}}"), "false")
}

func (p *podman) pidsLimit(s *scene) {
	id := p.start(s, "--pids-limit 10", "sh", "-c", "(i=0; while [ $i -lt 20 ]; do i=$((i + 1)); sleep 1000 & done); exec sleep 1000")
	pid := p.pid(s, id)
	s.want("limit", s.limit(pid, "pids.max", "pids.max"), "10")
	s.eventually("a fork too many", func() error {
		if a := s.try(p.cmd("logs", id)...); !strings.Contains(a.stderr, "can't fork") {
			return fmt.Errorf("the log has %q", a.stderr)
		}
		return nil
	})
	if events := s.limit(pid, "pids.events", "pids.events"); !strings.Contains(events, "max ") || strings.Contains(events, "max 0") {
		s.failf("pids.events: %q", events)
	}
	id = p.sleeping(s, "--pids-limit -1")
	s.want("no limit", s.limit(p.pid(s, id), "pids.max", "pids.max"), "max")
}

func (p *podman) cpuLimit(s *scene) {
	id := p.sleeping(s, "--cpus 0.25 --cpu-shares 512 --cpuset-cpus 0")
	pid := p.pid(s, id)
	s.want("quota", p.quota(s, pid), "25000 100000")
	s.wantShares(pid, 512, 20, 59)
	s.want("processors", s.status(pid, "Cpus_allowed_list"), "0")
	id = p.sleeping(s, "--cpu-period 50000 --cpu-quota 10000")
	s.want("quota and period", p.quota(s, p.pid(s, id)), "10000 50000")
}
