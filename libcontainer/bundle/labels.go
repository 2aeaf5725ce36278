package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkLabels looks at what is written to the kernel as it is: whether a label is known is the loaded policy's to say.
func checkLabels(r *report, spec *specs.Spec) {
	if p := spec.Process; p != nil {
		r.checkLabel(p.ApparmorProfile, "process", "apparmorProfile")
		r.checkLabel(p.SelinuxLabel, "process", "selinuxLabel")
	}
	if spec.Linux != nil {
		r.checkLabel(spec.Linux.MountLabel, "linux", "mountLabel")
	}
}

// checkLabel refuses what would end a label early, and what could end the mount option that it stands in.
func (r *report) checkLabel(label string, steps ...any) {
	if strings.ContainsAny(label, "\x00\n\"") {
		r.add(at(steps...), "must not contain a NUL byte, a line break or a quotation mark, got %s", quote(label))
	}
}
