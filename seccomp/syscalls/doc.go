// Package syscalls knows the system call numbers of every architecture that a seccomp profile can name: generated tables, laid out by
// the linker, and lookups in them. It must not import anything of tare.
//
// Nothing in it fails: what a table does not have is reported by a bool or an empty string.
package syscalls

// The tables come from the kernel's own syscall.tbl files; calls that are younger than those sources come from golang.org/x/sys,
// since all architectures share one numbering from 424 (Linux 5.1) on. To make them anew (with a source package of Debian):
//
//	make tables
//
//go:generate go run ./gen -kernel $KERNEL_SOURCE -out zz_tables.go
