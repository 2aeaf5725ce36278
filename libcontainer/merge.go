package libcontainer

import (
	"maps"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// merge brings limits up to date with those of an update.
func merge(into, from *specs.LinuxResources) {
	if from.Devices != nil {
		into.Devices = from.Devices // the order of all rules counts: they come together or not at all
	}
	mergeSection(&into.Memory, from.Memory, mergeMemory)
	mergeSection(&into.CPU, from.CPU, mergeCPU)
	mergeSection(&into.Pids, from.Pids, func(into, from *specs.LinuxPids) { replace(&into.Limit, from.Limit) })
	mergeSection(&into.BlockIO, from.BlockIO, mergeBlockIO)
	mergeSection(&into.Network, from.Network, mergeNetwork)
	into.HugepageLimits = mergeList(into.HugepageLimits, from.HugepageLimits,
		func(a, b specs.LinuxHugepageLimit) bool { return a.Pagesize == b.Pagesize })
	into.Rdma = mergeMap(into.Rdma, from.Rdma)
	into.Unified = mergeMap(into.Unified, from.Unified)
}

func mergeSection[T any](into **T, from *T, merge func(into, from *T)) {
	if from == nil {
		return
	}
	if *into == nil {
		*into = new(T)
	}
	merge(*into, from)
}

func mergeMemory(into, from *specs.LinuxMemory) {
	replaceSet(&into.Limit, from.Limit)
	replaceSet(&into.Reservation, from.Reservation)
	replaceSet(&into.Swap, from.Swap)
	replace(&into.Swappiness, from.Swappiness)
	replace(&into.DisableOOMKiller, from.DisableOOMKiller)
	replace(&into.UseHierarchy, from.UseHierarchy)
	replace(&into.CheckBeforeUpdate, from.CheckBeforeUpdate)
	// A limit that was raised alone, on cgroup v2, where swap is limited by itself: the sum of before is no more.
	if isSet(into.Swap) && isSet(into.Limit) && *into.Swap > 0 && *into.Swap < *into.Limit && !isSet(from.Swap) {
		into.Swap = nil
	}
}

func mergeCPU(into, from *specs.LinuxCPU) {
	replaceSet(&into.Shares, from.Shares)
	replaceSet(&into.Quota, from.Quota)
	replaceSet(&into.Period, from.Period)
	replace(&into.Burst, from.Burst)
	replaceSet(&into.RealtimeRuntime, from.RealtimeRuntime)
	replaceSet(&into.RealtimePeriod, from.RealtimePeriod)
	replace(&into.Idle, from.Idle)
	if from.Cpus != "" {
		into.Cpus = from.Cpus
	}
	if from.Mems != "" {
		into.Mems = from.Mems
	}
}

func mergeBlockIO(into, from *specs.LinuxBlockIO) {
	replaceSet(&into.Weight, from.Weight)
	replaceSet(&into.LeafWeight, from.LeafWeight)
	into.WeightDevice = mergeList(into.WeightDevice, from.WeightDevice,
		func(a, b specs.LinuxWeightDevice) bool { return a.Major == b.Major && a.Minor == b.Minor })
	same := func(a, b specs.LinuxThrottleDevice) bool { return a.Major == b.Major && a.Minor == b.Minor }
	into.ThrottleReadBpsDevice = mergeList(into.ThrottleReadBpsDevice, from.ThrottleReadBpsDevice, same)
	into.ThrottleWriteBpsDevice = mergeList(into.ThrottleWriteBpsDevice, from.ThrottleWriteBpsDevice, same)
	into.ThrottleReadIOPSDevice = mergeList(into.ThrottleReadIOPSDevice, from.ThrottleReadIOPSDevice, same)
	into.ThrottleWriteIOPSDevice = mergeList(into.ThrottleWriteIOPSDevice, from.ThrottleWriteIOPSDevice, same)
}

func mergeNetwork(into, from *specs.LinuxNetwork) {
	replace(&into.ClassID, from.ClassID)
	into.Priorities = mergeList(into.Priorities, from.Priorities,
		func(a, b specs.LinuxInterfacePriority) bool { return a.Name == b.Name })
}

// replace takes over a value that is there.
func replace[T any](into **T, from *T) {
	if from != nil {
		*into = from
	}
}

// replaceSet takes over a value unless it is 0, which stands for unset.
func replaceSet[T comparable](into **T, from *T) {
	if isSet(from) {
		*into = from
	}
}

// mergeList has the entries of from take the place of those that are about the same thing.
func mergeList[T any](into, from []T, same func(a, b T) bool) []T {
next:
	for _, f := range from {
		for i := range into {
			if same(into[i], f) {
				into[i] = f
				continue next
			}
		}
		into = append(into, f)
	}
	return into
}

func mergeMap[V any](into, from map[string]V) map[string]V {
	if into == nil {
		return maps.Clone(from)
	}
	maps.Copy(into, from)
	return into
}
