package v1

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"tare/cgroups/stats"
	"tare/cgroups/v2"
	"tare/internal/sys"
)

// Stats adds what the cgroup and those below it have used, for the controllers it has. The error wraps fs.ErrNotExist if it is gone.
func (g *Group) Stats(s *stats.Stats) error {
	if len(g.Dirs) == 0 {
		return nil
	}
	f := &files{g: g}
	f.cpu(&s.CPU)
	f.cpuset(&s.CPUSet)
	f.memory(&s.Memory)
	f.pids(&s.Pids)
	f.blkio(&s.BlockIO)
	f.hugetlb(s)
	if f.err != nil {
		return fmt.Errorf("read statistics: %w", f.err)
	}
	// All of them absent may as well mean that the cgroup went meanwhile.
	if _, err := sys.StatfsType(g.at()); v2.Gone(err) {
		return fmt.Errorf("cgroup %s: %w", g.at(), fs.ErrNotExist)
	}
	return nil
}

// files reads the files of a cgroup.
type files struct {
	g   *Group
	err error // the first that was not about an absent file
}

// read returns nil for a file that is not there, for want of a controller or of a kernel that has it.
func (f *files) read(name string) []byte {
	b, err := f.g.read(name)
	if err != nil && !v2.Gone(err) && !errors.Is(err, unix.EOPNOTSUPP) && f.err == nil {
		f.err = err
	}
	return b
}

func (f *files) number(name string) uint64 { return v2.Number(f.read(name)) }

// userHZ is the unit of cpuacct.stat: the kernel's USER_HZ is 100 on all architectures that Go knows.
const userHZ = 100

func (f *files) cpu(out *stats.CPU) {
	if f.g.Has("cpuacct") {
		times := f.read("cpuacct.stat")
		const tick = 1_000_000_000 / userHZ
		out.Usage = stats.CPUUsage{
			Total: f.number("cpuacct.usage"), PerCPU: numbers(f.read("cpuacct.usage_percpu")),
			User: v2.FlatValue(times, "user") * tick, Kernel: v2.FlatValue(times, "system") * tick,
		}
		// A line a CPU: its number, the user's time and the system's (Linux 4.8).
		for i, line := range bytes.Split(f.read("cpuacct.usage_all"), []byte{'\n'}) {
			if n := numbers(line); i > 0 && len(n) == 3 {
				out.Usage.PerCPUUser = append(out.Usage.PerCPUUser, n[1])
				out.Usage.PerCPUKernel = append(out.Usage.PerCPUKernel, n[2])
			}
		}
	}
	if stat := f.read("cpu.stat"); stat != nil {
		out.Throttling = stats.Throttling{
			Periods: v2.FlatValue(stat, "nr_periods"), ThrottledPeriods: v2.FlatValue(stat, "nr_throttled"),
			ThrottledTime: v2.FlatValue(stat, "throttled_time"),
			Bursts:        v2.FlatValue(stat, "nr_bursts"), BurstTime: v2.FlatValue(stat, "burst_time"),
		}
	}
}

func numbers(b []byte) []uint64 {
	var out []uint64
	for _, word := range bytes.Fields(b) {
		out = append(out, v2.Number(word))
	}
	return out
}

func (f *files) cpuset(out *stats.CPUSet) {
	if !f.g.Has("cpuset") {
		return
	}
	*out = stats.CPUSet{
		CPUs: v2.List(f.read("cpuset.cpus")), Mems: v2.List(f.read("cpuset.mems")),
		CPUExclusive: f.number("cpuset.cpu_exclusive"), MemHardwall: f.number("cpuset.mem_hardwall"),
		MemExclusive: f.number("cpuset.mem_exclusive"), MemoryMigrate: f.number("cpuset.memory_migrate"),
		MemorySpreadPage: f.number("cpuset.memory_spread_page"), MemorySpreadSlab: f.number("cpuset.memory_spread_slab"),
		MemoryPressure: f.number("cpuset.memory_pressure"), SchedLoadBalance: f.number("cpuset.sched_load_balance"),
		SchedRelaxDomainLevel: signed(f.read("cpuset.sched_relax_domain_level")),
	}
}

