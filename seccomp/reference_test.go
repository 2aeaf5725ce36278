package seccomp

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// reference evaluates a profile for one call directly, rule by rule, as docs/seccomp.md tells it: the oracle for the compiler. It
// shares nothing with the compiler but the tables of numbers.
type reference struct {
	profile *specs.LinuxSeccomp
	arches  []refArch
}

type refArch struct {
	name    specs.Arch
	token   uint32
	table   syscalls.Table
	bits    int
	offset  uint32               // added to numbers
	rules   map[uint32][]refRule // by number
	muxed   map[string][]refRule // by name
	highest map[bool]uint32      // [true]: the highest named number, if any
	private uint32               // from here on, numbers are never younger
	hasMux  bool
}

type refRule struct {
	ret  uint32
	args []specs.LinuxSeccompArg // AND-ed
}

// refArches says it all again, from <linux/audit.h> and seccomp.h of libseccomp.
var refArches = []struct {
	name   specs.Arch
	token  uint32
	table  syscalls.Table
	bits   int
	little bool
}{
	{"SCMP_ARCH_X86", 0x40000003, syscalls.X86, 32, true},
	{"SCMP_ARCH_X86_64", 0xc000003e, syscalls.X86_64, 64, true},
	{"SCMP_ARCH_X32", 0xc000003e, syscalls.X32, 32, true},
	{"SCMP_ARCH_ARM", 0x40000028, syscalls.ARM, 32, true},
	{"SCMP_ARCH_AARCH64", 0xc00000b7, syscalls.ARM64, 64, true},
	{"SCMP_ARCH_MIPS", 0x8, syscalls.MIPS, 32, false},
	{"SCMP_ARCH_MIPS64", 0x80000008, syscalls.MIPS64, 64, false},
	{"SCMP_ARCH_MIPS64N32", 0xa0000008, syscalls.MIPS64N32, 32, false},
	{"SCMP_ARCH_MIPSEL", 0x40000008, syscalls.MIPS, 32, true},
	{"SCMP_ARCH_MIPSEL64", 0xc0000008, syscalls.MIPS64, 64, true},
	{"SCMP_ARCH_MIPSEL64N32", 0xe0000008, syscalls.MIPS64N32, 32, true},
	{"SCMP_ARCH_PPC", 0x14, syscalls.PPC, 32, false},
	{"SCMP_ARCH_PPC64", 0x80000015, syscalls.PPC64, 64, false},
	{"SCMP_ARCH_PPC64LE", 0xc0000015, syscalls.PPC64, 64, true},
	{"SCMP_ARCH_S390", 0x16, syscalls.S390, 32, false},
	{"SCMP_ARCH_S390X", 0x80000016, syscalls.S390X, 64, false},
	{"SCMP_ARCH_PARISC", 0xf, syscalls.PARISC, 32, false},
	{"SCMP_ARCH_PARISC64", 0x8000000f, syscalls.PARISC64, 64, false},
	{"SCMP_ARCH_RISCV64", 0xc00000f3, syscalls.RISCV64, 64, true},
	{"SCMP_ARCH_LOONGARCH64", 0xc0000102, syscalls.LOONGARCH64, 64, true},
	{"SCMP_ARCH_M68K", 0x4, syscalls.M68K, 32, false},
	{"SCMP_ARCH_SH", 0x4000002a, syscalls.SH, 32, true},
	{"SCMP_ARCH_SHEB", 0x2a, syscalls.SH, 32, false},
}

// The numbers of linux/net.h and linux/ipc.h.
var (
	refSockets = map[string]uint64{
		"socket": 1, "bind": 2, "connect": 3, "listen": 4, "accept": 5, "getsockname": 6, "getpeername": 7, "socketpair": 8, "send": 9,
		"recv": 10, "sendto": 11, "recvfrom": 12, "shutdown": 13, "setsockopt": 14, "getsockopt": 15, "sendmsg": 16, "recvmsg": 17,
		"accept4": 18, "recvmmsg": 19, "sendmmsg": 20,
	}
	refIPC = map[string]uint64{
		"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12, "msgget": 13, "msgctl": 14, "shmat": 21,
		"shmdt": 22, "shmget": 23, "shmctl": 24,
	}
)

func littleEndian(native specs.Arch) bool {
	for _, a := range refArches {
		if a.name == native {
			return a.little
		}
	}
	panic(native)
}

