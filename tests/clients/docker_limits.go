package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// memory checks the limits of memory, and of memory with swap (which cgroup v2 counts apart), in MiB.
func (d *docker) memory(s *scene, pid, limit, withSwap int) {
	s.want("limit of memory", s.limit(pid, "memory.limit_in_bytes", "memory.max"), strconv.Itoa(limit<<20))
	if isCgroupV2() {
		s.want("limit of swap", s.limit(pid, "memory.swap.max", "memory.swap.max"), strconv.Itoa((withSwap-limit)<<20))
	} else if d.must(s, "info", "--format", "{{.SwapLimit}}") == "true" {
		s.want("limit of memory and swap", s.limit(pid, "memory.memsw.limit_in_bytes", ""), strconv.Itoa(withSwap<<20))
	}
}

// quota checks the CPU quota in microseconds of each 100 ms.
func (d *docker) quota(s *scene, pid, want int) {
	got := s.limit(pid, "cpu.cfs_quota_us", "cpu.max")
	if isCgroupV2() {
		s.want("quota", got, strconv.Itoa(want)+" 100000")
		return
	}
	s.want("quota", got, strconv.Itoa(want))
	s.want("period", s.limit(pid, "cpu.cfs_period_us", ""), "100000")
}

func (d *docker) update(s *scene) {
	pid := d.sleeper(s, "update", "--memory", "32m", "--memory-swap", "64m")
	d.memory(s, pid, 32, 64)
	d.must(s, "update", "--memory", "96m", "--memory-swap", "128m", "update")
	d.memory(s, pid, 96, 128)
	d.must(s, "update", "--cpus", "0.5", "--pids-limit", "50", "--cpuset-cpus", "0", "update")
	d.quota(s, pid, 50000)
	d.memory(s, pid, 96, 128)
	s.want("pids", s.limit(pid, "pids.max", "pids.max"), "50")
	s.want("CPUs of the process", s.status(pid, "Cpus_allowed_list"), "0")
	d.must(s, "update", "--memory", "48m", "--memory-swap", "48m", "update")
	d.memory(s, pid, 48, 48)
	d.quota(s, pid, 50000)
	s.want("what the daemon knows", d.inspect(s, "update", ".HostConfig.Memory"), strconv.Itoa(48<<20))
	d.must(s, "restart", "--time", "0", "update")
	d.quota(s, d.pid(s, "update"), 50000)
}

func (d *docker) stats(s *scene) {
	pid := d.background(s, "stats", "sleep 1001 & while :; do :; done", "--memory", "64m")
	s.eventually("what docker stats says", func() error {
		var got struct{ CPUPerc, MemUsage, PIDs string }
		if err := json.Unmarshal([]byte(d.must(s, "stats", "--no-stream", "--format", "{{json .}}", "stats")), &got); err != nil {
			return err
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(got.CPUPerc, "%"), 64)
		switch {
		case err != nil:
			return err
		case share < 5:
			return fmt.Errorf("a busy loop uses %s of a CPU", got.CPUPerc)
		case strings.HasPrefix(got.MemUsage, "0B") || !strings.HasSuffix(got.MemUsage, " / 64MiB"):
			return fmt.Errorf("memory: %s", got.MemUsage)
		case got.PIDs != s.limit(pid, "pids.current", "pids.current") || got.PIDs != "2":
			return fmt.Errorf("%s processes", got.PIDs)
		}
		return nil
	})
}

func (d *docker) memoryLimit(s *scene) {
	pid := d.sleeper(s, "memory", "--memory", "32m", "--memory-swap", "32m")
	d.memory(s, pid, 32, 32)
	d.background(s, "oom", "tail /dev/zero & wait $!; exit $?", "--memory", "32m", "--memory-swap", "32m")
	s.want("code of a child that took too much", d.must(s, "wait", "oom"), "137")
	reported := d.outOfMemory(s)
	s.eventually("the event", func() error {
		if d.must(s, "events", "--since", "1h", "--until", "0s", "--filter", "container="+reported, "--filter", "event=oom") == "" {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	s.want("OOMKilled of one that took little", d.inspect(s, "memory", ".State.OOMKilled"), "false")
}

// outOfMemory names a container that the daemon knows to have taken too much memory. On cgroup v2 it is told by containerd's shim, which may
// come to read memory.events when the cgroup is gone: one in fifteen is not reported, with runc as with tare.
func (d *docker) outOfMemory(s *scene) string {
	for i := range 5 {
		id := fmt.Sprintf("oom%d", i)
		d.background(s, id, "exec tail /dev/zero", "--memory", "32m", "--memory-swap", "32m")
		s.want("code of one that took too much", d.must(s, "wait", id), "137")
		if d.inspect(s, id, ".State.OOMKilled") == "true" {
			return id
		}
	}
	s.failf("OOMKilled: false, each time")
	return ""
}

func (d *docker) pidsLimit(s *scene) {
	pid := d.sleeper(s, "pids", "--pids-limit", "7")
	s.want("limit", s.limit(pid, "pids.max", "pids.max"), "7")
	a := d.try(s, "exec", "pids", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 3 & done; wait")
	s.contains("a fork too many", a.stderr, "fork")
	most := "max"
	if d.systemd { // -1 is no limit in config.json, and systemd has one for every scope without: systemd-system.conf(5)
		most = s.must("systemctl", "show", "--property", "DefaultTasksMax", "--value")
	}
	none := d.sleeper(s, "pids-none", "--pids-limit", "-1")
	s.want("no limit", s.limit(none, "pids.max", "pids.max"), most)
}

func (d *docker) cpuLimit(s *scene) {
	pid := d.sleeper(s, "cpu", "--cpus", "0.25", "--cpu-shares", "256", "--cpuset-cpus", "0")
	d.quota(s, pid, 25000)
	s.want("CPUs of the process", s.status(pid, "Cpus_allowed_list"), "0")
	s.want("CPUs of the cgroup", s.limit(pid, "cpuset.cpus", "cpuset.cpus"), "0")
	s.wantShares(pid, 256, 10, 35)
}

func (d *docker) ulimit(s *scene) {
	pid := d.sleeper(s, "ulimit", "--ulimit", "nofile=512:600", "--ulimit", "core=0")
	limits := d.proc(s, pid, "limits")
	for name, want := range map[string]string{"Max open files": "512 600 files", "Max core file size": "0 0 bytes"} {
		_, rest, _ := strings.Cut(limits, name)
		line, _, _ := strings.Cut(rest, "\n")
		s.want(name, strings.Join(strings.Fields(line), " "), want)
	}
	s.want("seen inside", d.must(s, "exec", "ulimit", "sh", "-c", "ulimit -Sn; ulimit -Hn"), "512\n600")
}
