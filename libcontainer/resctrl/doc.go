// Package resctrl puts a container into a class of service of the kernel's resctrl file system, by which Intel RDT and AMD QoS
// divide caches and memory bandwidth, and counts what it uses there. Documentation/filesystems/resctrl.rst; config-linux.md,
// IntelRdt.
package resctrl
