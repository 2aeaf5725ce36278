package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/smallest"
	"tare/internal/testutil/view"
)

// attributed is a container that waits, and what it shows of itself: the init process, and one that has joined it.
func attributed(t *testing.T, check func(who string, r *view.Report), edits ...Edit) {
	t.Helper()
	NeedRoot(t)
	check("init", NewContainer(t, edits...).Report())
	c, _ := running(t, edits...)
	check("exec", inside(c, nil, "report").Report(t))
}

// inUserNS is for what must be the same there.
func inUserNS(t *testing.T, test func(t *testing.T, edit Edit)) {
	for name, edit := range map[string]Edit{"root": func(*specs.Spec) {}, "user namespace": WithUserNamespace(100000, 65536)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, edit)
		})
	}
}

func needYoung(t *testing.T, field string) {
	t.Helper()
	if !IsTare() {
		t.Skipf("%s is younger than these releases, or they do not apply it", field)
	}
}

// needNotNice skips a test whose processes would begin with what nice(1) has given the tests, and, in a user namespace, could not get rid of it.
func needNotNice(t *testing.T) {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the call's own result, which is 20 - nice
	if err != nil {
		t.Fatal(err)
	}
	if n != 20 {
		t.Skipf("the tests run with nice %d, which processes inherit", 20-n)
	}
}

func TestScheduler(t *testing.T) {
	t.Parallel()
	needYoung(t, "process.scheduler")
	needNotNice(t)
	for name, tt := range map[string]struct {
		specs.Scheduler
		policy int
		flags  uint64
	}{
		"other":         {specs.Scheduler{Policy: specs.SchedOther, Nice: 11}, unix.SCHED_NORMAL, 0},
		"batch":         {specs.Scheduler{Policy: specs.SchedBatch, Nice: 7}, unix.SCHED_BATCH, 0},
		"idle":          {specs.Scheduler{Policy: specs.SchedIdle}, unix.SCHED_IDLE, 0},
		"reset on fork": {specs.Scheduler{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}, unix.SCHED_BATCH, unix.SCHED_FLAG_RESET_ON_FORK},
		"keep policy":   {specs.Scheduler{Policy: specs.SchedOther, Nice: 3, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagKeepPolicy}}, unix.SCHED_NORMAL, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inUserNS(t, func(t *testing.T, edit Edit) {
				attributed(t, func(who string, r *view.Report) {
					got := r.Schedule
					if got.Policy != tt.policy || got.Nice != int(tt.Nice) || r.Attributes.SchedulerFlags != tt.flags {
						t.Errorf("%s: %+v with flags %#x, want %+v", who, got, r.Attributes.SchedulerFlags, tt)
					}
				}, edit, func(s *specs.Spec) { s.Process.Scheduler = &tt.Scheduler })
			})
		})
	}
}

// What takes a capability over the host, the process has without having the capability, and under a profile that forbids all that
// the runtime has to do for it.
func TestSchedulerPrivileged(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needYoung(t, "process.scheduler")
	const runtime, deadline, period = 1 << 24, 1 << 26, 1 << 27
	budget := realtimeBudget(t)
	for name, want := range map[string]specs.Scheduler{
		"nice":                     {Policy: specs.SchedOther, Nice: -9},
		"fifo":                     {Policy: specs.SchedFIFO, Priority: 5},
		"round robin":              {Policy: specs.SchedRR, Priority: 1, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}},
		"deadline":                 {Policy: specs.SchedDeadline, Runtime: runtime, Deadline: deadline, Period: period},
		"deadline, reset on fork":  {Policy: specs.SchedDeadline, Runtime: runtime, Deadline: deadline, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork, specs.SchedFlagReclaim}},
		"deadline, with a message": {Policy: specs.SchedDeadline, Runtime: runtime, Deadline: deadline, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagDLOverrun}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "deadline, with a message" && os.Getenv("TARE_TEST_SLOW") != "" {
				t.Skip("where everything is slow, the message (SIGXCPU) reaches the process before it is executed, and ends it")
			}
			c := NewContainer(t, WithCaps("CAP_KILL"), budget, Args("/waits"), func(s *specs.Spec) {
				s.Process.Scheduler = &want
				s.Process.NoNewPrivileges = name != "nice"
				profile := specs.LinuxSyscall{Names: []string{"sched_setattr", "sched_setscheduler", "setpriority"}, Action: specs.ActErrno}
				if s.Process.NoNewPrivileges {
					profile.Names = append(profile.Names, "capset")
				}
				s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{profile}}
			})
			writeWaiting(t, c)
			pid := c.Create()
			c.Start()
			checkScheduled(t, pid, &want)
			pidFile := filepath.Join(c.Dir, "exec.pid")
			c.Tare("exec", "--detach", "--pid-file", pidFile, c.ID, "/waits").OK(t)
			joined := c.PidFile(pidFile)
			checkScheduled(t, joined, &want)
			if err := unix.Kill(joined, unix.SIGKILL); err != nil {
				t.Error(err)
			}
			c.Wait(joined)
		})
	}
}

