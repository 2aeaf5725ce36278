package nsenter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Join names a namespace to enter.
type Join struct {
	Type int // one CLONE_NEW* flag; several for a pidfd, of which CLONE_NEWUSER is taken first
	FD   int // an open descriptor of the namespace, or a pidfd of a process in it (Linux 5.8). Borrowed
}

// Request says what Start starts. The zero value of every optional field means "none".
type Request struct {
	Exe  *os.File // what to execute: an O_PATH descriptor is enough. Borrowed
	Args []string
	Env  []string

	New  uintptr // CLONE_NEW* flags of the namespaces to make, without CLONE_NEWCGROUP
	Join []Join  // namespaces to enter before the new ones are made

	// MapIDs writes the id maps of a new user namespace for the process pid. It runs in the parent while the
	// child waits; nil with no new user namespace.
	MapIDs func(pid int) error

	TimeOffsets []byte   // content of /proc/self/timens_offsets, with CLONE_NEWTIME in New
	Proc        *os.File // a handle on the caller's /proc; needed with TimeOffsets. Borrowed

	Cgroup *os.File // cgroup v2 directory to be born in. Borrowed

	Inherit []int // descriptors beside 0, 1 and 2 that stay open across the execution, under their numbers
}

// Error is a failure of the raw stage.
type Error struct {
	Step  step // what was attempted
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Step.String() + ": " + e.Errno.Error() }

func (e *Error) Unwrap() error { return e.Errno }

// Loading tells that what failed is the load of a Spawn's filter.
func (e *Error) Loading() bool { return e.Step == stepFilter }

// Executing tells that what failed is the execution of a Spawn's workload.
func (e *Error) Executing() bool { return e.Step == stepExecute }

// Start starts the process and returns its pid as the caller sees it once it executes r.Exe. The process is a
// child of the caller: when it is not needed any more, the caller waits for it.
//
// The child asks for SIGKILL at the death of the thread that forked it (PR_SET_PDEATHSIG in prctl(2)). The Go runtime ends
// a thread only with a goroutine that was locked to it: the caller is no such goroutine, or lives as long as the child is
// not handed over.
func Start(r *Request) (pid int, err error) {
	st, err := newStage(r)
	if err != nil {
		return 0, err
	}
	defer st.closePipes()

	syscall.ForkLock.Lock()
	child, errno := fork(st)
	afterFork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(r)
	if errno != 0 {
		return 0, &Error{Step: forkStep(st), Errno: errno}
	}
	sys.Close(st.report)
	st.report = -1
	return follow(r, st, int(child))
}

// forkStep tells which of its duties a refused first clone3 is blamed on.
func forkStep(st *stage) step {
	if st.twice || st.new == 0 {
		return stepFork
	}
	return stepClone
}

// follow accompanies the raw stage through its pipe, from its birth to its execution.
func follow(r *Request, st *stage, child int) (int, error) {
	pid := child
	// The entrant says whom it forked, while init may already ask for its maps: they come in any order.
	known, asked := !st.twice, false
	for {
		if !known {
			if err := awaitEntrant(st.reportRead, child); err != nil {
				return 0, abandon(st, pid, child, err)
			}
		}
		m, err := readMessage(st.reportRead)
		switch {
		case err != nil:
			return 0, abandon(st, pid, child, err)
		case m.step == stepDone: // end of file: the execution closed the pipe
			reap(child, pid)
			return pid, nil
		case m.step == stepPid:
			pid, known = int(m.value), true
		case m.step == stepMaps:
			asked = true
		case m.step == stepEntrantMaps:
			if err := mapIDs(r, st, child); err != nil {
				return 0, abandon(st, pid, child, err)
			}
		default:
			return 0, abandon(st, pid, child, &Error{Step: m.step, Errno: syscall.Errno(m.value)})
		}
		if known && asked {
			asked = false
			if err := mapIDs(r, st, pid); err != nil {
				return 0, abandon(st, pid, child, err)
			}
		}
	}
}

