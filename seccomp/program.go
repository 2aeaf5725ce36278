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

// Explain puts the errno of a load into words. The one who loads is nsenter.Spawn, with nothing but execve(2) after it.
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
