//go:build libseccomp

package seccomp

import (
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"tare/seccomp/bpf"
)

// nativeIsBig is the byte order of the machine that compiles.
var nativeIsBig = binary.NativeEndian.Uint16([]byte{1, 0}) != 1

// library is libseccomp in a process of its own, since some profiles keep it in an endless loop, which only the end of the process ends.
type library struct {
	cmd     *exec.Cmd
	ask     *gob.Encoder
	answers chan answer
	known   map[refNumber]bool
}

type (
	request struct {
		Profile []byte // gob does not tell an empty list from none
		Native  specs.Arch
		Level   int
	}
	answer struct {
		Filter []unix.SockFilter
		Error  string
	}
	// refNumber is a number of an architecture.
	refNumber struct {
		arch   specs.Arch
		number uint32
	}
)

const roleLibrary = "libseccomp"

func init() {
	helpers[roleLibrary] = serveLibrary
}

// serveLibrary is the library's process.
func serveLibrary() error {
	in, out := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	for {
		var r request
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		filter, err := r.compile()
		if a.Filter = filter; err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(&a); err != nil {
			return err
		}
	}
}

func (r *request) compile() ([]unix.SockFilter, error) {
	profile := &specs.LinuxSeccomp{}
	if err := json.Unmarshal(r.Profile, profile); err != nil {
		return nil, err
	}
	p, err := compileWith(func(p *policy) ([]unix.SockFilter, error) { return p.libseccomp(r.Level) }, profile, findArch(r.Native))
	if err != nil {
		return nil, err
	}
	return p.Filter, nil
}

func newLibrary(t *testing.T) *library {
	l := &library{known: map[refNumber]bool{}}
	t.Cleanup(l.stop)
	return l
}

func (l *library) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleLibrary)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer, 1)
	go func() {
		defer close(answers)
		decoder := gob.NewDecoder(out)
		for {
			var a answer
			if decoder.Decode(&a) != nil {
				return
			}
			answers <- a
		}
	}()
	l.cmd, l.ask, l.answers = cmd, gob.NewEncoder(in), answers
}

func (l *library) stop() {
	if l.cmd == nil {
		return
	}
	_ = l.cmd.Process.Kill()
	for range l.answers { // to the end of its output: Wait closes the pipe
	}
	_ = l.cmd.Wait()
	l.cmd = nil
}

// compile gives the library's program, before which tare's ENOSYS for younger calls stands.
func (l *library) compile(t testing.TB, profile *specs.LinuxSeccomp, native *arch, level int) ([]unix.SockFilter, error) {
	t.Helper()
	text, err := json.Marshal(profile)
	if err != nil {
		t.Fatal(err)
	}
	if l.cmd == nil {
		l.start(t)
	}
	if err := l.ask.Encode(&request{text, native.name, level}); err != nil {
		t.Fatal(err)
	}
	select {
	case a, ok := <-l.answers:
		if !ok {
			l.stop()
			return nil, errors.New("the library's process died")
		}
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a.Filter, nil
	case <-time.After(patience):
		l.stop()
		return nil, errEndless
	}
}

var errEndless = errors.New("the library does not come back")

// knows tells whether the library knows all calls of a number, and none that we do not: it is asked to kill for each of them alone.
func (l *library) knows(t testing.TB, a *refArch, number uint32) bool {
	t.Helper()
	key := refNumber{a.name, number}
	known, found := l.known[key]
	if !found {
		known = l.find(t, a, number)
		l.known[key] = known
	}
	return known
}

func (l *library) find(t testing.TB, a *refArch, number uint32) bool {
	t.Helper()
	if a.table.Name(number) == "" {
		token, err := libseccompArch(findArch(a.name))
		if err != nil {
			return false
		}
		_, err = libseccomp.ScmpSyscall(a.offset + number).GetNameByArch(token)
		return err != nil
	}
	native := findArch(a.name)
	for _, e := range a.table.Entries() {
		if e.Number() != number {
			continue
		}
		filter, err := l.compile(t, &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{e.Name().String()}, Action: specs.ActErrno}},
		}, native, linearSearch)
		if err != nil {
			return false
		}
		d := bpf.Data{Number: a.offset + number, Arch: a.token}
		if got := bpf.Interpret(filter, &d, native.order()); got == unix.SECCOMP_RET_ALLOW || got == bits.ReverseBytes32(unix.SECCOMP_RET_ALLOW) {
			return false
		}
	}
	return true
}
