package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

var (
	seccompActions = []string{
		"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
		"SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY",
	}
	seccompArchitectures = []string{
		"SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",
		"SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
		"SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_PARISC",
		"SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
	}
	seccompFlags = []string{
		"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	}
	seccompOperators = []string{
		"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
	}
)

const (
	errnoMax       = 4095      // MAX_ERRNO: seccomp(2) cuts larger ones down to it
	traceMax       = 1<<16 - 1 // SECCOMP_RET_DATA
	syscallArgsMax = 5
)

func checkSeccomp(r *report, spec *specs.Spec) {
	if spec.Linux == nil || spec.Linux.Seccomp == nil {
		return
	}
	s := spec.Linux.Seccomp
	r.oneOf(string(s.DefaultAction), seccompActions, "linux", "seccomp", "defaultAction")
	checkErrnoRet(r, s.DefaultAction, s.DefaultErrnoRet, "linux", "seccomp", "defaultErrnoRet")
	for i, arch := range s.Architectures {
		r.oneOf(string(arch), seccompArchitectures, "linux", "seccomp", "architectures", i)
	}
	for i, flag := range s.Flags {
		r.oneOf(string(flag), seccompFlags, "linux", "seccomp", "flags", i)
	}
	if s.ListenerMetadata != "" && s.ListenerPath == "" {
		r.add("/linux/seccomp/listenerMetadata", "must not be set without listenerPath")
	}
	if s.DefaultAction == specs.ActNotify && s.ListenerPath == "" {
		r.add("/linux/seccomp/defaultAction", "SCMP_ACT_NOTIFY needs listenerPath")
	}
	for i := range s.Syscalls {
		checkSyscall(r, &s.Syscalls[i], i)
		if s.Syscalls[i].Action == specs.ActNotify && s.ListenerPath == "" {
			r.add(at("linux", "seccomp", "syscalls", i, "action"), "SCMP_ACT_NOTIFY needs listenerPath")
		}
	}
}

// checkSyscall leaves the names alone: a profile lists calls that only other architectures, or newer kernels, have.
func checkSyscall(r *report, s *specs.LinuxSyscall, i int) {
	if len(s.Names) == 0 {
		r.add(at("linux", "seccomp", "syscalls", i, "names"), "must have at least one entry")
	}
	for j, name := range s.Names {
		if name == "" {
			r.add(at("linux", "seccomp", "syscalls", i, "names", j), "must not be empty, want the name of a system call")
		}
	}
	r.oneOf(string(s.Action), seccompActions, "linux", "seccomp", "syscalls", i, "action")
	checkErrnoRet(r, s.Action, s.ErrnoRet, "linux", "seccomp", "syscalls", i, "errnoRet")
	for j := range s.Args {
		if index := s.Args[j].Index; index > syscallArgsMax {
			r.add(at("linux", "seccomp", "syscalls", i, "args", j, "index"), "must be from 0 to %d, got %d", syscallArgsMax, index)
		}
		r.oneOf(string(s.Args[j].Op), seccompOperators, "linux", "seccomp", "syscalls", i, "args", j, "op")
	}
}

// checkErrnoRet: only two actions return a number of the profile's choice.
func checkErrnoRet(r *report, action specs.LinuxSeccompAction, errno *uint, steps ...any) {
	if errno == nil {
		return
	}
	limit := uint(0)
	switch action {
	case specs.ActErrno:
		limit = errnoMax
	case specs.ActTrace:
		limit = traceMax
	default:
		r.add(at(steps...), "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, the action is %s", quote(string(action)))
		return
	}
	if *errno > limit {
		r.add(at(steps...), "must be at most %d for %s, got %d", limit, action, *errno)
	}
}
