package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

// mappingsLimit is the kernel's, since 4.15 (user_namespaces(7)).
const mappingsLimit = 340

func checkIDMappings(r *report, spec *specs.Spec) {
	l := spec.Linux
	if l == nil {
		return
	}
	if !namespace.Has(l, specs.UserNamespace) {
		if len(l.UIDMappings) > 0 {
			r.add("/linux/uidMappings", "needs a namespace of type \"user\" in linux.namespaces")
		}
		if len(l.GIDMappings) > 0 {
			r.add("/linux/gidMappings", "needs a namespace of type \"user\" in linux.namespaces")
		}
	}
	if namespace.Makes(l, specs.UserNamespace) {
		if len(l.UIDMappings) == 0 {
			r.add("/linux/uidMappings", "is required with a new user namespace")
		}
		if len(l.GIDMappings) == 0 {
			r.add("/linux/gidMappings", "is required with a new user namespace")
		}
	}
	checkMapping(r, l.UIDMappings, "linux", "uidMappings")
	checkMapping(r, l.GIDMappings, "linux", "gidMappings")
}

// checkMapping finds what the kernel would refuse with no more than EINVAL.
func checkMapping(r *report, mappings []specs.LinuxIDMapping, steps ...any) {
	if len(mappings) > mappingsLimit {
		r.add(at(steps...), "must have at most %d entries, got %d", mappingsLimit, len(mappings))
		return // which spares the square of them below
	}
	for i, m := range mappings {
		here := func() string { return at(steps...) + at(i) }
		switch {
		case m.Size == 0:
			r.add(here()+"/size", "must be above 0")
			continue
		case uint64(m.ContainerID)+uint64(m.Size) > noID:
			r.add(here(), "ends above the last id: containerID %d, size %d", m.ContainerID, m.Size)
		case uint64(m.HostID)+uint64(m.Size) > noID:
			r.add(here(), "ends above the last id: hostID %d, size %d", m.HostID, m.Size)
		}
		for j, other := range mappings[:i] {
			if overlap(m.ContainerID, m.Size, other.ContainerID, other.Size) {
				r.add(here(), "has ids of the container in common with %s", at(steps...)+at(j))
			}
			if overlap(m.HostID, m.Size, other.HostID, other.Size) {
				r.add(here(), "has ids of the host in common with %s", at(steps...)+at(j))
			}
		}
	}
}

// overlap says whether two ranges have a number in common.
func overlap(a, sizeA, b, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}
