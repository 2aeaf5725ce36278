//go:build libseccomp

package seccomp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

// levels are both ways in which libseccomp lays a program out.
var levels = []int{linearSearch, treeSearch}

// excuse is a fault of libseccomp that docs/seccomp.md tells of. Each is proven anew for every call that it is found for.
type excuse string

const (
	agreed        excuse = "agreed"
	unexcused     excuse = "no excuse"
	unknownCall   excuse = "a call that the library does not know"
	foreignOrder  excuse = "a result in the byte order of the machine that compiled"
	multiplexer   excuse = "socketcall or ipc"
	overlap       excuse = "rules with args that overlap and differ in action"
	contradiction excuse = "the library contradicts itself"
)

// comparison is a profile compiled for one kernel by both engines, the library at one level.
type comparison struct {
	library      *library
	native       *arch
	profile      *specs.LinuxSeccomp
	level        int
	reference    *reference
	ours, theirs []unix.SockFilter
	disputed     map[string]bool              // calls whose rules the library reads in its own way
	highest      map[specs.Arch]int64         // that the profile names and the library knows
	second       map[string][]unix.SockFilter // second opinions of the library
}

// question is for a second opinion: the library's program of another level, or for the rules of one call only, or for one of them.
type question struct {
	level int
	alone bool   // the rules of one call only
	call  string // which may be none that has a name, and so no rules
	rule  int    // counted from 1, or 0 for all
	args  []specs.LinuxSeccompArg
}

// compare returns nil if the library refuses the profile or does not come back.
func (l *library) compare(t testing.TB, profile *specs.LinuxSeccomp, native *arch, level int) *comparison {
	t.Helper()
	theirs, err := l.compile(t, profile, native, level)
	if err != nil {
		t.Logf("level %d, kernel %s: %v", level, native.name, err)
		return nil
	}
	if err := bpf.Check(theirs); err != nil {
		t.Fatal(err)
	}
	c := &comparison{
		library: l, native: native, profile: profile, level: level, reference: newReference(profile, native.name),
		ours: compileFor(t, profile, native.name).Filter, theirs: theirs,
		disputed: map[string]bool{}, highest: map[specs.Arch]int64{}, second: map[string][]unix.SockFilter{},
	}
	p, err := parse(profile, native)
	if err != nil {
		t.Fatal(err)
	}
	var mux multiplexers
	mux.init()
	for _, a := range p.arches {
		c.highest[a.name] = p.highestKnown(a, &mux)
	}
	return c
}

// judge compares both verdicts on a call with each other, and ours with the plain reading of the profile.
func (c *comparison) judge(t testing.TB, a *refArch, d *bpf.Data) excuse {
	t.Helper()
	order := c.native.order()
	ours, theirs := bpf.Interpret(c.ours, d, order), bpf.Interpret(c.theirs, d, order)
	if want := c.reference.verdict(d); ours != want {
		t.Errorf("kernel %s, arch %#x, number %#x, args %x: verdict %#x, want %#x", c.native.name, d.Arch, d.Number, d.Args, ours, want)
	}
	if ours == theirs {
		return agreed
	}
	name := a.table.Name(d.Number - a.offset)
	why := c.excuse(t, a, d, ours, theirs)
	switch why {
	case overlap, contradiction:
		c.disputed[name] = true
	case unexcused:
		rules, _ := json.Marshal(rulesOf(c.profile, name))
		t.Errorf("kernel %s, arch %#x, number %#x (%s), args %x: verdict %#x, libseccomp's (level %d) %#x, default %s, rules %s",
			c.native.name, d.Arch, d.Number, name, d.Args, ours, c.level, theirs, c.profile.DefaultAction, rules)
	}
	return why
}

func (c *comparison) excuse(t testing.TB, a *refArch, d *bpf.Data, ours, theirs uint32) excuse {
	t.Helper()
	number := d.Number - a.offset
	name := a.table.Name(number)
	switch {
	case c.native.big != nativeIsBig && theirs == bits.ReverseBytes32(ours):
		return foreignOrder
	case !c.library.knows(t, a, number),
		c.highest[a.name] != int64(a.highest[true]) && (theirs == refENOSYS && int64(number) > c.highest[a.name] || c.highest[a.name] < 0 && ours == refENOSYS):
		return unknownCall
	case a.hasMux && c.names(multiplexed32[name]):
		return multiplexer
	case slices.Contains(a.holding(number, d), theirs):
		return overlap
	case c.contradicted(t, a, name, d, ours):
		return contradiction
	}
	return unexcused
}

// multiplexed32 are the calls within each of the two that carry others.
var multiplexed32 = map[string]map[string]uint64{"socketcall": refSockets, "ipc": refIPC}

func (c *comparison) names(calls map[string]uint64) bool {
	return slices.ContainsFunc(c.profile.Syscalls, func(s specs.LinuxSyscall) bool {
		return slices.ContainsFunc(s.Names, func(name string) bool { _, ok := calls[name]; return ok })
	})
}

