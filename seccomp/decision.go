package seccomp

import (
	"fmt"
	"slices"
	"sort"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/syscalls"
)

// Action is what a program returns for a call: SECCOMP_RET_* with 16 bits of data.
type Action uint32

// String says it as a person would: "allow", "errno EPERM", "kill thread".
func (a Action) String() string {
	data := uint32(a) & unix.SECCOMP_RET_DATA
	switch uint32(a) & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_LOG:
		return "log"
	case unix.SECCOMP_RET_ERRNO:
		if name := unix.ErrnoName(unix.Errno(data)); name != "" {
			return "errno " + name
		}
		return fmt.Sprintf("errno %d", data)
	case unix.SECCOMP_RET_TRAP:
		return "trap"
	case unix.SECCOMP_RET_TRACE:
		return fmt.Sprintf("trace %d", data)
	case unix.SECCOMP_RET_USER_NOTIF:
		return "notify"
	case unix.SECCOMP_RET_KILL_THREAD:
		return "kill thread"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "kill process"
	}
	return fmt.Sprintf("%#x", uint32(a))
}

// Decision is what a profile makes of one system call: the action of the first rule that holds, or else Otherwise.
type Decision struct {
	Call      string
	Number    uint32 // as the kernel has it, x32's bit included
	Rules     []Rule
	Otherwise Action
	// Entries are the indexes in profile.syscalls of what names the call; none: the default action, or ENOSYS for a call that is younger
	// than all that are named.
	Entries []int
}

// Rule holds if all its conditions do.
type Rule struct {
	Conditions []specs.LinuxSeccompArg
	Action     Action
}

// Decisions tells what a profile makes of each system call of an architecture, in the order of their numbers. It is what tare's own
// engine compiles, for a kernel of the architecture native.
func Decisions(profile *specs.LinuxSeccomp, native, of specs.Arch) ([]Decision, error) {
	kernel, a := findArch(native), findArch(of)
	if kernel == nil || a == nil {
		return nil, fmt.Errorf("unknown architecture %q or %q", native, of)
	}
	p, err := parse(profile, kernel)
	if err != nil {
		return nil, err
	}
	if !p.has(a) {
		return nil, at("/architectures", fmt.Errorf("%s is not among them: each of its calls kills the thread", of))
	}
	c := compiler{policy: p}
	c.mux.init()
	c.architecture(a)
	first, _ := a.calls()
	var all []Decision
	for _, e := range a.table.Entries() {
		number := first + e.Number()
		after := sort.Search(len(c.segments), func(i int) bool { return c.segments[i].start > number })
		all = append(all, c.decision(e, number, &c.segments[after-1]))
	}
	return all, nil
}

func (c *compiler) decision(e syscalls.Entry, number uint32, s *segment) Decision {
	d := Decision{Call: e.Name().String(), Number: number, Otherwise: Action(s.ret)}
	for _, b := range c.branches[s.from:s.to] {
		d.Rules = append(d.Rules, Rule{Conditions: slices.Clone(b.args), Action: Action(b.ret)})
	}
	for _, i := range c.byName.appendEntries(nil, e.Name()) {
		d.Entries = append(d.Entries, int(i))
	}
	return d
}