func writeWaiting(t *testing.T, c *Container) {
	t.Helper()
	ok, err := smallest.WriteWaiting(filepath.Join(c.RootFS, "waits"))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("no program without threads is known for this architecture: what has a deadline cannot make any")
	}
}

// checkScheduled looks from outside.
func checkScheduled(t *testing.T, pid int, want *specs.Scheduler) {
	t.Helper()
	Eventually(t, "the execution", func() bool {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		return err == nil && filepath.Base(exe) == "waits"
	})
	got, err := unix.SchedGetAttr(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	policy := map[specs.LinuxSchedulerPolicy]uint32{
		specs.SchedOther: unix.SCHED_NORMAL, specs.SchedFIFO: unix.SCHED_FIFO, specs.SchedRR: unix.SCHED_RR, specs.SchedDeadline: unix.SCHED_DEADLINE,
	}[want.Policy]
	flags := uint64(0)
	for _, f := range want.Flags {
		flags |= map[specs.LinuxSchedulerFlag]uint64{
			specs.SchedFlagResetOnFork: unix.SCHED_FLAG_RESET_ON_FORK, specs.SchedFlagReclaim: unix.SCHED_FLAG_RECLAIM, specs.SchedFlagDLOverrun: unix.SCHED_FLAG_DL_OVERRUN,
		}[f]
	}
	if policy != unix.SCHED_DEADLINE {
		got.Runtime = 0 // the slice, since Linux 6.12
	}
	if got.Policy != policy || got.Nice != want.Nice || got.Priority != uint32(want.Priority) || got.Flags&0x7 != flags ||
		got.Runtime&^4095 != want.Runtime || got.Deadline != want.Deadline && want.Deadline != 0 || want.Period != 0 && got.Period != want.Period {
		t.Errorf("process %d: %+v, want %+v", pid, got, want)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"CapPrm", "CapEff"} {
		if line := fmt.Sprintf("%s:\t%016x\n", set, 1<<unix.CAP_KILL); !strings.Contains(string(status), line) {
			t.Errorf("process %d has not %q", pid, line)
		}
	}
}

// realtimeBudget gives a container time for real-time policies where its cgroup wants to be given some: on cgroup v1. The parent has
// plenty: the kernel takes its time to forget what one that was removed had of it.
func realtimeBudget(t *testing.T) Edit {
	t.Helper()
	if !OnV1("cpu") {
		return func(*specs.Spec) {}
	}
	const file = "cpu.rt_runtime_us"
	parent := filepath.Join("/sys/fs/cgroup/cpu", CgroupParent())
	if err := os.Mkdir(parent, 0o755); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, file), []byte("300000"), 0); os.IsNotExist(err) {
		return func(*specs.Spec) {} // a kernel without CONFIG_RT_GROUP_SCHED
	} else if err != nil {
		t.Skipf("no real-time budget to be had here: %v", err)
	}
	runtime, period := int64(10_000), uint64(1_000_000)
	return func(s *specs.Spec) {
		s.Linux.Resources.CPU = &specs.LinuxCPU{RealtimeRuntime: &runtime, RealtimePeriod: &period}
	}
}

