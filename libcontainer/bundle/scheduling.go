package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/attr"
)

// Ranges of sched(7) and ioprio_set(2).
const (
	niceMin, niceMax             = -20, 19
	rtPriorityMin, rtPriorityMax = 1, 99
	deadlineRuntimeMin           = 1024 // nanoseconds
	ioLevelMax                   = 7
)

func checkScheduling(r *report, spec *specs.Spec) {
	if spec.Process == nil {
		return
	}
	if s := spec.Process.Scheduler; s != nil {
		checkScheduler(r, s)
	}
	if p := spec.Process.IOPriority; p != nil {
		r.oneOf(string(p.Class), attr.IOClasses(), "process", "ioPriority", "class")
		if p.Priority < 0 || p.Priority > ioLevelMax {
			r.add("/process/ioPriority/priority", "must be from 0 to %d, got %d", ioLevelMax, p.Priority)
		}
	}
}

func checkScheduler(r *report, s *specs.Scheduler) {
	if s.Policy == specs.SchedISO {
		r.add("/process/scheduler/policy", "SCHED_ISO is reserved, no Linux has it")
	} else {
		r.oneOf(string(s.Policy), attr.Policies(), "process", "scheduler", "policy")
	}
	for i, flag := range s.Flags {
		r.oneOf(string(flag), attr.SchedulerFlags(), "process", "scheduler", "flags", i)
	}
	fair := s.Policy == specs.SchedOther || s.Policy == specs.SchedBatch
	if s.Nice < niceMin || s.Nice > niceMax {
		r.add("/process/scheduler/nice", "must be from %d to %d, got %d", niceMin, niceMax, s.Nice)
	} else if s.Nice != 0 && !fair {
		r.add("/process/scheduler/nice", "is for SCHED_OTHER and SCHED_BATCH only, the policy is %s", quote(string(s.Policy)))
	}
	realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	if realtime && (s.Priority < rtPriorityMin || s.Priority > rtPriorityMax) {
		r.add("/process/scheduler/priority", "must be from %d to %d, got %d", rtPriorityMin, rtPriorityMax, s.Priority)
	} else if s.Priority != 0 && !realtime {
		r.add("/process/scheduler/priority", "is for SCHED_FIFO and SCHED_RR only, the policy is %s", quote(string(s.Policy)))
	}
	checkDeadline(r, s)
}

// checkDeadline wants runtime <= deadline <= period; a period of 0 is the deadline (sched(7)).
func checkDeadline(r *report, s *specs.Scheduler) {
	if s.Policy != specs.SchedDeadline {
		if s.Runtime != 0 || s.Deadline != 0 || s.Period != 0 {
			r.add("/process/scheduler", "runtime, deadline and period are for SCHED_DEADLINE only, the policy is %s", quote(string(s.Policy)))
		}
		return
	}
	if s.Runtime < deadlineRuntimeMin {
		r.add("/process/scheduler/runtime", "must be at least %d ns, got %d", deadlineRuntimeMin, s.Runtime)
	}
	if s.Runtime > s.Deadline {
		r.add("/process/scheduler/deadline", "must not be below the runtime %d, got %d", s.Runtime, s.Deadline)
	}
	if s.Period != 0 && s.Deadline > s.Period {
		r.add("/process/scheduler/period", "must not be below the deadline %d, got %d", s.Deadline, s.Period)
	}
}
