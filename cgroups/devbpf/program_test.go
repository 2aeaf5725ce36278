package devbpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// request is what the kernel asks a device program.
type request struct {
	kind         uint32
	major, minor uint32
	access       uint32
}

func (q request) String() string {
	return fmt.Sprintf("%c %d:%d %s", "?bc"[q.kind], q.major, q.minor, letters(q.access))
}

func letters(access uint32) string {
	s := ""
	for i, c := range "mrw" {
		if access&(1<<i) != 0 {
			s += string(c)
		}
	}
	return s
}

// reference decides by the meaning of the list: each right by the last rule that speaks of it.
func reference(rules []specs.LinuxDeviceCgroup, q request) bool {
	for bit := uint32(1); bit <= 4; bit <<= 1 {
		if q.access&bit == 0 {
			continue
		}
		allowed := false
		for _, r := range rules {
			kindOK := r.Type == "" || r.Type == "a" || r.Type == "b" && q.kind == 1 || r.Type == "c" && q.kind == 2
			majorOK := r.Major == nil || *r.Major == -1 || *r.Major == int64(q.major)
			minorOK := r.Minor == nil || *r.Minor == -1 || *r.Minor == int64(q.minor)
			letter := letters(bit)
			if kindOK && majorOK && minorOK && (r.Access == "" || strings.Contains(r.Access, letter)) {
				allowed = r.Allow
			}
		}
		if !allowed {
			return false
		}
	}
	return true
}

// interpret runs a program as the kernel would. It knows the instructions that insn.go writes.
func interpret(t *testing.T, p []sys.BPFInsn, q request) bool {
	t.Helper()
	ctx := []uint32{q.access<<16 | q.kind, q.major, q.minor}
	var r [11]uint64
	for pc, steps := 0, 0; ; pc, steps = pc+1, steps+1 {
		if pc < 0 || pc >= len(p) || steps > len(p) {
			t.Fatalf("the program runs away: pc %d", pc)
		}
		in := p[pc]
		dst, src := in.Regs&15, in.Regs>>4
		if bigEndian() {
			dst, src = src, dst
		}
		taken := false
		switch in.Code {
		case unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W:
			r[dst] = uint64(ctx[in.Off/4])
		case unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X:
			r[dst] = uint64(uint32(r[src]))
		case unix.BPF_ALU | unix.BPF_MOV | unix.BPF_K:
			r[dst] = uint64(uint32(in.Imm))
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			r[dst] = uint64(uint32(r[dst]) & uint32(in.Imm))
		case unix.BPF_ALU | unix.BPF_XOR | unix.BPF_K:
			r[dst] = uint64(uint32(r[dst]) ^ uint32(in.Imm))
		case unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K:
			r[dst] = uint64(uint32(r[dst]) << uint32(in.Imm))
		case unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K:
			r[dst] = uint64(uint32(r[dst]) >> uint32(in.Imm))
		case unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X:
			r[dst] = r[src]
		case unix.BPF_ALU64 | unix.BPF_OR | unix.BPF_X:
			r[dst] |= r[src]
		case unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_X:
			r[dst] &= r[src]
		case unix.BPF_ALU64 | unix.BPF_OR | unix.BPF_K:
			r[dst] |= uint64(int64(in.Imm))
		case unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_K:
			r[dst] &= uint64(int64(in.Imm))
		case unix.BPF_ALU64 | unix.BPF_XOR | unix.BPF_K:
			r[dst] ^= uint64(int64(in.Imm))
		case unix.BPF_ALU64 | unix.BPF_SUB | unix.BPF_K:
			r[dst] -= uint64(int64(in.Imm))
		case unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K:
			r[dst] = uint64(uint32(r[dst]) * uint32(in.Imm))
		case unix.BPF_ALU64 | unix.BPF_RSH | unix.BPF_K:
			r[dst] >>= uint32(in.Imm)
		case unix.BPF_JMP32 | unix.BPF_JEQ | unix.BPF_K:
			taken = uint32(r[dst]) == uint32(in.Imm)
		case unix.BPF_JMP | unix.BPF_EXIT:
			return r[0] == 1
		default:
			t.Fatalf("unknown instruction %#x", in.Code)
		}
		if taken {
			pc += int(in.Off)
		}
	}
}

func bigEndian() bool { return binary.NativeEndian.Uint16([]byte{0, 1}) == 1 }

func dev(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	r := specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Access: access}
	if major >= 0 {
		r.Major = &major
	}
	if minor >= 0 {
		r.Minor = &minor
	}
	return r
}

const r, w, m = unix.BPF_DEVCG_ACC_READ, unix.BPF_DEVCG_ACC_WRITE, unix.BPF_DEVCG_ACC_MKNOD

