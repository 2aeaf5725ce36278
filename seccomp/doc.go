// Package seccomp turns the linux.seccomp object of a config.json into a program that seccomp(2) takes, in pure Go, and loads it.
//
//	profile ── parse ──▶ policy (rules as numbers) ── per architecture ──▶ segments of numbers with one verdict ── bpf.Builder ──▶ Program
//
// In a build with the tag libseccomp that library takes the place of what is behind the policy: engine.go, libseccomp.go.
//
// Compile is for the parent: it validates, allocates and takes its time. Load is for the container's init: one system call. What the
// program means (precedence, architectures, ENOSYS) is described in docs/seccomp.md and, where it is decided, in the code.
//
// The package imports internal/sys and its own sub-packages (bpf: assembler and interpreter, syscalls: tables), never cgroups, nsenter
// or libcontainer.
//
// Errors of Compile name the field as a JSON pointer, from the root of config.json: `/linux/seccomp/syscalls/3/args/0/op: ...`. A
// program that became too long answers errors.Is(err, bpf.ErrTooLong). Errors of Load wrap the errno of seccomp(2).
package seccomp
