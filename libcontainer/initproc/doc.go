// Package initproc is the init stage: the process inside the container's namespaces, while it is still tare.
// It obeys the config that the runtime sends it: a flat list of named steps (steps.go) on one locked thread,
// at whose end the workload is executed in its place. Its other side is launch; what they say to each other is
// in proto.
//
// It must not import cgroups: whatever needs the host was done by the runtime.
package initproc
