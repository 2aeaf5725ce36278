package devbpf

import (
	"fmt"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// DefaultRules are those that hold in every container, after the rules of its config.json and therefore over them: any node
// may be made, as that opens nothing, and the devices that the specification puts into every container may be used.
//
// Beside these is /dev/net/tun (10:200), which runc and crun give and callers have come to rely on: it does nothing
// without CAP_NET_ADMIN over a network namespace. Not there is 5:1, which crun gives: a container's /dev/console is a
// pseudo-terminal (136:*), and 5:1 is the host's, which CAP_MKNOD would open.
func DefaultRules() []specs.LinuxDeviceCgroup {
	allow := func(kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
		rule := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
		if major != wildcard {
			rule.Major = &major
		}
		if minor != wildcard {
			rule.Minor = &minor
		}
		return rule
	}
	return []specs.LinuxDeviceCgroup{
		allow("c", wildcard, wildcard, "m"),
		allow("b", wildcard, wildcard, "m"),
		allow("c", 1, 3, "rwm"),          // /dev/null
		allow("c", 1, 5, "rwm"),          // /dev/zero
		allow("c", 1, 7, "rwm"),          // /dev/full
		allow("c", 1, 8, "rwm"),          // /dev/random
		allow("c", 1, 9, "rwm"),          // /dev/urandom
		allow("c", 5, 0, "rwm"),          // /dev/tty
		allow("c", 5, 2, "rwm"),          // /dev/ptmx
		allow("c", 10, 200, "rwm"),       // /dev/net/tun
		allow("c", 136, wildcard, "rwm"), // /dev/pts/*
	}
}

// wildcard stands for every major or minor number, in config.json too.
const wildcard = -1

// allAccess is every right there is.
const allAccess = unix.BPF_DEVCG_ACC_MKNOD | unix.BPF_DEVCG_ACC_READ | unix.BPF_DEVCG_ACC_WRITE

// rule is a specs.LinuxDeviceCgroup in the kernel's terms.
type rule struct {
	allow        bool
	kind         int32 // BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR, or 0 for both
	major, minor int64 // or wildcard
	access       int32 // bits of BPF_DEVCG_ACC_*
}

// everything says that the rule is about every right to every device.
func (r rule) everything() bool {
	return r.kind == 0 && r.major == wildcard && r.minor == wildcard && r.access == allAccess
}

// parse reads one rule. What the specification lets a rule leave out (type, major, minor, and access too) means all of it.
func parse(i int, in specs.LinuxDeviceCgroup) (rule, error) {
	out := rule{allow: in.Allow, access: allAccess}
	fail := func(field, format string, a ...any) (rule, error) {
		return rule{}, fmt.Errorf("linux.resources.devices[%d].%s (/linux/resources/devices/%d/%s): %s",
			i, field, i, field, fmt.Sprintf(format, a...))
	}
	switch in.Type {
	case "", "a":
	case "b":
		out.kind = unix.BPF_DEVCG_DEV_BLOCK
	case "c":
		out.kind = unix.BPF_DEVCG_DEV_CHAR
	default:
		return fail("type", "%q is none of a (all), b (block) and c (character)", in.Type)
	}
	var ok bool
	if out.major, ok = number(in.Major); !ok {
		return fail("major", "%d is no device number", *in.Major)
	}
	if out.minor, ok = number(in.Minor); !ok {
		return fail("minor", "%d is no device number", *in.Minor)
	}
	if in.Access == "" {
		return out, nil
	}
	out.access = 0
	for _, c := range in.Access {
		switch c {
		case 'r':
			out.access |= unix.BPF_DEVCG_ACC_READ
		case 'w':
			out.access |= unix.BPF_DEVCG_ACC_WRITE
		case 'm':
			out.access |= unix.BPF_DEVCG_ACC_MKNOD
		default:
			return fail("access", "%q has letters other than r (read), w (write) and m (mknod)", in.Access)
		}
	}
	return out, nil
}

// number reads a major or minor number, absent and -1 being the wildcard.
func number(n *int64) (int64, bool) {
	if n == nil {
		return wildcard, true
	}
	return *n, *n >= wildcard && *n <= math.MaxUint32
}
