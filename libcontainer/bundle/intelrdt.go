package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func checkIntelRdt(r *report, spec *specs.Spec) {
	if spec.Linux == nil || spec.Linux.IntelRdt == nil {
		return
	}
	rdt := spec.Linux.IntelRdt
	// "/" is the default class, any other name is a directory of the resctrl file system.
	if id := rdt.ClosID; id != "/" && (id == "." || id == ".." || strings.ContainsAny(id, "/\n\x00")) {
		r.add("/linux/intelRdt/closID", "must be \"/\" or the name of a directory, got %s", quote(id))
	}
	for i, line := range rdt.Schemata {
		checkSchema(r, line, "linux", "intelRdt", "schemata", i)
	}
	checkSchema(r, rdt.L3CacheSchema, "linux", "intelRdt", "l3CacheSchema")
	checkSchema(r, rdt.MemBwSchema, "linux", "intelRdt", "memBwSchema")
	if s := rdt.MemBwSchema; s != "" && !strings.HasPrefix(s, "MB:") {
		r.add("/linux/intelRdt/memBwSchema", "must begin with MB:, got %s", quote(s))
	}
}

func checkSchema(r *report, line string, steps ...any) {
	if strings.ContainsAny(line, "\n\x00") {
		r.add(at(steps...), "must not contain NUL or newline, got %s", quote(line))
	}
}
