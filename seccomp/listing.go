package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// Line is one instruction of a program, for a reader.
type Line struct {
	Text string // as bpf_asm(8) writes it, with the numbers of lines as labels
	Note string // what it means here
	// Next are the lines that may follow: two after a comparison (it holds, it does not), none after a return.
	Next []int
}

// known is what is certain at a line, whichever way led there.
type known struct {
	reached bool
	loaded  int64  // the offset in seccomp_data of what the accumulator holds, -1 for anything else
	token   uint32 // of the architecture, 0 for any
}

// Listing lists the program of any engine. It follows what is loaded and which architecture it is, to name system calls.
func (p *Program) Listing() []Line {
	lines := make([]Line, len(p.Filter))
	states := make([]known, len(p.Filter))
	if len(states) > 0 {
		states[0] = known{reached: true, loaded: -1}
	}
	for i, ins := range p.Filter {
		s := states[i]
		lines[i] = line(i, ins, s)
		for way, to := range lines[i].Next {
			states[to].meet(s.after(ins, way == 0))
		}
	}
	return lines
}

// after is what is known behind an instruction; holds tells which way a comparison went.
func (s known) after(ins unix.SockFilter, holds bool) known {
	switch ins.Code & 0x07 {
	case unix.BPF_LD:
		s.loaded = int64(ins.K)
	case unix.BPF_ALU, unix.BPF_MISC:
		if ins.Code != unix.BPF_ALU|unix.BPF_AND|unix.BPF_K { // a part of a number is still about that number
			s.loaded = -1
		}
	case unix.BPF_JMP:
		if holds && s.loaded == bpf.OffsetArch && ins.Code&0xf0 == unix.BPF_JEQ {
			s.token = ins.K
		}
	}
	return s
}

// meet joins what is known from another way to the same line.
func (s *known) meet(other known) {
	if !s.reached {
		*s = other
		return
	}
	if s.loaded != other.loaded {
		s.loaded = -1
	}
	if s.token != other.token {
		s.token = 0
	}
}

func line(i int, ins unix.SockFilter, s known) Line {
	switch ins.Code & 0x07 {
	case unix.BPF_LD:
		return Line{fmt.Sprintf("ld [%d]", ins.K), field(ins.K, s.token), []int{i + 1}}
	case unix.BPF_ALU:
		if ins.Code == unix.BPF_ALU|unix.BPF_AND|unix.BPF_K {
			return Line{fmt.Sprintf("and #%#x", ins.K), "", []int{i + 1}}
		}
	case unix.BPF_JMP:
		return jump(i, ins, s)
	case unix.BPF_RET:
		return Line{fmt.Sprintf("ret #%#x", ins.K), Action(ins.K).String(), nil}
	}
	return Line{fmt.Sprintf("code %#x, #%#x", ins.Code, ins.K), "", []int{i + 1}}
}

func jump(i int, ins unix.SockFilter, s known) Line {
	names := map[uint16]string{unix.BPF_JEQ: "jeq", unix.BPF_JGT: "jgt", unix.BPF_JGE: "jge", unix.BPF_JSET: "jset"}
	name, ok := names[ins.Code&0xf0]
	if !ok {
		to := i + 1 + int(ins.K)
		return Line{fmt.Sprintf("ja %d", to), "", []int{to}}
	}
	yes, no := i+1+int(ins.Jt), i+1+int(ins.Jf)
	return Line{fmt.Sprintf("%s #%#x, %d, %d", name, ins.K, yes, no), meaning(ins, s), []int{yes, no}}
}

// meaning names what a comparison is with.
func meaning(ins unix.SockFilter, s known) string {
	what := ""
	switch s.loaded {
	case bpf.OffsetArch:
		what = tokenName(ins.K)
	case bpf.OffsetNumber:
		what = callName(s.token, ins.K)
	}
	switch {
	case what == "":
		return ""
	case ins.Code&0xf0 == unix.BPF_JGE:
		return what + " or above"
	case ins.Code&0xf0 == unix.BPF_JGT:
		return "above " + what
	}
	return what
}

// field names a field of seccomp_data.
func field(offset, token uint32) string {
	switch {
	case offset == bpf.OffsetNumber:
		return "number"
	case offset == bpf.OffsetArch:
		return "architecture"
	case offset < bpf.OffsetArgs:
		return "instruction pointer"
	}
	half, big := offset%8/4, false
	if a := byToken(token); a != nil {
		big = a.big
	}
	return fmt.Sprintf("argument %d, %s half", (offset-bpf.OffsetArgs)/8, map[bool]string{true: "high", false: "low"}[half == 1 != big])
}

func byToken(token uint32) *arch {
	for i := range arches {
		if arches[i].token == token {
			return &arches[i]
		}
	}
	return nil
}

func tokenName(token uint32) string {
	switch a := byToken(token); {
	case a == nil:
		return ""
	case token == unix.AUDIT_ARCH_X86_64:
		return "x86_64 and x32"
	default:
		return ArchName(a.name)
	}
}

// callName is the name of a number where the architecture is known.
func callName(token, number uint32) string {
	a := byToken(token)
	if a == nil {
		return ""
	}
	if token == unix.AUDIT_ARCH_X86_64 {
		if number == syscalls.X32Bit {
			return "x32"
		}
		if number > syscalls.X32Bit {
			return syscalls.X32.Name(number - syscalls.X32Bit)
		}
		return syscalls.X86_64.Name(number)
	}
	first, _ := a.calls()
	return a.table.Name(number - first)
}
