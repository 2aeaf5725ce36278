// Package libcontainer is the life of a container, over the packages below it that each know one thing. A command of the CLI is one call into
// this package, and has a file here:
//
//	create.go    Create, in named steps           start.go, run.go         Start; Run, which is both
//	exec.go      Exec, in steps too               checkpoint.go, restore.go
//	pause.go     Pause and Resume                 kill.go, delete.go       events.go, ps.go, update.go
//
// A step that has something to say of its own has a file, too: birth.go and entry.go for those that deal with the init process and with an exec's
// stage, network.go, rdt.go, notify.go, agent.go, hooks.go, terminal.go. In the foreground a run and an exec stand between the caller and the workload:
// foreground.go. Whatever a failed create has made is undone in reverse order.
//
// Of the packages below, launch is the runtime's side of a birth and initproc the container's, which speak by proto; bundle is the config,
// and state what later commands know. docs/architecture.md walks through them.
//
// Errors are one sentence; the sentinels of errors.go answer errors.Is.
package libcontainer
