package nsenter

// step names a point in the life of the raw stage. It crosses the pipe as a number.
type step uint32

const (
	stepDone        step = iota // the binary was executed
	stepPid                     // value: the pid of init, as the caller sees it
	stepMaps                    // the new user namespace waits for its id maps
	stepEntrantMaps             // so does the entrant's, which it made to set time offsets in
	stepFork
	stepClone
	stepJoinUser
	stepJoinPID
	stepJoinMount
	stepJoinNetwork
	stepJoinIPC
	stepJoinUTS
	stepJoinCgroup
	stepJoinTime
	stepJoinAll
	stepUnshareUser
	stepUnshareTime
	stepTimeOffsets
	stepParent
	stepRootGID
	stepRootUID
	stepDeathSignal
	stepCloseFDs
	stepInheritFD
	stepCapabilities
	stepExec
	stepSpawn
	stepGate
	stepSession
	stepTerminal
	stepLimits
	stepFilter
	stepFinalCaps
	stepExecute // the last that crosses a pipe
	stepEntrant // this and the rest are attempted by the parent
	stepHolder
)

// String says what was attempted, as the head of an error.
func (s step) String() string {
	switch s {
	case stepFork:
		return "fork"
	case stepClone:
		return "make new namespaces: clone3"
	case stepJoinUser:
		return "join user namespace: setns"
	case stepJoinPID:
		return "join pid namespace: setns"
	case stepJoinMount:
		return "join mount namespace: setns"
	case stepJoinNetwork:
		return "join network namespace: setns"
	case stepJoinIPC:
		return "join ipc namespace: setns"
	case stepJoinUTS:
		return "join uts namespace: setns"
	case stepJoinCgroup:
		return "join cgroup namespace: setns"
	case stepJoinTime:
		return "join time namespace: setns"
	case stepJoinAll:
		return "join the container's namespaces: setns"
	case stepUnshareUser:
		return "make new user namespace: unshare"
	case stepUnshareTime:
		return "make new time namespace: unshare"
	case stepTimeOffsets:
		return "linux.timeOffsets (/linux/timeOffsets): write /proc/self/timens_offsets"
	case stepParent:
		return "wait for the id maps: the runtime has gone"
	case stepRootGID:
		return "become gid 0 of the user namespace: is it mapped in /linux/gidMappings?: setresgid"
	case stepRootUID:
		return "become uid 0 of the user namespace: is it mapped in /linux/uidMappings?: setresuid"
	case stepDeathSignal:
		return "set parent-death signal: prctl"
	case stepCloseFDs:
		return "close the caller's descriptors: close_range"
	case stepInheritFD:
		return "pass on a descriptor: fcntl"
	case stepCapabilities:
		return "give up CAP_DAC_OVERRIDE: capset"
	case stepExec:
		return "execute the init stage: execveat"
	case stepSpawn:
		return "make the process: clone"
	case stepGate:
		return "wait for the runtime, which has gone"
	case stepSession:
		return "make a session: setsid"
	case stepTerminal:
		return "process.terminal (/process/terminal): make it the controlling one: ioctl TIOCSCTTY"
	case stepLimits:
		return "process.rlimits (/process/rlimits): prlimit"
	case stepFilter:
		return "linux.seccomp (/linux/seccomp): seccomp"
	case stepFinalCaps:
		return "linux.seccomp (/linux/seccomp): give up CAP_SYS_ADMIN, which loading took without process.noNewPrivileges: capset"
	case stepExecute:
		return "execute the process"
	case stepEntrant:
		return "enter namespaces: the process that does was killed"
	case stepHolder:
		return "make a user namespace: clone3"
	}
	return "raw stage"
}
