package v1

import (
	"fmt"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tare/cgroups/v2"
)

// Settings says what is to be written for the limits of a config.json. Device rules are not among them: see Devices. The order
// matters little: what the kernel refuses for the sake of another file is written again after that one.
func Settings(res *specs.LinuxResources) ([]v2.Setting, error) {
	if res == nil {
		return nil, nil
	}
	out, err := memory(nil, res.Memory)
	if err != nil {
		return nil, err
	}
	out = cpu(out, res.CPU)
	if out, err = v2.Pids(out, res.Pids); err != nil {
		return nil, err
	}
	out = blockIO(out, res.BlockIO)
	for i, l := range res.HugepageLimits {
		pointer := "/linux/resources/hugepageLimits/" + strconv.Itoa(i)
		value := strconv.FormatUint(l.Limit, 10)
		out = append(
			out,
			v2.Setting{File: "hugetlb." + l.Pagesize + ".limit_in_bytes", Value: value, Pointer: pointer},
			// Linux 5.7. Without it, who maps more than the limit gets a SIGBUS in the place of an error.
			v2.Setting{File: "hugetlb." + l.Pagesize + ".rsvd.limit_in_bytes", Value: value, Pointer: pointer, IfPresent: true},
		)
	}
	if out, err = v2.RDMA(out, res.Rdma); err != nil {
		return nil, err
	}
	out = network(out, res.Network)
	for file := range res.Unified {
		return nil, fmt.Errorf("%s: files of cgroup v2, of which this host has no tree", v2.Field("/linux/resources/unified/"+file))
	}
	return out, nil
}

const memoryPointer = "/linux/resources/memory/"

// memory translates linux.resources.memory. The limit on the kernel's memory is not written: no kernel since 5.16 holds it, and
// older ones break by it; it is a part of limit anyway. checkBeforeUpdate is what the kernel does.
func memory(out []v2.Setting, m *specs.LinuxMemory) ([]v2.Setting, error) {
	if m == nil {
		return out, nil
	}
	limit, err := v2.Bytes(m.Limit, memoryPointer+"limit")
	if err != nil {
		return nil, err
	}
	swap, err := v2.Bytes(m.Swap, memoryPointer+"swap")
	if err != nil {
		return nil, err
	}
	if swap > 0 && limit > swap {
		return nil, fmt.Errorf("%s: %d is the limit of memory and swap together, and is less than that of memory, %d",
			v2.Field(memoryPointer+"swap"), swap, limit)
	}
	pointer := memoryPointer + "swap"
	switch {
	case limit == -1 && swap == 0: // lifting the limit of memory lifts the other
		swap, pointer = -1, memoryPointer+"limit"
	case limit == -1 && swap > 0: // memory alone cannot be more than both, and the kernel wants it said
		limit = swap
	}
	out = add(out, "memory.limit_in_bytes", limit, memoryPointer+"limit")
	if swap != 0 {
		out = append(out, v2.Setting{
			File: "memory.memsw.limit_in_bytes", Value: strconv.FormatInt(swap, 10), Pointer: pointer, IfPresent: swap == -1,
		})
	}
	for _, f := range []struct {
		file, field string
		value       *int64
	}{{"memory.soft_limit_in_bytes", "reservation", m.Reservation}, {"memory.kmem.tcp.limit_in_bytes", "kernelTCP", m.KernelTCP}} {
		n, err := v2.Bytes(f.value, memoryPointer+f.field)
		if err != nil {
			return nil, err
		}
		out = add(out, f.file, n, memoryPointer+f.field)
	}
	if m.Swappiness != nil {
		out = append(out, v2.Setting{File: "memory.swappiness", Value: strconv.FormatUint(*m.Swappiness, 10), Pointer: memoryPointer + "swappiness"})
	}
	out = addBool(out, "memory.oom_control", m.DisableOOMKiller, memoryPointer+"disableOOMKiller")
	return addBool(out, "memory.use_hierarchy", m.UseHierarchy, memoryPointer+"useHierarchy"), nil
}

// add adds a number; 0 is unset.
func add[T int64 | uint64 | uint16](out []v2.Setting, file string, value T, pointer string) []v2.Setting {
	if value == 0 {
		return out
	}
	return append(out, v2.Setting{File: file, Value: fmt.Sprint(value), Pointer: pointer})
}

// addPointed is add for what the config may leave out.
func addPointed[T int64 | uint64 | uint16](out []v2.Setting, file string, value *T, pointer string) []v2.Setting {
	if value == nil {
		return out
	}
	return add(out, file, *value, pointer)
}

func addBool(out []v2.Setting, file string, value *bool, pointer string) []v2.Setting {
	switch {
	case value == nil:
		return out
	case *value:
		return append(out, v2.Setting{File: file, Value: "1", Pointer: pointer})
	}
	return append(out, v2.Setting{File: file, Value: "0", Pointer: pointer})
}

