package seccomp

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Actions returns the actions a profile may name, sorted.
func Actions() []string {
	return []string{
		string(specs.ActAllow), string(specs.ActErrno), string(specs.ActKill), string(specs.ActKillProcess), string(specs.ActKillThread),
		string(specs.ActLog), string(specs.ActNotify), string(specs.ActTrace), string(specs.ActTrap),
	}
}

// Operators returns the operators a profile may compare arguments with, sorted.
func Operators() []string {
	return []string{
		string(specs.OpEqualTo), string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpLessEqual),
		string(specs.OpLessThan), string(specs.OpMaskedEqual), string(specs.OpNotEqual),
	}
}

// Archs returns the architectures a profile may name, in the order of the spec.
func Archs() []string {
	names := make([]string, 0, len(arches))
	for i := range arches {
		if provides(&arches[i]) {
			names = append(names, string(arches[i].name))
		}
	}
	return names
}

// KnownFlags returns the flags a profile may name, sorted.
func KnownFlags() []string {
	return []string{
		string(specs.LinuxSeccompFlagLog), string(specs.LinuxSeccompFlagSpecAllow), string(flagTSYNC),
		string(specs.LinuxSeccompFlagWaitKillableRecv),
	}
}

// SupportedFlags returns the flags this build can pass on. It does not ask the kernel: the features document describes the runtime,
// wherever it runs. A kernel without a flag makes the load fail with the flag's name (Program.Explain).
func SupportedFlags() []string { return KnownFlags() }

// ArchName is an architecture as people write it: x86_64, not SCMP_ARCH_X86_64.
func ArchName(name specs.Arch) string {
	return strings.ToLower(strings.TrimPrefix(string(name), "SCMP_ARCH_"))
}
