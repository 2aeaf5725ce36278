package main

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

func process(status map[string]string) view.Process {
	umask := unix.Umask(0)
	unix.Umask(umask)
	groups, _ := unix.Getgroups()
	sid, _ := unix.Getsid(0)
	p := view.Process{
		PID: os.Getpid(), PPID: os.Getppid(), SID: sid, PGID: unix.Getpgrp(),
		UID: os.Getuid(), EUID: os.Geteuid(), GID: os.Getgid(), EGID: os.Getegid(),
		Groups: groups, Cwd: getcwd(), Args: os.Args, Env: os.Environ(), Umask: umask,
	}
	persona, _, _ := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	p.PersonaDomain = uint64(persona)
	p.Dumpable, _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var sig int32
	if unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0) == nil {
		p.ParentDeathSignal = int(sig)
	}
	p.OOMScoreAdj = number("/proc/self/oom_score_adj")
	if n, err := strconv.Atoi(status["Threads"]); err == nil {
		p.Threads = &n
	}
	return p
}

// getcwd keeps the kernel's "(unreachable)" prefix, which os.Getwd hides behind $PWD or an error.
func getcwd() string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buf)
	if err != nil || n < 1 {
		return ""
	}
	return string(buf[:n-1])
}

func privileges(status map[string]string) *view.Privileges {
	if status == nil {
		return nil
	}
	return &view.Privileges{
		Inheritable: hex(status["CapInh"]), Permitted: hex(status["CapPrm"]), Effective: hex(status["CapEff"]),
		Bounding: hex(status["CapBnd"]), Ambient: hex(status["CapAmb"]),
		NoNewPrivs: decimal(status["NoNewPrivs"]), Seccomp: decimal(status["Seccomp"]),
		SeccompFilters: decimal(status["Seccomp_filters"]),
	}
}

func signals(status map[string]string) *view.Signals {
	if status == nil {
		return nil
	}
	return &view.Signals{Blocked: hex(status["SigBlk"]), Ignored: hex(status["SigIgn"])}
}

func hex(text string) uint64 {
	n, _ := strconv.ParseUint(text, 16, 64)
	return n
}

func decimal(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func number(path string) *int {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return nil
	}
	return &n
}
