// Package namespace knows the kinds of namespaces that there are, and what a config says of each.
package namespace

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Kind is a kind of namespace; namespaces(7).
type Kind struct {
	Type specs.LinuxNamespaceType // in linux.namespaces
	Flag int                      // CLONE_NEW*
	File string                   // in /proc/PID/ns
}

// Kinds are all that the specification names. A kernel may be without some.
var Kinds = [...]Kind{
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "time"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"},
}

// KindOf gives the zero Kind for a type that there is not.
func KindOf(t specs.LinuxNamespaceType) Kind {
	for i := range Kinds {
		if Kinds[i].Type == t {
			return Kinds[i]
		}
	}
	return Kind{}
}

// TypeOf names the type with the flag, as far as it is known.
func TypeOf(flag int) specs.LinuxNamespaceType {
	for i := range Kinds {
		if Kinds[i].Flag == flag {
			return Kinds[i].Type
		}
	}
	return "unknown"
}

// find gives nil where the container has the runtime's.
func find(l *specs.Linux, t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	if l == nil {
		return nil
	}
	for i := range l.Namespaces {
		if l.Namespaces[i].Type == t {
			return &l.Namespaces[i]
		}
	}
	return nil
}

// Has tells whether the container gets another namespace than the runtime's, new or joined.
func Has(l *specs.Linux, t specs.LinuxNamespaceType) bool { return find(l, t) != nil }

// Makes tells whether the container gets a new namespace.
func Makes(l *specs.Linux, t specs.LinuxNamespaceType) bool {
	ns := find(l, t)
	return ns != nil && ns.Path == ""
}

// Joined is the path of the namespace that the container joins; empty if it gets a new one, or has the runtime's.
func Joined(l *specs.Linux, t specs.LinuxNamespaceType) string {
	if ns := find(l, t); ns != nil {
		return ns.Path
	}
	return ""
}
