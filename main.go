// Command tare is a low-level OCI runtime: it turns a bundle into a running, isolated process.
package main

import (
	"os"
	"runtime"

	"tare/internal/cli"
	"tare/libcontainer/initproc"
	"tare/libcontainer/launch"
)

// The main goroutine stays on the main thread: in the init stage that is the thread which becomes the workload,
// and in the runtime the one that an unfinished container dies with.
func init() { runtime.LockOSThread() }

func main() {
	if os.Args[0] == launch.Arg0 {
		os.Exit(initproc.Main(os.Args))
	}
	os.Exit(cli.Main(os.Args))
}
