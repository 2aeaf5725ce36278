package seccomp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// Compile makes the program for a profile on the architecture this binary was built for, which is always among the program's
// architectures, listed or not. The profile is not changed. The error names the field as a JSON pointer.
func Compile(profile *specs.LinuxSeccomp) (*Program, error) {
	native, err := NativeArch()
	if err != nil {
		return nil, err
	}
	return CompileFor(profile, native)
}

// CompileFor is Compile for a kernel of another architecture: to look at a program, not to load it.
func CompileFor(profile *specs.LinuxSeccomp, native specs.Arch) (*Program, error) {
	if profile == nil {
		return nil, errors.New(pointer + ": no profile")
	}
	a := findArch(native)
	if a == nil {
		return nil, fmt.Errorf("unknown architecture %q", native)
	}
	return compileWith((*policy).assemble, profile, a)
}

// engine turns a policy into a program. There are two: compile below, and libseccomp's in builds with that tag; assemble is the one that
// this build uses.
type engine func(*policy) ([]unix.SockFilter, error)

func compileWith(make engine, profile *specs.LinuxSeccomp, native *arch) (*Program, error) {
	p, err := parse(profile, native)
	if err != nil {
		return nil, err
	}
	filter, err := make(p)
	if err != nil {
		return nil, err
	}
	return &Program{Filter: filter, Flags: p.flags, Listener: p.notify}, nil
}

// compile is tare's own engine.
func (p *policy) compile() ([]unix.SockFilter, error) {
	c := compiler{policy: p}
	c.mux.init()
	c.findFrequent()
	c.code.Grow(512)
	c.program()
	return p.finish(&c.code)
}

// finish takes the program out of the builder. What can go wrong is its length.
func (p *policy) finish(code *bpf.Builder) ([]unix.SockFilter, error) {
	length := code.Len()
	filter, err := code.Program()
	if err != nil {
		return nil, at("", fmt.Errorf("the profile becomes a program of %d instructions, %w: "+
			"list fewer architectures, or write fewer argument conditions (calls with the same ones can share a rule)", length, err))
	}
	return filter, nil
}

// compiler makes the program for one policy.
type compiler struct {
	*policy
	mux      multiplexers
	code     bpf.Builder
	branches []branch  // of all verdicts
	lists    []verdict // the conditional verdicts so far, each with other branches
	emitted  []emitted // code for them
	segments []segment // of the architecture token in work
	indexes  []int32   // scratch space of verdict
	weights  []int     // scratch space of search
	frequent [syscalls.NameCount]bool
}

// emitted is the code for a list of branches. Architectures of the same width share it.
type emitted struct {
	from int // as in verdict
	wide bool
	code bpf.Label
}

// branch is one conditional rule: if all args hold, ret.
type branch struct {
	ret  uint32
	args []specs.LinuxSeccompArg
}

// verdict is what becomes of a call: the first of branches[from:to] that holds, else ret.
type verdict struct {
	ret      uint32
	from, to int
}

func (v verdict) fixed() bool { return v.from == v.to }

// segment is a range of numbers with one verdict, from start up to the next segment's start.
type segment struct {
	start uint32
	arch  *arch // whose arguments are compared
	verdict
	frequent bool // one of its calls is
}

// same tells whether two segments are known to have the same verdict.
func (s *segment) same(t *segment) bool {
	if s.fixed() {
		return t.fixed() && s.ret == t.ret
	}
	return s.verdict == t.verdict && s.arch == t.arch
}

// program emits everything. The builder works from the end: first the code for each architecture, native last so that it is nearest,
// then the jumps that choose among them.
func (c *compiler) program() {
	// What libseccomp does with calls of an architecture that the profile does not list.
	unlisted := c.code.Return(unix.SECCOMP_RET_KILL_THREAD)
	starts := make([]bpf.Label, len(c.arches))
	for i := len(c.arches) - 1; i >= 0; i-- {
		if c.firstOfToken(i) {
			starts[i] = c.token(c.arches[i].token)
		}
	}
	next := unlisted
	for i := len(c.arches) - 1; i >= 0; i-- {
		if starts[i] != 0 {
			next = c.code.If(bpf.Equal, c.arches[i].token, starts[i], next)
		}
	}
	c.code.Load(bpf.OffsetArch, next)
}

// firstOfToken tells whether no architecture before p.arches[i] has its token.
func (p *policy) firstOfToken(i int) bool {
	for _, a := range p.arches[:i] {
		if a.token == p.arches[i].token {
			return false
		}
	}
	return true
}

