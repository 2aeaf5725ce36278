package systemd

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"tare/cgroups/v2"
	"tare/internal/dbus"
)

// Property is one of a unit's, as D-Bus has it.
type Property struct {
	Name  string
	Value dbus.Variant
	// Pointer is the config.json field that asks for it, "" if none does.
	Pointer string
	// Young is a property or value that not every systemd has: it is left out where it is refused.
	Young bool
}

func property(name, signature string, value any) Property {
	return Property{Name: name, Value: dbus.Variant{Signature: signature, Value: value}}
}

func young(name, signature string, value any) Property {
	p := property(name, signature, value)
	p.Young = true
	return p
}

// Properties are what a unit has whatever its limits are. A container is not to be ended before, or with, what systemd's default
// dependencies would order it by, and a unit that failed is not to stay: its name is wanted again.
func (u Unit) Properties(description string) []Property {
	all := []Property{
		property("Description", "s", description),
		property("DefaultDependencies", "b", false),
		property("CollectMode", "s", "inactive-or-failed"),
		property("CPUAccounting", "b", true),
		property("MemoryAccounting", "b", true),
		property("IOAccounting", "b", true),
		property("TasksAccounting", "b", true),
	}
	if u.IsSlice() { // its place is in its name
		return all
	}
	return append(all, property("Slice", "s", u.Slice), property("Delegate", "b", true))
}

// With adds the unit's first process, unless it is 0.
func (u Unit) With(all []Property, pid int) []Property {
	if pid == 0 {
		return all
	}
	return append(slices.Clip(all), property("PIDs", "au", []uint32{uint32(pid)}))
}

// infinity is systemd's word for no limit.
const infinity = math.MaxUint64

// Properties says what settings of cgroup files are as properties of a unit; those that systemd has none for are left out. Of
// two for the same property the later one counts.
func Properties(settings []v2.Setting) []Property {
	var all []Property
	for _, s := range settings {
		for _, p := range translate(s) {
			p.Pointer = s.Pointer
			all = set(all, p)
		}
	}
	return all
}

// set puts p in the place of the property of that name, or at the end.
func set(all []Property, p Property) []Property {
	i := slices.IndexFunc(all, func(q Property) bool { return q.Name == p.Name })
	if i < 0 {
		return append(all, p)
	}
	all[i] = p
	return all
}

// sorted is in the order of names, in which systemd itself lists the drop-ins that it makes of changed properties: in
// another one it would ask for a daemon-reload.
func sorted(all []Property) []Property {
	return slices.SortedStableFunc(slices.Values(all), func(a, b Property) int { return cmp.Compare(a.Name, b.Name) })
}

// plain are the files with a number, or with "max".
func plain(file string) string {
	switch file {
	case "memory.max":
		return "MemoryMax"
	case "memory.high":
		return "MemoryHigh"
	case "memory.low":
		return "MemoryLow"
	case "memory.min":
		return "MemoryMin"
	case "memory.swap.max":
		return "MemorySwapMax"
	case "pids.max":
		return "TasksMax"
	case "cpu.weight":
		return "CPUWeight"
	case "io.weight":
		return "IOWeight"
	}
	return ""
}

func translate(s v2.Setting) []Property {
	value := strings.TrimSpace(s.Value)
	switch s.File {
	case "cpu.max":
		return cpuMax(value)
	case "cpu.idle":
		if value != "0" { // CPUWeight=idle, since systemd 252
			return []Property{young("CPUWeight", "t", uint64(0))}
		}
	case "memory.oom.group":
		return oomGroup(value)
	case "memory.zswap.max":
		if n, ok := number(value); ok { // since systemd 253
			return []Property{young("MemoryZSwapMax", "t", n)}
		}
	case "cpuset.cpus":
		return cpuset("AllowedCPUs", value)
	case "cpuset.mems":
		return cpuset("AllowedMemoryNodes", value)
	case "io.bfq.weight":
		if s.OrFile == "io.weight" { // BFQ's own is in other units
			return translate(v2.Setting{File: s.OrFile, Value: s.OrValue})
		}
	case "io.weight":
		value = strings.TrimSpace(strings.TrimPrefix(value, "default"))
	case "pids.max":
		if value == "0" { // systemd takes no less; the file gets the zero
			value = "1"
		}
	}
	if name := plain(s.File); name != "" {
		if n, ok := number(value); ok {
			return []Property{property(name, "t", n)}
		}
	}
	return nil
}

// oomGroup: systemd writes the file by what it is to do about an OOM kill; for scopes since 253.
func oomGroup(value string) []Property {
	policy := "continue"
	if value == "1" {
		policy = "kill"
	}
	return []Property{young("OOMPolicy", "s", policy)}
}

// number reads a number as the kernel does (memparse), or "max".
func number(s string) (uint64, bool) {
	if s == "max" {
		return infinity, true
	}
	digits := strings.TrimRight(s, "KMGTkmgt")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(s)-len(digits) > 1 {
		return 0, false
	}
	var shift int
	if len(digits) < len(s) {
		shift = 10 * (1 + strings.IndexByte("kmgt", s[len(digits)]|0x20))
	}
	return n << shift, n<<shift>>shift == n
}

const (
	second  = 1000000 // in microseconds
	percent = second / 100
)

// cpuMax reads "quota period". systemd keeps a quota in percent of a CPU when it writes it down, so it is rounded up to that
// here; the file has the exact value.
func cpuMax(value string) []Property {
	quota, period, _ := strings.Cut(value, " ")
	p, err := strconv.ParseUint(strings.TrimSpace(period), 10, 64)
	if period == "" {
		p, err = 100000, nil
	}
	q, ok := number(quota)
	if err != nil || !ok || p == 0 || p > second {
		return nil
	}
	if q != infinity {
		if q > infinity/second {
			return nil
		}
		q = (q*second/p + percent - 1) / percent * percent
	}
	return []Property{property("CPUQuotaPerSecUSec", "t", q), property("CPUQuotaPeriodUSec", "t", p)}
}

// cpuset reads a list such as 0-3,7 into a bitmap, byte by byte.
func cpuset(name, value string) []Property {
	const most = 8192 // CPUs or nodes; beyond, the kernel refuses
	var bits []byte
	for part := range strings.SplitSeq(value, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return nil
		}
		last, err := strconv.ParseUint(high, 10, 16)
		if err != nil || last >= most {
			return nil
		}
		for i := first; i <= last; i++ {
			for uint64(len(bits)) <= i/8 {
				bits = append(bits, 0)
			}
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return []Property{property(name, "ay", bits)}
}
