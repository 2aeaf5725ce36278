// Package nsenter starts a process inside new and joined namespaces, without C.
//
// A Go process has threads before main runs, and setns(2) into a user namespace wants a process with one
// thread only. So Start forks by a bare clone3(2) between the Go runtime's own fork hooks. The child of such a
// fork has one thread, and until it executes something else it may only make bare system calls: no allocation,
// no stack growth, no locks, no Go runtime. That is the raw stage (raw.go): born in the cgroup, it joins
// namespaces, waits for its id maps and executes the sealed binary by its descriptor; the Go runtime of that binary
// starts anew, already where it belongs.
//
//	Start ──clone3──▶ entrant ── setns… ── clone3(CLONE_PARENT) ──▶ init      with a PID namespace to join
//	Start ──clone3────────────────────── setns… ──────────────────▶ init      without
//
// Either way init is the child of the process that called Start. Everything that the raw stage needs is laid
// out before the fork; what goes wrong in it comes back through a pipe as a step and an errno, and becomes an
// *Error.
//
// A process that joins a running container goes two steps: Start's child joins everything but the PID namespace, where
// others could see it, and gives up its privileges; then its Spawn forks the process itself into the PID namespace,
// which executes the workload at once.
//
//	Start ──clone3── setns… ──▶ init ── setns(PID) ── Spawn ──clone(CLONE_PARENT)──▶ the workload
//
// The package imports neither libcontainer nor cgroups nor seccomp.
package nsenter
