package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// check is one named part of the validation: a pure function of the config.
type check struct {
	name string
	run  func(*report, *specs.Spec)
}

// checks are all of them, in the order in which their findings are told. Each looks at its own part and takes every other
// part as it comes, broken or absent.
var checks = [...]check{
	{"ociVersion", checkVersion},
	{"root", checkRoot},
	{"names", checkNames},
	{"annotations", checkAnnotations},
	{"process", checkProcess},
	{"user", checkUser},
	{"rlimits", checkRlimits},
	{"scheduling", checkScheduling},
	{"mounts", checkMounts},
	{"hooks", checkHooks},
	{"namespaces", checkNamespaces},
	{"id mappings", checkIDMappings},
	{"time offsets", checkTimeOffsets},
	{"sysctl", checkSysctl},
	{"devices", checkDevices},
	{"net devices", checkNetDevices},
	{"paths", checkPaths},
	{"propagation", checkPropagation},
	{"device rules", checkDeviceRules},
	{"memory", checkMemory},
	{"swap", checkSwap},
	{"cpu", checkCPU},
	{"block io", checkBlockIO},
	{"other limits", checkOtherLimits},
	{"unified", checkUnified},
	{"seccomp", checkSeccomp},
	{"intel rdt", checkIntelRdt},
	{"memory policy", checkMemoryPolicy},
	{"personality", checkPersonality},
	{"labels", checkLabels},
}

// Validate finds all mistakes that can be seen in the config itself. It has no side effect and looks at nothing but spec.
func Validate(spec *specs.Spec) Problems {
	var r report
	for i := range checks {
		checks[i].run(&r, spec)
	}
	return r.problems
}

// ValidateProcess finds the mistakes of a process that is to join a container, as exec's --process has it. Pointers begin at
// the process.
func ValidateProcess(p *specs.Process) Problems {
	spec := &specs.Spec{Process: p}
	var r report
	checkProcess(&r, spec)
	checkUser(&r, spec)
	checkRlimits(&r, spec)
	checkScheduling(&r, spec)
	checkLabels(&r, spec)
	return r.problems.below("/process")
}

// ValidateResources finds the mistakes of limits that come by themselves, as in update. Pointers begin at the resources.
func ValidateResources(res *specs.LinuxResources) Problems {
	spec := &specs.Spec{Linux: &specs.Linux{Resources: res}}
	var r report
	checkDeviceRules(&r, spec)
	checkMemory(&r, spec)
	checkCPU(&r, spec)
	checkBlockIO(&r, spec)
	checkOtherLimits(&r, spec)
	checkUnified(&r, spec)
	return r.problems.below("/linux/resources")
}

// below takes the part above off the pointers.
func (ps Problems) below(parent string) Problems {
	for i := range ps {
		ps[i].Pointer = strings.TrimPrefix(ps[i].Pointer, parent)
	}
	return ps
}

func checkRoot(r *report, spec *specs.Spec) {
	switch {
	case spec.Root == nil:
		r.add("/root", "is required")
	case spec.Root.Path == "":
		r.add("/root/path", "must not be empty, want the path of the root file system")
	case hasNUL(spec.Root.Path):
		r.add("/root/path", "must not contain a NUL byte, got %s", quote(spec.Root.Path))
	}
}

// AnnotationCRIUConfig is an annotation that names CRIU's configuration file, which can have CRIU execute programs as the host's root.
const AnnotationCRIUConfig = "org.criu.config"

// AnnotationDefaultDevices is an annotation by which a config.json can do without the device rules that every container gets
// beside its own: "false" leaves those of linux.resources.devices alone.
const AnnotationDefaultDevices = "tare.default-devices"

func checkAnnotations(r *report, spec *specs.Spec) {
	if _, ok := spec.Annotations[""]; ok {
		r.add(at("annotations", ""), "a key must not be empty")
	}
	// Anything else would leave the reader to guess which one was meant.
	if v, ok := spec.Annotations[AnnotationDefaultDevices]; ok && v != "true" && v != "false" {
		r.add(at("annotations", AnnotationDefaultDevices), "must be \"true\" or \"false\", got %s", quote(v))
	}
}
