package seccomp

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Program is a compiled profile: plain data that can be handed to another process.
type Program struct {
	// Filter is the classic BPF program, at most bpf.MaxInstructions long.
	Filter []unix.SockFilter
	// Flags are the SECCOMP_FILTER_FLAG_* bits the profile asks for.
	Flags uint
	// Listener tells that calls may be handed to an agent (SCMP_ACT_NOTIFY), so that loading must yield a listener descriptor.
	Listener bool
}

// errNeedsListener is Load's answer for a program with notifications.
var errNeedsListener = errors.New("load seccomp program: it has SCMP_ACT_NOTIFY, and so a listener, which this way of loading leaves nobody")

// Load installs the program on the calling thread, for it and all that it starts; with SECCOMP_FILTER_FLAG_TSYNC on the process's other
// threads too. The thread needs no_new_privs, or CAP_SYS_ADMIN in its user namespace. When the program is in force Load returns at once,
// without a system call, an allocation or the scheduler's help: whatever comes next is the first thing the program judges.
//
// The error wraps the errno and names the flag that the kernel does not know, if it is that.
func (p *Program) Load() error {
	if p.Listener {
		return errNeedsListener
	}
	thread, err := p.load(p.Flags)
	if err == nil && thread != 0 {
		err = fmt.Errorf("load seccomp program: thread %d has filters of its own and cannot follow (SECCOMP_FILTER_FLAG_TSYNC)", thread)
	}
	return err
}

// LoadListener is Load for a program with notifications. It returns the listener, close-on-exec, which the caller owns; see
// seccomp_unotify(2). Until somebody receives from it, each call that the program notifies of waits, whoever makes it.
func (p *Program) LoadListener() (int, error) {
	flags := p.Flags | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	if flags&unix.SECCOMP_FILTER_FLAG_TSYNC != 0 {
		flags |= unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH // both want to be the return value
	}
	return p.load(flags)
}

func (p *Program) load(flags uint) (int, error) {
	r, err := sys.SeccompSetFilter(flags, p.Filter)
	if err != nil {
		return 0, p.Explain(err)
	}
	return r, nil
}

// Explain puts the errno of a load into words.
func (p *Program) Explain(err error) error {
	return fmt.Errorf("load seccomp program of %d instructions%s: %w", len(p.Filter), p.hint(err), err)
}

// hint explains the usual causes of err.
func (p *Program) hint(err error) string {
	switch {
	case errors.Is(err, unix.EACCES):
		return " without no_new_privs or CAP_SYS_ADMIN"
	case errors.Is(err, unix.EBUSY):
		return ", SCMP_ACT_NOTIFY while a filter around tare has a listener already"
	case errors.Is(err, unix.ESRCH):
		return ", a thread has filters of its own and cannot follow (SECCOMP_FILTER_FLAG_TSYNC)"
	case errors.Is(err, unix.EINVAL):
		for _, name := range KnownFlags() {
			bit := flagBit(specs.LinuxSeccompFlag(name))
			if p.Flags&bit != 0 && !sys.SeccompFlagKnown(bit) {
				return ", flag " + name + " unknown to this kernel"
			}
		}
	}
	return ""
}
