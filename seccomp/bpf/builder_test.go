package bpf

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

func run(t *testing.T, program []unix.SockFilter, d Data) uint32 {
	t.Helper()
	got, err := Run(program, &d, binary.LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// node is a decision of a random tree: numbers from bound on go right.
type node struct {
	bound       uint32
	left, right *node
	value       uint32
}

func randomTree(r *rand.Rand, low, high uint32, depth int) *node {
	if depth == 0 || high-low < 2 {
		return &node{value: r.Uint32N(40)}
	}
	bound := low + 1 + r.Uint32N(high-low-1)
	return &node{bound: bound, left: randomTree(r, low, bound, depth-1), right: randomTree(r, bound, high, depth-1)}
}

func (n *node) emit(b *Builder) Label {
	if n.left == nil {
		return b.Return(n.value)
	}
	left := n.left.emit(b)
	right := n.right.emit(b)
	return b.If(GreaterEqual, n.bound, right, left)
}

func (n *node) eval(number uint32) uint32 {
	for n.left != nil {
		if number >= n.bound {
			n = n.right
		} else {
			n = n.left
		}
	}
	return n.value
}

// TestTreesOfAnySize builds trees from a few to thousands of instructions, where branches reach over more than 255 instructions.
func TestTreesOfAnySize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	longest := 0
	for depth := range 11 {
		for range 5 {
			var b Builder
			tree := randomTree(r, 0, 1<<20, depth)
			b.Load(OffsetNumber, tree.emit(&b))
			program, err := b.Program()
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, len(program))
			if err := Check(program); err != nil {
				t.Fatal(err)
			}
			for range 2000 {
				d := Data{Number: r.Uint32N(1 << 20)}
				if got, want := Interpret(program, &d, binary.LittleEndian), tree.eval(d.Number); got != want {
					t.Fatalf("depth %d, number %d: %d, want %d", depth, d.Number, got, want)
				}
			}
		}
	}
	if longest < 1000 {
		t.Errorf("longest program has %d instructions: no long jumps were tested", longest)
	}
}

// TestBothTargetsAtTheEdge moves the targets of one jump over the limit of 8 bits, one instruction at a time.
func TestBothTargetsAtTheEdge(t *testing.T) {
	for gap := range 600 {
		for between := range 4 {
			var b Builder
			pad := func(n int, next Label) Label {
				for range n {
					next = b.And(^uint32(0), next)
				}
				return next
			}
			// Targets that are not returns, so that they cannot be copied.
			no := b.And(0xffff, b.Return(1))
			pad(between, no)
			yes := b.Load(OffsetArch, b.Return(2))
			padding := pad(gap, yes)
			jump := b.If(Equal, 7, yes, no)
			b.Load(OffsetNumber, b.If(Equal, 99, padding, jump))
			program, err := b.Program()
			if err != nil {
				t.Fatal(err)
			}
			if got := run(t, program, Data{Number: 7}); got != 2 {
				t.Fatalf("gap %d+%d: yes went to %d", gap, between, got)
			}
			if got := run(t, program, Data{Number: 8}); got != 1 {
				t.Fatalf("gap %d+%d: no went to %d", gap, between, got)
			}
		}
	}
}

func TestIfWithOneTargetIsNoInstruction(t *testing.T) {
	var b Builder
	end := b.Return(1)
	if got := b.If(Equal, 1, end, end); got != end || b.Len() != 1 {
		t.Errorf("label %d and %d instructions, want %d and 1", got, b.Len(), end)
	}
}

func TestReturnsAreShared(t *testing.T) {
	var b Builder
	first, again, other := b.Return(1), b.Return(1), b.Return(2)
	if first != again || first == other || b.Len() != 2 {
		t.Errorf("%d instructions, want 2", b.Len())
	}
}

func TestTooLong(t *testing.T) {
	for n, want := range map[int]error{MaxInstructions: nil, MaxInstructions + 1: ErrTooLong} {
		var b Builder
		next := b.Return(0)
		for b.Len() < n {
			next = b.And(1, next)
		}
		if _, err := b.Program(); !errors.Is(err, want) {
			t.Errorf("%d instructions: %v, want %v", n, err, want)
		}
		if b.Len() != 0 {
			t.Error("builder is not empty after Program")
		}
	}
}
