package seccomp

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// interesting are argument values around every border: of words, of signs, of the values in the profile.
func interesting(profile *specs.LinuxSeccomp) []uint64 {
	values := []uint64{0, 1, 0xffffffff, 0x100000000, 1<<63 - 1, 1 << 63, ^uint64(0)}
	for _, s := range profile.Syscalls {
		for _, arg := range s.Args {
			values = append(values, arg.Value, arg.Value-1, arg.Value+1, arg.ValueTwo, arg.Value^1<<32, arg.Value&arg.ValueTwo, ^arg.Value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// everyNumber calls f with each number worth asking for.
func everyNumber(f func(number uint32)) {
	for n := range uint32(1025) {
		f(n)
		f(1<<30 + n)
		f(0xf0000 + n%16)
	}
	for _, base := range []uint32{4000, 5000, 6000} {
		for n := range uint32(600) {
			f(base + n)
		}
	}
	for _, n := range []uint32{1<<30 - 1, 1<<31 - 1, 1 << 31, 0xfffffffe, 0xffffffff} {
		f(n)
	}
}

// dockerProfile is Docker's default profile, for a kernel of the given architecture.
func dockerProfile(t testing.TB, native specs.Arch, capabilities ...string) *specs.LinuxSeccomp {
	t.Helper()
	p, err := profiles.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}})
	if err != nil {
		t.Fatal(err)
	}
	p.Architectures = nil
	for _, a := range profiles.DefaultProfile().ArchMap {
		if a.Arch == native {
			p.Architectures = append([]specs.Arch{a.Arch}, a.SubArches...)
		}
	}
	return p
}

func TestDockerDefaultProfile(t *testing.T) {
	for _, a := range refArches {
		for name, capabilities := range map[string][]string{"plain": nil, "admin": {"CAP_SYS_ADMIN", "CAP_BPF"}} {
			t.Run(string(a.name)+"/"+name, func(t *testing.T) {
				profile := dockerProfile(t, a.name, capabilities...)
				program, oracle := compileFor(t, profile, a.name), newReference(profile, a.name)
				compareEverywhere(t, program, oracle, a.name, interesting(profile))
			})
		}
	}
}

// compareEverywhere asks program and oracle about every number of every architecture.
func compareEverywhere(t *testing.T, program *Program, oracle *reference, native specs.Arch, values []uint64) {
	t.Helper()
	wrong := 0
	for _, a := range refArches {
		if a.name == "SCMP_ARCH_X32" { // its token is x86_64's
			continue
		}
		everyNumber(func(number uint32) {
			list := values[:1]
			for _, r := range oracle.arches {
				if r.token == a.token && r.conditional(number) {
					list = values
				}
			}
			for i, v := range list {
				w := list[(i*7+3)%len(list)]
				if wrong < 5 && !agree(t, program, oracle, native, bpf.Data{Number: number, Arch: a.token, Args: [6]uint64{v, w, v, w, v, w}}) {
					wrong++
				}
			}
		})
	}
}

// conditional tells whether the verdict on number may depend on arguments.
func (a *refArch) conditional(number uint32) bool {
	number -= a.offset
	name := a.table.Name(number)
	return a.hasMux && (name == "socketcall" || name == "ipc") ||
		slices.ContainsFunc(a.rules[number], func(r refRule) bool { return len(r.args) > 0 })
}

func TestActions(t *testing.T) {
	errno := func(n uint) *uint { return &n }
	for _, c := range []struct {
		action specs.LinuxSeccompAction
		errno  *uint
		want   uint32
	}{
		{specs.ActKill, nil, 0},
		{specs.ActKillThread, nil, 0},
		{specs.ActKillProcess, nil, 0x80000000},
		{specs.ActTrap, nil, 0x00030000},
		{specs.ActErrno, nil, 0x00050001},
		{specs.ActErrno, errno(0), 0x00050000},
		{specs.ActErrno, errno(38), 0x00050026},
		{specs.ActErrno, errno(4095), 0x00050fff},
		{specs.ActTrace, nil, 0x7ff00001},
		{specs.ActTrace, errno(0xffff), 0x7ff0ffff},
		{specs.ActAllow, nil, 0x7fff0000},
		{specs.ActLog, nil, 0x7ffc0000},
		{specs.ActNotify, nil, 0x7fc00000},
	} {
		other := specs.ActAllow
		if c.action == other {
			other = specs.ActLog
		}
		rule := &specs.LinuxSeccomp{
			DefaultAction: other, ListenerPath: "/run/agent", Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: c.action, ErrnoRet: c.errno}},
		}
		fallback := &specs.LinuxSeccomp{
			DefaultAction: c.action, DefaultErrnoRet: c.errno, ListenerPath: "/run/agent",
			Syscalls: []specs.LinuxSyscall{{Names: []string{"write", "listns"}, Action: other}},
		}
		for name, profile := range map[string]*specs.LinuxSeccomp{"rule": rule, "default": fallback} {
			p := compileFor(t, profile, specs.ArchX86_64)
			d := bpf.Data{Number: 0, Arch: 0xc000003e}
			if got := bpf.Interpret(p.Filter, &d, byteOrder(specs.ArchX86_64)); got != c.want {
				t.Errorf("%s as %s: verdict %#x, want %#x", c.action, name, got, c.want)
			}
			if want := c.action == specs.ActNotify; p.Listener != want {
				t.Errorf("%s as %s: Listener %v", c.action, name, p.Listener)
			}
		}
	}
}

