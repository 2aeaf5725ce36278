package bpf

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// MaxInstructions is the longest program that seccomp(2) takes (BPF_MAXINSNS).
const MaxInstructions = 4096

// ErrTooLong is the error for a program of more than MaxInstructions instructions.
var ErrTooLong = errors.New("longer than the kernel's limit of 4096 instructions")

// Offsets into struct seccomp_data. Every field is in the byte order of the machine, and so is every 32-bit load from it.
const (
	OffsetNumber = 0
	OffsetArch   = 4
	OffsetArgs   = 16 // six 64-bit words
	dataSize     = 64
)

// Test is the comparison of a conditional jump: the accumulator against a constant, as unsigned 32-bit numbers.
type Test uint16

// The comparisons of classic BPF; the others are these with the two targets exchanged.
const (
	Equal        Test = unix.BPF_JEQ
	Greater      Test = unix.BPF_JGT
	GreaterEqual Test = unix.BPF_JGE
	AnyBit       Test = unix.BPF_JSET
)

// Label is the place of an instruction, as returned by the method that emitted it. The zero Label is none.
type Label int

// Builder assembles a program from its last instruction to its first.
//
// Classic BPF only jumps forward, so in this order every target exists before the jump to it: the distance is known at once, and a
// conditional jump (whose distance is 8 bits) that would reach too far gets a stepping stone right behind itself: a copy of the
// target if that is a return, else an unconditional jump (32 bits). No second pass, no fix-ups. The instruction emitted last is where
// the program starts. The zero Builder is ready for use.
type Builder struct {
	code    []unix.SockFilter // in reverse
	returns []returned
}

// returned remembers where the nearest return of a value stands, so that neighbours share it.
type returned struct {
	value uint32
	at    Label
}

// reach is the longest distance that is used directly: one less than the 8 bits of a conditional jump hold, because the stepping stone
// of its other target may come between.
const reach = 0xff - 1

// Grow makes room for n more instructions.
func (b *Builder) Grow(n int) { b.code = slices.Grow(b.code, n) }

func (b *Builder) emit(code uint16, k uint32) Label {
	b.code = append(b.code, unix.SockFilter{Code: code, K: k})
	return Label(len(b.code))
}

// distance is the number of instructions between the next one emitted and l.
func (b *Builder) distance(l Label) int { return len(b.code) - int(l) }

// Return ends the program with value. A return of the same value that is near enough is shared.
func (b *Builder) Return(value uint32) Label {
	for i := range b.returns {
		r := &b.returns[i]
		if r.value != value {
			continue
		}
		if b.distance(r.at) > reach {
			r.at = b.emit(unix.BPF_RET|unix.BPF_K, value)
		}
		return r.at
	}
	l := b.emit(unix.BPF_RET|unix.BPF_K, value)
	b.returns = append(b.returns, returned{value, l})
	return l
}

// If compares the accumulator with k and goes on at yes or no.
func (b *Builder) If(test Test, k uint32, yes, no Label) Label {
	if yes == no {
		return yes
	}
	yes = b.near(yes)
	no = b.near(no)
	l := b.emit(unix.BPF_JMP|unix.BPF_K|uint16(test), k)
	at := int(l) - 1
	b.code[at].Jt = uint8(at - int(yes))
	b.code[at].Jf = uint8(at - int(no))
	return l
}

// Load reads the 32-bit word at offset of struct seccomp_data into the accumulator and goes on at next.
func (b *Builder) Load(offset uint32, next Label) Label {
	b.fallThrough(next)
	return b.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset)
}

// And masks the accumulator and goes on at next.
func (b *Builder) And(mask uint32, next Label) Label {
	b.fallThrough(next)
	return b.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, mask)
}

// Splice puts a whole program in, and returns where it starts.
func (b *Builder) Splice(program []unix.SockFilter) Label {
	for _, ins := range slices.Backward(program) {
		b.code = append(b.code, ins)
	}
	return Label(len(b.code))
}

// near returns a label that does what l does and is in reach of the next instruction and of the one after it.
func (b *Builder) near(l Label) Label {
	d := b.distance(l)
	if d <= reach {
		return l
	}
	if target := b.code[l-1]; target.Code == unix.BPF_RET|unix.BPF_K {
		return b.Return(target.K)
	}
	return b.emit(unix.BPF_JMP|unix.BPF_JA, uint32(d))
}

// fallThrough makes next the instruction behind the one that is emitted next.
func (b *Builder) fallThrough(next Label) {
	if d := b.distance(next); d != 0 {
		b.emit(unix.BPF_JMP|unix.BPF_JA, uint32(d))
	}
}

// Program returns the program, and leaves the builder empty. The error is ErrTooLong.
func (b *Builder) Program() ([]unix.SockFilter, error) {
	code := b.code
	*b = Builder{}
	if len(code) > MaxInstructions {
		return nil, ErrTooLong
	}
	slices.Reverse(code)
	return code, nil
}

// Len is the number of instructions so far.
func (b *Builder) Len() int { return len(b.code) }
