package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

func checkMounts(r *report, spec *specs.Spec) {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		switch {
		case m.Destination == "":
			r.add(at("mounts", i, "destination"), "must not be empty, want an absolute path")
		case hasNUL(m.Destination):
			r.add(at("mounts", i, "destination"), "must not contain a NUL byte, got %s", quote(m.Destination))
		}
		checkMountKind(r, m, i)
		if hasNUL(m.Source) {
			r.add(at("mounts", i, "source"), "must not contain a NUL byte, got %s", quote(m.Source))
		}
		for j, o := range m.Options {
			if hasNUL(o) { // an empty one means nothing: Buildah 1.28 writes it for a volume
				r.add(at("mounts", i, "options", j), "must not contain a NUL byte, got %s", quote(o))
			}
		}
		if len(m.UIDMappings) > 0 != (len(m.GIDMappings) > 0) {
			r.add(at("mounts", i), "must have both uidMappings and gidMappings, or none of them")
		}
		checkMapping(r, m.UIDMappings, "mounts", i, "uidMappings")
		checkMapping(r, m.GIDMappings, "mounts", i, "gidMappings")
		checkIDMapOption(r, spec, i)
		checkIDMappedMount(r, spec, i)
	}
}

// checkIDMappedMount finds options idmap and ridmap that can have no effect.
func checkIDMappedMount(r *report, spec *specs.Spec, i int) {
	m := &spec.Mounts[i]
	asked, remount, pointer := len(m.UIDMappings) > 0, false, at("mounts", i, "uidMappings")
	for j, o := range m.Options {
		switch o {
		case "idmap", "ridmap":
			asked, pointer = true, at("mounts", i, "options", j)
		case "remount":
			remount = true
		}
	}
	switch {
	case !asked:
	case remount:
		r.add(pointer, "a remount cannot change the ids of a mount")
	case len(m.UIDMappings)+len(m.GIDMappings) == 0 && !namespace.Has(spec.Linux, specs.UserNamespace):
		r.add(pointer, "needs uidMappings and gidMappings, or a namespace of type \"user\" in linux.namespaces")
	}
}

// checkMountKind tells bind mounts by their options, as the specification does: their type is a dummy. No file system is called
// bind, so that the type alone is taken at its word.
func checkMountKind(r *report, m *specs.Mount, i int) {
	bind, change := m.Type == "bind", false
	for _, o := range m.Options {
		switch o {
		case "bind", "rbind":
			bind = true
		case "remount", "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable":
			change = true // of a mount that is there already
		}
	}
	switch {
	case bind && m.Source == "":
		r.add(at("mounts", i, "source"), "must not be empty for a bind mount")
	case bind:
	case change:
	case m.Type == "" || m.Type == "none":
		r.add(at("mounts", i, "type"), "want a file system, or the option bind or rbind, got %s", quote(m.Type))
	case hasNUL(m.Type):
		r.add(at("mounts", i, "type"), "must not contain a NUL byte, got %s", quote(m.Type))
	}
}
