package initproc

import "tare/internal/step"

// createSteps is the life of the init stage. The order is the contract; a comment says what would break.
var createSteps = []step.Step[*initProc]{
	// First: no signal and no TIOCSTI between the container and the caller's terminal.
	{Name: "session", Run: (*initProc).newSession},
	// Before anything of the container's runs, which would find the caller's keys.
	{Name: "keyring", Run: (*initProc).joinKeyring},
	// After the process is in its cgroup and root of its user namespace, and before a mount shows either.
	{Name: "namespaces", Run: (*initProc).unshare},
	{Name: "network", Run: (*initProc).setupNetwork},

	{Name: "root", Run: (*initProc).openRoot},
	{Name: "mounts", Run: (*initProc).mount},
	{Name: "devices", Run: (*initProc).makeDevices}, // in what the mounts put on /dev
	{Name: "make working directory", Run: (*initProc).makeDir},

	// prestart and createRuntime want the namespaces and mounts there, and the old root still.
	{Name: "runtime hooks", Run: (*initProc).awaitRuntimeHooks},
	{Name: "createContainer", Run: (*initProc).createContainer},
	{Name: "pivot", Run: (*initProc).pivot},

	// After pivot: a devpts names a terminal only in its own mount namespace. Before the root is read-only.
	{Name: "console", Run: (*initProc).openConsole},
	{Name: "read-only root", Run: (*initProc).makeReadonly},
	{Name: "names", Run: (*initProc).setNames},
	{Name: "sysctl", Run: (*initProc).setSysctls},
	{Name: "read-only paths", Run: (*initProc).readonlyPaths},
	// After the read-only ones: a mask below one of them would be cloned with it.
	{Name: "masked paths", Run: (*initProc).maskPaths},
	// After the last mount: what is unbindable cannot be bound read-only any more.
	{Name: "propagation", Run: (*initProc).propagate},

	// The runtime writes down that the container exists. From here on it lives without the runtime.
	{Name: "ready", Run: (*initProc).ready},
	{Name: "standard streams", Run: (*initProc).ownStreams},
	{Name: "personality", Run: (*initProc).setPersonality},
	{Name: "memory policy", Run: (*initProc).setMemoryPolicy},
	// Before no new privileges: AppArmor lets a process that has them only into a profile that allows less.
	{Name: "labels", Run: (*initProc).setLabels},
	{Name: "courier", Run: (*initProc).hireCourier}, // with all privileges still, as one of the threads around
	{Name: "no new privileges", Run: (*initProc).noNewPrivs},
	{Name: "working directory", Run: (*initProc).changeDir},
	{Name: "credentials", Run: (*initProc).becomeUser},
	{Name: "working directory of the user", Run: (*initProc).changeDirAsUser},
	// As the user, and now: create already says what start would.
	{Name: "executable", Run: (*initProc).findExecutable},

	{Name: "start", Run: (*initProc).awaitStart},
	{Name: "startContainer", Run: (*initProc).startContainer},
	{Name: "affinity", Run: (*initProc).freeAffinity},
	// A tight limit would end this stage, which needs more than the workload.
	{Name: "limits", Run: (*initProc).setLimits},
	// After the hooks, which are not the workload, and after affinity: who has a deadline has no say over its CPUs, and
	// can make no process.
	{Name: "scheduler", Run: (*initProc).setScheduler},
	{Name: "listener", Run: (*initProc).announce},
	// Last: after the filter there is nothing but execve.
	{Name: "exec", Run: (*initProc).exec},
}
