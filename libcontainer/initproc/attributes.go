package initproc

import (
	"tare/internal/sys"
	"tare/libcontainer/attr"
	"tare/libcontainer/bundle"
	"tare/libcontainer/lsm"
)

// The steps of this file give this process what the workload is to have and execve(2) keeps.

// setPersonality is for every process of the container: the specification has it in linux, not in process.
func (p *initProc) setPersonality() error {
	if l := p.cfg.Spec.Linux; l != nil && l.Personality != nil {
		return attr.SetPersonality(l.Personality)
	}
	return nil
}

// setMemoryPolicy is for every process of the container, too.
func (p *initProc) setMemoryPolicy() error {
	l := p.cfg.Spec.Linux
	if l == nil || l.MemoryPolicy == nil {
		return nil
	}
	var nodes []int
	if l.MemoryPolicy.Nodes != "" {
		nodes = bundle.CPUs(l.MemoryPolicy.Nodes)
	}
	return attr.SetMemoryPolicy(l.MemoryPolicy, nodes)
}

func (p *initProc) setLabels() error {
	if p.process() == nil {
		return nil
	}
	return lsm.SetExec(p.proc, p.process())
}

// setScheduler needs the limits of the process, which may be what allows it, and gives up what else does: before the filter,
// which need not know of it.
func (p *initProc) setScheduler() error {
	if p.process().Scheduler == nil {
		return nil
	}
	if err := attr.SetScheduler(0, p.process().Scheduler); err != nil {
		return err
	}
	if p.caps.scheduling {
		return sys.Capset(p.caps.filtering)
	}
	return nil
}
