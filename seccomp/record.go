package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/seccomp/syscalls"
)

// Record collects system calls, and makes the least profile of them that lets them through. The zero value is an empty one.
type Record struct {
	calls    map[made]string // with their names
	nameless []made
}

// made is a call that somebody made.
type made struct{ token, number uint32 }

// maxNameless is how many calls without a name are kept, which are only told: a process can make up as many as there are numbers.
const maxNameless = 16

// CompileRecorder makes the program that notifies of every call of every architecture that this kernel can run.
func CompileRecorder() (*Program, error) {
	native, err := NativeArch()
	if err != nil {
		return nil, err
	}
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActNotify, ListenerPath: "the recorder",
		Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow},
	}
	for i := range arches {
		profile.Architectures = append(profile.Architectures, arches[i].name)
	}
	// Linux 5.19. It has no sense alone (EINVAL).
	if sys.SeccompFlagKnown(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
		profile.Flags = append(profile.Flags, specs.LinuxSeccompFlagWaitKillableRecv)
	}
	return compileWith((*policy).compile, profile, findArch(native)) // libseccomp may not know all of them
}

// Add notes a call: seccomp_data's arch and nr.
func (r *Record) Add(token, number uint32) {
	c := made{token, number}
	if _, known := r.calls[c]; known {
		return
	}
	if name := c.name(); name != "" {
		if r.calls == nil {
			r.calls = map[made]string{}
		}
		r.calls[c] = name
	} else if len(r.nameless) < maxNameless && !slices.Contains(r.nameless, c) {
		r.nameless = append(r.nameless, c)
	}
}

// Nameless describes calls that no profile can allow by name: those of a kernel younger than the tables, and those that are none.
func (r *Record) Nameless() (texts []string) {
	for _, c := range r.nameless {
		name := "an unknown architecture"
		if a := c.arch(); a != nil {
			name = string(a.name)
		}
		texts = append(texts, fmt.Sprintf("number %d of %s", int32(c.number), name))
	}
	return texts
}

// arch gives the architecture that a call is of, nil for an unknown one.
func (c made) arch() *arch {
	if c.token == unix.AUDIT_ARCH_X86_64 && c.number&syscalls.X32Bit != 0 && c.number != noCall {
		return findArch(specs.ArchX32)
	}
	for i := range arches {
		if arches[i].token == c.token {
			return &arches[i]
		}
	}
	return nil
}

func (c made) name() string {
	a := c.arch()
	if a == nil {
		return ""
	}
	first, _ := a.calls()
	return a.table.Name(c.number - first)
}

// AddTo has the profile allow what was recorded. An empty profile becomes one that refuses everything else. Whatever a profile says of a
// call by name stays as it is.
func (r *Record) AddTo(profile *specs.LinuxSeccomp) error {
	native, err := NativeArch()
	if err != nil {
		return err
	}
	if profile.DefaultAction == "" {
		errno := uint(unix.EPERM)
		profile.DefaultAction, profile.DefaultErrnoRet = specs.ActErrno, &errno
	}
	r.addArches(profile, findArch(native))
	for _, name := range slices.Sorted(maps.Values(r.calls)) {
		if !namesCall(profile, name) {
			allow := allowEntry(profile)
			at, _ := slices.BinarySearch(allow.Names, name)
			allow.Names = slices.Insert(allow.Names, at, name)
		}
	}
	return nil
}

func (r *Record) addArches(profile *specs.LinuxSeccomp, native *arch) {
	seen := map[*arch]bool{native: true}
	for c := range r.calls {
		seen[c.arch()] = true
	}
	add := func(a *arch) {
		if seen[a] && !slices.Contains(profile.Architectures, a.name) {
			profile.Architectures = append(profile.Architectures, a.name)
		}
	}
	add(native) // first
	for i := range arches {
		add(&arches[i])
	}
}

// allowEntry gives the first entry that allows its calls whatever the arguments, a new one if there is none.
func allowEntry(profile *specs.LinuxSeccomp) *specs.LinuxSyscall {
	i := slices.IndexFunc(profile.Syscalls, func(s specs.LinuxSyscall) bool { return s.Action == specs.ActAllow && len(s.Args) == 0 })
	if i < 0 {
		i = len(profile.Syscalls)
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Action: specs.ActAllow})
	}
	return &profile.Syscalls[i]
}

func namesCall(profile *specs.LinuxSeccomp, name string) bool {
	return slices.ContainsFunc(profile.Syscalls, func(s specs.LinuxSyscall) bool { return slices.Contains(s.Names, name) })
}
