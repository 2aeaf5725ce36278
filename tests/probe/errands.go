package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"
)

// errands does what it is told, one thing after the other, and prints how each went.
func errands(args []string) {
	for _, name := range args {
		do := errand(name)
		if do == nil {
			die("unknown errand %q", name)
		}
		fmt.Println(name, errnoName(do()))
	}
}

func errand(name string) func() error {
	switch name {
	case "files":
		return filesErrand
	case "sockets":
		return socketsErrand
	case "threads":
		return threadsErrand
	case "fork":
		return func() error { return exec.Command("/probe", "true").Run() }
	case "mkdir":
		return func() error { return os.Mkdir("/tmp/errand", 0o755) }
	case "mount":
		return func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }
	case "ptrace":
		return func() error { return unix.PtraceAttach(1 << 30) }
	case "keyctl":
		return func() error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true)
			return err
		}
	case "i386":
		return i386Errand
	case "x32":
		return x32Errand
	case "number-1000": // no kernel has it, and no table
		return func() error { _, _, errno := unix.Syscall(1000, 0, 0, 0); return errno }
	}
	return nil
}

func filesErrand() error {
	if err := os.WriteFile("/tmp/errand-file", []byte("text"), 0o600); err != nil {
		return err
	}
	if err := os.Rename("/tmp/errand-file", "/tmp/errand-other"); err != nil {
		return err
	}
	return os.Remove("/tmp/errand-other")
}

func socketsErrand() error {
	listener, err := net.Listen("unix", "/tmp/errand-socket")
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.Dial("unix", "/tmp/errand-socket")
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("text"))
	return err
}

// threadsErrand keeps several threads in the kernel at once.
func threadsErrand() error {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 5e6}, nil) })
	}
	all.Wait()
	return nil
}
