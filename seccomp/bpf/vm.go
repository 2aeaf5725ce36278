package bpf

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Data is what a filter sees of a system call: struct seccomp_data.
type Data struct {
	Number             uint32 // of the system call; -1 is 0xffffffff
	Arch               uint32 // AUDIT_ARCH_*
	InstructionPointer uint64
	Args               [6]uint64
}

// bytes lays d out as the kernel does on a machine of the given byte order.
func (d *Data) bytes(order binary.ByteOrder) (raw [dataSize]byte) {
	order.PutUint32(raw[OffsetNumber:], d.Number)
	order.PutUint32(raw[OffsetArch:], d.Arch)
	order.PutUint64(raw[8:], d.InstructionPointer)
	for i, arg := range d.Args {
		order.PutUint64(raw[OffsetArgs+8*i:], arg)
	}
	return raw
}

// Run interprets program over d on a machine of the given byte order, and returns the program's value (SECCOMP_RET_* and its data).
// The error names the first instruction that seccomp(2) would not accept; no program that passes Check makes Run fail.
func Run(program []unix.SockFilter, d *Data, order binary.ByteOrder) (uint32, error) {
	if err := Check(program); err != nil {
		return 0, err
	}
	return Interpret(program, d, order), nil
}

// Interpret is Run for a program that has passed Check already.
func Interpret(program []unix.SockFilter, d *Data, order binary.ByteOrder) uint32 {
	value, _ := interpret(program, d, order)
	return value
}

// Steps is the number of instructions that Interpret executes: what a call costs, whatever the machine.
func Steps(program []unix.SockFilter, d *Data, order binary.ByteOrder) int {
	_, steps := interpret(program, d, order)
	return steps
}

func interpret(program []unix.SockFilter, d *Data, order binary.ByteOrder) (value uint32, steps int) {
	m := machine{data: d.bytes(order), order: order}
	for pc := 0; ; pc++ {
		ins := program[pc]
		steps++
		switch ins.Code & 0x07 {
		case unix.BPF_RET:
			if ins.Code&0x18 == unix.BPF_A {
				return m.a, steps
			}
			return ins.K, steps
		case unix.BPF_JMP:
			pc += m.jump(ins)
		case unix.BPF_ALU:
			if !m.compute(ins) {
				return 0, steps // division by an X of zero ends a classic program with 0, which seccomp reads as "kill the thread"
			}
		default:
			m.move(ins)
		}
	}
}

// machine is the state of a classic BPF program: accumulator, index register, scratch memory.
type machine struct {
	a, x   uint32
	memory [unix.BPF_MEMWORDS]uint32
	data   [dataSize]byte
	order  binary.ByteOrder
}

// operand is the constant, or X, as the source bit of the instruction says.
func (m *machine) operand(ins unix.SockFilter) uint32 {
	if ins.Code&unix.BPF_X != 0 {
		return m.x
	}
	return ins.K
}

// jump returns how many instructions are skipped.
func (m *machine) jump(ins unix.SockFilter) int {
	yes, k := false, m.operand(ins)
	switch ins.Code & 0xf0 {
	case unix.BPF_JA:
		return int(ins.K)
	case unix.BPF_JEQ:
		yes = m.a == k
	case unix.BPF_JGT:
		yes = m.a > k
	case unix.BPF_JGE:
		yes = m.a >= k
	case unix.BPF_JSET:
		yes = m.a&k != 0
	}
	if yes {
		return int(ins.Jt)
	}
	return int(ins.Jf)
}

// compute runs an arithmetic instruction, and returns false for a division by zero.
func (m *machine) compute(ins unix.SockFilter) bool {
	k := m.operand(ins)
	switch ins.Code & 0xf0 {
	case unix.BPF_ADD:
		m.a += k
	case unix.BPF_SUB:
		m.a -= k
	case unix.BPF_MUL:
		m.a *= k
	case unix.BPF_DIV:
		if k == 0 {
			return false
		}
		m.a /= k
	case unix.BPF_AND:
		m.a &= k
	case unix.BPF_OR:
		m.a |= k
	case unix.BPF_XOR:
		m.a ^= k
	case unix.BPF_LSH:
		m.a <<= k & 31
	case unix.BPF_RSH:
		m.a >>= k & 31
	case unix.BPF_NEG:
		m.a = -m.a
	}
	return true
}

