// Package testutil drives an OCI runtime binary from tests, and builds what it runs on.
//
// A suite calls Main from its TestMain. The runtime under test comes from $TARE (any runtime with runc's command line,
// so that a test itself can be tried on another one), the workload from $TARE_PROBE; what is unset is built with the Go
// tool. $TARE_TEST_SLOW multiplies every deadline, for emulated machines.
//
// NewContainer makes a bundle, a private state root and an id; whatever the test does to it is undone at its end, and
// what the runtime leaves behind then (state, cgroup, process) is an error of that test. The test process is a child
// subreaper: the init process of a created container becomes its child, as it does with containerd's shim and conmon.
//
// Helpers end the test on a failure of their own (t.Fatal), so tests read straight. The package is for tests only and
// must not be imported by anything else. Of tare it imports its own sub-packages, and nsenter to make user namespaces with.
package testutil
