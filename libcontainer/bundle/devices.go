package bundle

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Ranges of the kernel's dev_t (include/linux/kdev_t.h): larger numbers would lose bits on the way, and be another device.
const (
	majorLimit = 1<<12 - 1
	minorLimit = 1<<20 - 1

	// fileModeLimit lets the bits of the file's type pass: some callers hand on a whole st_mode.
	fileModeLimit = 0o177777
)

var (
	deviceTypes = []string{"c", "b", "u", "p"}
	ruleTypes   = []string{"a", "c", "b"}
)

func checkDevices(r *report, spec *specs.Spec) {
	if spec.Linux == nil {
		return
	}
	for i := range spec.Linux.Devices {
		d := &spec.Linux.Devices[i]
		r.checkPath(d.Path, "linux", "devices", i, "path")
		r.oneOf(d.Type, deviceTypes, "linux", "devices", i, "type")
		if d.Type != "p" {
			r.checkNumber(d.Major, 0, majorLimit, "linux", "devices", i, "major")
			r.checkNumber(d.Minor, 0, minorLimit, "linux", "devices", i, "minor")
		}
		if d.FileMode != nil && *d.FileMode > fileModeLimit {
			r.add(at("linux", "devices", i, "fileMode"), "must be at most %d, got %d", fileModeLimit, uint32(*d.FileMode))
		}
		if d.UID != nil && *d.UID == noID {
			r.add(at("linux", "devices", i, "uid"), "%d is no id", *d.UID)
		}
		if d.GID != nil && *d.GID == noID {
			r.add(at("linux", "devices", i, "gid"), "%d is no id", *d.GID)
		}
	}
}

// checkDeviceRules lets -1 stand for all numbers, as some callers write it, beside leaving the number out.
func checkDeviceRules(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil {
		return
	}
	for i := range res.Devices {
		rule := &res.Devices[i]
		if rule.Type != "" {
			r.oneOf(rule.Type, ruleTypes, "linux", "resources", "devices", i, "type")
		}
		if rule.Major != nil {
			r.checkNumber(*rule.Major, -1, majorLimit, "linux", "resources", "devices", i, "major")
		}
		if rule.Minor != nil {
			r.checkNumber(*rule.Minor, -1, minorLimit, "linux", "resources", "devices", i, "minor")
		}
		if strings.Trim(rule.Access, "rwm") != "" {
			r.add(at("linux", "resources", "devices", i, "access"), "must be made of r, w and m, got %s", quote(rule.Access))
		}
	}
}

// checkNumber finds fault with a number out of its range.
func (r *report) checkNumber(n, low, high int64, steps ...any) {
	if n < low || n > high {
		r.add(at(steps...), "must be from %d to %d, got %d", low, high, n)
	}
}
