//go:build libseccomp

package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/seccomp/bpf"
	"tare/seccomp/syscalls"
)

// Engine names what compiles profiles in this build.
func Engine() string {
	major, minor, micro := libseccomp.GetLibraryVersion()
	return fmt.Sprintf("libseccomp %d.%d.%d", major, minor, micro)
}

// provides tells whether the library can compile for the architecture.
func provides(a *arch) bool {
	token, err := libseccompArch(a)
	if err != nil {
		return false
	}
	_, err = libseccomp.GetSyscallFromNameByArch("read", token)
	return err == nil
}

// patience is how long the library may take, which needs milliseconds. Some rules keep it in an endless loop (docs/seccomp.md).
const patience = 3 * time.Second

func (p *policy) assemble() ([]unix.SockFilter, error) {
	type result struct {
		filter []unix.SockFilter
		err    error
	}
	done := make(chan result, 1)
	go func() {
		filter, err := p.libseccomp(treeSearch)
		done <- result{filter, err}
	}()
	select {
	case r := <-done:
		return r.filter, r.err
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: %s is not done with the profile after %v, and will never be: it cannot combine some rules with args", pointer, Engine(), patience)
	}
}

// Values of SCMP_FLTATR_CTL_OPTIMIZE: how the library finds a call in its program.
const (
	linearSearch = 1 // the library's default
	treeSearch   = 2
)

// libseccomp makes the program with libseccomp, in this process, and puts what the library has no notion of before it: ENOSYS for younger
// calls.
//
// What a profile means is tare's: which entries are idle, which arguments are alternatives. The library sees the rules one by one, in the
// order of the profile, and has the say over their precedence, arguments and architectures.
func (p *policy) libseccomp(optimize int) ([]unix.SockFilter, error) {
	filter, err := p.library(optimize)
	if err != nil {
		return nil, err
	}
	return p.withYounger(filter)
}

// library is what comes from libseccomp alone.
func (p *policy) library(optimize int) ([]unix.SockFilter, error) {
	f, err := libseccomp.NewFilter(libseccompAction(p.fallback))
	if err != nil {
		return nil, fmt.Errorf("%s/defaultAction: libseccomp: %w", pointer, err)
	}
	defer f.Release()
	if err := f.SetOptimize(optimize); err != nil {
		return nil, fmt.Errorf("libseccomp: set the level of optimization: %w", err)
	}
	if err := p.libseccompArches(f); err != nil {
		return nil, err
	}
	for n := range syscalls.NameCount {
		if err := p.addCall(f, syscalls.Name(n)); err != nil {
			return nil, err
		}
	}
	return export(f, p.arches[0].order())
}

// libseccompArches gives the filter the policy's architectures. A new filter has that of the machine.
func (p *policy) libseccompArches(f *libseccomp.ScmpFilter) error {
	machine, err := libseccomp.GetNativeArch()
	if err != nil {
		return fmt.Errorf("libseccomp: architecture of the machine: %w", err)
	}
	native, err := libseccompArch(p.arches[0])
	if err != nil {
		return err
	}
	if native != machine {
		// Before another is added: all of a filter have one byte order.
		if err := f.RemoveArch(machine); err != nil {
			return fmt.Errorf("libseccomp: remove the architecture %s: %w", machine, err)
		}
	}
	for _, a := range p.arches {
		token, err := libseccompArch(a)
		if err != nil {
			return err
		}
		if err := f.AddArch(token); err != nil {
			return fmt.Errorf("%s/architectures: libseccomp: add %s: %w", pointer, a.name, err)
		}
	}
	return nil
}

// libseccompArch finds the library's name for an architecture, which is that of the spec.
func libseccompArch(a *arch) (libseccomp.ScmpArch, error) {
	token, err := libseccomp.GetArchFromString(strings.ToLower(strings.TrimPrefix(string(a.name), "SCMP_ARCH_")))
	if err != nil {
		return 0, fmt.Errorf("%s/architectures: %s does not know %s", pointer, Engine(), a.name)
	}
	return token, nil
}

// addCall adds the rules for one call, if the library knows it.
func (p *policy) addCall(f *libseccomp.ScmpFilter, name syscalls.Name) error {
	indexes := p.byName.appendEntries(nil, name)
	if len(indexes) == 0 {
		return nil
	}
	call, err := libseccomp.GetSyscallFromName(name.String())
	if err != nil {
		return nil
	}
	for _, r := range p.rulesFor(indexes) {
		// EEXIST: the library has a rule for the same conditions, which came first.
		if err := addRule(f, call, libseccompAction(r.ret), r.args); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%s/syscalls: libseccomp: add a rule for %s: %w", pointer, name, err)
		}
	}
	return nil
}

// rulesFor gives the rules of the entries that can have a say: the unconditional one, else those with conditions, in the order of the
// profile. The library would find the first out by itself, but conditional rules beside it can keep it busy for ever.
func (p *policy) rulesFor(indexes []int32) []branch {
	if e := p.unconditional(indexes); e != nil {
		return []branch{{ret: e.ret}}
	}
	var rules []branch
	for _, i := range indexes {
		rules = p.entries[i].appendBranches(rules)
	}
	return rules
}

