package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

// notYet is one part of the specification that this version cannot do. A row goes when the part is built; its own checks
// stay.
type notYet struct {
	pointer string
	asked   func(*specs.Spec) bool
}

const notYetMessage = "not supported by this version of tare yet"

// Each function sees a spec whose Linux is there.

var linuxNotYet = [...]notYet{
	{"/linux/seccomp/listenerPath", func(s *specs.Spec) bool { return s.Linux.Seccomp != nil && s.Linux.Seccomp.ListenerPath != "" }},
}

func checkUnsupported(r *report, spec *specs.Spec) {
	if spec.Linux == nil {
		return
	}
	for i := range linuxNotYet {
		if linuxNotYet[i].asked(spec) {
			r.add(linuxNotYet[i].pointer, notYetMessage)
		}
	}
	checkUnsupportedNotify(r, spec.Linux.Seccomp)
}

// checkUnsupportedNotify is about seccomp's user notification.
func checkUnsupportedNotify(r *report, s *specs.LinuxSeccomp) {
	if s == nil {
		return
	}
	if s.DefaultAction == specs.ActNotify {
		r.add("/linux/seccomp/defaultAction", "%s: "+notYetMessage, s.DefaultAction)
	}
	for i := range s.Syscalls {
		if s.Syscalls[i].Action == specs.ActNotify {
			r.add(at("linux", "seccomp", "syscalls", i, "action"), "%s: "+notYetMessage, s.Syscalls[i].Action)
		}
	}
}
