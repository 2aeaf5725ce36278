// Package cgroups gives a container its cgroup: where it is, what it may use, which devices it may open, and how all of its
// processes are stopped, counted and killed.
//
// New picks the driver and says, before anything has been done, whether what is asked for can be had. Each driver is a
// Manager, and what it drives is a package of its own:
//
//	cgroupfs.go   a cgroup of v2 that we make ourselves                  v2, and devbpf for the device rules
//	legacy.go     directories on cgroup v1, with one on v2 beside them   v1
//	systemd.go    a cgroup of v2 that systemd makes, as a unit           systemd
//
// What a container has used is told in the types of stats, whatever the driver.
//
// It imports internal/sys, its sub-packages and the specification's types, never libcontainer, seccomp or nsenter. Errors
// name the config field with its JSON pointer where there is one, the cgroup, and the errno; the sentinels are in
// errors.go and in v2/errors.go.
package cgroups
