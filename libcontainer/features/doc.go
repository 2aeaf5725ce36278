// Package features makes the features document of the OCI runtime specification (features.md), which tells callers what this
// build of tare can do. It describes the program, not the host: the package must not look at the kernel, and has no errors.
package features
