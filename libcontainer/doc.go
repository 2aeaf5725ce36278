// Package libcontainer is the life of a container: Create, Start, Run, Kill, Delete and State, over the
// packages below it that each know one thing. A command of the CLI is one call into this package.
//
//	bundle     config.json, loaded and checked         launch     the runtime's side of the birth
//	state      what later commands know                initproc   the container's side of it
//	rootfs     mounts and devices                      proto      what the two say to each other
//
// The work is done in named steps (create.go); whatever a failed create has made is undone in reverse order.
// Errors are one sentence; the sentinels of errors.go answer errors.Is.
package libcontainer