func byteOrder(native specs.Arch) binary.ByteOrder {
	if littleEndian(native) {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

func newReference(profile *specs.LinuxSeccomp, native specs.Arch) *reference {
	r := &reference{profile: profile}
	for _, a := range refArches {
		if a.name != native && (!slices.Contains(profile.Architectures, a.name) || a.little != littleEndian(native)) {
			continue
		}
		ra := refArch{
			name: a.name, token: a.token, table: a.table, bits: a.bits, private: 0xffffffff,
			rules: map[uint32][]refRule{}, muxed: map[string][]refRule{}, highest: map[bool]uint32{},
		}
		switch a.name {
		case "SCMP_ARCH_X32":
			ra.offset, ra.private = 1<<30, 512
		case "SCMP_ARCH_ARM":
			ra.private = 0xf0000
		}
		_, ra.hasMux = a.table.Number("socketcall")
		for _, s := range profile.Syscalls {
			ra.add(s, refRet(profile.DefaultAction, profile.DefaultErrnoRet))
		}
		r.arches = append(r.arches, ra)
	}
	return r
}

// add files one of profile.syscalls under its numbers.
func (a *refArch) add(s specs.LinuxSyscall, fallback uint32) {
	ret := refRet(s.Action, s.ErrnoRet)
	var rules []refRule
	indexes := map[uint]bool{}
	for _, arg := range s.Args {
		indexes[arg.Index] = true
		rules = append(rules, refRule{ret, []specs.LinuxSeccompArg{arg}})
	}
	if len(indexes) == len(s.Args) {
		rules = []refRule{{ret, s.Args}}
	}
	if ret == fallback {
		rules = nil
	}
	seen := map[string]bool{}
	for _, name := range s.Names {
		if seen[name] {
			continue
		}
		seen[name] = true
		a.muxed[name] = append(a.muxed[name], rules...)
		number, ok := a.table.Number(name)
		if !ok {
			continue
		}
		a.rules[number] = append(a.rules[number], rules...)
		if number < a.private {
			a.highest[true] = max(a.highest[true], number)
		}
	}
}

func refRet(action specs.LinuxSeccompAction, errno *uint) uint32 {
	data := uint32(unix.EPERM)
	if errno != nil {
		data = uint32(*errno)
	}
	switch action {
	case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD":
		return 0
	case "SCMP_ACT_KILL_PROCESS":
		return 0x80000000
	case "SCMP_ACT_TRAP":
		return 0x00030000
	case "SCMP_ACT_ERRNO":
		return 0x00050000 | data
	case "SCMP_ACT_NOTIFY":
		return 0x7fc00000
	case "SCMP_ACT_TRACE":
		return 0x7ff00000 | data
	case "SCMP_ACT_LOG":
		return 0x7ffc0000
	case "SCMP_ACT_ALLOW":
		return 0x7fff0000
	}
	panic(action)
}

const (
	refENOSYS = 0x00050000 | uint32(unix.ENOSYS)
	refKill   = 0
)

// verdict is what the profile says of one call.
func (r *reference) verdict(d *bpf.Data) uint32 {
	fallback := refRet(r.profile.DefaultAction, r.profile.DefaultErrnoRet)
	for i := range r.arches {
		a := &r.arches[i]
		if a.token != d.Arch {
			continue
		}
		if d.Number == 0xffffffff {
			return fallback
		}
		if a.token == 0xc000003e && (d.Number >= 1<<30) != (a.name == "SCMP_ARCH_X32") {
			continue
		}
		return a.verdict(d, fallback)
	}
	return refKill
}

func (a *refArch) verdict(d *bpf.Data, fallback uint32) uint32 {
	number := d.Number - a.offset
	rules := a.rules[number]
	for _, rule := range rules {
		if len(rule.args) == 0 {
			return rule.ret
		}
	}
	for _, rule := range rules {
		if !slices.ContainsFunc(rule.args, func(arg specs.LinuxSeccompArg) bool { return !refHolds(arg, d.Args[arg.Index], a.bits) }) {
			return rule.ret
		}
	}
	if ret, ok := a.multiplexed(d, a.table.Name(number)); ok {
		return ret
	}
	highest, any := a.highest[true]
	young := any && number > highest && number < a.private
	switch fallback & 0xffff0000 {
	case 0x80000000, 0, 0x00030000, 0x00050000:
		if young {
			return refENOSYS
		}
	}
	return fallback
}

// multiplexed is the verdict on the call inside socketcall and ipc.
func (a *refArch) multiplexed(d *bpf.Data, carrier string) (uint32, bool) {
	carried, call := refSockets, d.Args[0]&0xffffffff
	switch {
	case !a.hasMux:
		return 0, false
	case carrier == "ipc":
		carried, call = refIPC, d.Args[0]&0xffff
	case carrier != "socketcall":
		return 0, false
	}
	for name, number := range carried {
		if number != call {
			continue
		}
		rules := a.muxed[name]
		for _, rule := range rules {
			if len(rule.args) == 0 {
				return rule.ret, true
			}
		}
		for _, rule := range rules {
			if rule.ret != 0x7fff0000 && rule.ret != 0x7ffc0000 {
				return rule.ret, true
			}
		}
	}
	return 0, false
}

func refHolds(arg specs.LinuxSeccompArg, have uint64, bits int) bool {
	value, two := arg.Value, arg.ValueTwo
	if bits == 32 {
		have, value, two = have&0xffffffff, value&0xffffffff, two&0xffffffff
	}
	switch arg.Op {
	case "SCMP_CMP_EQ":
		return have == value
	case "SCMP_CMP_NE":
		return have != value
	case "SCMP_CMP_LT":
		return have < value
	case "SCMP_CMP_LE":
		return have <= value
	case "SCMP_CMP_GT":
		return have > value
	case "SCMP_CMP_GE":
		return have >= value
	case "SCMP_CMP_MASKED_EQ":
		return have&value == two&value
	}
	panic(arg.Op)
}

// compileFor compiles with tare's own engine and checks that the kernel would take the program.
func compileFor(t testing.TB, profile *specs.LinuxSeccomp, native specs.Arch) *Program {
	t.Helper()
	p, err := compileWith((*policy).compile, profile, findArch(native))
	if err != nil {
		t.Fatalf("CompileFor(%s): %v", native, err)
	}
	if err := bpf.Check(p.Filter); err != nil {
		t.Fatalf("program for %s: %v", native, err)
	}
	return p
}

// agree compares program and reference on one call.
func agree(t testing.TB, p *Program, r *reference, native specs.Arch, d bpf.Data) bool {
	t.Helper()
	got, want := bpf.Interpret(p.Filter, &d, byteOrder(native)), r.verdict(&d)
	if got != want {
		t.Errorf("kernel %s, arch %#x, number %#x, args %x: verdict %#x, want %#x", native, d.Arch, d.Number, d.Args, got, want)
	}
	return got == want
}

// machine is the architecture that the tests run on.
func machine(t testing.TB) *arch {
	t.Helper()
	name, err := NativeArch()
	if err != nil {
		t.Skip("needs a machine whose architecture seccomp filters know:", err)
	}
	return findArch(name)
}
