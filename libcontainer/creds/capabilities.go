package creds

import (
	"strings"

	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// names are the capabilities by number, without CAP_; include/uapi/linux/capability.h as of Linux 5.9.
var names = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// Names lists the capabilities that tare knows, as a spec writes them, by number.
func Names() []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = "CAP_" + n
	}
	return all
}

// Number gives the number of a capability as a spec writes it, CAP_CHOWN for instance.
func Number(name string) (n int, ok bool) {
	short, found := strings.CutPrefix(name, "CAP_")
	if !found {
		return 0, false
	}
	for i, s := range names {
		if s == short {
			return i, true
		}
	}
	return 0, false
}

// Sets are the five capability sets of a process; bit N is capability N.
type Sets struct {
	Bounding, Effective, Inheritable, Permitted, Ambient uint64
}

// NewSets turns the capabilities of a spec into bits. A process without any gets none. Names that are unknown
// are left out: the spec wants a warning for them, which the checks of the bundle give.
func NewSets(c *specs.LinuxCapabilities) Sets {
	if c == nil {
		return Sets{}
	}
	return Sets{
		Bounding: mask(c.Bounding), Effective: mask(c.Effective), Inheritable: mask(c.Inheritable),
		Permitted: mask(c.Permitted), Ambient: mask(c.Ambient),
	}
}

func mask(list []string) (m uint64) {
	for _, name := range list {
		if n, ok := Number(name); ok {
			m |= 1 << n
		}
	}
	return m
}

// within takes out of s what the thread has not got to give, and returns what that was.
func (s *Sets) within(own sys.CapSets) (missing uint64) {
	missing = (s.Permitted | s.Effective | s.Inheritable | s.Ambient) &^ (own.Permitted | own.Inheritable)
	s.Permitted &= own.Permitted
	s.Effective &= s.Permitted // capset(2): effective is a subset of the new permitted
	s.Inheritable &= own.Permitted | own.Inheritable
	s.Ambient &= s.Permitted & s.Inheritable // capabilities(7): ambient ones are permitted and inheritable
	return missing
}

func spell(m uint64) string {
	var b strings.Builder
	for i := range 64 {
		if m&(1<<i) == 0 || i >= len(names) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("CAP_" + names[i])
	}
	return b.String()
}
