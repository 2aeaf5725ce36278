package nsenter

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Limit is a resource limit; prlimit(2).
type Limit struct {
	Resource   int
	Soft, Hard uint64
}

// Spawn is a workload that is laid out in memory, with all that is left to do before it is executed.
type Spawn struct {
	Path       *byte
	Argv, Envv []*byte

	Limits   []Limit
	Filter   []unix.SockFilter // seccomp program; nil for none
	Flags    uint              // SECCOMP_FILTER_FLAG_* of it
	Caps     *sys.CapSets      // the final sets, to be set once the filter is loaded; nil if they are set already, or execve(2) sets them
	Terminal bool              // standard input becomes the controlling terminal

	// Early loads the filter and sets the capabilities before the fork, so that nobody in the PID namespace meets a
	// process that may do more than the workload. The filter must admit Calls.
	Early bool

	// Relay gets the listener of a Filter with notifications; nil with any other. Flags has SECCOMP_FILTER_FLAG_NEW_LISTENER
	// then. The thread that waits at the relay closes the listener and, with Early, Keepers before it releases: the workload, which
	// others may trace, is to have none of them. Without Early the workload shares its descriptors with the calling process
	// until then, whose thread also ends that process.
	Relay   *Relay
	Keepers []int // descriptors at or above Keep, kept open for that thread

	Keep   int // descriptors 0 to Keep-1 are the workload's
	Report int // pipe to who reads it with Hear. At or above Keep, like
	Gate   int // pipe that the workload waits at for a byte before it is executed
}

// Call is a system call with those of its arguments that are known.
type Call struct {
	Number uintptr
	Args   [6]uint64
}

// Calls are the system calls that are made with the filter in force when it is loaded early, beside execve(2).
func (s *Spawn) Calls() []Call {
	clone := Call{unix.SYS_CLONE, [6]uint64{unix.CLONE_PARENT}}
	if cloneStackFirst {
		clone.Args = [6]uint64{1: unix.CLONE_PARENT}
	}
	calls := []Call{
		clone,
		{unix.SYS_READ, [6]uint64{uint64(s.Gate), 0, 1}},
		{Number: unix.SYS_SETSID},
		{unix.SYS_WRITE, [6]uint64{uint64(s.Report), 0, uint64(unsafe.Sizeof(message{}))}},
		{Number: unix.SYS_EXIT_GROUP},
	}
	for _, l := range s.Limits {
		calls = append(calls, Call{unix.SYS_PRLIMIT64, [6]uint64{1: uint64(l.Resource)}})
	}
	if s.Terminal {
		calls = append(calls, Call{unix.SYS_IOCTL, [6]uint64{1: unix.TIOCSCTTY}})
	}
	if s.Caps != nil {
		calls = append(calls, Call{Number: unix.SYS_CAPSET})
	}
	return calls
}

// heir is a Spawn as the code below needs it.
type heir struct {
	*Spawn
	prog    unix.SockFprog
	capHdr  unix.CapUserHeader
	capData [2]unix.CapUserData
	report  int
	kept    []int // descriptors from Keep on, ascending
}

// Become forks the workload, as a child of the calling process's parent, into the PID namespace that the calling thread
// has chosen with setns(2), and ends the calling process. What becomes of it goes to the pipe.
// Preconditions: the process has no other threads that matter, and signals are as the workload is to have them.
func (s *Spawn) Become() { becomeHeir(s.layOut()) }

// Execute has the calling thread become the workload, whose limits, session and descriptors are as they are to be. With the
// filter in force there is nothing of the Go runtime, which could ask for a lock, between it and the execution. It returns only
// with an error.
func (s *Spawn) Execute() error {
	h := s.layOut()
	h.defaultSignals() // the Go runtime preempts by one, and to come back from its handler is a system call
	failed, errno := h.execute()
	runtime.KeepAlive(s)
	return &Error{Step: failed, Errno: errno}
}

func (s *Spawn) layOut() *heir {
	h := &heir{Spawn: s, report: s.Report, kept: append([]int{s.Report, s.Gate}, s.Keepers...)}
	slices.Sort(h.kept)
	if len(s.Filter) > 0 {
		h.prog = unix.SockFprog{Len: uint16(len(s.Filter)), Filter: &s.Filter[0]}
	}
	if c := s.Caps; c != nil {
		h.capHdr.Version = unix.LINUX_CAPABILITY_VERSION_3
		h.capData = [2]unix.CapUserData{
			{Effective: uint32(c.Effective), Permitted: uint32(c.Permitted), Inheritable: uint32(c.Inheritable)},
			{Effective: uint32(c.Effective >> 32), Permitted: uint32(c.Permitted >> 32), Inheritable: uint32(c.Inheritable >> 32)},
		}
	}
	return h
}

// becomeHeir is bare system calls only, like all of this file from here on: see raw.go. With the filter in force not even
// a signal handler of the Go runtime may run.
//
//go:noinline
//go:norace
func becomeHeir(h *heir) {
	beforeFork()
	h.defaultSignals()
	h.closeRest()
	if h.Early {
		h.mustJudge()
	}
	shared := uintptr(0)
	if h.Relay != nil && !h.Early {
		shared = unix.CLONE_FILES
	}
	pid, errno := forkSibling(shared)
	if errno != 0 {
		h.fail(stepSpawn, errno)
	}
	if pid != 0 {
		sayTo(h.report, stepPid, int32(pid))
		if shared != 0 {
			h.Relay.stay(pid)
		}
		exit(0)
	}
	h.wait()
	h.session()
	h.limit()
	if !h.Early {
		h.mustJudge()
	}
	h.fail(stepExecute, h.execve())
}