func TestProgramDecides(t *testing.T) {
	const block, char = unix.BPF_DEVCG_DEV_BLOCK, unix.BPF_DEVCG_DEV_CHAR
	denyAll := dev(false, "", -1, -1, "rwm")
	for _, tc := range []struct {
		name     string
		rules    []specs.LinuxDeviceCgroup
		defaults bool
		yes, no  []request
	}{
		{name: "no rules", no: []request{{char, 1, 3, r}, {block, 8, 0, m}}},
		{
			name: "defaults alone", defaults: true,
			yes: []request{{char, 1, 3, r | w}, {char, 136, 77, r | w}, {block, 8, 0, m}, {char, 10, 200, r | w}},
			no:  []request{{block, 8, 0, r}, {char, 1, 1, r}, {char, 5, 1, r}, {char, 10, 229, w}, {block, 1, 3, r}},
		},
		{
			name: "deny all, then one", rules: []specs.LinuxDeviceCgroup{denyAll, dev(true, "c", 10, 229, "rw")},
			yes: []request{{char, 10, 229, r | w}}, no: []request{{char, 10, 229, m}, {char, 10, 229, r | m}, {block, 10, 229, r}},
		},
		{
			name:  "a later denial takes one right away",
			rules: []specs.LinuxDeviceCgroup{denyAll, dev(true, "c", 10, 229, "rwm"), dev(false, "c", 10, 229, "w")},
			yes:   []request{{char, 10, 229, r | m}}, no: []request{{char, 10, 229, w}, {char, 10, 229, r | w}},
		},
		{
			name:  "a denial of everything clears what was",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 10, 229, "rwm"), denyAll},
			no:    []request{{char, 10, 229, r}},
		},
		{
			name: "privileged", rules: []specs.LinuxDeviceCgroup{dev(true, "a", -1, -1, "rwm")},
			yes: []request{{block, 8, 0, r | w | m}, {char, 4095, 1<<20 - 1, w}},
		},
		{
			name:  "allow all but one",
			rules: []specs.LinuxDeviceCgroup{dev(true, "a", -1, -1, ""), dev(false, "b", 8, -1, "w")},
			yes:   []request{{block, 8, 0, r}, {char, 8, 0, w}}, no: []request{{block, 8, 3, w}, {block, 8, 3, r | w}},
		},
		{
			name:  "rights from two rules",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 10, -1, "r"), dev(true, "c", -1, 229, "w")},
			yes:   []request{{char, 10, 229, r | w}, {char, 10, 1, r}}, no: []request{{char, 10, 1, w}, {char, 11, 229, r}},
		},
		{
			name:  "no access means all of it",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 10, 229, "")},
			yes:   []request{{char, 10, 229, r | w | m}},
		},
		{
			name:  "the greatest numbers",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 4095, 1<<20-1, "r")},
			yes:   []request{{char, 4095, 1<<20 - 1, r}}, no: []request{{char, 4095, 1, r}, {char, 0, 0, r}},
		},
		{
			name:  "numbers that no device has",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 4096, 3, "r"), dev(true, "c", 0, 1<<20, "r"), dev(true, "c", 1<<32-1, -1, "r")},
			no:    []request{{char, 0, 3, r}, {char, 1, 0, r}, {char, 4095, 0, r}},
		},
		{
			name:  "device 0:0",
			rules: []specs.LinuxDeviceCgroup{dev(true, "c", 0, 0, "r")},
			yes:   []request{{char, 0, 0, r}}, no: []request{{char, 0, 1, r}, {char, 1, 0, r}, {block, 0, 0, r}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Program(tc.rules, tc.defaults)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range tc.yes {
				if !interpret(t, p, q) {
					t.Errorf("%v is refused", q)
				}
			}
			for _, q := range tc.no {
				if interpret(t, p, q) {
					t.Errorf("%v is allowed", q)
				}
			}
		})
	}
}

// randomRules draws from a small universe, so that rules meet each other.
func randomRules(rnd *rand.Rand) []specs.LinuxDeviceCgroup {
	pick := func(from ...int64) int64 { return from[rnd.IntN(len(from))] }
	var list []specs.LinuxDeviceCgroup
	for range rnd.IntN(14) {
		list = append(list, dev(rnd.IntN(5) > 1, []string{"a", "", "b", "c", "c"}[rnd.IntN(5)],
			pick(-1, 1, 1, 5, 250), pick(-1, 3, 3, 5, 9),
			[]string{"", "r", "w", "m", "rw", "wm", "rm", "rwm", "rwm"}[rnd.IntN(9)]))
	}
	return list
}

// eachRequest goes through the universe that randomRules draws from.
func eachRequest(f func(request)) {
	for kind := uint32(1); kind <= 2; kind++ {
		for _, major := range []uint32{1, 5, 250, 2} {
			for _, minor := range []uint32{3, 5, 9, 7} {
				for access := uint32(1); access <= 7; access++ {
					f(request{kind, major, minor, access})
				}
			}
		}
	}
}

func TestProgramAgreesWithTheList(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, seed))
	yes, no := 0, 0
	for i := range 2000 {
		rules, defaults := randomRules(rnd), i%2 == 0
		p, err := Program(rules, defaults)
		if err != nil {
			t.Fatal(err)
		}
		all := rules
		if defaults {
			all = append(all[:len(all):len(all)], DefaultRules()...)
		}
		eachRequest(func(q request) {
			want := reference(all, q)
			if got := interpret(t, p, q); got != want {
				t.Fatalf("list %d: %v: program says %v, the list %v: %s", i, q, got, want, show(all))
			}
			if want {
				yes++
			} else {
				no++
			}
		})
	}
	if yes < 40000 || no < 40000 {
		t.Errorf("a one-sided test: %d allowed, %d refused", yes, no)
	}
}

