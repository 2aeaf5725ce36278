package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

// rlimitNames are the limits of getrlimit(2).
var rlimitNames = []string{
	"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE",
	"RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
}

func checkRlimits(r *report, spec *specs.Spec) {
	if spec.Process == nil {
		return
	}
	limits := spec.Process.Rlimits
	for i, l := range limits {
		r.oneOf(l.Type, rlimitNames, "process", "rlimits", i, "type")
		if l.Soft > l.Hard {
			r.add(at("process", "rlimits", i, "soft"), "must not be above the hard limit %d, got %d", l.Hard, l.Soft)
		}
		for j := range limits[:i] {
			if limits[j].Type == l.Type {
				r.add(at("process", "rlimits", i, "type"), "%s is already set by %s", quote(l.Type), at("process", "rlimits", j))
				break
			}
		}
	}
}
