// Command vm runs a command, or the tests of Go packages, in a throwaway virtual machine whose cgroups are purely
// version 2, and brings the output, the result files and the exit code back. The machine is Debian's cloud kernel
// under QEMU's software emulation, so it needs neither KVM nor root (building the systemd guest needs root).
//
// The kernel and the guests' root disks are built once and kept in a cache directory. Every run makes two small disks
// of its own: one with the work to do, one for the results, which the guest writes as a tar archive. An archive that
// lacks the exit code means that the guest died.
//
// Exit codes: that of the guest's command; with -tests 0 or 1; 124 when the time was up; 125 when the guest died or
// the harness could not do its part. (Under "go run" each of them but 0 becomes 1.)
//
// It imports nothing but the standard library: what it tests must not be able to break it.
package main
