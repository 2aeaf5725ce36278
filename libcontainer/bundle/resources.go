package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func resourcesOf(spec *specs.Spec) *specs.LinuxResources {
	if spec.Linux == nil {
		return nil
	}
	return spec.Linux.Resources
}

// checkMemory: -1 is no limit, 0 leaves the limit alone.
func checkMemory(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil || res.Memory == nil {
		return
	}
	m := res.Memory
	checkLimit(r, m.Limit, "limit")
	checkLimit(r, m.Reservation, "reservation")
	checkLimit(r, m.Swap, "swap")
	//lint:ignore SA1019 deprecated, but in use
	checkLimit(r, m.Kernel, "kernel")
	checkLimit(r, m.KernelTCP, "kernelTCP")
	if m.Swappiness != nil && *m.Swappiness > 100 {
		r.add("/linux/resources/memory/swappiness", "must be from 0 to 100, got %d", *m.Swappiness)
	}
	// Swap is the sum of memory and swap.
	if m.Swap != nil && *m.Swap > 0 && m.Limit != nil && *m.Limit > 0 && *m.Swap < *m.Limit {
		r.add("/linux/resources/memory/swap", "is memory and swap together, must not be below memory.limit %d, got %d", *m.Limit, *m.Swap)
	}
}

// checkSwap is not for changes of limits: there, the one of memory may be set already.
func checkSwap(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil || res.Memory == nil {
		return
	}
	m := res.Memory
	if m.Swap != nil && *m.Swap > 0 && (m.Limit == nil || *m.Limit == 0) {
		r.add("/linux/resources/memory/swap", "needs memory.limit, got %d without one", *m.Swap)
	}
}

func checkLimit(r *report, limit *int64, name string) {
	if limit != nil && *limit < -1 {
		r.add(at("linux", "resources", "memory", name), "must be a number of bytes, or -1 for no limit, got %d", *limit)
	}
}

// Bounds of the CFS bandwidth (kernel/sched/core.c, tg_set_cfs_bandwidth), in microseconds.
const (
	periodMin, periodMax = 1000, 1000000
	quotaMin             = 1000
)

// checkCPU leaves shares alone: every number is some share, the kernel brings it into 2 to 262144.
func checkCPU(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil || res.CPU == nil {
		return
	}
	c := res.CPU
	if p := c.Period; p != nil && *p != 0 && (*p < periodMin || *p > periodMax) {
		r.add("/linux/resources/cpu/period", "must be from %d to %d microseconds, got %d", periodMin, periodMax, *p)
	}
	if q := c.Quota; q != nil && *q > 0 {
		if *q < quotaMin {
			r.add("/linux/resources/cpu/quota", "must be at least %d microseconds, or -1 for no limit, got %d", quotaMin, *q)
		}
		if c.Burst != nil && *c.Burst > uint64(*q) {
			r.add("/linux/resources/cpu/burst", "must not be above the quota %d, got %d", *q, *c.Burst)
		}
	}
	if rt := c.RealtimeRuntime; rt != nil {
		if *rt < -1 {
			r.add("/linux/resources/cpu/realtimeRuntime", "must be a number of microseconds, or -1 for no limit, got %d", *rt)
		}
		if p := c.RealtimePeriod; p != nil && *p != 0 && *rt > 0 && uint64(*rt) > *p {
			r.add("/linux/resources/cpu/realtimeRuntime", "must not be above realtimePeriod %d, got %d", *p, *rt)
		}
	}
	r.checkList(c.Cpus, "linux", "resources", "cpu", "cpus")
	r.checkList(c.Mems, "linux", "resources", "cpu", "mems")
	if c.Idle != nil {
		r.checkNumber(*c.Idle, 0, 1, "linux", "resources", "cpu", "idle")
	}
}

func checkOtherLimits(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil {
		return
	}
	if p := res.Pids; p != nil && p.Limit != nil && *p.Limit < -1 {
		r.add("/linux/resources/pids/limit", "must be a number of tasks, or -1 for no limit, got %d", *p.Limit)
	}
	checkHugepages(r, res.HugepageLimits)
	if res.Network != nil {
		for i, p := range res.Network.Priorities {
			if !isInterfaceName(p.Name) {
				r.add(at("linux", "resources", "network", "priorities", i, "name"), "is no name of a network device, got %s: %s", quote(p.Name), interfaceNameForm)
			}
		}
	}
	if len(res.Rdma) == 0 {
		return
	}
	for _, name := range sortedKeys(res.Rdma) {
		if name == "" || strings.ContainsAny(name, " \t\n\x00/") {
			r.add(at("linux", "resources", "rdma", name), "is no name of a device")
		}
		if entry := res.Rdma[name]; entry.HcaHandles == nil && entry.HcaObjects == nil {
			r.add(at("linux", "resources", "rdma", name), "must have hcaHandles or hcaObjects")
		}
	}
}

func checkHugepages(r *report, limits []specs.LinuxHugepageLimit) {
	for i, l := range limits {
		if !isPageSize(l.Pagesize) {
			r.add(at("linux", "resources", "hugepageLimits", i, "pageSize"), "must be a size like 64KB, 2MB or 1GB, got %s", quote(l.Pagesize))
		}
		for j := range limits[:i] {
			if limits[j].Pagesize == l.Pagesize {
				r.add(at("linux", "resources", "hugepageLimits", i, "pageSize"), "%s is already limited by %s",
					quote(l.Pagesize), at("linux", "resources", "hugepageLimits", j))
				break
			}
		}
	}
}

// isPageSize knows the spelling of the kernel's files, hugetlb.2MB.max.
func isPageSize(size string) bool {
	number, ok := strings.CutSuffix(size, "B")
	if !ok || number == "" {
		return false
	}
	switch number[len(number)-1] {
	case 'K', 'M', 'G':
		number = number[:len(number)-1]
	}
	return isDigits(number) && number[0] != '0'
}

// checkUnified wants plain file names. What the file means is the kernel's business, as the specification has it.
func checkUnified(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil || len(res.Unified) == 0 {
		return
	}
	for _, file := range sortedKeys(res.Unified) {
		if file == "" || file == "." || file == ".." || strings.ContainsAny(file, "/\x00\n") {
			r.add(at("linux", "resources", "unified", file), "must be the name of a file of the cgroup, without a slash")
		}
		if hasNUL(res.Unified[file]) {
			r.add(at("linux", "resources", "unified", file), "the value must not contain a NUL byte, got %s", quote(res.Unified[file]))
		}
	}
}
