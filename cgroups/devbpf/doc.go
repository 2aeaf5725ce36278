// Package devbpf turns a list of device rules into the program that cgroup v2 asks before a process of the cgroup makes or
// opens a device node (BPF_PROG_TYPE_CGROUP_DEVICE), and loads and attaches it.
//
// It writes the few instructions it needs itself. github.com/cilium/ebpf/asm, which could assemble them, costs every start
// of the process 0.1 ms of package initialization (it brings encoding/xml, debug/dwarf, go/parser and others with it); so
// it is the oracle of this package's tests only.
//
// It imports internal/sys and the specification's types only, neither v2 nor cgroups. Errors name the rule's config field.
package devbpf
