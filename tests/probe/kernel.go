package main

import (
	"os"

	"golang.org/x/sys/unix"

	"tare/internal/testutil/view"
)

// limits goes by the kernel's numbers: x/sys names only part of them. The order is the same on all but MIPS and SPARC.
// The soft RLIMIT_NOFILE is what Go made of it: equal to the hard one.
func limits() map[string]view.Limit {
	names := [...]string{
		"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
		"RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
		"RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
	}
	all := map[string]view.Limit{}
	for i, name := range names {
		var l unix.Rlimit
		if unix.Prlimit(0, i, nil, &l) == nil {
			all[name] = view.Limit{Soft: l.Cur, Hard: l.Max}
		}
	}
	return all
}

// schedule asks for the main thread's by its id: the Go runtime's others, on which this may run, are reset by SCHED_FLAG_RESET_ON_FORK.
func schedule() view.Schedule {
	var s view.Schedule
	main := os.Getpid()
	if attr, err := unix.SchedGetAttr(main, 0); err == nil {
		s.Policy, s.Nice, s.Priority = int(attr.Policy), int(attr.Nice), int(attr.Priority)
	}
	var set unix.CPUSet
	if unix.SchedGetaffinity(main, &set) == nil {
		for cpu := range len(set) * 64 {
			if set.IsSet(cpu) {
				s.CPUs = append(s.CPUs, cpu)
			}
		}
	}
	const ioprioWhoProcess, ioprioClassShift = 1, 13
	prio, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(main), 0)
	if errno == 0 {
		s.IOClass, s.IOPriority = int(prio)>>ioprioClassShift, int(prio)&(1<<ioprioClassShift-1)
	}
	return s
}

func terminal() view.Terminal {
	t := view.Terminal{StdinTTY: isTTY(0), StdoutTTY: isTTY(1), StderrTTY: isTTY(2)}
	if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		t.Rows, t.Cols = size.Row, size.Col
	}
	if fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err == nil {
		t.Controlling = true
		unix.Close(fd)
	}
	if attr, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		t.Onlcr = attr.Oflag&unix.ONLCR != 0
	}
	return t
}

func isTTY(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

func uts() view.UTS {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return view.UTS{}
	}
	return view.UTS{
		Hostname:   unix.ByteSliceToString(u.Nodename[:]),
		Domainname: unix.ByteSliceToString(u.Domainname[:]),
		Machine:    unix.ByteSliceToString(u.Machine[:]),
	}
}

func clocks() view.Clocks {
	var mono, boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	return view.Clocks{Monotonic: mono.Nano(), Boottime: boot.Nano()}
}

func sessionKeyring() *view.Keyring {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return nil
	}
	description, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	if err != nil {
		return nil
	}
	return &view.Keyring{ID: id, Description: description}
}