// execute is all that is left to do where nobody is forked.
//
//go:nosplit
//go:norace
func (h *heir) execute() (step, syscall.Errno) {
	failed, errno := h.judge()
	if errno == 0 {
		failed, errno = stepExecute, h.execve()
	}
	if h.Relay != nil {
		h.Relay.fail(failed, errno)
	}
	return failed, errno
}

//go:nosplit
//go:norace
func (h *heir) execve() syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(h.Path)),
		uintptr(unsafe.Pointer(&h.Argv[0])), uintptr(unsafe.Pointer(&h.Envv[0])))
	return errno
}

//go:nosplit
//go:norace
func (h *heir) mustJudge() {
	if s, errno := h.judge(); errno != 0 {
		h.fail(s, errno)
	}
}

// forkSibling is clone(2), which more filters admit than clone3(2). CLONE_PARENT: its child is not ours.
//
//go:nosplit
//go:norace
func forkSibling(shared uintptr) (uintptr, syscall.Errno) {
	first, second := unix.CLONE_PARENT|shared, uintptr(0)
	if cloneStackFirst {
		first, second = second, first
	}
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, first, second, 0, 0, 0, 0)
	return pid, errno
}

// defaultSignals takes the Go runtime's handlers away, and what a caller can have had ignored (SIGHUP and SIGINT, which a Go program leaves so),
// and unblocks what beforeFork or the caller has blocked: the execution would keep a blocked signal, and the filter may forbid to unblock it
// later.
//
//go:nosplit
//go:norace
func (h *heir) defaultSignals() {
	const sigsetSize = 8
	var zero [64]byte // a struct sigaction of SIG_DFL, and an empty mask, for every architecture
	for sig := uintptr(1); sig <= 64; sig++ {
		_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&zero)), 0, sigsetSize, 0, 0) // EINVAL: SIGKILL and SIGSTOP
	}
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&zero)), 0, sigsetSize, 0, 0)
}

// closeRest leaves the workload's descriptors, the pipes and what is kept: who may trace the workload could take the rest from it.
//
//go:nosplit
//go:norace
func (h *heir) closeRest() {
	low := uintptr(h.Keep)
	for _, fd := range h.kept {
		h.closeRange(low, uintptr(fd))
		low = uintptr(fd) + 1
	}
	h.closeRange(low, 1<<32-1)
}

// closeRange closes from low to below high.
//
//go:nosplit
//go:norace
func (h *heir) closeRange(low, high uintptr) {
	if low >= high {
		return
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, low, high-1, 0); errno != 0 {
		h.fail(stepCloseFDs, errno)
	}
}

// judge puts the filter in force, and then gives up what only loading it took.
//
//go:nosplit
//go:norace
func (h *heir) judge() (step, syscall.Errno) {
	if h.prog.Len > 0 {
		if h.Relay != nil {
			h.Relay.Begin()
		}
		listener, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(h.Flags), uintptr(unsafe.Pointer(&h.prog)))
		if errno != 0 {
			return stepFilter, errno
		}
		if h.Relay != nil {
			h.Relay.Leave(int(listener))
		}
	}
	if h.capHdr.Version != 0 {
		_, _, errno := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&h.capHdr)), uintptr(unsafe.Pointer(&h.capData)), 0)
		if errno != 0 {
			return stepFinalCaps, errno
		}
	}
	return stepDone, 0
}

// wait waits until the runtime has the workload where it belongs. Without a byte it is gone.
//
//go:nosplit
//go:norace
func (h *heir) wait() {
	var b byte
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(h.Gate), uintptr(unsafe.Pointer(&b)), 1)
		if n == 1 {
			return
		}
		if errno != unix.EINTR {
			h.fail(stepGate, unix.EPIPE)
		}
	}
}

// session cuts the workload off from the caller's terminal, and gives it its own: no TIOCSTI into the caller's shell.
//
//go:nosplit
//go:norace
func (h *heir) session() {
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0); errno != 0 {
		h.fail(stepSession, errno)
	}
	if !h.Terminal {
		return
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0); errno != 0 {
		h.fail(stepTerminal, errno)
	}
}

//go:nosplit
//go:norace
func (h *heir) limit() {
	for i := range h.Limits {
		l := [2]uint64{h.Limits[i].Soft, h.Limits[i].Hard}
		_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(h.Limits[i].Resource), uintptr(unsafe.Pointer(&l)), 0, 0, 0)
		if errno != 0 {
			h.fail(stepLimits, errno)
		}
	}
}

//go:nosplit
//go:norace
func (h *heir) fail(s step, errno syscall.Errno) {
	if h.Relay != nil {
		h.Relay.fail(s, errno)
	}
	sayTo(h.report, s, int32(errno))
	exit(1)
}

// Hear reads what a Spawn has to say, to its end, when the workload was executed. It calls born with the workload's pid,
// as the process that called Become sees it; the workload then waits at its gate, and is born's to wait for. An error that
// is not an *Error is no answer, or one that no Spawn gives: the workload was killed.
func Hear(pipe int, born func(pid int) error) (err error) {
	known := false
	for {
		m, readErr := readMessage(pipe)
		switch {
		case readErr != nil:
			return readErr
		case m.step == stepDone && !known && err == nil:
			return errors.New("the process was killed before it was made")
		case m.step == stepDone:
			return err
		case m.step == stepPid && !known:
			known = true
			if err := born(int(m.value)); err != nil {
				return err
			}
		case err == nil && m.step > stepPid && m.step <= stepExecute:
			err = &Error{Step: m.step, Errno: syscall.Errno(m.value)}
		default:
			return fmt.Errorf("unexpected message of the process: %d", m.step)
		}
	}
}
