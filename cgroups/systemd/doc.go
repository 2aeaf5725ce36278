// Package systemd has systemd make a container's cgroup: it knows the names of units and where their cgroups are, what a limit
// is called as a unit's property, and the calls that start, change and stop a unit.
//
// What systemd has no property for is not its business: the caller writes that, like all else, to the cgroup's files, which
// the unit has delegated. The properties are there so that systemd, whenever it writes those files anew, writes the same.
//
// It imports internal/dbus, internal/sys, the packages beside it and the specification's types.
package systemd
