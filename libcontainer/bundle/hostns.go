package bundle

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

// checkHostNamespaces keeps a container that joins a namespace of the runtime itself, by path, from changing what belongs to
// the host: its names, its parameters and its network devices. It looks at the namespace files, and only if there is something to change.
func checkHostNamespaces(spec *specs.Spec) Problems {
	if spec.Linux == nil {
		return nil
	}
	var r report
	if joinsOurs(spec.Linux, specs.MountNamespace) {
		r.add("/linux/namespaces", "the mount namespace to join is the host's, whose root must not be changed: without one in the list the container is in the runtime's")
	}
	if spec.Hostname != "" && joinsOurs(spec.Linux, specs.UTSNamespace) {
		r.add("/hostname", "would rename the host: the uts namespace to join is the runtime's own")
	}
	if spec.Domainname != "" && joinsOurs(spec.Linux, specs.UTSNamespace) {
		r.add("/domainname", "would rename the host: the uts namespace to join is the runtime's own")
	}
	if len(spec.Linux.NetDevices) > 0 && joinsOurs(spec.Linux, specs.NetworkNamespace) {
		r.add("/linux/netDevices", "must go to a network namespace of the container's: the one to join is the runtime's own")
	}
	for _, key := range sortedKeys(spec.Linux.Sysctl) {
		path, err := SysctlPath(key)
		if err != nil {
			continue // Validate has said so
		}
		if owner, _ := sysctlNamespace(path); joinsOurs(spec.Linux, owner) {
			r.add(at("linux", "sysctl", key), "would change the host: the %s namespace to join is the runtime's own", owner)
		}
	}
	return r.problems
}

// joinsOurs says whether the namespace is joined by path and is the one this process, or the first one of the host, is in: by
// what it is, whatever the path. A path that cannot be looked at is none: joining it will fail, with the better message.
func joinsOurs(linux *specs.Linux, t specs.LinuxNamespaceType) bool {
	path := namespace.Joined(linux, t)
	if path == "" {
		return false
	}
	theirs, err := os.Stat(path)
	return err == nil && (isOf("self", t, theirs) || isOf("1", t, theirs))
}

// isOf says whether a namespace is the one of a process. Of one that cannot be looked at it is not known.
func isOf(pid string, t specs.LinuxNamespaceType, ns os.FileInfo) bool {
	its, err := os.Stat("/proc/" + pid + "/ns/" + namespace.KindOf(t).File)
	return err == nil && os.SameFile(its, ns)
}
