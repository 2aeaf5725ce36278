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
	out, err := ioWeights(out, b)
	if err != nil {
		return nil, err
	}
	out = throttle(out, b.ThrottleReadBpsDevice, "rbps", "throttleReadBpsDevice")
	out = throttle(out, b.ThrottleWriteBpsDevice, "wbps", "throttleWriteBpsDevice")
	out = throttle(out, b.ThrottleReadIOPSDevice, "riops", "throttleReadIOPSDevice")
	return throttle(out, b.ThrottleWriteIOPSDevice, "wiops", "throttleWriteIOPSDevice"), nil
}

// ioWeights translates the weights. BFQ has its own file, for v1's range; without it, it is that of the io.cost controller.
func ioWeights(out []Setting, b *specs.LinuxBlockIO) ([]Setting, error) {
	if err := leafWeight(b.LeafWeight, ioPointer+"leafWeight"); err != nil {
		return nil, err
	}
	if b.Weight != nil && *b.Weight != 0 {
		set, err := ioWeight("", *b.Weight, ioPointer+"weight")
		if err != nil {
			return nil, err
		}
		out = append(out, set)
	}
	for i, d := range b.WeightDevice {
		pointer := ioPointer + "weightDevice/" + strconv.Itoa(i)
		if err := leafWeight(d.LeafWeight, pointer+"/leafWeight"); err != nil {
			return nil, err
		}
		if d.Weight == nil || *d.Weight == 0 {
			continue
		}
		set, err := ioWeight(fmt.Sprintf("%d:%d ", d.Major, d.Minor), *d.Weight, pointer+"/weight")
		if err != nil {
			return nil, err
		}
		out = append(out, set)
	}
	return out, nil
}

func leafWeight(weight *uint16, pointer string) error {
	if weight == nil || *weight == 0 {
		return nil
	}
	return fieldError(pointer, "%w: processes beside cgroups, which it is about, are not there", ErrNotSupported)
}

// ioWeight maps v1's weight (10 to 1000) to io.weight's (1 to 10000) by the line through both ends.
func ioWeight(device string, weight uint16, pointer string) (Setting, error) {
	if weight < 10 || weight > 1000 {
		return Setting{}, fieldError(pointer, "%d is not between 10 and 1000", weight)
	}
	return Setting{
		File: "io.bfq.weight", Value: device + strconv.Itoa(int(weight)),
		OrFile: "io.weight", OrValue: device + strconv.Itoa(1+(int(weight)-10)*9999/990),
		Pointer: pointer,
	}, nil
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
