package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// memory takes and touches BYTES, prints "ok" and ends; a memory limit below that kills it before.
func memory(args []string) {
	need(args, 1, "memory BYTES")
	size := decimal(args[0])
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		failed(err)
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	fmt.Println("ok")
}

// readDisk reads BYTES from the beginning of a block device, past the page cache, and prints how many milliseconds it took.
func readDisk(args []string) {
	need(args, 2, "read-disk PATH BYTES")
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		failed(err)
	}
	buf, err := unix.Mmap(-1, 0, 64<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		failed(err)
	}
	begin := time.Now()
	for left := decimal(args[1]); left > 0; left -= len(buf) {
		if _, err := unix.Read(fd, buf); err != nil {
			failed(err)
		}
	}
	fmt.Println(time.Since(begin).Milliseconds())
}

// fork starts up to N sleeping children and prints how many came to be, and the errno that ended it.
func fork(args []string) {
	need(args, 1, "fork N")
	var children []*exec.Cmd
	var stop error
	for range decimal(args[0]) {
		child := exec.Command("/proc/self/exe", "sleep", "600")
		if stop = child.Start(); stop != nil {
			break
		}
		children = append(children, child)
	}
	fmt.Println(len(children), errnoName(stop))
	for _, child := range children {
		_ = child.Process.Kill()
		_ = child.Wait()
	}
}

// spinFork forks short-lived children for ever: whoever kills this container has to win against it.
func spinFork([]string) {
	fmt.Println("ready")
	for {
		child := exec.Command("/proc/self/exe", "true")
		if child.Start() == nil {
			go func() { _ = child.Wait() }()
		}
	}
}

// spawnChildren starts N children that ignore SIGTERM, prints their pids and waits for a signal.
func spawnChildren(args []string) {
	need(args, 1, "spawn-children N")
	for range decimal(args[0]) {
		child := exec.Command("/proc/self/exe", "ignore-term")
		if err := child.Start(); err != nil {
			failed(err)
		}
		fmt.Println(child.Process.Pid)
	}
	sleep(nil)
}

// cpu burns one processor for SECS of wall time and prints the milliseconds of processor time it got.
func cpu(args []string) {
	need(args, 1, "cpu SECS")
	runtime.LockOSThread()
	end := time.Now().Add(time.Duration(decimal(args[0])) * time.Second)
	for n := 0; time.Now().Before(end); n++ {
	}
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		failed(err)
	}
	fmt.Println((use.Utime.Nano() + use.Stime.Nano()) / int64(time.Millisecond))
}
