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

// errNeedsListener is Load's answer for a program with notifications. The way to load one, LoadListener (the same call with
// SECCOMP_FILTER_FLAG_NEW_LISTENER, and SECCOMP_FILTER_FLAG_TSYNC_ESRCH where TSYNC is set, since both want the return value), belongs
// beside Load.
var errNeedsListener = errors.New("load seccomp program: SCMP_ACT_NOTIFY is not supported yet")

// Load installs the program on the calling thread, for it and all that it starts; with SECCOMP_FILTER_FLAG_TSYNC on the process's other
// threads too. The thread needs no_new_privs, or CAP_SYS_ADMIN in its user namespace. When the program is in force Load returns at once,
// without a system call, an allocation or the scheduler's help: whatever comes next is the first thing the program judges.
//
// The error wraps the errno and names the flag that the kernel does not know, if it is that.
func (p *Program) Load() error {
	if p.Listener {
		return errNeedsListener
	}
	thread, err := sys.SeccompSetFilter(p.Flags, p.Filter)
	if err != nil {
		return fmt.Errorf("load seccomp program of %d instructions%s: %w", len(p.Filter), p.hint(err), err)
	}
	if thread != 0 {
		return fmt.Errorf("load seccomp program: thread %d has filters of its own and cannot follow (SECCOMP_FILTER_FLAG_TSYNC)", thread)
	}
	return nil
}

// hint explains the usual causes of err.
func (p *Program) hint(err error) string {
	switch {
	case errors.Is(err, unix.EACCES):
		return " without no_new_privs or CAP_SYS_ADMIN"
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
