package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

var namespaceTypes = []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}

// nameLimit is __NEW_UTS_LEN, the longest host and domain name the kernel keeps.
const nameLimit = 64

func checkNamespaces(r *report, spec *specs.Spec) {
	if spec.Linux == nil {
		return
	}
	all := spec.Linux.Namespaces
	for i, ns := range all {
		r.oneOf(string(ns.Type), namespaceTypes, "linux", "namespaces", i, "type")
		for j := range all[:i] {
			if all[j].Type == ns.Type {
				r.add(at("linux", "namespaces", i), "a second %s namespace, the first is %s", quote(string(ns.Type)), at("linux", "namespaces", j))
				break
			}
		}
		if ns.Path != "" {
			r.checkPath(ns.Path, "linux", "namespaces", i, "path")
		}
	}
	// mount_namespaces(7): who is root of a younger user namespace may not change the mounts of an older one.
	if namespace.Has(spec.Linux, specs.UserNamespace) && !namespace.Has(spec.Linux, specs.MountNamespace) {
		r.add("/linux/namespaces", "a user namespace needs one of type \"mount\" beside it: its root may mount nothing in the runtime's")
	}
}

// checkNames wants a UTS namespace for the names: the host's must stay what they are.
func checkNames(r *report, spec *specs.Spec) {
	checkName(r, spec, "hostname", spec.Hostname)
	checkName(r, spec, "domainname", spec.Domainname)
}

func checkName(r *report, spec *specs.Spec, field, name string) {
	if name == "" {
		return
	}
	if !namespace.Has(spec.Linux, specs.UTSNamespace) {
		r.add(at(field), "needs a namespace of type \"uts\" in linux.namespaces, got %s without one", quote(name))
	}
	if len(name) > nameLimit {
		r.add(at(field), "must have at most %d bytes, got %d", nameLimit, len(name))
	}
	if strings.ContainsAny(name, "\x00\n") {
		r.add(at(field), "must not contain NUL or newline, got %s", quote(name))
	}
}

// nanosLimit is one second.
const nanosLimit = 1_000_000_000

// checkTimeOffsets follows time_namespaces(7): offsets of two clocks, set before the first process enters a new namespace.
func checkTimeOffsets(r *report, spec *specs.Spec) {
	if spec.Linux == nil || len(spec.Linux.TimeOffsets) == 0 {
		return
	}
	if !namespace.Makes(spec.Linux, specs.TimeNamespace) {
		r.add("/linux/timeOffsets", "needs a new namespace of type \"time\" in linux.namespaces (one without a path)")
	}
	for _, clock := range sortedKeys(spec.Linux.TimeOffsets) {
		if clock != "monotonic" && clock != "boottime" {
			r.add(at("linux", "timeOffsets", clock), "unknown clock, want monotonic or boottime")
		}
		if n := spec.Linux.TimeOffsets[clock].Nanosecs; n >= nanosLimit {
			r.add(at("linux", "timeOffsets", clock, "nanosecs"), "must be below %d, got %d", nanosLimit, n)
		}
	}
}
