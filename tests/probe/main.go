// Probe is the workload of the test suite: one static program that shows from inside a container what a runtime made
// of it, and that plays the attacker where a test needs one.
//
// Its first argument chooses what it does; see command. Results go to standard output (JSON where a program reads
// them), complaints to standard error with exit code 125, which no other path uses.
package main

import (
	"fmt"
	"os"
)

const badUse = 125

func main() {
	if len(os.Args) < 2 {
		die("no command")
	}
	if os.Args[1] == "report" {
		fds := openFDs() // before the Go runtime opens anything of its own
		report(fds, os.Args[2:])
		return
	}
	do := command(os.Args[1])
	if do == nil {
		die("unknown command %q", os.Args[1])
	}
	do(os.Args[2:])
}

func command(name string) func([]string) {
	if do := lifeCommand(name); do != nil {
		return do
	}
	switch name {
	case "read":
		return read
	case "write":
		return write
	case "stat":
		return stat
	case "list":
		return list
	case "open":
		return open
	case "contexts":
		return contexts
	case "mknod":
		return mknod
	case "mkdir":
		return mkdir
	case "mount":
		return mount
	case "memory":
		return memory
	case "read-disk":
		return readDisk
	case "fork":
		return fork
	case "spin-fork":
		return spinFork
	case "spawn-children":
		return spawnChildren
	case "hang":
		return hang
	case "cpu":
		return cpu
	case "syscalls":
		return syscalls
	case "syscalls-from":
		return syscallsFrom
	case "ptrace-hammer", "proc-hammer":
		return procHammer
	case "exe-hammer":
		return exeHammer
	case "listen-fds":
		return listenFDs
	case "notify":
		return notify
	case "tty":
		return tty
	case "agent":
		return agent
	case "fd-hammer":
		return fdHammer
	case "agent-client":
		return agentClient
	case "demo":
		return demo
	case "errands":
		return errands
	case "hook":
		return hook
	}
	return nil
}

// lifeCommand gives what lives, waits and ends in some way.
func lifeCommand(name string) func([]string) {
	switch name {
	case "true":
		return func([]string) {}
	case "exit":
		return exit
	case "echo":
		return echo
	case "cat":
		return cat
	case "sleep":
		return sleep
	case "ignore-term":
		return ignoreTerm
	case "signal-self":
		return signalSelf
	case "await-signal":
		return awaitSignal
	case "await-signal-piped":
		return awaitSignalPiped
	case "copy":
		return copyInput
	}
	return nil
}

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "probe: "+format+"\n", args...)
	os.Exit(badUse)
}