// In a user namespace, where nobody has CAP_SYS_NICE over the host, the limits of the process allow what the capability would.
func TestSchedulerByLimits(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needYoung(t, "process.scheduler")
	NeedCapability(t, unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE")
	budget := realtimeBudget(t)
	for name, tt := range map[string]struct {
		specs.Scheduler
		limit specs.POSIXRlimit
		want  string
	}{
		"nice": {specs.Scheduler{Policy: specs.SchedBatch, Nice: -3}, specs.POSIXRlimit{Type: "RLIMIT_NICE", Soft: 23, Hard: 23}, "RLIMIT_NICE of 23"},
		"fifo": {specs.Scheduler{Policy: specs.SchedFIFO, Priority: 4}, specs.POSIXRlimit{Type: "RLIMIT_RTPRIO", Soft: 4, Hard: 4}, "RLIMIT_RTPRIO of 4"},
	} {
		t.Run(name, func(t *testing.T) {
			edits := []Edit{WithUserNamespace(100000, 65536), budget, func(s *specs.Spec) { s.Process.Scheduler = &tt.Scheduler }}
			c := NewContainer(t, edits...)
			c.Run().Fails(t, "process.scheduler (/process/scheduler): "+string(tt.Policy), "operation not permitted", tt.want)
			c = NewContainer(t, append(edits, func(s *specs.Spec) { s.Process.Rlimits = append(s.Process.Rlimits, tt.limit) })...)
			if got := c.Report().Schedule; got.Nice != int(tt.Nice) || got.Priority != int(tt.Priority) {
				t.Errorf("%+v, want %+v", got, tt.Scheduler)
			}
		})
	}
}

// A start that cannot give the process its scheduler says so, and so does an exec.
func TestSchedulerRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needYoung(t, "process.scheduler")
	clamp := &specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax}}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Flags: unix.SCHED_FLAG_KEEP_ALL | unix.SCHED_FLAG_UTIL_CLAMP}, 0); err == nil {
		t.Skip("this kernel has utilization clamping, which its lack is the test of")
	}
	texts := []string{"process.scheduler (/process/scheduler): SCHED_OTHER: sched_setattr: operation not supported", "CONFIG_UCLAMP_TASK"}
	c := NewContainer(t, func(s *specs.Spec) { s.Process.Scheduler = clamp })
	pid := c.Create()
	c.Tare("start", c.ID).Fails(t, texts...)
	c.Wait(pid)
	c, _ = running(t)
	execFails(t, c.Tare("exec", "--process", processFile(t, c, func(p *specs.Process) { p.Scheduler = clamp }), c.ID), texts...)
}

// processFile is a process.json of a report, with changes.
func processFile(t *testing.T, c *Container, edit func(*specs.Process)) string {
	t.Helper()
	p := specs.Process{Args: []string{"/probe", "report"}, Cwd: "/", Env: []string{"PATH=/"}}
	edit(&p)
	text, err := json.Marshal(&p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Dir, "process.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIOPriority(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needYoung(t, "process.ioPriority")
	for class, number := range map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			// The real-time class takes a capability over the host, which the runtime has for a container that has not.
			inUserNS(t, func(t *testing.T, edit Edit) {
				attributed(t, func(who string, r *view.Report) {
					if got := r.Schedule; got.IOClass != number || got.IOPriority != 6 {
						t.Errorf("%s: %+v", who, got)
					}
				}, edit, func(s *specs.Spec) {
					s.Process.IOPriority = &specs.LinuxIOPriority{Class: class, Priority: 6}
					s.Process.User.UID = 7
				})
			})
		})
	}
}

// A process of a file has its own scheduler and priority or none: they are the other process's, not the container's.
func TestExecProcessAttributes(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	needYoung(t, "process.scheduler")
	needNotNice(t)
	c, _ := running(t, func(s *specs.Spec) {
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 7}
		s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
	})
	none := c.Tare("exec", "--process", processFile(t, c, func(*specs.Process) {}), c.ID).Report(t).Schedule
	if none.Policy != unix.SCHED_NORMAL || none.Nice != 0 || none.IOClass != 0 && none.IOPriority == 6 {
		t.Errorf("without any: %+v", none)
	}
	own := c.Tare("exec", "--process", processFile(t, c, func(p *specs.Process) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedIdle}
		p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
	}), c.ID).Report(t).Schedule
	if own.Policy != unix.SCHED_IDLE || own.IOClass != 3 {
		t.Errorf("of its own: %+v", own)
	}
}

// In a PID namespace of the host's the stage itself becomes the process.
func TestExecSchedulerWithoutFork(t *testing.T) {
	t.Parallel()
	needYoung(t, "process.scheduler")
	attributed(t, func(who string, r *view.Report) {
		if got := r.Schedule; got.Policy != unix.SCHED_BATCH || got.Nice != -7 || got.IOClass != 2 || got.IOPriority != 1 {
			t.Errorf("%s: %+v", who, got)
		}
	}, WithoutNamespace(specs.PIDNamespace), func(s *specs.Spec) {
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: -7, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
		s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 1}
	})
}