func show(rules []specs.LinuxDeviceCgroup) string {
	var b strings.Builder
	for _, r := range rules {
		p, _ := parse(0, r)
		fmt.Fprintf(&b, "%+v ", p)
	}
	return b.String()
}

func TestProgramErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule specs.LinuxDeviceCgroup
		want string
	}{
		{"type", dev(true, "p", 1, 3, "r"), `linux.resources.devices[1].type (/linux/resources/devices/1/type): "p" is none of a (all), b (block) and c (character)`},
		{"access", dev(true, "c", 1, 3, "rx"), `linux.resources.devices[1].access (/linux/resources/devices/1/access): "rx" has letters other than r (read), w (write) and m (mknod)`},
		{"major", dev(true, "c", 1<<32, 3, "r"), `linux.resources.devices[1].major (/linux/resources/devices/1/major): 4294967296 is no device number`},
		{"minor", specs.LinuxDeviceCgroup{Minor: new(int64(-2))}, `linux.resources.devices[1].minor (/linux/resources/devices/1/minor): -2 is no device number`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Program([]specs.LinuxDeviceCgroup{{}, tc.rule}, true)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
	many := make([]specs.LinuxDeviceCgroup, 9000)
	for i := range many {
		many[i] = dev(true, "c", 1, int64(i), "r")
	}
	if _, err := Program(many, true); !errors.Is(err, ErrTooManyRules) {
		t.Errorf("9000 rules: %v", err)
	}
}

// Each instruction must be, byte by byte, what cilium/ebpf's assembler makes.
func TestInstructionsAgreeWithAssembler(t *testing.T) {
	var order binary.ByteOrder = binary.LittleEndian // the assembler refuses binary.NativeEndian
	if bigEndian() {
		order = binary.BigEndian
	}
	for _, tc := range []struct {
		name string
		ours sys.BPFInsn
		want asm.Instruction
	}{
		{"load32", load32(4, 1, 8), asm.LoadMem(asm.R4, asm.R1, 8, asm.Word)},
		{"move32", move32(3, 2), asm.Mov.Reg32(asm.R3, asm.R2)},
		{"move64", move64(0, 7), asm.Mov.Reg(asm.R0, asm.R7)},
		{"set32", set32(0, 1), asm.Mov.Imm32(asm.R0, 1)},
		{"alu32 and", alu32(unix.BPF_AND, 3, ^5), asm.And.Imm32(asm.R3, ^5)},
		{"alu32 xor", alu32(unix.BPF_XOR, 3, 77), asm.Xor.Imm32(asm.R3, 77)},
		{"alu32 lsh", alu32(unix.BPF_LSH, 3, 20), asm.LSh.Imm32(asm.R3, 20)},
		{"alu32 rsh", alu32(unix.BPF_RSH, 3, 16), asm.RSh.Imm32(asm.R3, 16)},
		{"alu64 and", alu64(unix.BPF_AND, 3, ^5), asm.And.Imm(asm.R3, ^5)},
		{"alu64 or", alu64(unix.BPF_OR, 3, 5), asm.Or.Imm(asm.R3, 5)},
		{"alu64 xor", alu64(unix.BPF_XOR, 3, -1), asm.Xor.Imm(asm.R3, -1)},
		{"alu64 sub", alu64(unix.BPF_SUB, 3, 1), asm.Sub.Imm(asm.R3, 1)},
		{"alu32 mul", alu32(unix.BPF_MUL, 3, 7), asm.Mul.Imm32(asm.R3, 7)},
		{"alu64 rsh", alu64(unix.BPF_RSH, 3, 63), asm.RSh.Imm(asm.R3, 63)},
		{"or64Reg", or64Reg(7, 8), asm.Or.Reg(asm.R7, asm.R8)},
		{"and64Reg", and64Reg(7, 8), asm.And.Reg(asm.R7, asm.R8)},
		{"jump32 jeq", withOff(jump32(unix.BPF_JEQ, 3, 1), 3), withOffset(asm.JEq.Imm32(asm.R3, 1, ""), 3)},
		{"exit", exit(), asm.Return()},
	} {
		var ours, want bytes.Buffer
		if err := binary.Write(&ours, order, tc.ours); err != nil {
			t.Fatal(err)
		}
		if _, err := tc.want.Marshal(&want, order); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours.Bytes(), want.Bytes()) {
			t.Errorf("%s: % x, the assembler says % x", tc.name, ours.Bytes(), want.Bytes())
		}
	}
}

func withOff(in sys.BPFInsn, off int16) sys.BPFInsn { in.Off = off; return in }

func withOffset(in asm.Instruction, off int16) asm.Instruction { in.Offset = off; return in }
