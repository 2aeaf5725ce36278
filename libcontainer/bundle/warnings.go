package bundle

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/creds"
	"tare/libcontainer/mountopt"
	"tare/libcontainer/namespace"
)

// HookNames are the names of the lists of hooks, in the order in which they run.
func HookNames() []string {
	return []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
}

// NamespaceTypes are the types of namespace that a config may ask for, sorted.
func NamespaceTypes() []string { return slices.Clone(namespaceTypes) }

// Warnings tells, a line each, what is taken in another way than it is written, or not at all, where the specification says
// that this is no error.
func Warnings(spec *specs.Spec) []string {
	var warnings []string
	if !namespace.Has(spec.Linux, specs.MountNamespace) {
		warnings = append(warnings, "/linux/namespaces: none of type \"mount\": the container's mounts are made in the runtime's, below root.path")
	}
	for i := range spec.Mounts {
		if d := spec.Mounts[i].Destination; !isAbs(d) {
			warnings = append(warnings, fmt.Sprintf("%s: relative destinations are deprecated: %s is taken from /",
				at("mounts", i, "destination"), quote(d)))
		}
		warnings = append(warnings, bindWarnings(&spec.Mounts[i], i)...)
	}
	if spec.Process == nil || spec.Process.Capabilities == nil {
		return warnings
	}
	caps := spec.Process.Capabilities
	for _, set := range [...]struct {
		name  string
		names []string
	}{
		{"bounding", caps.Bounding},
		{"effective", caps.Effective},
		{"inheritable", caps.Inheritable},
		{"permitted", caps.Permitted},
		{"ambient", caps.Ambient},
	} {
		for i, name := range set.names {
			if _, known := creds.Number(name); !known {
				warnings = append(warnings, fmt.Sprintf("%s: unknown capability %s is ignored",
					at("process", "capabilities", set.name, i), quote(name)))
			}
		}
	}
	return warnings
}

// bindWarnings tells of options that would go to a filesystem, of which a bind mount makes none: mount(2) ignores them.
func bindWarnings(m *specs.Mount, index int) (warnings []string) {
	o, err := mountopt.Parse(m.Options)
	if err != nil || !o.IsBind(m.Type) {
		return nil
	}
	for _, d := range o.Data {
		at := at("mounts", index, "options", slices.Index(m.Options, d.String()))
		warnings = append(warnings, fmt.Sprintf("%s: %s is an option of a filesystem, and ignored: a bind mount has that of its source", at, quote(d.String())))
	}
	return warnings
}
