package v2

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// pids translates linux.resources.pids. 0 is a limit: the container's process runs, but makes no other.
func pids(out []Setting, p *specs.LinuxPids) ([]Setting, error) {
	const pointer = "/linux/resources/pids/limit"
	if p == nil || p.Limit == nil {
		return out, nil
	}
	if *p.Limit < -1 {
		return nil, fieldError(pointer, "%d is neither a number of processes nor -1, which is no limit", *p.Limit)
	}
	return append(out, Setting{File: "pids.max", Value: orMax(*p.Limit), Pointer: pointer}), nil
}

// startTasks is what the runtime's own stage in the container and its hooks may need, before the workload is alone.
const startTasks = 16

// PidsToStart raises a pids.max under which the container could not be started: its first process is not the workload yet, but
// ours, with the threads of a Go program. raised is what was written in place of limit, which has to be written when the
// workload is executed; both are "" if nothing was raised.
func PidsToStart(settings []Setting) (out []Setting, limit, raised string) {
	return raise(settings, "pids.max", startTasks, startTasks+1) // an update to startTasks is not undone
}
