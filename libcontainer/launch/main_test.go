package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// The test binary is also what the tests start:
const (
	sealArg0   = "launch-test-seal"   // seals itself and tells about it
	sealedArg0 = "launch-test-sealed" // is executed sealed
	resealArg0 = "launch-test-reseal" // reseals itself
	holdArg0   = "launch-test-hold"   // waits for the end of its standard input
)

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case sealArg0:
		os.Exit(seal())
	case sealedArg0:
		tell(aboutSelf())
		os.Exit(0)
	case resealArg0:
		os.Exit(reseal())
	case holdArg0:
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// about is what a started process tells.
type about struct {
	Mode     uint32 // of the binary
	Resealed bool
	Write    string // what came of opening the running binary for writing
	Args     []string
	Marks    int // of resealedEnv in the environment
	Overlay  string
	Attempts map[string]string
}

func aboutSelf() (a about) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &st); err != nil {
		panic(err)
	}
	a.Mode, a.Resealed, a.Args = st.Mode&0o7777, resealed(), os.Args
	for _, e := range os.Environ() {
		if e == resealedEnv+"=1" {
			a.Marks++
		}
	}
	_, err := unix.Open("/proc/self/exe", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	a.Write = fmt.Sprint(err)
	return a
}

func tell(a about) {
	if err := json.NewEncoder(os.Stdout).Encode(&a); err != nil {
		panic(err)
	}
}

// overlayExe and sealedExe let go of the layers at once.
func overlayExe() (*os.File, error) { return settled((*Exe).overlay) }
func sealedExe() (*os.File, error)  { return settled((*Exe).seal) }

func settled(seal func(*Exe) (*os.File, error)) (*os.File, error) {
	e := &Exe{done: make(chan struct{})}
	close(e.done)
	defer e.Settle()
	return seal(e)
}

// seal is for an ordinary user: what can it do with its own sealed binary?
func seal() int {
	runtime.LockOSThread()
	var a about
	_, err := overlayExe()
	a.Overlay = fmt.Sprint(err)
	f, err := sealedExe()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	st, err := sys.Fstat(int(f.Fd()))
	if err != nil {
		panic(err)
	}
	a.Mode, a.Attempts = st.Mode&0o7777, attempts(f)
	tell(a)
	return 0
}

func reseal() int {
	runtime.LockOSThread()
	spec := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}}}}
	if os.Args[1] == "join" {
		spec.Linux.Namespaces[0].Path = "/proc/1/ns/pid"
	}
	if JoinsPIDNamespace(spec) {
		if err := Seal().Reseal(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	tell(aboutSelf())
	return 0
}

// attempts tries to get at the file of an O_PATH descriptor, and tells what came of it.
func attempts(f *os.File) map[string]string {
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	open := func(flags int) string {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return err.Error()
		}
		defer unix.Close(fd)
		if flags&unix.O_ACCMODE == unix.O_RDONLY {
			return "opened"
		}
		if _, err := unix.Pwrite(fd, []byte{0}, 0); err != nil {
			return "opened; " + err.Error()
		}
		return "written"
	}
	return map[string]string{
		"read":     open(unix.O_RDONLY),
		"write":    open(unix.O_WRONLY),
		"both":     open(unix.O_RDWR),
		"truncate": fmt.Sprint(unix.Truncate(path, 0)),
	}
}
