package seccomp

import (
	"encoding/binary"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/seccomp/bpf"
)

// What Decisions says is what the program does: for no arguments, and for some that meet each rule.
func TestDecisionsAreThePrograms(t *testing.T) {
	one := uint(1)
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write", "openat", "socketcall"}, Action: specs.ActAllow},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, Op: specs.OpEqualTo}}},
			{Names: []string{"personality"}, Action: specs.ActLog, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 9, Op: specs.OpEqualTo}}},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0x7e020000, ValueTwo: 0, Op: specs.OpMaskedEqual}}},
			{Names: []string{"mkdir"}, Action: specs.ActErrno, ErrnoRet: &one},
			{Names: []string{"ptrace"}, Action: specs.ActKillProcess},
		},
	}
	program, err := CompileFor(profile, specs.ArchX86_64)
	if err != nil {
		t.Fatal(err)
	}
	said := map[Action]bool{}
	for _, of := range profile.Architectures {
		decisions, err := Decisions(profile, specs.ArchX86_64, of)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range decisions {
			for _, arg := range []uint64{0, 1, 8, 9, 0x7e020000} {
				data := bpf.Data{Number: d.Number, Arch: findArch(of).token}
				data.Args[0] = arg
				got := Action(bpf.Interpret(program.Filter, &data, binary.LittleEndian))
				if want := d.For(data.Args); got != want {
					t.Errorf("%s %s(%#x): the program says %v, the decision %v", of, d.Call, arg, got, want)
				}
				said[got] = true
			}
		}
	}
	if len(said) != 5 { // allow, log, EPERM, ENOSYS, kill process
		t.Errorf("the program says only %v", said)
	}
}

func TestDecisionsOfAnUnlistedArchitecture(t *testing.T) {
	_, err := Decisions(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, specs.ArchX86_64, specs.ArchX86)
	if err == nil {
		t.Error("no error")
	}
}