func TestOperators(t *testing.T) {
	values := []uint64{0, 1, 5, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000005, 1<<63 - 1, 1 << 63, ^uint64(0) - 1, ^uint64(0)}
	for _, native := range refArches {
		for _, op := range Operators() {
			for _, value := range values {
				arg := specs.LinuxSeccompArg{Op: specs.LinuxSeccompOperator(op), Value: value, ValueTwo: 0x500000005}
				for index := range uint(6) {
					arg.Index = index
					checkOperator(t, native.name, native.token, arg, values)
				}
			}
		}
	}
}

func checkOperator(t *testing.T, native specs.Arch, token uint32, arg specs.LinuxSeccompArg, values []uint64) {
	t.Helper()
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{native},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActKillProcess, Args: []specs.LinuxSeccompArg{arg}}},
	}
	p, oracle := compileFor(t, profile, native), newReference(profile, native)
	for _, a := range oracle.arches {
		number, _ := a.table.Number("read")
		for _, v := range values {
			d := bpf.Data{Number: a.offset + number, Arch: token, Args: [6]uint64{7, 7, 7, 7, 7, 7}}
			d.Args[arg.Index] = v
			agree(t, p, oracle, native, d)
		}
	}
}

func TestPrecedence(t *testing.T) {
	eq := func(index uint, value uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Index: index, Value: value, Op: specs.OpEqualTo}}
	}
	rule := func(errno uint, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActErrno, ErrnoRet: &errno, Args: args}
	}
	allow := specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActAllow}
	for _, c := range []struct {
		name  string
		rules []specs.LinuxSyscall
		args  [6]uint64
		want  uint32
	}{
		{"unconditional after conditional", []specs.LinuxSyscall{rule(11, eq(0, 5)...), rule(12)}, [6]uint64{5}, 12},
		{"unconditional before conditional", []specs.LinuxSyscall{rule(12), rule(11, eq(0, 5)...)}, [6]uint64{5}, 12},
		{"first unconditional", []specs.LinuxSyscall{rule(11), rule(12)}, [6]uint64{}, 11},
		{"first conditional", []specs.LinuxSyscall{rule(11, eq(0, 1)...), rule(12, eq(1, 2)...)}, [6]uint64{1, 2}, 11},
		{"first conditional, exchanged", []specs.LinuxSyscall{rule(12, eq(1, 2)...), rule(11, eq(0, 1)...)}, [6]uint64{1, 2}, 12},
		{"second conditional", []specs.LinuxSyscall{rule(11, eq(0, 1)...), rule(12, eq(1, 2)...)}, [6]uint64{0, 2}, 12},
		{"and", []specs.LinuxSyscall{rule(11, append(eq(0, 1), eq(1, 2)...)...)}, [6]uint64{1, 3}, 0},
		{"and, both", []specs.LinuxSyscall{rule(11, append(eq(0, 1), eq(1, 2)...)...)}, [6]uint64{1, 2}, 11},
		{"same index twice is or", []specs.LinuxSyscall{rule(11, append(eq(0, 1), eq(0, 2)...)...)}, [6]uint64{2}, 11},
		{"same index twice splits all", []specs.LinuxSyscall{rule(11, append(append(eq(0, 1), eq(0, 2)...), eq(3, 9)...)...)}, [6]uint64{0, 0, 0, 9}, 11},
		{"default action is skipped", []specs.LinuxSyscall{allow, rule(12)}, [6]uint64{}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: c.rules}
			d := bpf.Data{Arch: 0xc000003e, Args: c.args}
			want := uint32(0x7fff0000)
			if c.want != 0 {
				want = 0x50000 | c.want
			}
			p := compileFor(t, profile, specs.ArchX86_64)
			if got := bpf.Interpret(p.Filter, &d, byteOrder(specs.ArchX86_64)); got != want {
				t.Errorf("verdict %#x, want %#x", got, want)
			}
			agree(t, p, newReference(profile, specs.ArchX86_64), specs.ArchX86_64, d)
		})
	}
}

