package v2

import (
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const cpuPointer = "/linux/resources/cpu/"

// defaultPeriod is the kernel's, in microseconds.
const defaultPeriod = 100000

// cpu translates linux.resources.cpu: the cpu and the cpuset controller.
func cpu(out []Setting, c *specs.LinuxCPU) ([]Setting, error) {
	if c == nil {
		return out, nil
	}
	switch {
	case c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0:
		return nil, fieldError(cpuPointer+"realtimeRuntime", "%w", ErrNotSupported)
	case c.RealtimePeriod != nil && *c.RealtimePeriod != 0:
		return nil, fieldError(cpuPointer+"realtimePeriod", "%w", ErrNotSupported)
	}
	out = cpuWeight(out, c)
	out, err := cpuMax(out, c)
	if err != nil {
		return nil, err
	}
	if c.Cpus != "" {
		out = append(out, Setting{File: "cpuset.cpus", Value: c.Cpus, Pointer: cpuPointer + "cpus"})
	}
	if c.Mems != "" {
		out = append(out, Setting{File: "cpuset.mems", Value: c.Mems, Pointer: cpuPointer + "mems"})
	}
	return out, nil
}

// cpuWeight translates shares and idle. A cgroup that is idle has no weight: it cannot be written, and the kernel forgets the
// one that was (sched_group_set_idle). So beside idle 1 it is not written, and beside idle 0 it comes second.
func cpuWeight(out []Setting, c *specs.LinuxCPU) []Setting {
	if c.Idle != nil {
		out = append(out, Setting{File: "cpu.idle", Value: strconv.FormatInt(*c.Idle, 10), Pointer: cpuPointer + "idle"})
		if *c.Idle == 1 {
			return out
		}
	}
	if c.Shares != nil && *c.Shares != 0 {
		out = append(out, Setting{
			File: "cpu.weight", Value: strconv.FormatUint(weightOfShares(*c.Shares), 10), Pointer: cpuPointer + "shares",
		})
	}
	return out
}

// weightOfShares maps v1's cpu.shares (2 to 262144, 1024 by default) to v2's cpu.weight (1 to 10000, 100 by default) by the
// quadratic in log2(shares) that meets the three pairs (2, 1), (1024, 100) and (262144, 10000).
func weightOfShares(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// cpuMax translates quota, period and burst. The burst comes second; where another quota holds so far, inOrder sees whether
// it has to come first.
func cpuMax(out []Setting, c *specs.LinuxCPU) ([]Setting, error) {
	limited := c.Quota != nil && *c.Quota > 0
	hasPeriod := c.Period != nil && *c.Period != 0
	if c.Quota != nil && *c.Quota != 0 || hasPeriod {
		quota, period, pointer := "max", uint64(defaultPeriod), cpuPointer+"period"
		if c.Quota != nil && *c.Quota != 0 {
			pointer = cpuPointer + "quota"
		}
		if limited {
			quota = strconv.FormatInt(*c.Quota, 10)
		}
		if hasPeriod {
			period = *c.Period
		}
		out = append(out, Setting{File: "cpu.max", Value: quota + " " + strconv.FormatUint(period, 10), Pointer: pointer})
	}
	if c.Burst != nil {
		if limited && *c.Burst > uint64(*c.Quota) {
			return nil, fieldError(cpuPointer+"burst", "%d is more than the quota, %d", *c.Burst, *c.Quota)
		}
		out = append(out, Setting{File: "cpu.max.burst", Value: strconv.FormatUint(*c.Burst, 10), Pointer: cpuPointer + "burst"})
	}
	return out, nil
}
