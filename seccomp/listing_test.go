package seccomp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestListing(t *testing.T) {
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"openat"}, Action: specs.ActAllow},
			{Names: []string{"personality"}, Action: specs.ActLog, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 8, Op: specs.OpEqualTo}}},
		},
	}
	program, err := CompileFor(profile, specs.ArchX86_64)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i, l := range program.Listing() {
		fmt.Fprintf(&all, "%d %s ; %s\n", i, l.Text, l.Note)
		for _, to := range l.Next {
			if to <= i || to >= len(program.Filter) {
				t.Errorf("line %d leads to %d", i, to)
			}
		}
		if (len(l.Next) == 0) != strings.HasPrefix(l.Text, "ret") {
			t.Errorf("line %d: %s leads to %v", i, l.Text, l.Next)
		}
	}
	for _, want := range []string{
		"ld [4] ; architecture", "#0xc000003e", "; x86_64 and x32", "; x86\n", "ld [0] ; number", "#0x101", "; openat",
		"ld [24] ; argument 1, low half", "ld [28] ; argument 1, high half", "; allow", "; log", "; errno EPERM", "; errno ENOSYS", "; kill thread",
	} {
		if Engine() == "tare" && !strings.Contains(all.String(), want) {
			t.Errorf("%q is not in\n%s", want, all.String())
		}
	}
}
