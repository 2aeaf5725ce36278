// Package syscalls knows the system call numbers of every architecture that a seccomp profile can name: generated tables, laid out by
// the linker, and lookups in them. It must not import anything of tare.
//
// Nothing in it fails: what a table does not have is reported by a bool or an empty string.
package syscalls

// The tables come from the kernel's own syscall.tbl files; calls that are younger than those sources come from golang.org/x/sys,
// since all architectures share one numbering from 424 (Linux 5.1) on. To make them anew:
//
//	apt-get download linux-source-6.12 && dpkg-deb -x linux-source-6.12_*.deb . && tar -xf usr/src/linux-source-6.12.tar.xz
//	KERNEL_SOURCE=$PWD/linux-source-6.12 go generate ./seccomp/syscalls
//
//go:generate go run ./gen -kernel $KERNEL_SOURCE -out zz_tables.go