// token emits the code for the architectures of one token: one, or x86_64 and x32, which divide the numbers between them.
func (c *compiler) token(token uint32) bpf.Label {
	c.segments = c.segments[:0]
	if token == unix.AUDIT_ARCH_X86_64 {
		// A part that is not listed is treated as an architecture that is not listed.
		kill := verdict{ret: unix.SECCOMP_RET_KILL_THREAD}
		c.from(0, nil, kill)
		c.listed(specs.ArchX86_64)
		c.from(syscalls.X32Bit, nil, kill)
		c.listed(specs.ArchX32)
		c.from(noCall, nil, verdict{ret: c.fallback})
	} else {
		for _, a := range c.arches {
			if a.token == token {
				c.architecture(a)
			}
		}
	}
	return c.code.Load(bpf.OffsetNumber, c.search(c.segments))
}

// listed adds the segments of an architecture if the policy has it.
func (c *compiler) listed(name specs.Arch) {
	if a := findArch(name); c.has(a) {
		c.architecture(a)
	}
}

// architecture adds the segments of one architecture.
func (c *compiler) architecture(a *arch) {
	first, private := a.calls()
	fallback := verdict{ret: c.fallback}
	c.from(first, a, fallback)
	highest, younger := int64(-1), false // younger: the segments for younger calls are in place
	entries := a.table.Entries()
	for i := 0; i < len(entries); {
		number := entries[i].Number()
		calls := entries[i : i+1]
		for i++; i < len(entries) && entries[i].Number() == number; i++ {
			calls = calls[:len(calls)+1]
		}
		v, named := c.verdict(calls)
		if !named {
			continue
		}
		if number < private {
			highest = int64(number)
		} else if !younger {
			c.younger(a, highest)
			younger = true
		}
		c.from(first+number, a, v)
		if slices.ContainsFunc(calls, func(call syscalls.Entry) bool { return c.frequent[call.Name()] }) {
			c.segments[len(c.segments)-1].frequent = true
		}
		c.from(first+number+1, a, fallback)
	}
	if !younger {
		c.younger(a, highest)
	}
}

// younger makes calls with a number above the highest one that the profile names fail with ENOSYS, if the default action would refuse
// them. The profile is older than they are: its author did not mean to forbid them, and a C library that is told "no such call" falls
// back to an older one, where EPERM or a signal makes the program fail. Default actions that let the call run or leave it to a tracer or
// agent stay, and so does the default for the gaps below the highest number: those calls were there to be named.
func (c *compiler) younger(a *arch, highest int64) {
	if highest < 0 || !refuses(c.fallback) {
		return
	}
	first, private := a.calls()
	c.from(first+uint32(highest)+1, a, verdict{ret: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	c.segments[len(c.segments)-1].frequent = true // programs try the youngest calls first, over and over
	c.from(first+private, a, verdict{ret: c.fallback})
}

// from says that v holds for start and all numbers above it. Calls come in the order of start; a later one for the same start wins.
// Neighbours with the same verdict become one segment, so that a range of allowed calls costs one comparison.
func (c *compiler) from(start uint32, a *arch, v verdict) {
	n := len(c.segments)
	if n > 0 && c.segments[n-1].start == start {
		n--
		c.segments = c.segments[:n]
	}
	s := segment{start: start, arch: a, verdict: v}
	if n == 0 || !c.segments[n-1].same(&s) {
		c.segments = append(c.segments, s)
	}
}

// leaf emits what is done for one segment.
func (c *compiler) leaf(s *segment) bpf.Label {
	next := c.code.Return(s.ret)
	if s.fixed() {
		return next
	}
	for _, e := range c.emitted {
		if e.from == s.from && e.wide == s.arch.wide {
			return e.code
		}
	}
	for end := s.to; end > s.from; {
		from := c.sameWord(s, end)
		if end-from > 1 {
			next = c.oneOf(s.arch, c.branches[from:end], next)
		} else {
			next = c.branch(s.arch, &c.branches[from], next)
		}
		end = from
	}
	c.emitted = append(c.emitted, emitted{s.from, s.arch.wide, next})
	return next
}

// branch emits one conditional rule, and goes on at next if it does not hold.
func (c *compiler) branch(a *arch, b *branch, next bpf.Label) bpf.Label {
	holds := c.code.Return(b.ret)
	for i := len(b.args) - 1; i >= 0; i-- {
		holds = c.condition(a, &b.args[i], holds, next)
	}
	return holds
}