// move runs a load, a store or a transfer between A and X.
func (m *machine) move(ins unix.SockFilter) {
	switch ins.Code {
	case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
		m.a = m.order.Uint32(m.data[ins.K:])
	case unix.BPF_LD | unix.BPF_W | unix.BPF_LEN:
		m.a = dataSize
	case unix.BPF_LDX | unix.BPF_W | unix.BPF_LEN:
		m.x = dataSize
	case unix.BPF_LD | unix.BPF_IMM:
		m.a = ins.K
	case unix.BPF_LDX | unix.BPF_IMM:
		m.x = ins.K
	case unix.BPF_LD | unix.BPF_MEM:
		m.a = m.memory[ins.K]
	case unix.BPF_LDX | unix.BPF_MEM:
		m.x = m.memory[ins.K]
	case unix.BPF_ST:
		m.memory[ins.K] = m.a
	case unix.BPF_STX:
		m.memory[ins.K] = m.x
	case unix.BPF_MISC | unix.BPF_TAX:
		m.x = m.a
	case unix.BPF_MISC | unix.BPF_TXA:
		m.a = m.x
	}
}

// Check tells whether seccomp(2) would accept program: its length, the instructions it knows, loads inside struct seccomp_data, jumps
// inside the program, a return at the end. (Not checked: that scratch memory is written before it is read; the interpreter reads 0.)
func Check(program []unix.SockFilter) error {
	n := len(program)
	if n == 0 {
		return fmt.Errorf("program of no instructions")
	}
	if n > MaxInstructions {
		return fmt.Errorf("program of %d instructions: %w", n, ErrTooLong)
	}
	for pc, ins := range program {
		if problem := checkInstruction(ins, n-pc-1); problem != "" {
			return fmt.Errorf("instruction %d (code %#x, k %#x): %s", pc, ins.Code, ins.K, problem)
		}
	}
	if program[n-1].Code&0x07 != unix.BPF_RET {
		return fmt.Errorf("instruction %d: the last one is not a return", n-1)
	}
	return nil
}

// checkInstruction returns what is wrong with an instruction that has behind further ones behind it, or "".
func checkInstruction(ins unix.SockFilter, behind int) string {
	switch ins.Code {
	case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
		if ins.K >= dataSize || ins.K%4 != 0 {
			return "load outside struct seccomp_data"
		}
	case unix.BPF_LD | unix.BPF_MEM, unix.BPF_LDX | unix.BPF_MEM, unix.BPF_ST, unix.BPF_STX:
		if ins.K >= unix.BPF_MEMWORDS {
			return "no such word of scratch memory"
		}
	case unix.BPF_ALU | unix.BPF_DIV | unix.BPF_K:
		if ins.K == 0 {
			return "division by zero"
		}
	case unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K, unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K:
		if ins.K >= 32 {
			return "shift by more than the word"
		}
	case unix.BPF_JMP | unix.BPF_JA:
		if uint64(ins.K) >= uint64(behind) {
			return "jump out of the program"
		}
	case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X,
		unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X,
		unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_X,
		unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_X:
		if int(ins.Jt) >= behind || int(ins.Jf) >= behind {
			return "jump out of the program"
		}
	default:
		if !plain(ins.Code) {
			return "no instruction of a seccomp program"
		}
	}
	return ""
}

// plain tells whether code is one of the instructions that take any operand.
func plain(code uint16) bool {
	switch code {
	case unix.BPF_RET | unix.BPF_K, unix.BPF_RET | unix.BPF_A,
		unix.BPF_LD | unix.BPF_W | unix.BPF_LEN, unix.BPF_LDX | unix.BPF_W | unix.BPF_LEN,
		unix.BPF_LD | unix.BPF_IMM, unix.BPF_LDX | unix.BPF_IMM,
		unix.BPF_MISC | unix.BPF_TAX, unix.BPF_MISC | unix.BPF_TXA,
		unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K, unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_SUB | unix.BPF_K, unix.BPF_ALU | unix.BPF_SUB | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, unix.BPF_ALU | unix.BPF_MUL | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_DIV | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, unix.BPF_ALU | unix.BPF_AND | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_OR | unix.BPF_K, unix.BPF_ALU | unix.BPF_OR | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_XOR | unix.BPF_K, unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_LSH | unix.BPF_X, unix.BPF_ALU | unix.BPF_RSH | unix.BPF_X,
		unix.BPF_ALU | unix.BPF_NEG:
		return true
	}
	return false
}
