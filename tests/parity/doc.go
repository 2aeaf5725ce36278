// Package parity makes the same calls of tare and of runc, on bundles that are the same, and compares what came of
// them: exit code, output, what managers match in an error, the pid file, the status afterwards, and everything the
// workload saw. What differs is listed with its reason (differences_test.go), and a difference that is listed but not
// seen is an error too; docs/runc.md shows the list to users.
package parity
