package bpf

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	opReturn  = unix.BPF_RET | unix.BPF_K
	opReturnA = unix.BPF_RET | unix.BPF_A
	opLoad    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opImm     = unix.BPF_LD | unix.BPF_IMM
	opImmX    = unix.BPF_LDX | unix.BPF_IMM
)

func TestInstructions(t *testing.T) {
	alu := func(op, source uint16, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_ALU | op | source, K: k}
	}
	for _, c := range []struct {
		name string
		body []unix.SockFilter // A is 100 and X is 7 before, A is the result
		want uint32
	}{
		{"nothing", nil, 100},
		{"add", []unix.SockFilter{alu(unix.BPF_ADD, unix.BPF_K, 5)}, 105},
		{"add x", []unix.SockFilter{alu(unix.BPF_ADD, unix.BPF_X, 5)}, 107},
		{"sub", []unix.SockFilter{alu(unix.BPF_SUB, unix.BPF_K, 101)}, 0xffffffff},
		{"mul", []unix.SockFilter{alu(unix.BPF_MUL, unix.BPF_X, 0)}, 700},
		{"div", []unix.SockFilter{alu(unix.BPF_DIV, unix.BPF_K, 8)}, 12},
		{"div by x of zero", []unix.SockFilter{{Code: opImmX}, alu(unix.BPF_DIV, unix.BPF_X, 0), {Code: opReturn, K: 1}}, 0},
		{"and", []unix.SockFilter{alu(unix.BPF_AND, unix.BPF_K, 0x60)}, 0x60},
		{"or", []unix.SockFilter{alu(unix.BPF_OR, unix.BPF_X, 0)}, 103},
		{"xor", []unix.SockFilter{alu(unix.BPF_XOR, unix.BPF_K, 1)}, 101},
		{"lsh", []unix.SockFilter{alu(unix.BPF_LSH, unix.BPF_K, 31)}, 0},
		{"rsh", []unix.SockFilter{alu(unix.BPF_RSH, unix.BPF_K, 2)}, 25},
		{"neg", []unix.SockFilter{alu(unix.BPF_NEG, 0, 0)}, 0xffffff9c},
		{"len", []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN}}, 64},
		{"txa", []unix.SockFilter{{Code: unix.BPF_MISC | unix.BPF_TXA}}, 7},
		{"tax", []unix.SockFilter{{Code: unix.BPF_MISC | unix.BPF_TAX}, alu(unix.BPF_ADD, unix.BPF_X, 0)}, 200},
		{"memory", []unix.SockFilter{{Code: unix.BPF_STX, K: 15}, {Code: unix.BPF_LD | unix.BPF_MEM, K: 15}}, 7},
		{"memory of a", []unix.SockFilter{
			{Code: unix.BPF_ST, K: 3}, {Code: unix.BPF_LDX | unix.BPF_MEM, K: 3}, {Code: opImm, K: 0}, {Code: unix.BPF_MISC | unix.BPF_TXA},
		}, 100},
		{"ja", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JA, K: 1}, {Code: opImm, K: 1}}, 100},
		{"jset", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JSET, K: 4, Jt: 1}, {Code: opImm, K: 1}}, 100},
		{"jgt x", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, Jf: 1}, {Code: opImm, K: 1}}, 1},
		{"jge, equal", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JGE, K: 100, Jf: 1}, {Code: opImm, K: 1}}, 1},
		{"jeq, no", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JEQ, K: 101, Jf: 1}, {Code: opImm, K: 1}}, 100},
		{"number", []unix.SockFilter{{Code: opLoad, K: 0}}, 0x11},
		{"arch", []unix.SockFilter{{Code: opLoad, K: 4}}, 0x22},
		{"instruction pointer, low", []unix.SockFilter{{Code: opLoad, K: 8}}, 0x44},
		{"arg 1, high", []unix.SockFilter{{Code: opLoad, K: 28}}, 0x55},
		{"arg 5, low", []unix.SockFilter{{Code: opLoad, K: 56}}, 0x88},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := append([]unix.SockFilter{{Code: opImm, K: 100}, {Code: opImmX, K: 7}}, c.body...)
			program = append(program, unix.SockFilter{Code: opReturnA})
			d := Data{Number: 0x11, Arch: 0x22, InstructionPointer: 0x33_0000_0044, Args: [6]uint64{1: 0x55_0000_0066, 5: 0x77_0000_0088}}
			if got := run(t, program, d); got != c.want {
				t.Errorf("%#x, want %#x", got, c.want)
			}
		})
	}
}

