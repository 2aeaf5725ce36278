package seccomp

import (
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/syscalls"
)

// arch is what the compiler needs to know of an architecture.
type arch struct {
	name  specs.Arch
	token uint32 // seccomp_data.arch: AUDIT_ARCH_*
	table syscalls.Table
	wide  bool // arguments are compared as 64 bits; else only their low 32 bits are
	big   bool // big-endian
}

// arches holds every architecture of runtime-spec 1.3.
//
// x32 and the n32 ABI of mips run on 64-bit registers, but their arguments count as 32 bits, as in libseccomp: the upper half is
// whatever the program left there, and the kernel ignores it.
var arches = [...]arch{
	{specs.ArchX86, unix.AUDIT_ARCH_I386, syscalls.X86, false, false},
	{specs.ArchX86_64, unix.AUDIT_ARCH_X86_64, syscalls.X86_64, true, false},
	{specs.ArchX32, unix.AUDIT_ARCH_X86_64, syscalls.X32, false, false},
	{specs.ArchARM, unix.AUDIT_ARCH_ARM, syscalls.ARM, false, false},
	{specs.ArchAARCH64, unix.AUDIT_ARCH_AARCH64, syscalls.ARM64, true, false},
	{specs.ArchMIPS, unix.AUDIT_ARCH_MIPS, syscalls.MIPS, false, true},
	{specs.ArchMIPS64, unix.AUDIT_ARCH_MIPS64, syscalls.MIPS64, true, true},
	{specs.ArchMIPS64N32, unix.AUDIT_ARCH_MIPS64N32, syscalls.MIPS64N32, false, true},
	{specs.ArchMIPSEL, unix.AUDIT_ARCH_MIPSEL, syscalls.MIPS, false, false},
	{specs.ArchMIPSEL64, unix.AUDIT_ARCH_MIPSEL64, syscalls.MIPS64, true, false},
	{specs.ArchMIPSEL64N32, unix.AUDIT_ARCH_MIPSEL64N32, syscalls.MIPS64N32, false, false},
	{specs.ArchPPC, unix.AUDIT_ARCH_PPC, syscalls.PPC, false, true},
	{specs.ArchPPC64, unix.AUDIT_ARCH_PPC64, syscalls.PPC64, true, true},
	{specs.ArchPPC64LE, unix.AUDIT_ARCH_PPC64LE, syscalls.PPC64, true, false},
	{specs.ArchS390, unix.AUDIT_ARCH_S390, syscalls.S390, false, true},
	{specs.ArchS390X, unix.AUDIT_ARCH_S390X, syscalls.S390X, true, true},
	{specs.ArchPARISC, unix.AUDIT_ARCH_PARISC, syscalls.PARISC, false, true},
	{specs.ArchPARISC64, unix.AUDIT_ARCH_PARISC64, syscalls.PARISC64, true, true},
	{specs.ArchRISCV64, unix.AUDIT_ARCH_RISCV64, syscalls.RISCV64, true, false},
	{specs.ArchLOONGARCH64, unix.AUDIT_ARCH_LOONGARCH64, syscalls.LOONGARCH64, true, false},
	{specs.ArchM68K, unix.AUDIT_ARCH_M68K, syscalls.M68K, false, true},
	{specs.ArchSH, unix.AUDIT_ARCH_SHEL, syscalls.SH, false, false},
	{specs.ArchSHEB, unix.AUDIT_ARCH_SH, syscalls.SH, false, true},
}

// findArch returns the architecture of that name, or nil.
func findArch(name specs.Arch) *arch {
	for i := range arches {
		if arches[i].name == name {
			return &arches[i]
		}
	}
	return nil
}

// NativeArch is the architecture this program was built for. The error says that seccomp profiles cannot name it.
func NativeArch() (specs.Arch, error) {
	switch runtime.GOARCH {
	case "386":
		return specs.ArchX86, nil
	case "amd64":
		return specs.ArchX86_64, nil
	case "arm":
		return specs.ArchARM, nil
	case "arm64":
		return specs.ArchAARCH64, nil
	case "loong64":
		return specs.ArchLOONGARCH64, nil
	case "mips":
		return specs.ArchMIPS, nil
	case "mipsle":
		return specs.ArchMIPSEL, nil
	case "mips64":
		return specs.ArchMIPS64, nil
	case "mips64le":
		return specs.ArchMIPSEL64, nil
	case "ppc64":
		return specs.ArchPPC64, nil
	case "ppc64le":
		return specs.ArchPPC64LE, nil
	case "riscv64":
		return specs.ArchRISCV64, nil
	case "s390x":
		return specs.ArchS390X, nil
	}
	return "", fmt.Errorf("seccomp profiles have no name for the architecture %s", runtime.GOARCH)
}

// calls describes how numbers are laid out in the architecture's part of the number space.
//
// first is added to every number. A number at or above private that the profile does not name is never "younger than the profile":
// the private calls of ARM and the x32-only calls (512 and up) stand far above the ordinary ones, and x32 begins where x86_64 ends.
func (a *arch) calls() (first, private uint32) {
	switch a.table {
	case syscalls.ARM:
		return 0, syscalls.ARMPrivate
	case syscalls.X32:
		return syscalls.X32Bit, 512
	case syscalls.X86_64:
		return 0, syscalls.X32Bit
	}
	return 0, noCall
}

// noCall is the number -1. Tracers write it to make the kernel skip a call: it is no system call, so it is never a younger one either.
const noCall = 0xffffffff