const cpuPointer = "/linux/resources/cpu/"

// cpu translates linux.resources.cpu: the cpu and the cpuset controller. Beside idle 1, shares are not written, as an idle cgroup
// has none.
func cpu(out []v2.Setting, c *specs.LinuxCPU) []v2.Setting {
	if c == nil {
		return out
	}
	if c.Idle != nil {
		out = append(out, v2.Setting{File: "cpu.idle", Value: strconv.FormatInt(*c.Idle, 10), Pointer: cpuPointer + "idle"})
	}
	if c.Idle == nil || *c.Idle == 0 {
		out = addPointed(out, "cpu.shares", c.Shares, cpuPointer+"shares")
	}
	out = addPointed(out, "cpu.cfs_period_us", c.Period, cpuPointer+"period")
	out = addPointed(out, "cpu.cfs_quota_us", c.Quota, cpuPointer+"quota")
	if c.Burst != nil {
		out = append(out, v2.Setting{
			File: "cpu.cfs_burst_us", Value: strconv.FormatUint(*c.Burst, 10), Pointer: cpuPointer + "burst", IfPresent: *c.Burst == 0,
		})
	}
	out = addPointed(out, "cpu.rt_period_us", c.RealtimePeriod, cpuPointer+"realtimePeriod")
	out = addPointed(out, rtRuntime, c.RealtimeRuntime, cpuPointer+"realtimeRuntime")
	if c.Cpus != "" {
		out = append(out, v2.Setting{File: "cpuset.cpus", Value: c.Cpus, Pointer: cpuPointer + "cpus"})
	}
	if c.Mems != "" {
		out = append(out, v2.Setting{File: "cpuset.mems", Value: c.Mems, Pointer: cpuPointer + "mems"})
	}
	return out
}

const ioPointer = "/linux/resources/blockIO/"

// blockIO translates linux.resources.blockIO. The weights are those of the CFQ scheduler until Linux 5.0, of BFQ since.
func blockIO(out []v2.Setting, b *specs.LinuxBlockIO) []v2.Setting {
	if b == nil {
		return out
	}
	weight := func(device, field string, value *uint16) {
		if value == nil || *value == 0 {
			return
		}
		s := v2.Setting{File: "blkio.weight", Value: device + strconv.Itoa(int(*value)), Pointer: ioPointer + field}
		if device != "" {
			s.File = "blkio.weight_device"
		}
		s.OrFile, s.OrValue = "blkio.bfq."+s.File[len("blkio."):], s.Value
		out = append(out, s)
	}
	weight("", "weight", b.Weight)
	out = addPointed(out, "blkio.leaf_weight", b.LeafWeight, ioPointer+"leafWeight")
	for i, d := range b.WeightDevice {
		device, field := fmt.Sprintf("%d:%d ", d.Major, d.Minor), "weightDevice/"+strconv.Itoa(i)
		weight(device, field+"/weight", d.Weight)
		if d.LeafWeight != nil && *d.LeafWeight != 0 {
			out = append(out, v2.Setting{
				File: "blkio.leaf_weight_device", Value: device + strconv.Itoa(int(*d.LeafWeight)), Pointer: ioPointer + field + "/leafWeight",
			})
		}
	}
	for _, t := range []struct {
		file, field string
		devices     []specs.LinuxThrottleDevice
	}{
		{"blkio.throttle.read_bps_device", "throttleReadBpsDevice", b.ThrottleReadBpsDevice},
		{"blkio.throttle.write_bps_device", "throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"blkio.throttle.read_iops_device", "throttleReadIOPSDevice", b.ThrottleReadIOPSDevice},
		{"blkio.throttle.write_iops_device", "throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range t.devices { // a rate of 0 is no limit
			out = append(out, v2.Setting{
				File: t.file, Value: fmt.Sprintf("%d:%d %d", d.Major, d.Minor, d.Rate), Pointer: ioPointer + t.field + "/" + strconv.Itoa(i),
			})
		}
	}
	return out
}

// network translates linux.resources.network. The names of devices are those of our network namespace.
func network(out []v2.Setting, n *specs.LinuxNetwork) []v2.Setting {
	const pointer = "/linux/resources/network/"
	if n == nil {
		return out
	}
	if n.ClassID != nil && *n.ClassID != 0 {
		out = append(out, v2.Setting{File: "net_cls.classid", Value: strconv.FormatUint(uint64(*n.ClassID), 10), Pointer: pointer + "classID"})
	}
	for i, p := range n.Priorities {
		out = append(out, v2.Setting{
			File: "net_prio.ifpriomap", Value: fmt.Sprintf("%s %d", p.Name, p.Priority), Pointer: pointer + "priorities/" + strconv.Itoa(i),
		})
	}
	return out
}
