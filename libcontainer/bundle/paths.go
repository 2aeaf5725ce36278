package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

var propagations = []string{"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"}

func checkPaths(r *report, spec *specs.Spec) {
	if spec.Linux == nil {
		return
	}
	for i, path := range spec.Linux.MaskedPaths {
		r.checkPath(path, "linux", "maskedPaths", i)
	}
	for i, path := range spec.Linux.ReadonlyPaths {
		r.checkPath(path, "linux", "readonlyPaths", i)
	}
	if hasNUL(spec.Linux.CgroupsPath) {
		r.add("/linux/cgroupsPath", "must not contain a NUL byte, got %s", quote(spec.Linux.CgroupsPath))
	}
}

func checkPropagation(r *report, spec *specs.Spec) {
	if spec.Linux != nil && spec.Linux.RootfsPropagation != "" {
		r.oneOf(spec.Linux.RootfsPropagation, propagations, "linux", "rootfsPropagation")
	}
}
