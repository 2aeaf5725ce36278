// Package cgroups gives a container its cgroup: where it is, what it may use, which devices it may open, and how all of its
// processes are stopped, counted and killed.
//
// New picks the driver and says, before anything has been done, whether what is asked for can be had. Each driver is a
// Manager; its own package knows the files (v2) and the kinds of limits. The device rules, a BPF program on cgroup v2, are
// those of devbpf.
//
// It imports internal/sys, its sub-packages and the specification's types, never libcontainer, seccomp or nsenter. Errors
// name the config field with its JSON pointer where there is one, the cgroup, and the errno; the sentinels are in
// errors.go and in v2/errors.go.
package cgroups
