package devbpf

import (
	"errors"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// ErrTooManyRules is the answer to a list that no program can hold: some five thousand rules.
var ErrTooManyRules = errors.New("linux.resources.devices (/linux/resources/devices): more rules than a device program can hold")

// Program makes the program for a list of rules, with DefaultRules after them if defaults is set. Without a rule it refuses
// every access.
//
// The rules are applied in the listed order, and the last one that speaks of a right decides on it: each of read, write
// and mknod by itself, so that a later denial of w for one device takes only that away from an earlier grant of rwm. A
// request for several rights (open with O_RDWR) is granted if each of them is. This is what the v1 controller does, but
// for two of its oddities: there `a` is always about everything, whatever numbers stand beside it, and a denial of a
// range leaves narrower grants made before it as they were.
func Program(rules []specs.LinuxDeviceCgroup, defaults bool) ([]sys.BPFInsn, error) {
	parsed := make([]rule, 0, len(rules)+12)
	for i, r := range rules {
		p, err := parse(i, r)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, p)
	}
	if defaults {
		for i, r := range DefaultRules() {
			p, err := parse(i, r)
			if err != nil {
				return nil, err
			}
			parsed = append(parsed, p)
		}
	}
	return assemble(effective(parsed))
}

// effective drops the rules that cannot matter: all before the last one about everything, and the denials at the head of
// the rest, as nothing is granted yet there.
func effective(rules []rule) []rule {
	for i := len(rules) - 1; i >= 0; i-- {
		if rules[i].everything() {
			rules = rules[i:]
			break
		}
	}
	for len(rules) > 0 && !rules[0].allow {
		rules = rules[1:]
	}
	return rules
}

// Registers of the program. r1 is its argument, a struct bpf_cgroup_dev_ctx; r0 its verdict, 1 to allow and 0 to refuse.
const (
	verdict = iota // r0
	context        // r1
	access         // r2: the rights asked for, and above them
	kind           // r3: block or character
	major          // r4
	minor          // r5
	device         // r6: major<<20 | minor, which is all there is: MINORBITS is 20, and a dev_t has 32 bits
	granted        // r7: the rights granted so far
	scratch        // r8
)

const minorBits = 20

// assemble makes one straight line of arithmetic for block devices and one for character devices, with no jump but the one
// between them. The verifier walks a straight line once, but follows each of the ways that jumps make: with a jump for
// each condition, loading the default rules took 330 µs, and 1000 rules were too many for it; without, it takes 75.
func assemble(rules []rule) ([]sys.BPFInsn, error) {
	const head, perRule = 20, 7
	p := make([]sys.BPFInsn, 0, head+perRule*len(rules)*2)
	p = append(
		p,
		load32(access, context, 0), // access_type: the rights in the upper half, the kind in the lower one
		load32(major, context, 4),
		load32(minor, context, 8),
		move32(device, major),
		alu32(unix.BPF_LSH, device, minorBits),
		or64Reg(device, minor),
		move32(kind, access),
		alu32(unix.BPF_RSH, access, 16),
		alu32(unix.BPF_AND, kind, 0xffff),
		set32(granted, 0),
	)
	if !tellKinds(rules) {
		return line(p, rules, unix.BPF_DEVCG_DEV_CHAR), nil
	}
	fork := len(p)
	p = append(p, jump32(unix.BPF_JEQ, kind, unix.BPF_DEVCG_DEV_BLOCK))
	p = line(p, rules, unix.BPF_DEVCG_DEV_CHAR)
	if len(p) > math.MaxInt16 { // the reach of a jump
		return nil, ErrTooManyRules
	}
	p[fork].Off = int16(len(p) - fork - 1)
	return line(p, rules, unix.BPF_DEVCG_DEV_BLOCK), nil
}

// tellKinds says whether any rule is about one kind of device only.
func tellKinds(rules []rule) bool {
	for _, r := range rules {
		if r.kind != 0 {
			return true
		}
	}
	return false
}

// line appends what the rules mean for one kind of device, and the verdict.
func line(p []sys.BPFInsn, rules []rule, kind int32) []sys.BPFInsn {
	for _, r := range rules {
		if r.kind == 0 || r.kind == kind {
			p = apply(p, r)
		}
	}
	return append(
		p,
		alu64(unix.BPF_XOR, granted, -1), // what is not granted
		and64Reg(access, granted),        // and asked for
		alu64(unix.BPF_SUB, access, 1),   // below zero if there is nothing such
		alu64(unix.BPF_RSH, access, 63),  // its sign
		move64(verdict, access),
		exit(),
	)
}

// apply appends what one rule does to the granted rights, without a jump: the difference between the device's number and
// the rule's is zero or lies below 2^32, so that the sign of difference-1 is a one if they are equal. (To spread the sign
// over a mask would save an instruction, but from Linux 6.18 the verifier takes that for a jump and follows both ways.)
func apply(p []sys.BPFInsn, r rule) []sys.BPFInsn {
	number, register, ok := r.number()
	switch {
	case !ok:
		return p
	case register < 0 && r.allow:
		return append(p, alu64(unix.BPF_OR, granted, r.access))
	case register < 0:
		return append(p, alu64(unix.BPF_AND, granted, ^r.access))
	}
	p = append(
		p,
		move32(scratch, uint8(register)),
		alu32(unix.BPF_XOR, scratch, int32(number)),
		alu64(unix.BPF_SUB, scratch, 1),
		alu64(unix.BPF_RSH, scratch, 63),
		alu32(unix.BPF_MUL, scratch, r.access),
	)
	if r.allow {
		return append(p, or64Reg(granted, scratch))
	}
	return append(p, alu64(unix.BPF_XOR, scratch, -1), and64Reg(granted, scratch))
}

// number says what to compare with which register (< 0: nothing, the rule is about all numbers). It is not ok with numbers
// that no device can have.
func (r rule) number() (number uint32, register int, ok bool) {
	if r.major >= 1<<(32-minorBits) || r.minor >= 1<<minorBits {
		return 0, 0, false
	}
	switch {
	case r.major == wildcard && r.minor == wildcard:
		return 0, -1, true
	case r.major == wildcard:
		return uint32(r.minor), minor, true
	case r.minor == wildcard:
		return uint32(r.major), major, true
	}
	return uint32(r.major)<<minorBits | uint32(r.minor), device, true
}
