package attr

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// SCHED_ISO is reserved by the kernel, and in no Linux.
var policies = table{
	{"SCHED_OTHER", unix.SCHED_NORMAL},
	{"SCHED_FIFO", unix.SCHED_FIFO},
	{"SCHED_RR", unix.SCHED_RR},
	{"SCHED_BATCH", unix.SCHED_BATCH},
	{"SCHED_IDLE", unix.SCHED_IDLE},
	{"SCHED_DEADLINE", unix.SCHED_DEADLINE},
}

var schedulerFlags = table{
	{"SCHED_FLAG_RESET_ON_FORK", unix.SCHED_FLAG_RESET_ON_FORK},
	{"SCHED_FLAG_RECLAIM", unix.SCHED_FLAG_RECLAIM},
	{"SCHED_FLAG_DL_OVERRUN", unix.SCHED_FLAG_DL_OVERRUN},
	{"SCHED_FLAG_KEEP_POLICY", unix.SCHED_FLAG_KEEP_POLICY},
	{"SCHED_FLAG_KEEP_PARAMS", unix.SCHED_FLAG_KEEP_PARAMS},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", unix.SCHED_FLAG_UTIL_CLAMP_MIN},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", unix.SCHED_FLAG_UTIL_CLAMP_MAX},
}

// Policies are the scheduling policies that a process can have.
func Policies() []string { return policies.names() }

// SchedulerFlags are the flags of a scheduling policy.
func SchedulerFlags() []string { return schedulerFlags.names() }

// SetScheduler schedules the thread pid, the calling one with 0, as process.scheduler says.
func SetScheduler(pid int, s *specs.Scheduler) error {
	err := sys.SetScheduler(pid, &unix.SchedAttr{
		Policy: uint32(policies.number(string(s.Policy))), Flags: bits(schedulerFlags, s.Flags),
		Nice: s.Nice, Priority: uint32(s.Priority), Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	})
	if err != nil {
		return fmt.Errorf("process.scheduler (/process/scheduler): %s: %w%s", s.Policy, err, schedulerHint(s, err))
	}
	return nil
}

// schedulerHint goes by sched(7).
func schedulerHint(s *specs.Scheduler, err error) string {
	switch {
	case errors.Is(err, unix.EOPNOTSUPP) && bits(schedulerFlags, s.Flags)&unix.SCHED_FLAG_UTIL_CLAMP != 0:
		return ": this kernel has no utilization clamping (CONFIG_UCLAMP_TASK)"
	case errors.Is(err, unix.EBUSY) && s.Policy == specs.SchedDeadline:
		return ": the CPUs have not that much time left for deadlines: is /proc/sys/kernel/sched_rt_runtime_us too small?"
	case !errors.Is(err, unix.EPERM):
		return ""
	case s.Policy == specs.SchedDeadline:
		return ": that needs CAP_SYS_NICE over the host, and a process that may run on all CPUs"
	case s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR:
		return fmt.Sprintf(": that needs CAP_SYS_NICE over the host, or RLIMIT_RTPRIO of %d in process.rlimits, and a cgroup with real-time budget (linux.resources.cpu.realtimeRuntime) where the kernel asks for one", s.Priority)
	case s.Nice < 0:
		return fmt.Sprintf(": that needs CAP_SYS_NICE over the host, or RLIMIT_NICE of %d in process.rlimits", 20-s.Nice)
	}
	return ""
}
