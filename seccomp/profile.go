package seccomp

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/syscalls"
)

// pointer is where the profile stands in config.json.
const pointer = "/linux/seccomp"

// maxArg is the highest index of an argument.
const maxArg = 5

// policy is a profile in numbers: what is the same for all architectures.
type policy struct {
	fallback uint32 // the default action
	flags    uint
	notify   bool
	arches   []*arch // native first, no duplicates
	entries  []entry // one for each of profile.syscalls
	byName   names
}

// entry is one of profile.syscalls.
type entry struct {
	ret   uint32
	names []string
	args  []specs.LinuxSeccompArg
	// alternatives says that the arguments are a rule each, OR-ed, instead of one rule with all of them AND-ed. It is so when an index
	// occurs twice: what all OCI runtimes do since libseccomp takes one condition for each argument.
	alternatives bool
	// idle entries do what the default action does. They match nothing (libseccomp refuses such rules, so runtimes leave them out), and
	// only show that the profile's author knew of the call.
	idle bool
}

// unconditional tells whether the entry matches its calls whatever the arguments.
func (e *entry) unconditional() bool { return len(e.args) == 0 }

// names holds for each name the entries that have it, in the order of the profile, as lists in an array.
type names struct {
	head  [syscalls.NameCount]int32 // index into nodes plus 1, so that 0 is none
	nodes []nameNode
}

type nameNode struct{ entry, next int32 }

// parse validates a profile for the kernel of native.
func parse(profile *specs.LinuxSeccomp, native *arch) (*policy, error) {
	p := &policy{}
	ret, wrongErrno, err := parseAction(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		field := "/defaultAction"
		if wrongErrno {
			field = "/defaultErrnoRet"
		}
		return nil, at(field, err)
	}
	p.fallback = ret
	if err := p.parseArches(profile.Architectures, native); err != nil {
		return nil, err
	}
	if err := p.parseSyscalls(profile.Syscalls); err != nil {
		return nil, err
	}
	p.notify = p.notify || profile.DefaultAction == specs.ActNotify
	if profile.ListenerPath == "" {
		if p.notify {
			return nil, at("/listenerPath", errors.New("not set, but needed by SCMP_ACT_NOTIFY"))
		}
		if profile.ListenerMetadata != "" {
			return nil, at("/listenerMetadata", errors.New("set without a listenerPath"))
		}
	}
	return p, p.parseFlags(profile.Flags)
}

// FieldError is what is wrong with a field of a profile. Its text has the pointer from the root of config.json; whoever has the
// profile from elsewhere puts the parts together.
type FieldError struct {
	Field string // as a JSON pointer from the profile on; empty: the profile itself
	Err   error
}

func (e *FieldError) Error() string { return pointer + e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

func at(field string, err error) *FieldError { return &FieldError{field, err} }

// parseArches collects the architectures. Those of the other byte order are accepted and left out: seccomp_data has the byte order of
// the kernel, which cannot run them, and any such token would meet the default for unknown architectures.
func (p *policy) parseArches(list []specs.Arch, native *arch) error {
	p.arches = append(make([]*arch, 0, 4), native)
	for i, name := range list {
		a := findArch(name)
		if a == nil {
			return at("/architectures/"+strconv.Itoa(i), fmt.Errorf("unknown architecture %q", name))
		}
		if a.big == native.big && !p.has(a) {
			p.arches = append(p.arches, a)
		}
	}
	return nil
}

func (p *policy) has(a *arch) bool {
	for _, b := range p.arches {
		if a == b {
			return true
		}
	}
	return false
}

// parseFlags collects the flags. Without the key, SPEC_ALLOW is set, as the other runtimes do: the spec is silent, and the kernel's
// default (before 5.16) would slow the container down for a mitigation nobody asked for. An empty list means no flags.
func (p *policy) parseFlags(flags []specs.LinuxSeccompFlag) error {
	if flags == nil {
		p.flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		return nil
	}
	for i, flag := range flags {
		bit := flagBit(flag)
		if bit == 0 {
			return at("/flags/"+strconv.Itoa(i), fmt.Errorf("unknown flag %q", flag))
		}
		p.flags |= bit
	}
	if !p.notify {
		// It says how notifications are received; the kernel refuses it (EINVAL) for a filter that has none.
		p.flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return nil
}

func (p *policy) parseSyscalls(list []specs.LinuxSyscall) error {
	p.entries = make([]entry, len(list))
	count := 0
	for i := range list {
		if err := p.entries[i].parse(&list[i]); err != nil {
			return at("/syscalls/"+strconv.Itoa(i)+err.Field, err.Err)
		}
		p.entries[i].idle = p.entries[i].ret == p.fallback
		p.notify = p.notify || list[i].Action == specs.ActNotify
		count += len(list[i].Names)
	}
	p.byName.nodes = make([]nameNode, 0, count)
	// Backwards, so that putting each one in front leaves the lists in the order of the profile.
	for i := len(list) - 1; i >= 0; i-- {
		p.byName.add(list[i].Names, int32(i))
	}
	return nil
}

// parse validates one of profile.syscalls. The error has the rest of the pointer.
func (e *entry) parse(s *specs.LinuxSyscall) *FieldError {
	ret, wrongErrno, err := parseAction(s.Action, s.ErrnoRet)
	if err != nil {
		if wrongErrno {
			return at("/errnoRet", err)
		}
		return at("/action", err)
	}
	if len(s.Names) == 0 {
		return at("/names", errors.New("at least one name is needed"))
	}
	for i, name := range s.Names {
		if name == "" {
			return at("/names/"+strconv.Itoa(i), errors.New("empty"))
		}
	}
	e.ret, e.names, e.args = ret, s.Names, s.Args
	seen := uint(0)
	for i := range s.Args {
		arg := &s.Args[i]
		if arg.Index > maxArg {
			return at(fmt.Sprintf("/args/%d/index", i), fmt.Errorf("%d, but the last argument of a system call is %d", arg.Index, maxArg))
		}
		if !knownOperator(arg.Op) {
			return at(fmt.Sprintf("/args/%d/op", i), fmt.Errorf("unknown operator %q", arg.Op))
		}
		bit := uint(1) << arg.Index
		e.alternatives = e.alternatives || seen&bit != 0
		seen |= bit
	}
	return nil
}

// add notes that an entry has the names. Unknown names are skipped: profiles list calls of other architectures and of later kernels.
func (n *names) add(list []string, entry int32) {
	var previous syscalls.Name
	for _, name := range list {
		id, ok := syscalls.LookupAfter(previous, name)
		if !ok {
			continue
		}
		previous = id
		n.nodes = append(n.nodes, nameNode{entry: entry, next: n.head[id]})
		n.head[id] = int32(len(n.nodes))
	}
}
