package seccomp

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/syscalls"
)

// Every call of every table is found again by its architecture and number.
func TestRecord_Names(t *testing.T) {
	for i := range arches {
		a := &arches[i]
		first, _ := a.calls()
		for _, e := range a.table.Entries() {
			c := made{a.token, e.Number() + first}
			if got := c.arch(); got != a {
				t.Fatalf("%s, number %#x: taken for %v", a.name, c.number, got)
			}
			if number, ok := a.table.Number(c.name()); !ok || number != e.Number() {
				t.Errorf("%s, number %#x: named %q", a.name, c.number, c.name())
			}
		}
	}
}

func TestRecord_Nameless(t *testing.T) {
	var r Record
	r.Add(unix.AUDIT_ARCH_X86_64, noCall)
	r.Add(unix.AUDIT_ARCH_X86_64, syscalls.X32Bit|9999)
	r.Add(1, 2)
	want := []string{"number -1 of SCMP_ARCH_X86_64", "number 1073751823 of SCMP_ARCH_X32", "number 2 of an unknown architecture"}
	if got := r.Nameless(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i := range uint32(10000) { // a hostile workload
		r.Add(1, i)
	}
	if n := len(r.Nameless()); n != maxNameless || len(r.calls) != 0 {
		t.Errorf("%d and %d kept", n, len(r.calls))
	}
}

// A profile that names all that was called stays as it is, and one that is made compiles.
func TestRecord_AddTo(t *testing.T) {
	native, err := NativeArch()
	if err != nil {
		t.Skip("needs a machine whose architecture seccomp filters know:", err)
	}
	a := findArch(native)
	first, _ := a.calls()
	var r Record
	for _, name := range []string{"write", "read", "write"} {
		number, _ := a.table.Number(name)
		r.Add(a.token, number+first)
	}
	p := &specs.LinuxSeccomp{}
	if err := r.AddTo(p); err != nil {
		t.Fatal(err)
	}
	if len(p.Syscalls) != 1 || !slices.Equal(p.Syscalls[0].Names, []string{"read", "write"}) || !slices.Equal(p.Architectures, []specs.Arch{native}) {
		t.Fatalf("%+v", p)
	}
	if _, err := Compile(p); err != nil {
		t.Error(err)
	}
	byHand := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"write", "read"}, Action: specs.ActLog}}}
	if err := r.AddTo(byHand); err != nil {
		t.Fatal(err)
	}
	if len(byHand.Syscalls) != 1 || byHand.Syscalls[0].Names[0] != "write" || byHand.DefaultErrnoRet != nil {
		t.Errorf("%+v", byHand)
	}
}
