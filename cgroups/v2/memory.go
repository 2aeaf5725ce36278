package v2

import (
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const memoryPointer = "/linux/resources/memory/"

// memory translates linux.resources.memory. checkBeforeUpdate has no part in it: it is about lowering the limit of a
// cgroup in use.
func memory(out []Setting, m *specs.LinuxMemory) ([]Setting, error) {
	if m == nil {
		return out, nil
	}
	if err := memoryUnsupported(m); err != nil {
		return nil, err
	}
	limit, err := bytesOf(m.Limit, memoryPointer+"limit")
	if err != nil {
		return nil, err
	}
	reservation, err := bytesOf(m.Reservation, memoryPointer+"reservation")
	if err != nil {
		return nil, err
	}
	if limit != 0 {
		out = append(out, Setting{File: "memory.max", Value: orMax(limit), Pointer: memoryPointer + "limit"})
	}
	if out, err = swap(out, limit, m.Swap); err != nil {
		return nil, err
	}
	if reservation != 0 {
		out = append(out, Setting{File: "memory.low", Value: orMax(reservation), Pointer: memoryPointer + "reservation"})
	}
	return out, nil
}

// swap translates linux.resources.memory.swap, which counts memory and swap together, into v2's limit on swap alone.
func swap(out []Setting, limit int64, both *int64) ([]Setting, error) {
	const pointer = memoryPointer + "swap"
	set := Setting{File: "memory.swap.max", Pointer: pointer}
	sum, err := bytesOf(both, pointer)
	switch {
	case err != nil:
		return nil, err
	case sum == 0 && limit == -1: // lifting the limit of memory lifts the other
		set.Value, set.Pointer, set.IfPresent = "max", memoryPointer+"limit", true
	case sum == 0:
		return out, nil
	case sum == -1:
		set.Value, set.IfPresent = "max", true
	case limit == 0:
		return nil, fieldError(pointer, "it is the limit of memory and swap together, and means nothing without %s", Field(memoryPointer+"limit"))
	case limit == -1:
		set.Value = strconv.FormatInt(sum, 10)
	case sum < limit:
		return nil, fieldError(pointer, "%d is the limit of memory and swap together, and is less than that of memory, %d", sum, limit)
	default:
		set.Value = strconv.FormatInt(sum-limit, 10)
	}
	return append(out, set), nil
}

// memoryUnsupported refuses what v2 has no file for. What it does anyway (no kernel limit, the OOM killer on, hierarchy)
// may be asked for.
func memoryUnsupported(m *specs.LinuxMemory) error {
	switch {
	case m.Swappiness != nil:
		return fieldError(memoryPointer+"swappiness", "%w: swappiness is the host's, in /proc/sys/vm/swappiness", ErrNotSupported)
	case m.DisableOOMKiller != nil && *m.DisableOOMKiller:
		return fieldError(memoryPointer+"disableOOMKiller", "%w", ErrNotSupported)
	//lint:ignore SA1019 it is read to be refused
	case m.Kernel != nil && *m.Kernel != 0 && *m.Kernel != -1:
		return fieldError(memoryPointer+"kernel", "%w: memory.limit counts the kernel's memory too", ErrNotSupported)
	case m.KernelTCP != nil && *m.KernelTCP != 0 && *m.KernelTCP != -1:
		return fieldError(memoryPointer+"kernelTCP", "%w: memory.limit counts the buffers of sockets too", ErrNotSupported)
	case m.UseHierarchy != nil && !*m.UseHierarchy:
		return fieldError(memoryPointer+"useHierarchy", "false: %w", ErrNotSupported)
	}
	return nil
}

// bytesOf is a number of bytes: 0 if it is unset, as the other runtimes have it, and -1 if it is unlimited.
func bytesOf(v *int64, pointer string) (int64, error) {
	if v == nil {
		return 0, nil
	}
	if *v < -1 {
		return 0, fieldError(pointer, "%d is neither a number of bytes nor -1, which is no limit", *v)
	}
	return *v, nil
}

// orMax writes a limit, -1 being none.
func orMax(v int64) string {
	if v == -1 {
		return "max"
	}
	return strconv.FormatInt(v, 10)
}

// startMemory is what the runtime's own stage in the container may need before the workload is alone: some 2 MiB with its
// threads, page tables and the mounts that it makes, and hooks run in it too.
const startMemory = 16 << 20

// startMark makes what is written in place of a limit a number that nobody would ask for, so that an update in between is told
// from it. It is a page, of the largest size that there is.
const startMark = 64 << 10

// MemoryToStart raises a memory.max under which the container could not be started. raised is what is written in place of
// limit, which has to be written once the workload runs: our stage's memory goes only with the execution, and to write the
// limit before would have the kernel kill it. Both are "" if nothing was raised.
func MemoryToStart(settings []Setting) (out []Setting, limit, raised string) {
	return raise(settings, "memory.max", startMemory, startMemory+startMark)
}

// raise gives a file the value instead of one below least, in a copy of the settings, and says what it would have had.
func raise(settings []Setting, file string, least, instead uint64) (out []Setting, limit, raised string) {
	out = slices.Clone(settings)
	for i := range out {
		s := &out[i]
		if s.File != file {
			continue
		}
		limit, raised = "", ""
		if n, err := strconv.ParseUint(s.Value, 10, 64); err == nil && n < least {
			limit, raised = s.Value, strconv.FormatUint(instead, 10)
			s.Value = raised
		}
	}
	return out, limit, raised
}
