package v2

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tare/cgroups/stats"
	"tare/internal/sys"
)

// Stats tells what the cgroup and those below it have used. What the cgroup has no controller or the kernel no file for is
// zero. The error wraps fs.ErrNotExist if the cgroup is gone.
func (c *Cgroup) Stats() (*stats.Stats, error) {
	if _, err := c.File(); err != nil {
		return nil, err
	}
	f := &files{fd: c.fd()}
	s := &stats.Stats{
		CPU: f.cpu(), CPUSet: f.cpuset(), Memory: f.memory(), Pids: f.pids(), BlockIO: f.io(),
		Hugetlb: f.hugetlb(pageSizes()), Rdma: f.rdma(), Misc: f.misc(),
	}
	// All of them absent may as well mean that the cgroup went meanwhile.
	if _, err := sys.CgroupReadSmall(f.fd, "cgroup.events"); gone(err) {
		return nil, fmt.Errorf("cgroup %s: %w", c.Dir, fs.ErrNotExist)
	}
	if f.err != nil {
		return nil, fmt.Errorf("read the statistics of cgroup %s: %w", c.Dir, f.err)
	}
	return s, nil
}

// files reads the files of a cgroup.
type files struct {
	fd  int
	err error // the first that was not about an absent file
}

// read returns nil for a file that is not there, be it that the kernel was told so: without PSI (psi=0) the files are there,
// but cannot be read.
func (f *files) read(name string) []byte {
	b, err := sys.CgroupRead(f.fd, name)
	if err != nil && !gone(err) && !errors.Is(err, unix.EOPNOTSUPP) && f.err == nil {
		f.err = err
	}
	return b
}

func (f *files) cpu() (out stats.CPU) {
	const ns = 1000 // in a µs
	at := f.read("cpu.stat")
	out.Usage = stats.CPUUsage{
		Total: flatValue(at, "usage_usec") * ns, User: flatValue(at, "user_usec") * ns, Kernel: flatValue(at, "system_usec") * ns,
	}
	out.Throttling = stats.Throttling{
		Periods: flatValue(at, "nr_periods"), ThrottledPeriods: flatValue(at, "nr_throttled"), ThrottledTime: flatValue(at, "throttled_usec") * ns,
		Bursts: flatValue(at, "nr_bursts"), BurstTime: flatValue(at, "burst_usec") * ns,
	}
	out.PSI = pressure(f.read("cpu.pressure"))
	return out
}

func (f *files) cpuset() stats.CPUSet {
	return stats.CPUSet{CPUs: list(f.read("cpuset.cpus.effective")), Mems: list(f.read("cpuset.mems.effective"))}
}

func (f *files) memory() (out stats.Memory) {
	out.Raw, out.Events = flat(f.read("memory.stat")), flat(f.read("memory.events"))
	out.PSI = pressure(f.read("memory.pressure"))
	if out.Raw == nil {
		return out // no memory controller
	}
	out.Cache = out.Raw["file"]
	out.Usage = stats.MemoryEntry{
		Usage: number(f.read("memory.current")), Limit: number(f.read("memory.max")), Max: number(f.read("memory.peak")), Failcnt: out.Events["max"],
	}
	// Without swap in the kernel, these are memory alone.
	swapLimit := number(f.read("memory.swap.max"))
	out.Swap = stats.MemoryEntry{
		Usage: out.Usage.Usage + number(f.read("memory.swap.current")), Limit: out.Usage.Limit + swapLimit,
		Failcnt: flatValue(f.read("memory.swap.events"), "max"),
	}
	if out.Usage.Limit == math.MaxUint64 || swapLimit == math.MaxUint64 {
		out.Swap.Limit = math.MaxUint64
	}
	out.Kernel = unlimited(out.Raw["kernel"])
	out.KernelTCP = unlimited(out.Raw["sock"])
	return out
}

// unlimited is an entry of what has no limit of its own.
func unlimited(usage uint64) stats.MemoryEntry {
	if usage == 0 {
		return stats.MemoryEntry{}
	}
	return stats.MemoryEntry{Usage: usage, Limit: math.MaxUint64}
}

func (f *files) pids() stats.Pids {
	out := stats.Pids{
		Current: number(f.read("pids.current")), Limit: number(f.read("pids.max")), Peak: number(f.read("pids.peak")),
		Failcnt: flatValue(f.read("pids.events"), "max"),
	}
	if out.Limit == math.MaxUint64 {
		out.Limit = 0
	}
	return out
}

func (f *files) io() (out stats.BlockIO) {
	nested(f.read("io.stat"), func(name string, values map[string]uint64) {
		major, minor, ok := device(name)
		if !ok {
			return
		}
		for _, op := range []struct{ name, bytes, requests string }{
			{"Read", "rbytes", "rios"}, {"Write", "wbytes", "wios"}, {"Discard", "dbytes", "dios"},
		} {
			entry := stats.BlockIOEntry{Major: major, Minor: minor, Op: op.name}
			if v, ok := values[op.bytes]; ok {
				entry.Value = v
				out.IoServiceBytesRecursive = append(out.IoServiceBytesRecursive, entry)
			}
			if v, ok := values[op.requests]; ok {
				entry.Value = v
				out.IoServicedRecursive = append(out.IoServicedRecursive, entry)
			}
		}
	})
	out.PSI = pressure(f.read("io.pressure"))
	return out
}

func (f *files) hugetlb(sizes []string) map[string]stats.Hugetlb {
	out := make(map[string]stats.Hugetlb, len(sizes))
	for _, size := range sizes {
		current := f.read("hugetlb." + size + ".current")
		if current == nil {
			continue
		}
		out[size] = stats.Hugetlb{Usage: number(current), Failcnt: flatValue(f.read("hugetlb."+size+".events"), "max")}
	}
	return out
}

// pageSizes lists the sizes of huge pages that the kernel has, as it writes them in the names of a cgroup's files: from
// "hugepages-2048kB", "2MB".
func pageSizes() []string {
	entries, err := os.ReadDir("/sys/kernel/mm/hugepages")
	if err != nil {
		return nil // no huge pages, or no sysfs
	}
	sizes := make([]string, 0, len(entries))
	for _, e := range entries {
		digits, ok := strings.CutSuffix(strings.TrimPrefix(e.Name(), "hugepages-"), "kB")
		kb, err := strconv.ParseUint(digits, 10, 64)
		switch {
		case !ok || err != nil:
		case kb >= 1<<20:
			sizes = append(sizes, strconv.FormatUint(kb>>20, 10)+"GB")
		case kb >= 1<<10:
			sizes = append(sizes, strconv.FormatUint(kb>>10, 10)+"MB")
		default:
			sizes = append(sizes, digits+"KB")
		}
	}
	return sizes
}

func (f *files) rdma() map[string]stats.Rdma {
	var out map[string]stats.Rdma
	nested(f.read("rdma.current"), func(name string, values map[string]uint64) {
		if out == nil {
			out = map[string]stats.Rdma{}
		}
		out[name] = stats.Rdma{Handles: values["hca_handle"], Objects: values["hca_object"]}
	})
	return out
}

func (f *files) misc() map[string]stats.Misc {
	current := flat(f.read("misc.current"))
	if current == nil {
		return nil
	}
	limits, events := flat(f.read("misc.max")), flat(f.read("misc.events"))
	out := make(map[string]stats.Misc, len(current))
	for name, usage := range current {
		m := stats.Misc{Usage: usage, Max: limits[name], Events: events[name+".max"]}
		if m.Max == math.MaxUint64 {
			m.Max = 0
		}
		out[name] = m
	}
	return out
}
