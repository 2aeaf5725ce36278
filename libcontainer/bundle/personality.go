package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/attr"
)

// checkPersonality refuses all flags: the specification names none.
func checkPersonality(r *report, spec *specs.Spec) {
	if spec.Linux == nil || spec.Linux.Personality == nil {
		return
	}
	p := spec.Linux.Personality
	r.oneOf(string(p.Domain), attr.Domains(), "linux", "personality", "domain")
	if len(p.Flags) > 0 {
		r.add("/linux/personality/flags", "are not supported, got %s", quote(string(p.Flags[0])))
	}
}