func TestPersonality(t *testing.T) {
	t.Parallel()
	if !IsTare() {
		t.Skip("runc 1.1 does not apply linux.personality, and crun 1.8 ends without a word at LINUX32")
	}
	for domain, number := range map[specs.LinuxPersonalityDomain]uint64{specs.PerLinux: 0, specs.PerLinux32: 8} {
		t.Run(string(domain), func(t *testing.T) {
			t.Parallel()
			inUserNS(t, func(t *testing.T, edit Edit) {
				attributed(t, func(who string, r *view.Report) {
					if r.Process.PersonaDomain != number {
						t.Errorf("%s: personality %#x, want %#x", who, r.Process.PersonaDomain, number)
					}
				}, edit, func(s *specs.Spec) {
					s.Linux.Personality = &specs.LinuxPersonality{Domain: domain}
					s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{
						Names: []string{"personality"}, Action: specs.ActErrno, // of any but the question
						Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0xffffffff, Op: specs.OpNotEqual}},
					}}}
				})
			})
		})
	}
	t.Run("flags", func(t *testing.T) {
		t.Parallel()
		needYoung(t, "an error for the flags of linux.personality")
		c := NewContainer(t, func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"ADDR_NO_RANDOMIZE"}}
		})
		c.Run().Fails(t, "/linux/personality/flags", "not supported", "ADDR_NO_RANDOMIZE")
	})
	t.Run("of the caller", func(t *testing.T) {
		t.Parallel()
		NeedRoot(t)
		setarch := NeedProgram(t, "setarch")
		c := NewContainer(t, Args("report"), func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux} })
		run := c.Command("run", "--bundle", c.Dir, c.ID)
		run.Path, run.Args = setarch, append([]string{"setarch", "--addr-no-randomize"}, run.Args...)
		if got := c.Do(run).Report(t).Process.PersonaDomain; got != 0 {
			t.Errorf("personality %#x, want none of the caller's flags", got)
		}
	})
}

func TestMemoryPolicy(t *testing.T) {
	t.Parallel()
	needYoung(t, "linux.memoryPolicy")
	if _, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, 0, 0, 0, 0, 0, 0); errno == unix.ENOSYS {
		t.Skip("this kernel is built without NUMA")
	}
	static := []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}
	for _, tt := range []struct {
		specs.LinuxMemoryPolicy
		mode  int
		since [2]int // of Linux
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, unix.MPOL_DEFAULT, [2]int{}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, unix.MPOL_LOCAL, [2]int{}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}, unix.MPOL_BIND, [2]int{}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing}}, unix.MPOL_BIND | unix.MPOL_F_NUMA_BALANCING, [2]int{5, 12}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0", Flags: static}, unix.MPOL_INTERLEAVE | unix.MPOL_F_STATIC_NODES, [2]int{}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolWeightedInterleave, Nodes: "0"}, unix.MPOL_WEIGHTED_INTERLEAVE, [2]int{6, 9}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0"}, unix.MPOL_PREFERRED, [2]int{}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferredMany, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}}, unix.MPOL_PREFERRED_MANY | unix.MPOL_F_RELATIVE_NODES, [2]int{5, 15}},
	} {
		t.Run(string(tt.Mode), func(t *testing.T) {
			t.Parallel()
			needLinux(t, tt.since)
			inUserNS(t, func(t *testing.T, edit Edit) {
				attributed(t, func(who string, r *view.Report) {
					a := r.Attributes
					if a.MemoryMode != tt.mode || (len(a.MemoryNodes) == 1 && a.MemoryNodes[0] == 0) != (tt.Nodes == "0") || a.MemoryError != "" {
						t.Errorf("%s: %+v, want %+v", who, a, tt)
					}
				}, edit, func(s *specs.Spec) { s.Linux.MemoryPolicy = &tt.LinuxMemoryPolicy })
			})
		})
	}
	t.Run("no such node", func(t *testing.T) {
		t.Parallel()
		NeedRoot(t)
		c := NewContainer(t, func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "500,510-511"}
		})
		c.Tare("create", "--bundle", c.Dir, c.ID).Fails(t, "linux.memoryPolicy (/linux/memoryPolicy): MPOL_BIND 500,510-511: set_mempolicy: invalid argument", "has this machine these nodes")
	})
}

func needLinux(t *testing.T, least [2]int) {
	t.Helper()
	var u unix.Utsname
	var have [2]int
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &have[0], &have[1]); err != nil {
		t.Fatal(err)
	}
	if have[0] < least[0] || have[0] == least[0] && have[1] < least[1] {
		t.Skipf("needs Linux %d.%d, this is %s", least[0], least[1], release)
	}
}
