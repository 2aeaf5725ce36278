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
				if want := d.forArgs(data.Args); got != want {
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

// forArgs is what becomes of the call with these arguments. Those of a 32-bit architecture must be within 32 bits.
func (d *Decision) forArgs(args [6]uint64) Action {
	for i := range d.Rules {
		if d.Rules[i].holds(args) {
			return d.Rules[i].Action
		}
	}
	return d.Otherwise
}

func (r *Rule) holds(args [6]uint64) bool {
	for _, c := range r.Conditions {
		if !holds(c, args[c.Index]) {
			return false
		}
	}
	return true
}

func holds(c specs.LinuxSeccompArg, arg uint64) bool {
	switch c.Op {
	case specs.OpNotEqual:
		return arg != c.Value
	case specs.OpLessThan:
		return arg < c.Value
	case specs.OpLessEqual:
		return arg <= c.Value
	case specs.OpEqualTo:
		return arg == c.Value
	case specs.OpGreaterEqual:
		return arg >= c.Value
	case specs.OpGreaterThan:
		return arg > c.Value
	case specs.OpMaskedEqual:
		return arg&c.Value == c.ValueTwo&c.Value
	}
	return false
}
