// Command tare is a low-level OCI runtime: it turns a bundle into a running, isolated process.
package main

import (
	"os"

	"tare/internal/cli"
	"tare/internal/procfs"
	"tare/libcontainer/initproc"
	"tare/libcontainer/launch"
)

// The init stage needs the main thread, the one that becomes the workload. The Go runtime keeps the main goroutine on
// it as long as packages are initialized, while runtime.LockOSThread costs a thread.
func init() {
	if len(os.Args) > 0 && os.Args[0] == launch.Arg0 {
		growStack(false)
		os.Exit(initproc.Main(os.Args))
	}
}

func main() {
	growStack(false)
	procfs.CalmMonitor()
	os.Exit(cli.Main(os.Args))
}

// growStack has the main goroutine's stack grow at once to what it will need, while there is next to nothing to copy,
// instead of five times on the way: 0.1 ms in each process. Its frame is what counts; the array is never touched.
//
//go:noinline
func growStack(touch bool) {
	if touch {
		var frame [20 << 10]byte
		println(&frame)
	}
}
