package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestAdmits(t *testing.T) {
	p, err := Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"write", "execve"}, Action: specs.ActAllow},
			{Names: []string{"read"}, Action: specs.ActLog},
			{Names: []string{"setsid"}, Action: specs.ActTrace},
			{Names: []string{"exit_group"}, Action: specs.ActKillProcess},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0x7E020000, Op: specs.OpMaskedEqual}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		number uintptr
		args   []uint64
		want   bool
	}{
		"allowed":               {unix.SYS_WRITE, nil, true},
		"logged":                {unix.SYS_READ, []uint64{1, 2, 3}, true},
		"traced":                {unix.SYS_SETSID, nil, false},
		"killed":                {unix.SYS_EXIT_GROUP, nil, false},
		"default":               {unix.SYS_CAPSET, nil, false},
		"by its argument":       {unix.SYS_CLONE, []uint64{unix.CLONE_PARENT}, true},
		"not by its argument":   {unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER}, false},
		"more arguments than 6": {unix.SYS_WRITE, make([]uint64, 9), true},
	} {
		if got := p.Admits(tt.number, tt.args...); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&Program{}).Admits(unix.SYS_WRITE) {
		t.Error("an empty program, which the kernel would not take, admits something")
	}
}

func TestCheckExecution(t *testing.T) {
	for action, forbidden := range map[specs.LinuxSeccompAction]bool{
		specs.ActErrno: true, specs.ActKillProcess: true, specs.ActKill: true, specs.ActTrap: true,
		specs.ActAllow: false, specs.ActLog: false, specs.ActTrace: false, specs.ActNotify: false,
	} {
		p := compileFor(t, &specs.LinuxSeccomp{
			DefaultAction: action, ListenerPath: "/run/agent", Syscalls: []specs.LinuxSyscall{{Names: []string{"listns"}, Action: specs.ActAllow}},
		}, machine(t).name)
		if err := p.CheckExecution(); (err != nil) != forbidden {
			t.Errorf("%s: %v", action, err)
		}
	}
}
