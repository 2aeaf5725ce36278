// Package v2 drives one cgroup of a cgroup v2 tree through its files: makes it, writes its limits, freezes, kills and removes
// it.
//
// Every file is reached relative to a descriptor of the cgroup's directory. What the limits of a config.json mean in files
// and values is Settings, a pure function. Waiting is by poll(2) on cgroup.events, and has an end.
//
// It imports internal/sys, the types of stats and of the specification, and neither devbpf nor cgroups. Errors name the config field where
// there is one, the file and the errno.
package v2
