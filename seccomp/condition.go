package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/seccomp/bpf"
)

// condition emits the comparison of one argument, and returns where it starts. BPF has 32-bit words only, so a 64-bit argument is
// compared in halves, the high one first.
//
// On a 32-bit ABI only the low half exists, of the argument and of the profile's value: -1 written as 18446744073709551615 matches a
// 32-bit -1.
func (c *compiler) condition(a *arch, arg *specs.LinuxSeccompArg, yes, no bpf.Label) bpf.Label {
	w := c.words(a, arg.Index)
	switch arg.Op {
	case specs.OpEqualTo:
		return w.equal(^uint64(0), arg.Value, yes, no)
	case specs.OpNotEqual:
		return w.equal(^uint64(0), arg.Value, no, yes)
	case specs.OpMaskedEqual:
		// Value is the mask and ValueTwo the datum; bits of the datum outside the mask do not count (so in libseccomp).
		return w.equal(arg.Value, arg.ValueTwo&arg.Value, yes, no)
	case specs.OpGreaterThan:
		return w.above(bpf.Greater, arg.Value, yes, no)
	case specs.OpGreaterEqual:
		return w.above(bpf.GreaterEqual, arg.Value, yes, no)
	case specs.OpLessEqual:
		return w.above(bpf.Greater, arg.Value, no, yes)
	case specs.OpLessThan:
		return w.above(bpf.GreaterEqual, arg.Value, no, yes)
	}
	return no // not reached: parse let no other operator pass; a rule that cannot be read must not match
}

// sameWord is where the longest run of branches starts that ends at end and asks whether one argument is this or that, with no difference in
// the high half.
func (c *compiler) sameWord(s *segment, end int) int {
	from, last := end-1, c.branches[end-1].args
	for from > s.from && isEqual(last) {
		args := c.branches[from-1].args
		if !isEqual(args) || args[0].Index != last[0].Index || s.arch.wide && args[0].Value>>32 != last[0].Value>>32 {
			break
		}
		from--
	}
	return from
}

func isEqual(args []specs.LinuxSeccompArg) bool {
	return len(args) == 1 && args[0].Op == specs.OpEqualTo
}

// oneOf emits the branches of such a run, which load each half once.
func (c *compiler) oneOf(a *arch, run []branch, next bpf.Label) bpf.Label {
	w := c.words(a, run[0].args[0].Index)
	l := next
	for i := len(run) - 1; i >= 0; i-- {
		l = c.code.If(bpf.Equal, uint32(run[i].args[0].Value), c.code.Return(run[i].ret), l)
	}
	l = c.code.Load(w.low, l)
	if w.wide {
		l = c.code.Load(w.high, c.code.If(bpf.Equal, uint32(run[0].args[0].Value>>32), l, next))
	}
	return l
}

func (c *compiler) words(a *arch, index uint) words {
	w := words{code: &c.code, low: bpf.OffsetArgs + 8*uint32(index), wide: a.wide}
	w.high = w.low + 4
	if a.big {
		w.low, w.high = w.high, w.low
	}
	return w
}

// words emits comparisons of one argument.
type words struct {
	code      *bpf.Builder
	low, high uint32 // offsets in seccomp_data
	wide      bool
}

// equal compares the bits of mask with value, which has no others.
func (w *words) equal(mask, value uint64, yes, no bpf.Label) bpf.Label {
	l := w.wordEqual(w.low, uint32(mask), uint32(value), yes, no)
	if w.wide {
		l = w.wordEqual(w.high, uint32(mask>>32), uint32(value>>32), l, no)
	}
	return l
}

func (w *words) wordEqual(offset, mask, value uint32, yes, no bpf.Label) bpf.Label {
	if mask == 0 {
		return yes
	}
	l := w.code.If(bpf.Equal, value, yes, no)
	if mask != ^uint32(0) {
		l = w.code.And(mask, l)
	}
	return w.code.Load(offset, l)
}

// above compares by order: test is Greater or GreaterEqual for the low half; a high half that differs decides alone.
func (w *words) above(test bpf.Test, value uint64, yes, no bpf.Label) bpf.Label {
	l := w.code.Load(w.low, w.code.If(test, uint32(value), yes, no))
	if w.wide {
		high := uint32(value >> 32)
		l = w.code.Load(w.high, w.code.If(bpf.Greater, high, yes, w.code.If(bpf.Equal, high, l, no)))
	}
	return l
}