func TestNumbers(t *testing.T) {
	const (
		x86, x64, arm, arm64 = 0x40000003, 0xc000003e, 0x40000028, 0xc00000b7
		kill, allow          = 0, 0x7fff0000
		eperm, enosys        = 0x50001, 0x50026
	)
	old := []string{"read", "openat", "cacheflush"} // openat is 257, 295, 322, 56
	for _, c := range []struct {
		name     string
		native   specs.Arch
		arches   []specs.Arch
		fallback specs.LinuxSeccompAction
		token    uint32
		number   uint32
		want     uint32
	}{
		{"named", specs.ArchX86_64, nil, specs.ActErrno, x64, 257, allow},
		{"gap below the highest", specs.ArchX86_64, nil, specs.ActErrno, x64, 256, eperm},
		{"younger", specs.ArchX86_64, nil, specs.ActErrno, x64, 258, enosys},
		{"much younger", specs.ArchX86_64, nil, specs.ActErrno, x64, 5000, enosys},
		{"younger, kill", specs.ArchX86_64, nil, specs.ActKillProcess, x64, 258, enosys},
		{"younger, trap", specs.ArchX86_64, nil, specs.ActTrap, x64, 258, enosys},
		{"younger, log", specs.ArchX86_64, nil, specs.ActLog, x64, 258, 0x7ffc0000},
		{"younger, trace", specs.ArchX86_64, nil, specs.ActTrace, x64, 258, 0x7ff00001},
		{"minus one", specs.ArchX86_64, nil, specs.ActErrno, x64, 0xffffffff, eperm},
		{"minus one on arm64", specs.ArchAARCH64, nil, specs.ActErrno, arm64, 0xffffffff, eperm},
		{"minus two on arm64", specs.ArchAARCH64, nil, specs.ActErrno, arm64, 0xfffffffe, enosys},
		{"last before x32", specs.ArchX86_64, nil, specs.ActErrno, x64, 1<<30 - 1, enosys},
		{"x32 not listed", specs.ArchX86_64, nil, specs.ActErrno, x64, 1 << 30, kill},
		{"x32 not listed, minus two", specs.ArchX86_64, nil, specs.ActErrno, x64, 0xfffffffe, kill},
		{"x32 listed", specs.ArchX86_64, []specs.Arch{specs.ArchX32}, specs.ActErrno, x64, 1 << 30, allow},
		{"x32 listed, its own call", specs.ArchX86_64, []specs.Arch{specs.ArchX32}, specs.ActErrno, x64, 1<<30 + 520, eperm},
		{"x32 listed, younger", specs.ArchX86_64, []specs.Arch{specs.ArchX32}, specs.ActErrno, x64, 1<<30 + 300, enosys},
		{"x32 listed, minus one", specs.ArchX86_64, []specs.Arch{specs.ArchX32}, specs.ActErrno, x64, 0xffffffff, eperm},
		{"x32 listed elsewhere", specs.ArchAARCH64, []specs.Arch{specs.ArchX32}, specs.ActErrno, x64, 0, kill},
		{"arch not listed", specs.ArchX86_64, []specs.Arch{specs.ArchX86_64}, specs.ActAllow, x86, 3, kill},
		{"arch listed", specs.ArchX86_64, []specs.Arch{specs.ArchX86}, specs.ActErrno, x86, 3, allow},
		{"native not listed", specs.ArchX86_64, []specs.Arch{specs.ArchX86}, specs.ActErrno, x64, 0, allow},
		{"other byte order", specs.ArchX86_64, []specs.Arch{specs.ArchS390X}, specs.ActErrno, 0x80000016, 3, kill},
		{"arm private, named", specs.ArchAARCH64, []specs.Arch{specs.ArchARM}, specs.ActErrno, arm, 0xf0002, allow},
		{"arm private, not named", specs.ArchAARCH64, []specs.Arch{specs.ArchARM}, specs.ActErrno, arm, 0xf0005, eperm},
		{"arm younger", specs.ArchAARCH64, []specs.Arch{specs.ArchARM}, specs.ActErrno, arm, 323, enosys},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := &specs.LinuxSeccomp{
				DefaultAction: c.fallback, Architectures: c.arches, Syscalls: []specs.LinuxSyscall{{Names: old, Action: specs.ActAllow}},
			}
			p := compileFor(t, profile, c.native)
			d := bpf.Data{Arch: c.token, Number: c.number}
			if got := bpf.Interpret(p.Filter, &d, byteOrder(c.native)); got != c.want {
				t.Errorf("verdict %#x, want %#x", got, c.want)
			}
			agree(t, p, newReference(profile, c.native), c.native, d)
		})
	}
}

