package attr

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

var memoryModes = table{
	{"MPOL_DEFAULT", unix.MPOL_DEFAULT},
	{"MPOL_BIND", unix.MPOL_BIND},
	{"MPOL_INTERLEAVE", unix.MPOL_INTERLEAVE},
	{"MPOL_WEIGHTED_INTERLEAVE", unix.MPOL_WEIGHTED_INTERLEAVE},
	{"MPOL_PREFERRED", unix.MPOL_PREFERRED},
	{"MPOL_PREFERRED_MANY", unix.MPOL_PREFERRED_MANY},
	{"MPOL_LOCAL", unix.MPOL_LOCAL},
}

var memoryFlags = table{
	{"MPOL_F_NUMA_BALANCING", unix.MPOL_F_NUMA_BALANCING},
	{"MPOL_F_RELATIVE_NODES", unix.MPOL_F_RELATIVE_NODES},
	{"MPOL_F_STATIC_NODES", unix.MPOL_F_STATIC_NODES},
}

// MemoryModes are the modes of a memory policy.
func MemoryModes() []string { return memoryModes.names() }

// MemoryFlags are the flags of a memory policy.
func MemoryFlags() []string { return memoryFlags.names() }

// SetMemoryPolicy gives the calling thread the policy of linux.memoryPolicy; nodes are the numbers of its list.
func SetMemoryPolicy(p *specs.LinuxMemoryPolicy, nodes []int) error {
	err := sys.SetMemoryPolicy(int(memoryModes.number(string(p.Mode))|bits(memoryFlags, p.Flags)), nodes)
	if err == nil {
		return nil
	}
	what := string(p.Mode)
	if p.Nodes != "" {
		what += " " + p.Nodes
	}
	return fmt.Errorf("linux.memoryPolicy (/linux/memoryPolicy): %s: %w%s", what, err, memoryHint(p, err))
}

func memoryHint(p *specs.LinuxMemoryPolicy, err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return ": this kernel is built without NUMA"
	case !errors.Is(err, unix.EINVAL):
		return ""
	case p.Mode == specs.MpolWeightedInterleave:
		return ": is the kernel older than Linux 6.9, or has the container's cgroup none of these nodes?"
	case p.Mode == specs.MpolPreferredMany:
		return ": is the kernel older than Linux 5.15, or has the container's cgroup none of these nodes?"
	case p.Nodes != "":
		return ": has this machine these nodes (/sys/devices/system/node/has_memory), and the container's cgroup any of them?"
	}
	return ""
}
