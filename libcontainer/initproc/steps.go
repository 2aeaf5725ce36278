package initproc

import "tare/internal/step"

// createSteps is the life of the init stage. The order is the contract; a comment says what would break.
var createSteps = []step.Step[*initProc]{
	{Name: "session", Run: (*initProc).newSession},                            // first: no signal, no TIOCSTI from or to the caller's terminal
	{Name: "keyring", Run: (*initProc).joinKeyring},                           // before anything of the container runs: it would find the caller's keys
	{Name: "cgroup namespace", Run: (*initProc).unshareCgroup},                // after the process is in its cgroup, before a mount shows it
	{Name: "network", Run: (*initProc).setupNetwork},                          //
	{Name: "root", Run: (*initProc).openRoot},                                 //
	{Name: "mounts", Run: (*initProc).mount},                                  //
	{Name: "devices", Run: (*initProc).makeDevices},                           // in what mounts put on /dev
	{Name: "process.cwd", Run: (*initProc).makeDir},                           // before the root becomes read-only
	{Name: "runtime hooks", Run: (*initProc).awaitRuntimeHooks},               // prestart and createRuntime want namespaces and mounts, and the old root
	{Name: "createContainer", Run: (*initProc).createContainer},               // in the container's namespaces, but with the runtime's paths
	{Name: "pivot", Run: (*initProc).pivot},                                   //
	{Name: "console", Run: (*initProc).openConsole},                           // after pivot: a devpts shows the terminal to its own namespace
	{Name: "read-only root", Run: (*initProc).makeReadonly},                   // after the last file was made in it
	{Name: "propagation", Run: (*initProc).propagate},                         //
	{Name: "names", Run: (*initProc).setNames},                                //
	{Name: "sysctl", Run: (*initProc).setSysctls},                             // before /proc/sys is covered
	{Name: "read-only paths", Run: (*initProc).readonlyPaths},                 //
	{Name: "masked paths", Run: (*initProc).maskPaths},                        // after the read-only ones, which would uncover what they clone
	{Name: "ready", Run: (*initProc).ready},                                   // the runtime writes the state and may die from now on
	{Name: "no new privileges", Run: (*initProc).noNewPrivs},                  //
	{Name: "working directory", Run: (*initProc).changeDir},                   //
	{Name: "credentials", Run: (*initProc).becomeUser},                        //
	{Name: "working directory of the user", Run: (*initProc).changeDirAsUser}, //
	{Name: "executable", Run: (*initProc).findExecutable},                     // as the user, so that create already says what start would
	{Name: "start", Run: (*initProc).awaitStart},                              //
	{Name: "startContainer", Run: (*initProc).startContainer},                 // in the container, as the workload will run
	{Name: "affinity", Run: (*initProc).freeAffinity},
	{Name: "limits", Run: (*initProc).setLimits}, // a tiny one would end this stage, which needs more than the workload
	{Name: "exec", Run: (*initProc).exec},        // seccomp, and nothing but execve after it
}
