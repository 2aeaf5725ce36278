package nsenter

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The code of this file runs in a child of a bare fork: bare system calls only. Every function is nosplit,
// because the runtime has poisoned the stack guard: a function that would look at it would crash.

// stage is everything that the raw stage reads.
type stage struct {
	exe     int
	argv    []*byte
	envv    []*byte
	new     uintptr
	join    []Join
	offsets []byte
	cgroup  int // directory, -1 for none
	proc    int // /proc, -1 for none

	newUser, joinUser bool
	twice             bool // an entrant joins, and forks init, for what only a next child enters
	borrow            bool // the child borrows the parent's memory, as vfork(2) does

	report, reportRead int // pipe: messages to the parent
	sync, syncWrite    int // pipe: the parent has written the id maps; -1 without a new user namespace

	keep []keepFD // ascending

	args cloneArgs
	caps capData
}

// keepFD is a descriptor that survives until the execution, or beyond it with inherit.
type keepFD struct {
	fd      int
	inherit bool
}

// capData is the header and the data of capget(2), version 3.
type capData struct {
	hdr  unix.CapUserHeader
	data [2]unix.CapUserData
}

// fork forks the raw stage. In the parent it returns as a clone does; the caller calls afterFork. A child that borrows
// the parent's memory works below this frame of the parent's stack, and so must never return from it.
//
//go:noinline
//go:norace
func fork(st *stage) (pid uintptr, errno syscall.Errno) {
	st.args = cloneArgs{exitSignal: uint64(unix.SIGCHLD)}
	st.intoCgroup()
	if !st.twice {
		st.args.flags |= uint64(st.new)
	}
	if st.borrow {
		st.args.flags |= unix.CLONE_VM | unix.CLONE_VFORK
	}
	beforeFork()
	if st.borrow {
		pid, errno = rawVforkSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&st.args)), sizeofCloneArgs, 0)
	} else {
		pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&st.args)), sizeofCloneArgs, 0)
	}
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
	if st.twice {
		enter(st)
	} else {
		joinAll(st)
	}
	become(st)
	return 0, 0 // not reached
}

// intoCgroup has the first clone3 make its child in the cgroup (Linux 5.7), and what that one forks is in it
// too: a later migration would take a lock of the whole system, and from inside a joined cgroup namespace the
// way to a cgroup outside of it is closed.
//
//go:nosplit
//go:norace
func (st *stage) intoCgroup() {
	if st.cgroup >= 0 {
		st.args.flags |= unix.CLONE_INTO_CGROUP
		st.args.cgroup = uint64(st.cgroup)
	}
}

// enter joins namespaces, forks init as a sibling and ends. It does not return in the entrant; it returns in init.
//
//go:nosplit
//go:norace
func enter(st *stage) {
	joinAll(st)
	flags := st.new
	if len(st.offsets) > 0 {
		// A new time namespace takes its offsets only as long as no process is in it (time_namespaces(7)), from
		// who is privileged over it: with a new user namespace that is its root.
		flags &^= unix.CLONE_NEWTIME
		if st.newUser {
			flags &^= unix.CLONE_NEWUSER
			enterNewUser(st)
		}
		offsetTime(st)
	}
	st.args = cloneArgs{flags: uint64(flags) | unix.CLONE_PARENT}
	pid, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&st.args)), sizeofCloneArgs, 0)
	if errno != 0 {
		fail(st, stepClone, errno)
	}
	if pid != 0 {
		say(st, stepPid, int32(pid))
		exit(0)
	}
}

// joinAll joins what the caller's privileges allow, then the user namespace, then, with the privileges
// that one gives, what was refused before.
//
//go:nosplit
//go:norace
func joinAll(st *stage) {
	for i := range st.join {
		j := &st.join[i]
		if j.Type == unix.CLONE_NEWUSER {
			continue
		}
		errno := setns(j)
		if errno == 0 {
			j.Type = 0
		} else if errno != unix.EPERM || !st.joinUser {
			fail(st, joinStep(j.Type), errno)
		}
	}
	for i := range st.join {
		if j := &st.join[i]; j.Type == unix.CLONE_NEWUSER {
			if errno := setns(j); errno != 0 {
				fail(st, stepJoinUser, errno)
			}
			j.Type = 0
		}
	}
	for i := range st.join {
		if j := &st.join[i]; j.Type != 0 {
			if errno := setns(j); errno != 0 {
				fail(st, joinStep(j.Type), errno)
			}
		}
	}
}

//go:nosplit
//go:norace
func setns(j *Join) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_SETNS, uintptr(j.FD), uintptr(j.Type), 0)
	return errno
}

//go:nosplit
//go:norace
func joinStep(flag int) step {
	switch flag {
	case unix.CLONE_NEWPID:
		return stepJoinPID
	case unix.CLONE_NEWNS:
		return stepJoinMount
	case unix.CLONE_NEWNET:
		return stepJoinNetwork
	case unix.CLONE_NEWIPC:
		return stepJoinIPC
	case unix.CLONE_NEWUTS:
		return stepJoinUTS
	case unix.CLONE_NEWCGROUP:
		return stepJoinCgroup
	case unix.CLONE_NEWTIME:
		return stepJoinTime
	}
	return stepJoinAll
}

// enterNewUser makes the new user namespace already for the entrant; init inherits it, and becomes its root. Not the
// entrant: with another uid it could not write its own files in /proc any more.
//
//go:nosplit
//go:norace
func enterNewUser(st *stage) {
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0); errno != 0 {
		fail(st, stepUnshareUser, errno)
	}
	awaitMaps(st, stepEntrantMaps)
	st.newUser, st.joinUser = false, true
}

