package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

func (c *cri) update(s *scene) {
	p := c.pod(s, nil)
	id := p.start(s, resources(config{"cpu_quota": 50000, "cpu_period": 100000, "memory_limit_in_bytes": 64 << 20}), "sleep", "600")
	pid := p.inspect(s, id).Info.Pid
	s.want("memory before", s.limit(pid, "memory.limit_in_bytes", "memory.max"), fmt.Sprint(64<<20))
	s.must(c.crictl("update", "--cpu-quota", "30000", "--cpu-period", "60000", "--memory", fmt.Sprint(96<<20), "--cpuset-cpus", "0", id)...)
	s.want("memory", s.limit(pid, "memory.limit_in_bytes", "memory.max"), fmt.Sprint(96<<20))
	s.want("quota", s.quota(pid), "30000 60000")
	s.want("processors", s.limit(pid, "cpuset.cpus", "cpuset.cpus"), "0")
	s.want("processors of the process", s.status(pid, "Cpus_allowed_list"), "0")
	s.must(c.crictl("update", "--cpu-share", "2048", id)...)
	s.want("quota after another update", s.quota(pid), "30000 60000")
	s.wantShares(pid, 2048, 79, 174)
	created := p.create(s, nil, "sleep", "600")
	s.must(c.crictl("update", "--memory", fmt.Sprint(32<<20), created)...)
	s.must(c.crictl("start", created)...)
	s.want("memory, changed before the start", s.limit(p.inspect(s, created).Info.Pid, "memory.limit_in_bytes", "memory.max"), fmt.Sprint(32<<20))
}

// quota gives the quota and period of a process' cgroup.
func (s *scene) quota(pid int) string {
	if isCgroupV2() {
		return s.limit(pid, "cpu", "cpu.max")
	}
	return s.limit(pid, "cpu.cfs_quota_us", "") + " " + s.limit(pid, "cpu.cfs_period_us", "")
}

func (c *cri) memoryLimit(s *scene) {
	p := c.pod(s, nil)
	limits := resources(config{"memory_limit_in_bytes": 32 << 20, "oom_score_adj": 500})
	id, pid := p.sleeper(s, limits)
	s.want("limit", s.limit(pid, "memory.limit_in_bytes", "memory.max"), fmt.Sprint(32<<20))
	s.want("oom_score_adj", c.exec(s, id, "cat", "/proc/self/oom_score_adj").stdout, "500\n")
	p.outOfMemory(s, limits)
	r := p.run(s, limits, "sh", "-c", "tail /dev/zero; echo lived $?")
	s.want("what outlives a child that was killed", r.stdout, "lived 137\n")
}

// outOfMemory demands that a container that takes too much is known to have: containerd's shim does not see it of every one (docker_limits.go).
func (p *criPod) outOfMemory(s *scene, limits config) {
	for i := range 5 {
		r := p.run(s, limits, "tail", "/dev/zero")
		if r.Status.Reason == "OOMKilled" || i == 4 {
			s.want("code and reason", fmt.Sprint(r.Status.ExitCode, r.Status.Reason), "137OOMKilled")
			return
		}
		s.want("code", fmt.Sprint(r.Status.ExitCode), "137")
	}
}

// pidsLimit: the kubelet has limits of a pod, in its cgroup; on cgroup v2 the CRI has any of a container's, too.
func (c *cri) pidsLimit(s *scene) {
	forks := []string{"sh", "-c", "for i in $(seq 40); do sleep 1 & done; wait; echo all"}
	extra := resources(config{"unified": config{"pids.max": "30"}})
	var p *criPod
	if isCgroupV2() {
		p = c.pod(s, nil)
	} else {
		extra = nil
		p = c.pod(s, config{"linux": config{"cgroup_parent": c.limitedParent(s)}})
	}
	r := p.run(s, extra, forks...)
	if r.Status.ExitCode == 0 && r.stdout == "all\n" && r.stderr == "" {
		s.failf("forty processes in a cgroup for thirty: %+v", r)
	}
	s.contains("what the shell says", r.stderr, "can't fork")
}

// limitedParent makes a pod's cgroup as the kubelet does on cgroup v1, for thirty processes, with who looks after them.
func (c *cri) limitedParent(s *scene) string {
	path := c.parent() + "/limited"
	dir := "/sys/fs/cgroup/pids" + path
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.failf("%v", err)
	}
	if err := os.WriteFile(dir+"/pids.max", []byte("30"), 0o644); err != nil {
		s.failf("%v", err)
	}
	s.cleanup(func() {
		s.removeCgroups(slices.DeleteFunc(cgroupsNamed("limited"), func(dir string) bool { return !strings.Contains(dir, c.mark()) }))
	})
	return path
}

func (c *cri) cpuLimit(s *scene) {
	id := c.pod(s, nil).start(s, resources(config{"cpu_quota": 20000, "cpu_period": 50000, "cpu_shares": 512, "cpuset_cpus": "0"}), "sleep", "600")
	pid := c.inspect(s, id).Info.Pid
	s.want("quota", s.quota(pid), "20000 50000")
	s.wantShares(pid, 512, 20, 59)
	s.want("processors", s.status(pid, "Cpus_allowed_list"), "0")
}
