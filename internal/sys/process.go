package sys

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The wrappers of this file act on the calling thread alone, where the standard library would act on all
// threads: the init stage changes the one thread that executes the workload.

// SetDumpable says whether the process may be traced, and its /proc entries read, by its own user. prctl(2).
func SetDumpable(on bool) error {
	return prctl("PR_SET_DUMPABLE", unix.PR_SET_DUMPABLE, bit(on), 0)
}

// SetParentDeathSignal has the kernel send sig when the thread that made this process ends; 0 for none. prctl(2).
func SetParentDeathSignal(sig unix.Signal) error {
	return prctl("PR_SET_PDEATHSIG", unix.PR_SET_PDEATHSIG, uintptr(sig), 0)
}

// SetChildSubreaper makes the process adopt the orphans among its descendants. prctl(2).
func SetChildSubreaper() error {
	return prctl("PR_SET_CHILD_SUBREAPER", unix.PR_SET_CHILD_SUBREAPER, 1, 0)
}

// SetNoNewPrivs keeps this thread and what it executes from ever gaining privileges. prctl(2).
func SetNoNewPrivs() error {
	return prctl("PR_SET_NO_NEW_PRIVS", unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

// SetKeepCaps lets the permitted capabilities survive a change from uid 0 to another. prctl(2).
func SetKeepCaps(on bool) error {
	return prctl("PR_SET_KEEPCAPS", unix.PR_SET_KEEPCAPS, bit(on), 0)
}

// ResetTimerSlack gives the thread the timer slack that it was forked with. prctl(2).
func ResetTimerSlack() error { return prctl("PR_SET_TIMERSLACK", unix.PR_SET_TIMERSLACK, 0, 0) }

// SetName names the thread, for ps(1). At most 15 bytes count. prctl(2).
func SetName(name string) error {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(p)), 0)
	return syscallError("PR_SET_NAME", errno)
}

func prctl(name string, op, a1, a2 uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, op, a1, a2, 0, 0, 0)
	return syscallError("prctl "+name, errno)
}

func bit(on bool) uintptr {
	if on {
		return 1
	}
	return 0
}

func syscallError(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(call, errno)
}

// Wait waits for the end of the child process pid.
func Wait(pid int) (unix.WaitStatus, error) {
	var ws unix.WaitStatus
	err := retryEINTR(func() error {
		_, err := unix.Wait4(pid, &ws, 0, nil)
		return err
	})
	return ws, os.NewSyscallError("wait4", err)
}

// Execveat replaces the process by the program of the descriptor. It returns on failure only. execveat(2).
func Execveat(exe *os.File, args, env []string) error {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	var empty byte
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, exe.Fd(), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return &os.PathError{Op: "execveat", Path: exe.Name(), Err: errno}
}

// PidfdOpen gives a close-on-exec descriptor of the process pid. The caller closes it. pidfd_open(2), Linux 5.3.
func PidfdOpen(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	return fd, os.NewSyscallError("pidfd_open", err)
}

// PidfdSendSignal sends sig to the process of the descriptor. pidfd_send_signal(2), Linux 5.1.
func PidfdSendSignal(fd int, sig unix.Signal) error {
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(fd, sig, nil, 0))
}

// Poll waits until one of fds is ready or timeout milliseconds have passed (-1: for ever), and returns how
// many are.
func Poll(fds []unix.PollFd, timeout int) (n int, err error) {
	err = retryEINTR(func() error {
		n, err = unix.Poll(fds, timeout)
		return err
	})
	return n, os.NewSyscallError("poll", err)
}

// IsChild tells whether pid is a child of this process that was not waited for, living or not. waitid(2).
func IsChild(pid int) bool {
	return retryEINTR(func() error { return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) }) == nil
}

// WaitExit waits until the process of the pidfd has ended, or for timeout milliseconds, and tells which.
func WaitExit(pidfd, timeout int) (ended bool, err error) {
	n, err := Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, timeout)
	return n > 0, err
}
