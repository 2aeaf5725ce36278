// Package seccomp turns the linux.seccomp object of a config.json into a program that seccomp(2) takes, in pure Go.
//
//	profile ── parse ──▶ policy (rules as numbers) ── per architecture ──▶ segments of numbers with one verdict ── bpf.Builder ──▶ Program
//
// In a build with the tag libseccomp that library takes the place of what is behind the policy: engine.go, libseccomp.go.
//
// Compile is for the runtime: it validates, allocates and takes its time. Who loads the Program is nsenter.Spawn in the init stage, by bare
// system calls; Program.Admits and Program.Explain tell it what the filter leaves room for, and what an errno of the load means. What the
// program means (precedence, architectures, ENOSYS) is described in docs/seccomp.md and, where it is decided, in the code.
//
// The package imports internal/sys and its own sub-packages (bpf: assembler and interpreter, syscalls: tables), never cgroups, nsenter
// or libcontainer.
//
// Errors of Compile name the field as a JSON pointer, from the root of config.json: `/linux/seccomp/syscalls/3/args/0/op: ...`; a
// FieldError has it from the profile on, for profiles in files of their own. A
// program that became too long answers errors.Is(err, bpf.ErrTooLong).
package seccomp
