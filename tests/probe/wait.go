package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// signalled is added to a caught signal's number for the exit code: 128 would look like death by that signal.
const signalled = 64

func exit(args []string) {
	need(args, 1, "exit N")
	os.Exit(decimal(args[0]))
}

func echo(args []string) { fmt.Println(strings.Join(args, " ")) }

func cat([]string) {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		die("%v", err)
	}
}

// sleep prints "ready" and waits; a signal ends it with exit code 64+N. PID 1 would ignore one that has no handler.
func sleep(args []string) {
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	var end <-chan time.Time
	if len(args) > 0 {
		secs, err := strconv.ParseFloat(args[0], 64)
		if err != nil {
			die("sleep: %v", err)
		}
		end = time.After(time.Duration(secs * float64(time.Second)))
	}
	fmt.Println("ready")
	select {
	case sig := <-caught:
		os.Exit(signalled + int(sig.(unix.Signal)))
	case <-end:
	}
}

// hang mounts a FUSE file system on DIR whose server, this process, never answers, and has one thread ask it something: that
// one waits in the kernel, and can be killed but not frozen.
func hang(args []string) {
	need(args, 1, "hang DIR")
	server, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Mount("fuse", args[0], "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server))
	}
	if err != nil {
		failed(err)
	}
	go func() {
		runtime.LockOSThread()
		if err := os.WriteFile("/proc/thread-self/comm", []byte("hangs"), 0); err != nil { // so that it can be told apart
			failed(err)
		}
		_ = unix.Statfs(args[0], new(unix.Statfs_t))
	}()
	sleep(nil)
}

// ignoreTerm waits for ever and can only be killed.
func ignoreTerm([]string) {
	signal.Ignore(unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
	fmt.Println("ready")
	for {
		time.Sleep(time.Hour)
	}
}

// awaitSignal prints the number of every signal that it gets (0 for one above the real-time start) until SIGTERM.
func awaitSignal([]string) {
	caught := make(chan os.Signal, 64)
	signal.Notify(caught)
	fmt.Println("ready")
	for sig := range caught {
		number := sig.(unix.Signal)
		if number == unix.SIGURG || number == unix.SIGCHLD {
			continue // the Go runtime's own preemption, and no news
		}
		fmt.Println(int(number))
		if number == unix.SIGTERM {
			return
		}
	}
}

// awaitSignalPiped is awaitSignal with a pipe of its own as standard output, as shells have it after `exec > >(tee log)`: a child copies it to what
// was there before.
func awaitSignalPiped([]string) {
	reader, writer, err := os.Pipe()
	if err != nil {
		failed(err)
	}
	// No os/exec, which keeps a pidfd: CRIU saves none.
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"probe", "copy"}, &syscall.ProcAttr{Files: []uintptr{reader.Fd(), 1, 2}})
	if err != nil {
		failed(err)
	}
	reader.Close()
	if err := unix.Dup3(int(writer.Fd()), 1, 0); err != nil {
		failed(err)
	}
	awaitSignal(nil)
	unix.Close(1)
	writer.Close()
	_, _ = unix.Wait4(pid, nil, 0, nil)
}

// copyInput copies standard input to standard output.
func copyInput([]string) {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		failed(err)
	}
}

// signalSelf dies by a signal: it must not be PID 1 of its namespace unless the signal is caught there.
func signalSelf(args []string) {
	need(args, 1, "signal-self N")
	n := decimal(args[0])
	var action [8]uint64 // a struct sigaction of SIG_DFL: signal.Reset leaves the Go runtime's handlers, which survive most signals
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 && n != int(unix.SIGKILL) {
		failed(errno)
	}
	if err := unix.Kill(os.Getpid(), unix.Signal(n)); err != nil {
		failed(err)
	}
	time.Sleep(10 * time.Second)
	die("survived signal %d", n)
}
