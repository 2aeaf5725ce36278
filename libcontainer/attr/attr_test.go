package attr

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it, and takes along what f has made of it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestSet(t *testing.T) {
	onThread(func() {
		if err := SetScheduler(0, &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}); err != nil {
			t.Error(err)
		}
		if got, err := unix.SchedGetAttr(0, 0); err != nil || got.Policy != unix.SCHED_BATCH || got.Nice != 5 || got.Flags != unix.SCHED_FLAG_RESET_ON_FORK {
			t.Errorf("scheduler %+v, %v", got, err)
		}
		if err := SetIOPriority(unix.Gettid(), &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 7}); err != nil {
			t.Error(err)
		}
		if got, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, 0, 0); errno != 0 || got != 2<<13|7 {
			t.Errorf("I/O priority %#x, %v", got, errno)
		}
		if err := SetPersonality(&specs.LinuxPersonality{Domain: specs.PerLinux32}); err != nil {
			t.Error(err)
		}
		if got, _, _ := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0); got != 8 {
			t.Errorf("personality %#x", got)
		}
	})
}

func TestSetMemoryPolicy(t *testing.T) {
	onThread(func() {
		err := SetMemoryPolicy(&specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}, []int{0})
		if err != nil && strings.Contains(err.Error(), "built without NUMA") {
			t.Skip("needs a kernel with NUMA:", err)
		}
		if err != nil {
			t.Error(err)
		}
		var mode int32
		var nodes [128]uint64
		_, _, errno := unix.RawSyscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&nodes)), 128*64, 0, 0, 0)
		if errno != 0 || mode != unix.MPOL_INTERLEAVE|unix.MPOL_F_STATIC_NODES || nodes[0] != 1 {
			t.Errorf("mode %#x, nodes %#x, %v", mode, nodes[0], errno)
		}
	})
}

// TestErrors wants the field, the value, the call, the errno and what to do about it.
func TestErrors(t *testing.T) {
	onThread(func() {
		if err := unix.Prlimit(0, unix.RLIMIT_RTPRIO, &unix.Rlimit{}, nil); err != nil {
			t.Error(err)
		}
		for _, tt := range []struct {
			err  error
			want []string
		}{
			{
				SetMemoryPolicy(&specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "900"}, []int{900}),
				[]string{"linux.memoryPolicy (/linux/memoryPolicy): MPOL_BIND 900: set_mempolicy: "},
			},
			{
				SetScheduler(0, &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 2048, Deadline: 1024}),
				[]string{"process.scheduler (/process/scheduler): SCHED_DEADLINE: sched_setattr: invalid argument"},
			},
			{
				SetIOPriority(1<<22+1, &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}),
				[]string{"process.ioPriority (/process/ioPriority): IOPRIO_CLASS_IDLE 0: ioprio_set: no such process"},
			},
		} {
			for _, text := range tt.want {
				if tt.err == nil || !strings.Contains(tt.err.Error(), text) {
					t.Errorf("%v, want %q", tt.err, text)
				}
			}
		}
	})
}

func TestSchedulerHint(t *testing.T) {
	clamp := []specs.LinuxSchedulerFlag{specs.SchedFlagUtilClampMax}
	for _, tt := range []struct {
		specs.Scheduler
		errno unix.Errno
		want  string
	}{
		{specs.Scheduler{Policy: specs.SchedFIFO, Priority: 7}, unix.EPERM, "RLIMIT_RTPRIO of 7"},
		{specs.Scheduler{Policy: specs.SchedRR, Priority: 1}, unix.EPERM, "realtimeRuntime"},
		{specs.Scheduler{Policy: specs.SchedOther, Nice: -5}, unix.EPERM, "RLIMIT_NICE of 25"},
		{specs.Scheduler{Policy: specs.SchedDeadline}, unix.EPERM, "all CPUs"},
		{specs.Scheduler{Policy: specs.SchedDeadline}, unix.EBUSY, "sched_rt_runtime_us"},
		{specs.Scheduler{Policy: specs.SchedOther, Flags: clamp}, unix.EOPNOTSUPP, "CONFIG_UCLAMP_TASK"},
		{specs.Scheduler{Policy: specs.SchedBatch}, unix.EINVAL, ""},
	} {
		if got := schedulerHint(&tt.Scheduler, tt.errno); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%+v, %v: %q, want %q", tt.Scheduler, tt.errno, got, tt.want)
		}
	}
}

// TestNames wants every name of the specification's to have a number, and no two the same.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		table table
		names int
		sum   uint64
	}{
		{policies, 6, 0 + 1 + 2 + 3 + 5 + 6},
		{schedulerFlags, 7, unix.SCHED_FLAG_ALL},
		{ioClasses, 3, 1 + 2 + 3},
		{domains, 2, 8},
		{memoryModes, 7, 0 + 1 + 2 + 3 + 4 + 5 + 6},
		{memoryFlags, 3, unix.MPOL_MODE_FLAGS},
	} {
		sum, seen := uint64(0), map[uint64]bool{}
		for _, name := range tt.table.names() {
			n := tt.table.number(name)
			sum, seen[n] = sum+n, true
		}
		if len(seen) != tt.names || len(tt.table) != tt.names || sum != tt.sum {
			t.Errorf("%v: %d numbers, of sum %#x, want %#x", tt.table.names(), len(seen), sum, tt.sum)
		}
	}
}
