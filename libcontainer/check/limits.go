package check

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/creds"
)

// limits compares what the process is to have with what there is to give.
func (c *checker) limits() {
	if c.spec.Process != nil {
		c.rlimits(c.spec.Process)
		c.oomScore(c.spec.Process)
		if a := c.spec.Process.ExecCPUAffinity; a != nil {
			c.numbers(a.Initial, "/sys/devices/system/cpu/possible", "CPU", at("process", "execCPUAffinity", "initial"))
			c.numbers(a.Final, "/sys/devices/system/cpu/possible", "CPU", at("process", "execCPUAffinity", "final"))
		}
	}
	if c.spec.Linux == nil || c.spec.Linux.Resources == nil {
		return
	}
	if cpu := c.spec.Linux.Resources.CPU; cpu != nil {
		c.numbers(cpu.Cpus, "/sys/devices/system/cpu/possible", "CPU", at("linux", "resources", "cpu", "cpus"))
		c.numbers(cpu.Mems, "/sys/devices/system/node/possible", "memory node", at("linux", "resources", "cpu", "mems"))
	}
	for i, l := range c.spec.Linux.Resources.HugepageLimits {
		c.hugepage(l.Pagesize, at("linux", "resources", "hugepageLimits", i, "pageSize"))
	}
}

// rlimits follows setrlimit(2): who is not privileged may lower hard limits only, and nobody may have more files than nr_open.
func (c *checker) rlimits(p *specs.Process) {
	for i, l := range p.Rlimits {
		resource, known := creds.Rlimit(l.Type)
		if !known {
			continue
		}
		f := Finding{ID: "rlimit-too-high", Severity: Error, Pointer: at("process", "rlimits", i, "hard"), Why: "setrlimit(2): EPERM"}
		if text, err := sys.ReadFile("/proc/sys/fs/nr_open"); err == nil && l.Type == "RLIMIT_NOFILE" {
			if most, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && l.Hard > most {
				f.Message = fmt.Sprintf("no process may have more than %d files (fs.nr_open), got %d", most, l.Hard)
				f.Mend = "lower it, or raise sysctl fs.nr_open"
				c.add(f)
				continue
			}
		}
		if _, hard, err := sys.GetRlimit(0, resource); !c.root && err == nil && l.Hard > hard {
			f.Message = fmt.Sprintf("is above the caller's own hard limit %d, got %d", hard, l.Hard)
			f.Mend = "lower it, or call with a higher limit (ulimit -H)"
			c.add(f)
		}
	}
}

func (c *checker) oomScore(p *specs.Process) {
	if p.OOMScoreAdj == nil || c.root {
		return
	}
	text, err := sys.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	if own, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && *p.OOMScoreAdj < own {
		c.add(Finding{
			ID: "oom-score-too-low", Severity: Error, Pointer: at("process", "oomScoreAdj"),
			Message: fmt.Sprintf("is below the caller's own %d, got %d", own, *p.OOMScoreAdj), Why: "proc_pid_oom_score_adj(5): lowering it takes CAP_SYS_RESOURCE",
			Mend: "leave it out, or raise it",
		})
	}
}

// numbers looks for CPUs or memory nodes that this host does not have.
func (c *checker) numbers(list, file, what, pointer string) {
	text, err := sys.ReadFile(file)
	if err != nil || list == "" || c.hasProblem(pointer) {
		return
	}
	there := bundle.CPUs(strings.TrimSpace(string(text)))
	for _, n := range bundle.CPUs(list) {
		if !slices.Contains(there, n) {
			c.add(Finding{
				ID: "cpu-absent", Severity: Error, Pointer: pointer, Message: fmt.Sprintf("this host has no %s %d: it has %s", what, n, strings.TrimSpace(string(text))),
				Why: "cpuset(7)", Mend: "name those that are there",
			})
			return
		}
	}
}

// hasProblem says whether the checks of the config have found something about the value already.
func (c *checker) hasProblem(pointer string) bool {
	return slices.ContainsFunc(c.found, func(f Finding) bool {
		return f.Severity == Error && (f.Pointer == pointer || strings.HasPrefix(f.Pointer, pointer+"/"))
	})
}

// hugepage looks for a size of pages, which the kernel spells 2MB in the names of cgroup files and 2048kB here.
func (c *checker) hugepage(size, pointer string) {
	if c.hasProblem(pointer) {
		return
	}
	entries, err := os.ReadDir("/sys/kernel/mm/hugepages")
	if err != nil && !os.IsNotExist(err) {
		return
	}
	var there []string
	for _, e := range entries {
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(e.Name(), "hugepages-"), "kB"), 10, 64)
		if err == nil {
			there = append(there, pageSize(kb))
		}
	}
	if slices.Contains(there, size) {
		return
	}
	f := Finding{
		ID: "page-size-absent", Severity: Error, Pointer: pointer, Message: "this host has no huge pages of " + size,
		Why: section(pointer), Mend: "take the limit away",
	}
	if len(there) > 0 {
		f.Message += ": it has " + strings.Join(there, ", ")
	}
	c.add(f)
}

func pageSize(kb uint64) string {
	switch {
	case kb >= 1<<20:
		return strconv.FormatUint(kb>>20, 10) + "GB"
	case kb >= 1<<10:
		return strconv.FormatUint(kb>>10, 10) + "MB"
	}
	return strconv.FormatUint(kb, 10) + "KB"
}