// TestOneOfManyValues: conditions that differ in the low half only share the comparison of the high one, and no others do.
func TestOneOfManyValues(t *testing.T) {
	rule := func(errno, index uint, values ...uint64) specs.LinuxSyscall {
		s := specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActErrno, ErrnoRet: &errno}
		for _, v := range values {
			s.Args = append(s.Args, specs.LinuxSeccompArg{Index: index, Op: specs.OpEqualTo, Value: v})
		}
		return s
	}
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		rule(11, 0, 5), rule(12, 0, 6), rule(13, 0, 7, 1<<32|5), rule(14, 0, 1<<32|6), rule(15, 1, 5), rule(16, 1, 6, 5), rule(17, 0, 8),
	}}
	for _, a := range refArches {
		p, oracle := compileFor(t, profile, a.name), newReference(profile, a.name)
		compareEverywhere(t, p, oracle, a.name, interesting(profile))
	}
	p := compileFor(t, &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{rule(11, 0, 5, 6, 7, 8)}}, specs.ArchX86_64)
	high := slices.DeleteFunc(p.Filter, func(ins unix.SockFilter) bool {
		return ins != unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 20}
	})
	if len(high) != 1 {
		t.Errorf("the high half is loaded %d times", len(high))
	}
}

func TestProfileThatNamesNothingHasNoYoungerCalls(t *testing.T) {
	p := compileFor(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"no_such_call"}, Action: specs.ActAllow}},
	}, specs.ArchX86_64)
	d := bpf.Data{Arch: 0xc000003e, Number: 900}
	if got := bpf.Interpret(p.Filter, &d, byteOrder(specs.ArchX86_64)); got != 0x50001 {
		t.Errorf("verdict %#x, want the default", got)
	}
}

