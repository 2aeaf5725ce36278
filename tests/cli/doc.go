// Package clitest tests the command line of the real binary as a person would use it: the scripts in testdata say what
// is typed and what comes out (commands, options, output, exit codes). No container is run here; tests/integration does.
//
// The binary is built once from the main package. TARE=/path/to/tare tests that one instead.
package clitest
