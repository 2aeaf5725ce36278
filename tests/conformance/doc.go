// Program conformance runs the validation suite of runtime-tools, the OCI's own tests of runtimes, against tare and, to compare,
// against other runtimes, and judges the outcome by the file of known deviations.
//
// The suite is no part of tare: its version and the hashes of all that it is made of are in suite/go.mod and suite/go.sum, the Go
// module proxy delivers it, and the programs are built into the user's cache directory.
//
// The programs mean the machine they run on no good: they bind its /etc into containers and empty their bundles afterwards,
// whatever is mounted there by then, and some runtimes leave their mounts on the host in one of the tests. So each program runs in a mount and
// a PID namespace of its own, on an overlay of the host's file system: nothing of the host can be written to (shelter.go).
package main