func TestMultiplexedCalls(t *testing.T) {
	const socketcall, ipc, allow, eperm = 102, 117, 0x7fff0000, 0x50001
	first := []specs.LinuxSeccompArg{{Index: 0, Value: 1, Op: specs.OpEqualTo}}
	for _, c := range []struct {
		name     string
		fallback specs.LinuxSeccompAction
		names    []string
		action   specs.LinuxSeccompAction
		args     []specs.LinuxSeccompArg
		number   uint32
		first    uint64
		want     uint32
	}{
		{"allowed", specs.ActErrno, []string{"socket"}, specs.ActAllow, nil, socketcall, 1, allow},
		{"allowed, another call", specs.ActErrno, []string{"socket"}, specs.ActAllow, nil, socketcall, 2, eperm},
		{"allowed with conditions", specs.ActErrno, []string{"socket"}, specs.ActAllow, first, socketcall, 1, eperm},
		{"refused with conditions", specs.ActAllow, []string{"socket"}, specs.ActErrno, first, socketcall, 1, eperm},
		{"refused with conditions, another call", specs.ActAllow, []string{"socket"}, specs.ActErrno, first, socketcall, 2, allow},
		{"carrier named", specs.ActErrno, []string{"socketcall"}, specs.ActAllow, nil, socketcall, 1, allow},
		{"shmget", specs.ActAllow, []string{"shmget"}, specs.ActErrno, nil, ipc, 23, eperm},
		{"shmget with a version", specs.ActAllow, []string{"shmget"}, specs.ActErrno, nil, ipc, 0x10017, eperm},
		{"shmctl", specs.ActAllow, []string{"shmget"}, specs.ActErrno, nil, ipc, 24, allow},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := &specs.LinuxSeccomp{
				DefaultAction: c.fallback, Architectures: []specs.Arch{specs.ArchX86},
				Syscalls: []specs.LinuxSyscall{{Names: c.names, Action: c.action, Args: c.args}},
			}
			d := bpf.Data{Arch: 0x40000003, Number: c.number, Args: [6]uint64{c.first}}
			p := compileFor(t, profile, specs.ArchX86_64)
			if got := bpf.Interpret(p.Filter, &d, byteOrder(specs.ArchX86_64)); got != c.want {
				t.Errorf("verdict %#x, want %#x", got, c.want)
			}
			agree(t, p, newReference(profile, specs.ArchX86_64), specs.ArchX86_64, d)
		})
	}
	for name := range refSockets {
		if _, ok := syscalls.Lookup(name); !ok {
			t.Errorf("%s is in no table", name)
		}
	}
	for name := range refIPC {
		if _, ok := syscalls.Lookup(name); !ok {
			t.Errorf("%s is in no table", name)
		}
	}
}

