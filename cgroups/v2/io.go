package v2

import (
	"fmt"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const ioPointer = "/linux/resources/blockIO/"

// blockIO translates linux.resources.blockIO: the io controller.
func blockIO(out []Setting, b *specs.LinuxBlockIO) ([]Setting, error) {
	if b == nil {
		return out, nil
	}
	switch {
	case b.LeafWeight != nil && *b.LeafWeight != 0:
		return nil, fieldError(ioPointer+"leafWeight", "%w", ErrNotSupported)
	case b.Weight != nil && *b.Weight != 0:
		return nil, fieldError(ioPointer+"weight", "%w", ErrNotYet)
	case len(b.WeightDevice) != 0:
		return nil, fieldError(ioPointer+"weightDevice", "%w", ErrNotYet)
	}
	out = throttle(out, b.ThrottleReadBpsDevice, "rbps", "throttleReadBpsDevice")
	out = throttle(out, b.ThrottleWriteBpsDevice, "wbps", "throttleWriteBpsDevice")
	out = throttle(out, b.ThrottleReadIOPSDevice, "riops", "throttleReadIOPSDevice")
	return throttle(out, b.ThrottleWriteIOPSDevice, "wiops", "throttleWriteIOPSDevice"), nil
}

// throttle writes one limit of one device at a time, which leaves its others as they are. A rate of 0 is no limit, as it
// was in v1.
func throttle(out []Setting, devices []specs.LinuxThrottleDevice, key, field string) []Setting {
	for i, d := range devices {
		rate := "max"
		if d.Rate != 0 {
			rate = strconv.FormatUint(d.Rate, 10)
		}
		out = append(out, Setting{
			File: "io.max", Value: fmt.Sprintf("%d:%d %s=%s", d.Major, d.Minor, key, rate),
			Pointer: ioPointer + field + "/" + strconv.Itoa(i),
		})
	}
	return out
}