//go:nosplit
//go:norace
func offsetTime(st *stage) {
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME, 0, 0); errno != 0 {
		fail(st, stepUnshareTime, errno)
	}
	path := [...]byte{'s', 'e', 'l', 'f', '/', 't', 'i', 'm', 'e', 'n', 's', '_', 'o', 'f', 'f', 's', 'e', 't', 's', 0}
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(st.proc), uintptr(unsafe.Pointer(&path[0])),
		unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		fail(st, stepTimeOffsets, errno)
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&st.offsets[0])), uintptr(len(st.offsets))); errno != 0 {
		fail(st, stepTimeOffsets, errno)
	}
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
}

// become turns the fork into the init stage. It does not return.
//
//go:nosplit
//go:norace
func become(st *stage) {
	if st.newUser {
		awaitMaps(st, stepMaps)
	}
	if st.newUser || st.joinUser {
		becomeRoot(st)
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0); errno != 0 {
		fail(st, stepDeathSignal, errno)
	}
	quieten()
	keepFDs(st)
	hideExe(st)
	var empty byte
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(st.exe), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&st.argv[0])), uintptr(unsafe.Pointer(&st.envv[0])), unix.AT_EMPTY_PATH, 0)
	fail(st, stepExec, errno)
}

// becomeRoot becomes the root of the user namespace that the process is in. That sets back what is set again:
// non-dumpable here, the signal by the caller.
//
//go:nosplit
//go:norace
func becomeRoot(st *stage) {
	if _, _, errno := syscall.RawSyscall(sysSetresgid, 0, 0, 0); errno != 0 {
		fail(st, stepRootGID, errno)
	}
	if _, _, errno := syscall.RawSyscall(sysSetresuid, 0, 0, 0); errno != 0 {
		fail(st, stepRootUID, errno)
	}
	_, _, _ = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0)
}

// TimerSlack is the slack of the process that Start starts, in nanoseconds: the Go runtime's monitor thread, which
// sleeps 20 µs at a time, then costs a start less than 1 % instead of 5. What is to run in the process in the end
// wants the slack of its parent back: PR_SET_TIMERSLACK with 0.
const TimerSlack = 10_000_000

//go:nosplit
//go:norace
func quieten() {
	_, _, _ = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, TimerSlack, 0)
}

// awaitMaps has the parent write the id maps, and waits. A parent that is gone is an end of file.
//
//go:nosplit
//go:norace
func awaitMaps(st *stage, ask step) {
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(st.syncWrite), 0, 0)
	say(st, ask, 0)
	var b byte
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(st.sync), uintptr(unsafe.Pointer(&b)), 1)
		if n == 1 {
			return
		}
		if errno != unix.EINTR {
			fail(st, stepParent, unix.EPIPE)
		}
	}
}

// keepFDs closes every descriptor from 3 on that was not asked for, whoever leaked it, before anything of
// the container's exists (CVE-2024-21626). close_range(2), Linux 5.9.
//
//go:nosplit
//go:norace
func keepFDs(st *stage) {
	low := uintptr(3)
	for i := range st.keep {
		k := &st.keep[i]
		if uintptr(k.fd) > low {
			closeRange(st, low, uintptr(k.fd)-1)
		}
		low = uintptr(k.fd) + 1
		if k.inherit {
			if _, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(k.fd), unix.F_SETFD, 0); errno != 0 {
				fail(st, stepInheritFD, errno)
			}
		}
	}
	closeRange(st, low, 1<<32-1)
}

//go:nosplit
//go:norace
func closeRange(st *stage, low, high uintptr) {
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, low, high, 0); errno != 0 {
		fail(st, stepCloseFDs, errno)
	}
}

// hideExe has the kernel keep the init stage non-dumpable from its first instruction on: execve makes a
// process dumpable again unless it may not read the file that it executes (would_dump in fs/exec.c), and the
// sealed binary is readable for nobody who has not these two capabilities. The execution itself brings them
// back into the effective set.
//
//go:nosplit
//go:norace
func hideExe(st *stage) {
	st.caps.hdr.Version = unix.LINUX_CAPABILITY_VERSION_3
	hdr, data := uintptr(unsafe.Pointer(&st.caps.hdr)), uintptr(unsafe.Pointer(&st.caps.data))
	if _, _, errno := syscall.RawSyscall(unix.SYS_CAPGET, hdr, data, 0); errno != 0 {
		fail(st, stepCapabilities, errno)
	}
	st.caps.data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if _, _, errno := syscall.RawSyscall(unix.SYS_CAPSET, hdr, data, 0); errno != 0 {
		fail(st, stepCapabilities, errno)
	}
}

//go:nosplit
//go:norace
func say(st *stage, s step, value int32) { sayTo(st.report, s, value) }

// sayTo writes one message.
//
//go:nosplit
//go:norace
func sayTo(pipe int, s step, value int32) {
	m := message{step: s, value: value}
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(pipe), uintptr(unsafe.Pointer(&m)), unsafe.Sizeof(m))
}

//go:nosplit
//go:norace
func fail(st *stage, s step, errno syscall.Errno) {
	say(st, s, int32(errno))
	exit(1)
}

// nowhere is never anything else than nil.
var nowhere *byte

//go:nosplit
//go:norace
func exit(code uintptr) {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
		// A filter refuses it. Signals have their default actions by now: a fault is an end, too.
		*nowhere = 0
	}
}