// randomProfile makes a profile of few names and values, so that rules meet.
func randomProfile(r *rand.Rand) *specs.LinuxSeccomp {
	names := []string{
		"read", "write", "open", "openat", "close", "socket", "bind", "socketcall", "shmget", "ipc", "clone", "clone3", "cacheflush", "execve",
		"sync_file_range2", "arm_sync_file_range", "rt_sigaction", "statx", "listns", "no_such_call", "personality",
	}
	values := []uint64{0, 1, 2, 0xff, 0xffffffff, 0x100000000, 0x1ff00000001, 1 << 63, ^uint64(0)}
	pick := func(n int) int { return r.IntN(n) }
	action := func() (specs.LinuxSeccompAction, *uint) {
		a := specs.LinuxSeccompAction(Actions()[pick(9)])
		if n := uint(pick(4)); n > 0 && (a == specs.ActErrno || a == specs.ActTrace) {
			return a, &n
		}
		return a, nil
	}
	p := &specs.LinuxSeccomp{ListenerPath: "/run/agent"}
	p.DefaultAction, p.DefaultErrnoRet = action()
	for range pick(5) {
		p.Architectures = append(p.Architectures, refArches[pick(len(refArches))].name)
	}
	for range pick(12) {
		s := specs.LinuxSyscall{}
		s.Action, s.ErrnoRet = action()
		for range 1 + pick(4) {
			s.Names = append(s.Names, names[pick(len(names))])
		}
		if pick(8) == 0 {
			for range pick(200) {
				s.Names = append(s.Names, syscalls.Name(pick(syscalls.NameCount)).String())
			}
		}
		if pick(6) == 0 { // one of several values, in one rule or in several
			index := uint(pick(6))
			for range 1 + pick(3) {
				s.Args = append(s.Args, specs.LinuxSeccompArg{Index: index, Op: specs.OpEqualTo, Value: values[pick(len(values))]})
			}
			p.Syscalls = append(p.Syscalls, s)
			continue
		}
		for range max(0, pick(6)-2) {
			s.Args = append(s.Args, specs.LinuxSeccompArg{
				Index: uint(pick(6)), Op: specs.LinuxSeccompOperator(Operators()[pick(7)]), Value: values[pick(len(values))], ValueTwo: values[pick(len(values))],
			})
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	return p
}

func TestRandomProfiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1500 {
		profile, native := randomProfile(r), refArches[r.IntN(len(refArches))].name
		compareSome(t, profile, native, r)
		if t.Failed() {
			text, _ := json.Marshal(profile)
			t.Fatalf("profile %d: %s", i, text)
		}
	}
}

// compareSome asks about the calls the profile names, their neighbours and some others, with values near those of the profile.
func compareSome(t testing.TB, profile *specs.LinuxSeccomp, native specs.Arch, r *rand.Rand) {
	program, oracle := compileFor(t, profile, native), newReference(profile, native)
	values := interesting(profile)
	for _, a := range oracle.arches {
		numbers := []uint32{0, a.offset, a.offset + r.Uint32N(600), r.Uint32(), 0xffffffff, 0xf0000, 1 << 30, 512 + a.offset, 102, 117}
		for n := range a.rules {
			numbers = append(numbers, a.offset+n, a.offset+n+1, a.offset+n-1)
		}
		for _, n := range numbers {
			for range 6 {
				d := bpf.Data{Number: n, Arch: a.token}
				for i := range d.Args {
					d.Args[i] = values[r.IntN(len(values))]
				}
				if !agree(t, program, oracle, native, d) {
					return
				}
			}
		}
	}
	agree(t, program, oracle, native, bpf.Data{Number: 1, Arch: r.Uint32()})
}

func FuzzCompile(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		text, err := json.Marshal(randomProfile(r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, uint64(1))
	}
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":[""],"action":"x"}]}`), uint64(2))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		profile := &specs.LinuxSeccomp{}
		if json.Unmarshal(text, profile) != nil {
			return
		}
		r := rand.New(rand.NewPCG(seed, 5))
		native := refArches[r.IntN(len(refArches))].name
		if _, err := compileWith((*policy).compile, profile, findArch(native)); err == nil {
			compareSome(t, profile, native, r)
		}
	})
}

func BenchmarkCompileDocker(b *testing.B) {
	for name, native := range map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64} {
		b.Run(name, func(b *testing.B) {
			profile := dockerProfile(b, native)
			b.ReportAllocs()
			for b.Loop() {
				p, err := CompileFor(profile, native)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(p.Filter)), "instructions")
			}
		})
	}
}