// signed reads a number that may be below zero.
func signed(b []byte) int64 {
	if rest, ok := bytes.CutPrefix(b, []byte{'-'}); ok {
		return -int64(v2.Number(rest))
	}
	return int64(v2.Number(b))
}

func (f *files) memory(out *stats.Memory) {
	if !f.g.Has("memory") {
		return
	}
	out.Raw = v2.Flat(f.read("memory.stat"))
	out.Cache = out.Raw["cache"]
	for name, entry := range map[string]*stats.MemoryEntry{
		"memory": &out.Usage, "memory.memsw": &out.Swap, "memory.kmem": &out.Kernel, "memory.kmem.tcp": &out.KernelTCP,
	} {
		*entry = stats.MemoryEntry{
			Usage: f.number(name + ".usage_in_bytes"), Limit: f.number(name + ".limit_in_bytes"),
			Max: f.number(name + ".max_usage_in_bytes"), Failcnt: f.number(name + ".failcnt"),
		}
	}
	out.Events = map[string]uint64{"oom_kill": v2.FlatValue(f.read(oomControl), "oom_kill")}
}

func (f *files) pids(out *stats.Pids) {
	current := f.read("pids.current")
	if current == nil {
		return
	}
	*out = stats.Pids{Current: v2.Number(current), Peak: f.number("pids.peak"), Failcnt: v2.FlatValue(f.read("pids.events"), "max")}
	if limit := f.read("pids.max"); string(limit) != "max\n" {
		out.Limit = v2.Number(limit)
	}
}

// blkio tells what the I/O scheduler with weights has counted, BFQ or CFQ, or what the throttling has: that counts always, but
// only bytes and requests.
func (f *files) blkio(out *stats.BlockIO) {
	if !f.g.Has("blkio") {
		return
	}
	pressure := out.PSI
	for _, prefix := range []string{"blkio.bfq.", "blkio.", "blkio.throttle."} {
		*out = stats.BlockIO{
			IoServiceBytesRecursive: entries(f.read(prefix + "io_service_bytes_recursive")),
			IoServicedRecursive:     entries(f.read(prefix + "io_serviced_recursive")),
			IoQueuedRecursive:       entries(f.read(prefix + "io_queued_recursive")),
			IoServiceTimeRecursive:  entries(f.read(prefix + "io_service_time_recursive")),
			IoWaitTimeRecursive:     entries(f.read(prefix + "io_wait_time_recursive")),
			IoMergedRecursive:       entries(f.read(prefix + "io_merged_recursive")),
			IoTimeRecursive:         entries(f.read(prefix + "time_recursive")),
			SectorsRecursive:        entries(f.read(prefix + "sectors_recursive")),
			PSI:                     pressure,
		}
		if len(out.IoServicedRecursive) > 0 {
			return
		}
	}
}

// entries reads lines of "major:minor operation count", or without an operation. The last line, the sum over all devices, has no
// device.
func entries(file []byte) []stats.BlockIOEntry {
	var out []stats.BlockIOEntry
	for line := range strings.Lines(string(file)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		major, minor, ok := v2.Device(words[0])
		if !ok {
			continue
		}
		e := stats.BlockIOEntry{Major: major, Minor: minor, Value: v2.Number([]byte(words[len(words)-1]))}
		if len(words) == 3 {
			e.Op = words[1]
		}
		out = append(out, e)
	}
	return out
}

func (f *files) hugetlb(s *stats.Stats) {
	if !f.g.Has("hugetlb") {
		return
	}
	s.Hugetlb = map[string]stats.Hugetlb{}
	for _, size := range v2.PageSizes() {
		prefix := "hugetlb." + size
		usage := f.read(prefix + ".usage_in_bytes")
		if usage == nil {
			continue
		}
		s.Hugetlb[size] = stats.Hugetlb{
			Usage: v2.Number(usage), Max: f.number(prefix + ".max_usage_in_bytes"), Failcnt: f.number(prefix + ".failcnt"),
		}
	}
}
