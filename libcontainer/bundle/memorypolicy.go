package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/attr"
)

// checkMemoryPolicy follows set_mempolicy(2).
func checkMemoryPolicy(r *report, spec *specs.Spec) {
	if spec.Linux == nil || spec.Linux.MemoryPolicy == nil {
		return
	}
	p := spec.Linux.MemoryPolicy
	r.oneOf(string(p.Mode), attr.MemoryModes(), "linux", "memoryPolicy", "mode")
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
	checkMemoryPolicyFlags(r, p)
}

// checkMemoryPolicyFlags refuses what the kernel would, or would pass over in silence.
func checkMemoryPolicyFlags(r *report, p *specs.LinuxMemoryPolicy) {
	var relative, static, balancing bool
	for i, flag := range p.Flags {
		r.oneOf(string(flag), attr.MemoryFlags(), "linux", "memoryPolicy", "flags", i)
		relative = relative || flag == specs.MpolFRelativeNodes
		static = static || flag == specs.MpolFStaticNodes
		balancing = balancing || flag == specs.MpolFNumaBalancing
	}
	if relative && static {
		r.add("/linux/memoryPolicy/flags", "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other")
	}
	if (relative || static) && p.Nodes == "" {
		r.add("/linux/memoryPolicy/flags", "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES are for policies with nodes")
	}
	if balancing && p.Mode != specs.MpolBind && p.Mode != specs.MpolPreferredMany {
		r.add("/linux/memoryPolicy/flags", "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY only, the mode is %s", quote(string(p.Mode)))
	}
}
