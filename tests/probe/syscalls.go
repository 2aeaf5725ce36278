package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Every syscall number is called with all six arguments -1: a bad pointer, descriptor, size and flag word at once, so
// that the kernel's own answer is nearly always a harmless EFAULT, EBADF or EINVAL. What a seccomp filter says comes
// before that. The numbers are walked by child processes that write down each answer at once: a call that kills its
// process, ends it or blocks costs that child only, and the next one goes on behind it.

const (
	outcomeEnded   = "ended"   // the process is gone without a signal, as after exit_group
	outcomeBlocked = "blocked" // no answer, as from pause
)

// blockedCode is how a child says that the call did not come back.
const blockedCode = 111

// syscalls prints a JSON object from number to outcome: "0" for success, an errno's number, "signal N", or one of the
// above. Its argument is the first number not to call, default 470.
func syscalls(args []string) {
	end := 470
	if len(args) > 0 {
		end = decimal(args[0])
	}
	outcomes := map[int]string{}
	for next := 0; next < end; {
		next = walk(next, end, outcomes)
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcomes); err != nil {
		die("%v", err)
	}
}

// walk runs one child from number next on and returns the number to go on with.
func walk(next, end int, outcomes map[int]string) int {
	child := exec.Command("/proc/self/exe", "syscalls-from", strconv.Itoa(next), strconv.Itoa(end))
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Dir = "/"
	stdout, err := child.StdoutPipe()
	if err != nil {
		die("%v", err)
	}
	child.Stderr = nil
	if err := child.Start(); err != nil {
		die("start the walker: %v", err)
	}
	current := -1
	for in := bufio.NewScanner(stdout); in.Scan(); {
		number, outcome, ok := strings.Cut(in.Text(), " ")
		if n, err := strconv.Atoi(number); err == nil {
			current = n
			if ok {
				outcomes[n] = outcome
			}
		}
	}
	err = child.Wait()
	if current < 0 {
		die("walker from %d said nothing: %v", next, err)
	}
	if _, done := outcomes[current]; done {
		return current + 1
	}
	outcomes[current] = ending(err)
	return current + 1
}

func ending(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return outcomeEnded
	}
	status := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return fmt.Sprintf("signal %d", int(status.Signal()))
	case status.ExitStatus() == blockedCode:
		return outcomeBlocked
	}
	return outcomeEnded
}

// syscallsFrom is the walker: it announces a number, calls it, and says what came back.
func syscallsFrom(args []string) {
	need(args, 2, "syscalls-from FIRST END")
	runtime.LockOSThread()
	first, end := decimal(args[0]), decimal(args[1])
	alive := make(chan struct{}, 1)
	go watch(alive)
	for nr := first; nr < end; nr++ {
		line(strconv.Itoa(nr))
		errno := call(uintptr(nr))
		line(strconv.Itoa(nr) + " " + strconv.Itoa(int(errno)))
		select {
		case alive <- struct{}{}:
		default:
		}
		if changes(uintptr(nr)) {
			return // the next number gets a fresh process
		}
	}
}

// watch ends the process when the walker has been stuck in one call.
func watch(alive <-chan struct{}) {
	for {
		select {
		case <-alive:
		case <-time.After(3 * time.Second):
			os.Exit(blockedCode)
		}
	}
}

// line is written in one go, and by a raw call: the walker may have lost its memory limits or its signal stack.
func line(text string) {
	_, _ = unix.Write(1, []byte(text+"\n"))
}

func call(nr uintptr) unix.Errno {
	if forks(nr) {
		return callFork(nr)
	}
	_, _, errno := unix.Syscall6(nr, ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0))
	return errno
}

// callFork does not return in the child. For vfork, which shares its parent's memory, the child's exit goes through the same
// call site, so that the frame it leaves behind is the one the parent expects; and it is a raw call, as the Go runtime, which
// is told of others, would take the child's for the parent's and wait for ever.
func callFork(nr uintptr) unix.Errno {
	args := [2]uintptr{nr, unix.SYS_EXIT_GROUP}
	for i := 0; ; i = 1 {
		r1, _, errno := unix.RawSyscall6(args[i], ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0), ^uintptr(0))
		if errno == 0 && r1 == 0 {
			continue
		}
		return errno
	}
}
