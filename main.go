// Command tare is a low-level OCI runtime: it turns a bundle into a running, isolated process.
package main

import (
	"os"
	"runtime"

	"tare/internal/cli"
	"tare/libcontainer/initproc"
	"tare/libcontainer/launch"
)

// The init stage stays on the main thread, the one that becomes the workload. To lock it costs a thread, so nobody
// else does it this early.
func init() {
	if isInit() {
		runtime.LockOSThread()
	}
}

func isInit() bool { return len(os.Args) > 0 && os.Args[0] == launch.Arg0 }

func main() {
	if isInit() {
		os.Exit(initproc.Main(os.Args))
	}
	os.Exit(cli.Main(os.Args))
}
