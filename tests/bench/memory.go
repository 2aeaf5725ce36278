package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// waitTogether is how many containers wait while one is looked at: what they share is then shared.
const waitTogether = 5

// takeInit looks at the process that waits for start.
func takeInit(ctx context.Context, p *peer) (_ []float64, err error) {
	var first *created
	for range waitTogether {
		c, createErr := p.create(ctx)
		if createErr != nil {
			return nil, createErr
		}
		defer func() { err = errors.Join(err, c.destroy()) }()
		if first == nil {
			first = c
		}
	}
	proc := fmt.Sprintf("/proc/%d/", first.pid)
	memory := fields(proc + "smaps_rollup")
	threads, err := os.ReadDir(proc + "task")
	if err != nil {
		return nil, err
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		return nil, err
	}
	return []float64{
		memory["Rss"], memory["Pss"], memory["Private_Clean"] + memory["Private_Dirty"],
		float64(len(threads)), float64(len(fds)),
	}, nil
}

// takePeak traces `create` as far as to stop it at its exit, while it still has its memory.
func takePeak(_ context.Context, p *peer) (_ []float64, err error) {
	runtime.LockOSThread() // ptrace(2) is for one thread
	defer runtime.UnlockOSThread()
	c := &created{peer: p, id: p.newID()}
	defer func() { err = errors.Join(err, c.destroy(), reapAll()) }()
	cmd := exec.Command(p.Path, "--root", p.root, "create", "--bundle", p.bundle, c.id)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer cmd.Process.Release()
	pid := cmd.Process.Pid
	peak, signal := 0.0, 0
	for first := true; ; first = false {
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
			return nil, os.NewSyscallError("wait4", err)
		}
		switch {
		case status.Exited() || status.Signaled():
			if peak == 0 || status.ExitStatus() != 0 {
				return nil, fmt.Errorf("%s create under ptrace: exit code %d", p.Name, status.ExitStatus())
			}
			return []float64{peak}, nil
		case first: // stopped by its execve
			if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL); err != nil {
				return nil, os.NewSyscallError("ptrace PTRACE_SETOPTIONS", err)
			}
			signal = 0
		case status.TrapCause() == unix.PTRACE_EVENT_EXIT:
			peak, signal = fields(fmt.Sprintf("/proc/%d/status", pid))["VmHWM"], 0
		case status.TrapCause() == unix.PTRACE_EVENT_EXEC: // crun goes on from a copy of itself
			signal = 0
		default:
			signal = int(status.StopSignal())
		}
		if err := unix.PtraceCont(pid, signal); err != nil {
			return nil, os.NewSyscallError("ptrace PTRACE_CONT", err)
		}
	}
}

// reapAll takes the end of what the containers have left to us.
func reapAll() error {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return nil
		}
	}
}

// fields reads "Name:  123 kB" lines.
func fields(path string) map[string]float64 {
	all := map[string]float64{}
	for _, line := range readLines(path) {
		name, value, _ := strings.Cut(line, ":")
		if n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64); err == nil {
			all[name] = n
		}
	}
	return all
}
