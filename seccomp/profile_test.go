package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

func TestErrorsNameTheField(t *testing.T) {
	for _, c := range []struct{ name, profile, want string }{
		{"no default", `{}`, `/linux/seccomp/defaultAction: no action is given`},
		{"unknown default", `{"defaultAction":"ALLOW"}`, `/linux/seccomp/defaultAction: unknown action "ALLOW"`},
		{"default takes no errno", `{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`, `/linux/seccomp/defaultErrnoRet: SCMP_ACT_ALLOW takes no errno`},
		{"kill takes no errno", `{"defaultAction":"SCMP_ACT_KILL","defaultErrnoRet":1}`, `/linux/seccomp/defaultErrnoRet: `},
		{"errno too large", `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}`, `/linux/seccomp/defaultErrnoRet: 4096 is more than`},
		{"arch", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","amd64"]}`, `/linux/seccomp/architectures/1: unknown architecture "amd64"`},
		{"flag", `{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`, `/linux/seccomp/flags/0: unknown flag "SECCOMP_FILTER_FLAG_NEW_LISTENER"`},
		{"default notify without listener", `{"defaultAction":"SCMP_ACT_NOTIFY"}`, `/linux/seccomp/listenerPath: not set, but needed by SCMP_ACT_NOTIFY`},
		{"notify without listener", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}`, `/linux/seccomp/listenerPath: `},
		{"metadata without listener", `{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}`, `/linux/seccomp/listenerMetadata: set without a listenerPath`},
		{"no names", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG"},{"action":"SCMP_ACT_LOG"}]}`, `/linux/seccomp/syscalls/1/names: at least one`},
		{"empty name", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read",""],"action":"SCMP_ACT_LOG"}]}`, `/linux/seccomp/syscalls/0/names/1: empty`},
		{"no action", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"]}]}`, `/linux/seccomp/syscalls/0/action: no action is given`},
		{"action takes no errno", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","errnoRet":0}]}`, `/linux/seccomp/syscalls/0/errnoRet: SCMP_ACT_LOG takes no errno`},
		{"trace data too large", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]}`, `/linux/seccomp/syscalls/0/errnoRet: 65536 is more than`},
		{"index", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}`, `/linux/seccomp/syscalls/0/args/0/index: 6, but the last`},
		{"operator", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":1,"op":"SCMP_CMP_EQ"},{"index":0,"op":"=="}]}]}`, `/linux/seccomp/syscalls/0/args/1/op: unknown operator "=="`},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := &specs.LinuxSeccomp{}
			if err := json.Unmarshal([]byte(c.profile), profile); err != nil {
				t.Fatal(err)
			}
			p, err := Compile(profile)
			if err == nil || p != nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("program %v, error %v, want %q", p, err, c.want)
			}
		})
	}
	if _, err := Compile(nil); err == nil {
		t.Error("no error for no profile")
	}
	if _, err := CompileFor(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "vax"); err == nil {
		t.Error("no error for an unknown kernel architecture")
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		name, profile string
		want          uint
	}{
		{"no key", `{"defaultAction":"SCMP_ACT_ALLOW"}`, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{"empty list", `{"defaultAction":"SCMP_ACT_ALLOW","flags":[]}`, 0},
		{"some", `{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG"]}`, unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_LOG},
		{"wait without notify", `{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`, 0},
		{"wait with notify", `{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/a","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := &specs.LinuxSeccomp{}
			if err := json.Unmarshal([]byte(c.profile), profile); err != nil {
				t.Fatal(err)
			}
			p, err := Compile(profile)
			if err != nil {
				t.Fatal(err)
			}
			if p.Flags != c.want {
				t.Errorf("flags %#x, want %#x", p.Flags, c.want)
			}
		})
	}
}

// TestFeatures compiles a profile with every name that the features document lists.
func TestFeatures(t *testing.T) {
	archs := 23
	if Engine() != "tare" {
		archs = len(Archs()) // a library has those that it was made for
	}
	if len(Actions()) != 9 || len(Operators()) != 7 || len(Archs()) != archs || len(KnownFlags()) != 4 || len(SupportedFlags()) != 4 {
		t.Errorf("lists of unexpected lengths: %v %v %v %v %v", Actions(), Operators(), Archs(), KnownFlags(), SupportedFlags())
	}
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/a"}
	for _, a := range Archs() {
		profile.Architectures = append(profile.Architectures, specs.Arch(a))
	}
	for _, f := range KnownFlags() {
		profile.Flags = append(profile.Flags, specs.LinuxSeccompFlag(f))
	}
	for i, a := range Actions() {
		s := specs.LinuxSyscall{Names: []string{"read"}, Action: specs.LinuxSeccompAction(a)}
		s.Args = []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(Operators()[i%7])}}
		profile.Syscalls = append(profile.Syscalls, s)
	}
	for _, native := range Archs() {
		compileFor(t, profile, specs.Arch(native))
	}
	if _, err := Compile(profile); err != nil {
		t.Error(err)
	}
}

func TestTooLongProgram(t *testing.T) {
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range uint64(1100) {
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{
			Names: []string{"read"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Value: i << 32, Op: specs.OpEqualTo}},
		})
	}
	_, err := compileWith((*policy).compile, profile, findArch(specs.ArchX86_64))
	if !errors.Is(err, bpf.ErrTooLong) {
		t.Fatalf("error %v, want ErrTooLong", err)
	}
	t.Log(err)
}

// TestLongJumps compiles a profile whose parts are further apart than a conditional jump reaches.
func TestLongJumps(t *testing.T) {
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32}}
	for i, name := range []string{"read", "write", "close", "openat", "statx"} {
		for j := range uint64(60) {
			errno := uint(2 + i)
			profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &errno, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 0xffff, ValueTwo: j * 3, Op: specs.OpMaskedEqual}},
			})
		}
	}
	p := compileFor(t, profile, specs.ArchX86_64)
	if len(p.Filter) < 1000 {
		t.Fatalf("only %d instructions: the test needs more", len(p.Filter))
	}
	values := make([]uint64, 0, 200)
	for i := range uint64(200) {
		values = append(values, i)
	}
	compareEverywhere(t, p, newReference(profile, specs.ArchX86_64), specs.ArchX86_64, values)
}

func ExampleCompile() {
	errno := uint(unix.ENOSYS)
	program, err := CompileFor(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &errno}},
	}, specs.ArchAARCH64)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, instruction := range program.Filter {
		fmt.Printf("%+v\n", instruction)
	}
	// Output:
	// {Code:32 Jt:0 Jf:0 K:4}
	// {Code:21 Jt:0 Jf:4 K:3221225655}
	// {Code:32 Jt:0 Jf:0 K:0}
	// {Code:21 Jt:1 Jf:0 K:435}
	// {Code:6 Jt:0 Jf:0 K:2147418112}
	// {Code:6 Jt:0 Jf:0 K:327718}
	// {Code:6 Jt:0 Jf:0 K:0}
}
