package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

// Range of a weight; 0 leaves it alone.
const weightMin, weightMax = 10, 1000

func checkBlockIO(r *report, spec *specs.Spec) {
	res := resourcesOf(spec)
	if res == nil || res.BlockIO == nil {
		return
	}
	b := res.BlockIO
	checkWeight(r, b.Weight, "linux", "resources", "blockIO", "weight")
	checkWeight(r, b.LeafWeight, "linux", "resources", "blockIO", "leafWeight")
	for i, d := range b.WeightDevice {
		checkBlockDevice(r, d.LinuxBlockIODevice, "weightDevice", i)
		if d.Weight == nil && d.LeafWeight == nil {
			r.add(at("linux", "resources", "blockIO", "weightDevice", i), "must have weight or leafWeight")
		}
		checkWeight(r, d.Weight, "linux", "resources", "blockIO", "weightDevice", i, "weight")
		checkWeight(r, d.LeafWeight, "linux", "resources", "blockIO", "weightDevice", i, "leafWeight")
	}
	checkThrottle(r, b.ThrottleReadBpsDevice, "throttleReadBpsDevice")
	checkThrottle(r, b.ThrottleWriteBpsDevice, "throttleWriteBpsDevice")
	checkThrottle(r, b.ThrottleReadIOPSDevice, "throttleReadIOPSDevice")
	checkThrottle(r, b.ThrottleWriteIOPSDevice, "throttleWriteIOPSDevice")
}

func checkWeight(r *report, weight *uint16, steps ...any) {
	if weight != nil && *weight != 0 && (*weight < weightMin || *weight > weightMax) {
		r.add(at(steps...), "must be from %d to %d, got %d", weightMin, weightMax, *weight)
	}
}

func checkThrottle(r *report, devices []specs.LinuxThrottleDevice, name string) {
	for i, d := range devices {
		checkBlockDevice(r, d.LinuxBlockIODevice, name, i)
	}
}

func checkBlockDevice(r *report, d specs.LinuxBlockIODevice, list string, i int) {
	r.checkNumber(d.Major, 0, majorLimit, "linux", "resources", "blockIO", list, i, "major")
	r.checkNumber(d.Minor, 0, minorLimit, "linux", "resources", "blockIO", list, i, "minor")
}