// awaitEntrant waits for a message as long as the entrant lives. If it is killed before it says whom it forked,
// that one would wait for its maps, and we for it; so it sees the end of this process's pipe instead.
func awaitEntrant(report, child int) error {
	pidfd, err := sys.PidfdOpen(child)
	if err != nil {
		return err
	}
	defer sys.Close(pidfd)
	fds := []unix.PollFd{{Fd: int32(report), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
	if _, err := sys.Poll(fds, -1); err != nil {
		return err
	}
	if fds[0].Revents&unix.POLLIN == 0 {
		return &Error{Step: stepEntrant, Errno: unix.ESRCH}
	}
	return nil
}

// mapIDs writes the id maps of init, which waits for them, and lets it go on.
func mapIDs(r *Request, st *stage, pid int) error {
	if err := r.MapIDs(pid); err != nil {
		return err
	}
	_, err := unix.Write(st.syncWrite, []byte{1})
	return os.NewSyscallError("write", err)
}

// abandon ends what was started, and passes err on. The entrant is not killed before it has said whom it forked, or
// nobody would reap that one: it ends by itself, with the pipe that it may wait at.
func abandon(st *stage, pid, child int, err error) error {
	if st.syncWrite >= 0 {
		sys.Close(st.syncWrite)
		st.syncWrite = -1
	}
	for {
		m, readErr := readMessage(st.reportRead)
		if readErr != nil || m.step == stepDone {
			break
		}
		if m.step == stepPid {
			pid = int(m.value)
		}
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	_ = unix.Kill(child, unix.SIGKILL)
	if pid != child {
		_, _ = sys.Wait(pid)
	}
	_, _ = sys.Wait(child)
	return err
}

// reap waits for the entrant, which has ended by now if there was one beside init.
func reap(child, pid int) {
	if child != pid {
		_, _ = sys.Wait(child)
	}
}

// message is what the raw stage writes to its pipe: a step reached, or failed with the errno in value.
type message struct {
	step  step
	value int32
}

func readMessage(fd int) (message, error) {
	var b [8]byte
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return message{}, os.NewSyscallError("read", err)
		case n == 0:
			return message{step: stepDone}, nil
		case n != len(b): // a write of eight bytes into a pipe is never divided
			return message{}, fmt.Errorf("read: %d bytes of a message of the raw stage, want %d", n, len(b))
		}
		return message{step: step(binary.NativeEndian.Uint32(b[:])), value: int32(binary.NativeEndian.Uint32(b[4:]))}, nil
	}
}

// newStage lays out what the raw stage needs, in memory that needs no runtime to be read.
func newStage(r *Request) (*stage, error) {
	st := &stage{
		exe: number(r.Exe), new: r.New, join: slices.Clone(r.Join), offsets: r.TimeOffsets,
		cgroup: number(r.Cgroup), proc: number(r.Proc),
		reportRead: -1, report: -1, sync: -1, syncWrite: -1,
	}
	if st.exe < 0 {
		return nil, &Error{Step: stepExec, Errno: unix.EBADF}
	}
	st.newUser = r.New&unix.CLONE_NEWUSER != 0
	for _, j := range r.Join {
		st.joinUser = st.joinUser || j.Type&unix.CLONE_NEWUSER != 0
		st.twice = st.twice || j.Type&unix.CLONE_NEWPID != 0
	}
	// A PID namespace is entered by the next child only; a time namespace gets its offsets before its first
	// process (time_namespaces(7)); and what is joined is joined with the privileges of before.
	st.twice = st.twice || len(r.Join) > 0 && r.New != 0 || len(r.TimeOffsets) > 0
	st.borrow = !st.twice && !st.newUser && borrowable(r)
	var err error
	if st.argv, err = syscall.SlicePtrFromStrings(r.Args); err != nil {
		return nil, fmt.Errorf("arguments of the init stage: %w", err)
	}
	if st.envv, err = syscall.SlicePtrFromStrings(r.Env); err != nil {
		return nil, fmt.Errorf("environment of the init stage: %w", err)
	}
	if err := st.openPipes(); err != nil {
		st.closePipes()
		return nil, err
	}
	st.keep = keepSorted(r.Inherit, st)
	return st, nil
}

// borrowable tells whether the child can borrow the parent's memory until it executes. To copy the page tables instead
// costs 0.3 ms, with the faults of both. The parent stands still for that long, so no child that waits for it may borrow; and a
// process that others can name, in a PID namespace of theirs, or that a user namespace of theirs owns, must not share a byte with
// us. In the runtime's own PID namespace the parent can be named as well: the child gives away nothing there. What the other namespaces have
// in common gives nobody a way to a process's memory. (A time namespace and shared memory
// exclude each other.)
func borrowable(r *Request) bool {
	flags := int(r.New) & unix.CLONE_NEWTIME
	for _, j := range r.Join {
		flags |= j.Type & (unix.CLONE_NEWPID | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	}
	return flags == 0
}

func (st *stage) closePipes() {
	for _, fd := range []int{st.reportRead, st.report, st.sync, st.syncWrite} {
		if fd >= 0 {
			sys.Close(fd)
		}
	}
}

// number is the number of an open file, -1 for none.
func number(f *os.File) int {
	if f == nil {
		return -1
	}
	return int(f.Fd())
}

func (st *stage) openPipes() (err error) {
	if st.reportRead, st.report, err = sys.Pipe(); err != nil || !st.newUser {
		return err
	}
	st.sync, st.syncWrite, err = sys.Pipe()
	return err
}

// keepSorted lists the descriptors that the last fork keeps, ascending and each once: those to inherit, and
// the two that the raw stage itself needs up to its execution, which closes them.
func keepSorted(inherit []int, st *stage) []keepFD {
	keep := make([]keepFD, 0, len(inherit)+2)
	for _, fd := range inherit {
		if fd > 2 {
			keep = append(keep, keepFD{fd: fd, inherit: true})
		}
	}
	keep = append(keep, keepFD{fd: st.exe}, keepFD{fd: st.report})
	slices.SortFunc(keep, func(a, b keepFD) int { return a.fd - b.fd })
	return slices.CompactFunc(keep, func(a, b keepFD) bool { return a.fd == b.fd })
}

// cloneArgs is struct clone_args of clone3(2), as of Linux 5.7.
type cloneArgs struct {
	flags      uint64
	pidFD      uint64
	childTID   uint64
	parentTID  uint64
	exitSignal uint64
	stack      uint64
	stackSize  uint64
	tls        uint64
	setTID     uint64
	setTIDSize uint64
	cgroup     uint64
}

const sizeofCloneArgs = unsafe.Sizeof(cloneArgs{})
