package check

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/document"
	"tare/seccomp"
	"tare/seccomp/syscalls"
)

// seccomp compiles the profile, and asks the program whether the container can start under it.
func (c *checker) seccomp() {
	if c.spec.Linux == nil || c.spec.Linux.Seccomp == nil || c.hasProblem(at("linux", "seccomp")) {
		return
	}
	profile := c.spec.Linux.Seccomp
	pointer := at("linux", "seccomp")
	program, err := seccomp.Compile(profile)
	if err != nil {
		c.add(Finding{ID: "seccomp-profile", Severity: Error, Pointer: pointer, Message: message(err), Why: "seccomp(2)", Mend: "mend the profile"})
		return
	}
	if c.spec.Process != nil && !program.Admits(unix.SYS_EXECVE) {
		c.add(Finding{
			ID: "seccomp-execve", Severity: Error, Pointer: pointer, Message: "the profile does not let execve through, which starts the container's program",
			Why: "seccomp(2): the filter is in force when the program is executed", Mend: "add execve to a rule with SCMP_ACT_ALLOW",
		})
	}
	native, err := seccomp.NativeArch()
	if err == nil && len(profile.Architectures) > 0 && !slices.Contains(profile.Architectures, native) {
		c.add(Finding{
			ID: "seccomp-architecture", Severity: Warning, Pointer: at("linux", "seccomp", "architectures"),
			Message: "does not list this host's " + string(native) + ", which is taken to be there",
			Why:     section(pointer) + ": the architectures used for system calls", Mend: "add " + string(native) + ": is the profile meant for this host?",
		})
	}
	c.unknownCalls(profile)
}

// unknownCalls looks for names that no architecture has: a rule for them is none.
func (c *checker) unknownCalls(profile *specs.LinuxSeccomp) {
	for i := range profile.Syscalls {
		for j, name := range profile.Syscalls[i].Names {
			if near := misspelt(name); near != "" {
				c.add(Finding{
					ID: "seccomp-unknown-call", Severity: Warning, Pointer: at("linux", "seccomp", "syscalls", i, "names", j),
					Message: "no architecture has a system call " + quote(name) + ": the rule does nothing for it",
					Why:     "syscalls(2)", Mend: "did you mean \"" + near + "\"?",
				})
			}
		}
	}
}

// misspelt is the name of a system call that differs from an unknown one by a slip of the finger. That alone is told: profiles list calls
// of younger kernels, too.
func misspelt(name string) string {
	if _, known := syscalls.Lookup(name); known {
		return ""
	}
	for _, e := range syscalls.X86_64.Entries() {
		call := e.Name().String()
		if strings.TrimRight(call, "0123456789") != strings.TrimRight(name, "0123456789") && document.Slip(call, name) {
			return call
		}
	}
	return ""
}