// contradicted tells whether the library takes our side when it lays its program out in the other way, or when it sees the rules of this
// call alone, or each of them alone: what it says of a call must not depend on that.
func (c *comparison) contradicted(t testing.TB, a *refArch, name string, d *bpf.Data, ours uint32) bool {
	t.Helper()
	for _, q := range []question{{level: levels[0]}, {level: levels[1]}, {level: levels[0], alone: true, call: name}, {level: levels[1], alone: true, call: name}} {
		if filter := c.opinion(t, q); filter != nil && bpf.Interpret(filter, d, c.native.order()) == ours {
			return true
		}
	}
	rules := a.rules[d.Number-a.offset]
	for i, rule := range rules {
		filter := c.opinion(t, question{level: linearSearch, call: name, rule: i + 1, args: rule.args})
		if filter == nil {
			return false
		}
		alone := bpf.Interpret(filter, d, c.native.order())
		if holds := alone != unix.SECCOMP_RET_ALLOW && alone != bits.ReverseBytes32(unix.SECCOMP_RET_ALLOW); holds != a.holds(rule, d) {
			return false
		}
	}
	return len(rules) > 1
}

func (c *comparison) opinion(t testing.TB, q question) []unix.SockFilter {
	t.Helper()
	key := fmt.Sprint(q.level, q.alone, q.call, q.rule)
	filter, known := c.second[key]
	if known {
		return filter
	}
	profile := *c.profile
	switch {
	case q.rule > 0:
		profile.DefaultAction, profile.DefaultErrnoRet = specs.ActAllow, nil
		profile.Syscalls = []specs.LinuxSyscall{{Names: []string{q.call}, Action: specs.ActErrno, Args: q.args}}
	case q.alone:
		profile.Syscalls = rulesOf(c.profile, q.call)
	}
	filter, err := c.library.compile(t, &profile, c.native, q.level)
	if err != nil {
		filter = nil
	}
	c.second[key] = filter
	return filter
}

// rulesOf are those of the profile's rules that name the call, and for no others.
func rulesOf(profile *specs.LinuxSeccomp, name string) []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for _, s := range profile.Syscalls {
		if slices.Contains(s.Names, name) {
			s.Names = []string{name}
			rules = append(rules, s)
		}
	}
	return rules
}

// holding are the actions of all rules with args that hold.
func (a *refArch) holding(number uint32, d *bpf.Data) []uint32 {
	var rets []uint32
	for _, rule := range a.rules[number] {
		if a.holds(rule, d) {
			rets = append(rets, rule.ret)
		}
	}
	return rets
}

func (a *refArch) holds(rule refRule, d *bpf.Data) bool {
	return !slices.ContainsFunc(rule.args, func(arg specs.LinuxSeccompArg) bool { return !refHolds(arg, d.Args[arg.Index], a.bits) })
}

// TestEnginesAgreeOnGeneratedProfiles is the oracle: both engines, and the plain reading of the profile.
func TestEnginesAgreeOnGeneratedProfiles(t *testing.T) {
	const shards, profiles = 4, 10000
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(7, shard))
			l := newLibrary(t)
			found := map[excuse]int{}
			refused := 0
			for i := range profiles / shards {
				native := findArch(refArches[r.IntN(len(refArches))].name)
				profile := randomProfile(r)
				profile.Architectures = slices.DeleteFunc(profile.Architectures, func(a specs.Arch) bool { return !provides(findArch(a)) })
				if !provides(native) {
					native = findArch(specs.ArchX86_64)
				}
				c := l.compare(t, profile, native, levels[i%len(levels)])
				if c == nil {
					refused++
					continue
				}
				c.everyCall(t, found, r)
				if t.Failed() {
					text, _ := json.Marshal(profile)
					t.Fatalf("profile %d: %s", i, text)
				}
			}
			report(t, found)
			if refused > profiles/shards/100 {
				t.Errorf("the library refused %d of %d profiles: the comparison is not worth much", refused, profiles/shards)
			}
		})
	}
}

// everyCall asks about each number of each of the profile's architectures, and about numbers around all of their borders. Where arguments
// count, it asks often.
func (c *comparison) everyCall(t testing.TB, found map[excuse]int, r *rand.Rand) {
	t.Helper()
	values := interesting(c.profile)
	for i := range c.reference.arches {
		a := &c.reference.arches[i]
		for _, number := range a.numbers() {
			times := 1
			if a.conditional(number) {
				times = 24
			}
			for range times {
				d := bpf.Data{Number: number, Arch: a.token}
				for j := range d.Args {
					d.Args[j] = values[r.IntN(len(values))]
				}
				found[c.judge(t, a, &d)]++
			}
		}
	}
}

// numbers are those of the architecture's table and the gaps in it, some behind it, and the corners of the space.
func (a *refArch) numbers() []uint32 {
	first := a.table.Entries()[0].Number() / 1000 * 1000
	list := make([]uint32, 0, 600)
	for n := range uint32(560) {
		list = append(list, a.offset+first+n)
	}
	return append(list, 1<<30-1, 1<<30, 1<<31-1, 1<<31, 0xf0002, 0xf0005, 0xfffffffe, 0xffffffff)
}

func report(t testing.TB, found map[excuse]int) {
	t.Helper()
	for _, why := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%9d %s", found[why], why)
	}
}