func TestSteps(t *testing.T) {
	program := []unix.SockFilter{
		{Code: opLoad, K: OffsetNumber}, {Code: unix.BPF_JMP | unix.BPF_JEQ, K: 7, Jt: 1}, {Code: opImm, K: 1}, {Code: opReturnA},
	}
	for number, want := range map[uint32]int{7: 3, 8: 4} {
		if got := Steps(program, &Data{Number: number}, binary.LittleEndian); got != want {
			t.Errorf("number %d: %d steps, want %d", number, got, want)
		}
	}
}

func TestByteOrder(t *testing.T) {
	program := []unix.SockFilter{{Code: opLoad, K: OffsetArgs}, {Code: opReturnA}}
	d := Data{Args: [6]uint64{0x1_0000_0002}}
	for order, want := range map[binary.ByteOrder]uint32{binary.LittleEndian: 2, binary.BigEndian: 1} {
		if got, err := Run(program, &d, order); err != nil || got != want {
			t.Errorf("%v: %d (%v), want %d", order, got, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	end := unix.SockFilter{Code: opReturn}
	for _, c := range []struct {
		name    string
		program []unix.SockFilter
		want    string
	}{
		{"empty", nil, "no instructions"},
		{"too long", make([]unix.SockFilter, 4097), "longer than"},
		{"no return", []unix.SockFilter{{Code: opImm}}, "not a return"},
		{"unaligned load", []unix.SockFilter{{Code: opLoad, K: 2}, end}, "load outside"},
		{"load behind the end", []unix.SockFilter{{Code: opLoad, K: 64}, end}, "load outside"},
		{"byte load", []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS}, end}, "no instruction"},
		{"modulo", []unix.SockFilter{{Code: unix.BPF_ALU | 0x90}, end}, "no instruction"},
		{"memory", []unix.SockFilter{{Code: unix.BPF_ST, K: 16}, end}, "scratch memory"},
		{"division", []unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_DIV}, end}, "division by zero"},
		{"shift", []unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_LSH, K: 32}, end}, "shift"},
		{"jump", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JA, K: 1}, end}, "jump out"},
		{"jump that wraps", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JA, K: 0xffffffff}, end}, "jump out"},
		{"yes", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JEQ, Jt: 1}, end}, "jump out"},
		{"no", []unix.SockFilter{{Code: unix.BPF_JMP | unix.BPF_JEQ, Jf: 1}, end}, "jump out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Run(c.program, &Data{}, binary.LittleEndian); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzInterpret feeds programs that Check lets pass: none may run out of the program or fail.
func FuzzInterpret(f *testing.F) {
	f.Add([]byte{0x20, 0, 0, 0, 4, 0, 0, 0, 0x06, 0, 0, 0, 1, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, raw []byte, big bool) {
		var program []unix.SockFilter
		for ; len(raw) >= 8; raw = raw[8:] {
			program = append(program, unix.SockFilter{
				Code: binary.LittleEndian.Uint16(raw), Jt: raw[2], Jf: raw[3], K: binary.LittleEndian.Uint32(raw[4:]),
			})
		}
		if Check(program) != nil {
			return
		}
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		Interpret(program, &Data{Number: 1, Arch: 2, Args: [6]uint64{3, 4, 5, 6, 7, 8}}, order)
	})
}
