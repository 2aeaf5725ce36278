package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

// The names of set_mempolicy(2).
var (
	memoryPolicyModes = []string{
		"MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL",
	}
	memoryPolicyFlags = []string{"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"}
)

// checkMemoryPolicy follows set_mempolicy(2).
func checkMemoryPolicy(r *report, spec *specs.Spec) {
	if spec.Linux == nil || spec.Linux.MemoryPolicy == nil {
		return
	}
	p := spec.Linux.MemoryPolicy
	r.oneOf(string(p.Mode), memoryPolicyModes, "linux", "memoryPolicy", "mode")
	r.checkList(p.Nodes, "linux", "memoryPolicy", "nodes")
	switch p.Mode {
	case specs.MpolDefault, specs.MpolLocal:
		if p.Nodes != "" {
			r.add("/linux/memoryPolicy/nodes", "must be empty for %s, got %s", p.Mode, quote(p.Nodes))
		}
	case specs.MpolBind, specs.MpolInterleave, specs.MpolWeightedInterleave, specs.MpolPreferredMany:
		if p.Nodes == "" {
			r.add("/linux/memoryPolicy/nodes", "must not be empty for %s", p.Mode)
		}
	}
	var relative, static bool
	for i, flag := range p.Flags {
		r.oneOf(string(flag), memoryPolicyFlags, "linux", "memoryPolicy", "flags", i)
		relative = relative || flag == specs.MpolFRelativeNodes
		static = static || flag == specs.MpolFStaticNodes
	}
	if relative && static {
		r.add("/linux/memoryPolicy/flags", "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other")
	}
}
