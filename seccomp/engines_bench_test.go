//go:build libseccomp

package seccomp

import (
	"encoding/gob"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

const roleCaller = "caller"

func init() { helpers[roleCaller] = serveCalls }

// BenchmarkEngines compares the engines on Docker's default profile: how long they compile, and what a system call costs in a process under the
// program of each. The processes take turns, so that whatever else goes on meets all of them. The figure of a call is its fastest round.
func BenchmarkEngines(b *testing.B) {
	b.Run("compile", benchmarkCompile)
	b.Run("calls", benchmarkCalls)
}

func benchmarkCompile(b *testing.B) {
	native := machine(b)
	profile := dockerProfile(b, native.name)
	cost := func(make engine) time.Duration {
		best := time.Duration(1<<63 - 1)
		for range 20 {
			start := time.Now()
			if _, err := compileWith(make, profile, native); err != nil {
				b.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	var ours, library time.Duration
	for b.Loop() {
		ours = cost((*policy).compile)
		library = min(cost(libraryAt(linearSearch)), cost(libraryAt(treeSearch)))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ours.Nanoseconds())/1000, "tare-µs")
	b.ReportMetric(float64(library.Nanoseconds())/1000, "libseccomp-µs")
	b.ReportMetric(float64(ours)/float64(library), "ratio")
}

// TestFewerSteps counts what the machine cannot blur: for Docker's default profile no call that the kernel asks the program for takes more
// instructions of ours than of libseccomp's, laid out in either way. (Not asked for is what is allowed whatever the arguments, from 5.11 on.)
func TestFewerSteps(t *testing.T) {
	native := machine(t)
	for name, capabilities := range capabilitySets {
		profile := dockerProfile(t, native.name, capabilities...)
		reference := newReference(profile, native.name)
		ours := compileFor(t, profile, native.name)
		for _, level := range levels {
			library, err := compileWith(libraryAt(level), profile, native)
			if err != nil {
				t.Fatal(err)
			}
			for number := range uint32(600) {
				d := bpf.Data{Number: number, Arch: native.token, Args: [6]uint64{0xffffffff}}
				if !reference.arches[0].conditional(number) && bpf.Interpret(ours.Filter, &d, native.order()) == unix.SECCOMP_RET_ALLOW {
					continue
				}
				got, limit := bpf.Steps(ours.Filter, &d, native.order()), bpf.Steps(library.Filter, &d, native.order())
				if got > limit {
					t.Errorf("%s: number %d (%s): %d steps, libseccomp's (level %d) %d", name, number, native.table.Name(number), got, level, limit)
				}
			}
		}
	}
}

// libraryAt is libseccomp's engine without anything of ours.
func libraryAt(level int) engine {
	return func(p *policy) ([]unix.SockFilter, error) { return p.library(level) }
}

// timedCall is a system call to be made many times. None changes anything, and the kernel is soon done with each.
type timedCall struct {
	Name   string
	Number uintptr
	Args   [3]uintptr
}

var timedCalls = []timedCall{
	{"allowed-getppid", unix.SYS_GETPPID, [3]uintptr{}},
	{"allowed-read", unix.SYS_READ, [3]uintptr{^uintptr(0)}},
	{"allowed-statx", unix.SYS_STATX, [3]uintptr{^uintptr(0)}},
	{"by-args-personality", unix.SYS_PERSONALITY, [3]uintptr{0xffffffff}},
	{"by-args-socket", unix.SYS_SOCKET, [3]uintptr{1 << 20}},
	{"by-args-clone", unix.SYS_CLONE, [3]uintptr{unix.CLONE_THREAD}},
	{"refused-clone3", unix.SYS_CLONE3, [3]uintptr{}},
	{"refused-keyctl", unix.SYS_KEYCTL, [3]uintptr{}},
	{"refused-kexec_load", unix.SYS_KEXEC_LOAD, [3]uintptr{}},
	{"younger", 900, [3]uintptr{}},
}

func benchmarkCalls(b *testing.B) {
	native := machine(b)
	engines := []struct {
		name string
		engine
	}{{"tare", (*policy).compile}, {"libseccomp-1", libraryAt(linearSearch)}, {"libseccomp-2", libraryAt(treeSearch)}}
	callers := make([]*caller, len(engines))
	for i, e := range engines {
		p, err := compileWith(e.engine, dockerProfile(b, native.name), native)
		if err != nil {
			b.Fatal(err)
		}
		callers[i] = newCaller(b, p)
	}
	const rounds, times = 40, 5000
	for _, call := range timedCalls {
		b.Run(call.Name, func(b *testing.B) {
			best := make([]time.Duration, len(callers))
			for b.Loop() {
				for round := range rounds {
					for i := range callers {
						i = (i + round) % len(callers)
						if took := callers[i].time(b, call, times); best[i] == 0 || took < best[i] {
							best[i] = took
						}
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			for i, e := range engines {
				b.ReportMetric(float64(best[i].Nanoseconds())/times, e.name+"-ns")
			}
			b.ReportMetric(float64(best[0])/float64(min(best[1], best[2])), "ratio")
		})
	}
}

// caller is a process under a program.
type caller struct {
	ask    *gob.Encoder
	answer *gob.Decoder
}

func newCaller(b *testing.B, p *Program) *caller {
	b.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleCaller)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("caller: %v", err)
		}
	})
	c := &caller{gob.NewEncoder(in), gob.NewDecoder(out)}
	if err := c.ask.Encode(p); err != nil {
		b.Fatal(err)
	}
	return c
}

type timing struct {
	Call  timedCall
	Times int
}

func (c *caller) time(b *testing.B, call timedCall, times int) (took time.Duration) {
	b.Helper()
	if err := errors.Join(c.ask.Encode(timing{call, times}), c.answer.Decode(&took)); err != nil {
		b.Fatal(err)
	}
	return took
}

// serveCalls loads the program that it is given first, and then makes the calls that it is asked for.
func serveCalls() error {
	in, out := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	var p Program
	if err := in.Decode(&p); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, err := p.load(0); err != nil {
		return err
	}
	for {
		var t timing
		if err := in.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		start := time.Now()
		for range t.Times {
			_, _, _ = unix.RawSyscall(t.Call.Number, t.Call.Args[0], t.Call.Args[1], t.Call.Args[2])
		}
		if err := out.Encode(time.Since(start)); err != nil {
			return err
		}
	}
}
