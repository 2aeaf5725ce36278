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
	{"/linux/intelRdt", func(s *specs.Spec) bool { return s.Linux.IntelRdt != nil }},
	{"/linux/netDevices", func(s *specs.Spec) bool { return len(s.Linux.NetDevices) > 0 }},
	{"/linux/seccomp/listenerPath", func(s *specs.Spec) bool { return s.Linux.Seccomp != nil && s.Linux.Seccomp.ListenerPath != "" }},
}

func checkUnsupported(r *report, spec *specs.Spec) {
	checkUnsupportedMounts(r, spec)
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

// checkUnsupportedMounts is about id-mapped mounts.
func checkUnsupportedMounts(r *report, spec *specs.Spec) {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		for j, o := range m.Options {
			if o == "idmap" || o == "ridmap" {
				r.add(at("mounts", i, "options", j), "%s: "+notYetMessage, o)
			}
		}
		if len(m.UIDMappings) > 0 {
			r.add(at("mounts", i, "uidMappings"), notYetMessage)
		}
		if len(m.GIDMappings) > 0 {
			r.add(at("mounts", i, "gidMappings"), notYetMessage)
		}
	}
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
