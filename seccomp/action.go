package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxErrno is the largest errno a system call can return; the kernel cuts larger ones down to it (MAX_ERRNO).
const maxErrno = 4095

// parseAction turns an action and its errno into a value for the kernel (SECCOMP_RET_* and 16 bits of data). On error, wrongErrno
// tells that the errno is what is wrong, not the action.
func parseAction(action specs.LinuxSeccompAction, errno *uint) (ret uint32, wrongErrno bool, err error) {
	limit := uint(0)
	switch action {
	case specs.ActKill, specs.ActKillThread:
		ret = unix.SECCOMP_RET_KILL_THREAD
	case specs.ActKillProcess:
		ret = unix.SECCOMP_RET_KILL_PROCESS
	case specs.ActTrap:
		ret = unix.SECCOMP_RET_TRAP
	case specs.ActErrno:
		ret, limit = unix.SECCOMP_RET_ERRNO, maxErrno
	case specs.ActTrace:
		ret, limit = unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_DATA
	case specs.ActAllow:
		ret = unix.SECCOMP_RET_ALLOW
	case specs.ActLog:
		ret = unix.SECCOMP_RET_LOG
	case specs.ActNotify:
		ret = unix.SECCOMP_RET_USER_NOTIF
	case "":
		return 0, false, fmt.Errorf("no action is given")
	default:
		return 0, false, fmt.Errorf("unknown action %q", action)
	}
	if limit == 0 {
		if errno != nil {
			return 0, true, fmt.Errorf("%s takes no errno: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do", action)
		}
		return ret, false, nil
	}
	if errno == nil {
		return ret | uint32(unix.EPERM), false, nil
	}
	if *errno > limit {
		return 0, true, fmt.Errorf("%d is more than %s can carry (%d)", *errno, action, limit)
	}
	return ret | uint32(*errno), false, nil
}

// runs tells whether the call goes on under the action ret, without anybody else having a say.
func runs(ret uint32) bool {
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG:
		return true
	}
	return false
}

// refuses tells whether the call is certain not to run under the action ret. TRACE and NOTIFY are neither: somebody decides.
func refuses(ret uint32) bool {
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_ERRNO:
		return true
	}
	return false
}

// knownOperator tells whether op is an operator of the spec.
func knownOperator(op specs.LinuxSeccompOperator) bool {
	switch op {
	case specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual:
		return true
	}
	return false
}

// flagTSYNC is missing from specs-go, not from the spec.
const flagTSYNC specs.LinuxSeccompFlag = "SECCOMP_FILTER_FLAG_TSYNC"

// flagBit returns the bit of a flag for seccomp(2), or 0 for an unknown one.
func flagBit(flag specs.LinuxSeccompFlag) uint {
	switch flag {
	case flagTSYNC:
		return unix.SECCOMP_FILTER_FLAG_TSYNC
	case specs.LinuxSeccompFlagLog:
		return unix.SECCOMP_FILTER_FLAG_LOG
	case specs.LinuxSeccompFlagSpecAllow:
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	case specs.LinuxSeccompFlagWaitKillableRecv:
		return unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return 0
}
