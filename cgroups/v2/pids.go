package v2

import specs "github.com/opencontainers/runtime-spec/specs-go"

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