func addRule(f *libseccomp.ScmpFilter, call libseccomp.ScmpSyscall, action libseccomp.ScmpAction, args []specs.LinuxSeccompArg) error {
	if len(args) == 0 {
		return f.AddRule(call, action)
	}
	conditions := make([]libseccomp.ScmpCondition, len(args))
	for i, arg := range args {
		op, values := libseccompOperator(arg.Op), []uint64{arg.Value}
		if op == libseccomp.CompareMaskedEqual {
			values = append(values, arg.ValueTwo)
		}
		condition, err := libseccomp.MakeCondition(arg.Index, op, values...)
		if err != nil {
			return err
		}
		conditions[i] = condition
	}
	return f.AddRuleConditional(call, action, conditions)
}

// libseccompAction turns a value for the kernel into the library's.
func libseccompAction(ret uint32) libseccomp.ScmpAction {
	data := int16(ret & unix.SECCOMP_RET_DATA)
	switch ret & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return libseccomp.ActAllow
	case unix.SECCOMP_RET_LOG:
		return libseccomp.ActLog
	case unix.SECCOMP_RET_ERRNO:
		return libseccomp.ActErrno.SetReturnCode(data)
	case unix.SECCOMP_RET_TRACE:
		return libseccomp.ActTrace.SetReturnCode(data)
	case unix.SECCOMP_RET_USER_NOTIF:
		return libseccomp.ActNotify
	case unix.SECCOMP_RET_TRAP:
		return libseccomp.ActTrap
	case unix.SECCOMP_RET_KILL_PROCESS:
		return libseccomp.ActKillProcess
	}
	return libseccomp.ActKillThread
}

func libseccompOperator(op specs.LinuxSeccompOperator) libseccomp.ScmpCompareOp {
	switch op {
	case specs.OpNotEqual:
		return libseccomp.CompareNotEqual
	case specs.OpLessThan:
		return libseccomp.CompareLess
	case specs.OpLessEqual:
		return libseccomp.CompareLessOrEqual
	case specs.OpEqualTo:
		return libseccomp.CompareEqual
	case specs.OpGreaterEqual:
		return libseccomp.CompareGreaterEqual
	case specs.OpGreaterThan:
		return libseccomp.CompareGreater
	case specs.OpMaskedEqual:
		return libseccomp.CompareMaskedEqual
	}
	return libseccomp.CompareInvalid
}

// order is the byte order of a kernel of the architecture.
func (a *arch) order() binary.ByteOrder {
	if a.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// export reads the program out of the library, which writes it in the byte order of the filter's architectures.
func export(f *libseccomp.ScmpFilter, order binary.ByteOrder) ([]unix.SockFilter, error) {
	file, err := sys.MemFile("seccomp", nil)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, fmt.Errorf("libseccomp: export the program: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	const size = 8 // struct sock_filter
	if len(raw) == 0 || len(raw)%size != 0 {
		return nil, errors.New("libseccomp: the exported program is no whole number of instructions")
	}
	filter := make([]unix.SockFilter, 0, len(raw)/size)
	for ; len(raw) > 0; raw = raw[size:] {
		filter = append(filter, unix.SockFilter{
			Code: order.Uint16(raw), Jt: raw[2], Jf: raw[3], K: order.Uint32(raw[4:]),
		})
	}
	return filter, nil
}

// withYounger puts ENOSYS for younger calls before the library's program: see compiler.younger. Calls that the library does not know count
// as not named: they get the default action from it, and "no such call" is the better answer.
func (p *policy) withYounger(filter []unix.SockFilter) ([]unix.SockFilter, error) {
	var code bpf.Builder
	body := code.Splice(filter)
	if !refuses(p.fallback) {
		return p.finish(&code)
	}
	var mux multiplexers
	mux.init()
	start := body
	for i, a := range p.arches {
		if !p.firstOfToken(i) {
			continue
		}
		test := body
		for _, b := range p.arches[i:] {
			if b.token == a.token {
				test = younger(&code, b, p.highestKnown(b, &mux), test)
			}
		}
		if test != body {
			start = code.If(bpf.Equal, a.token, code.Load(bpf.OffsetNumber, test), start)
		}
	}
	if start != body {
		code.Load(bpf.OffsetArch, start)
	}
	return p.finish(&code)
}

// younger emits the test whether the number in the accumulator is above the highest one of an architecture, and goes on at next for those
// that are not, or are none of its ordinary ones.
func younger(code *bpf.Builder, a *arch, highest int64, next bpf.Label) bpf.Label {
	if highest < 0 {
		return next
	}
	first, private := a.calls()
	enosys := code.Return(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	return code.If(bpf.GreaterEqual, first+uint32(highest)+1, code.If(bpf.GreaterEqual, first+private, next, enosys), next)
}

// highestKnown is the highest ordinary number of an architecture that the profile names and the library knows, or -1.
func (p *policy) highestKnown(a *arch, mux *multiplexers) int64 {
	highest := int64(-1)
	token, err := libseccompArch(a)
	if err != nil {
		return highest
	}
	_, private := a.calls()
	for _, e := range a.table.Entries() {
		if e.Number() >= private || !p.names(e.Name(), mux) {
			continue
		}
		if _, err := libseccomp.GetSyscallFromNameByArch(e.Name().String(), token); err == nil {
			highest = int64(e.Number())
		}
	}
	return highest
}

// names tells whether the profile names a call, or one that it carries.
func (p *policy) names(name syscalls.Name, mux *multiplexers) bool {
	named := func(n syscalls.Name) bool { return p.byName.head[n] != 0 }
	return named(name) || slices.ContainsFunc(mux.carriedBy(name), func(m multiplexed) bool { return named(m.name) })
}
