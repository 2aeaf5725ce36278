package initproc

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/internal/wire"
	"tare/libcontainer/proto"
)

// mainArg0 has the test binary be an init stage.
const mainArg0 = "initproc-test-main"

func init() { runtime.LockOSThread() } // Main's precondition

func TestMain(m *testing.M) {
	if os.Args[0] == mainArg0 {
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

// TestCreateSteps_Order: the order is the contract. Who changes it changes this list too, and knows why:
// a namespace is made before what shows it; what writes to the root comes before it is read-only; what needs the
// host's paths before the pivot; all that needs privileges before the credentials; nothing but execve after the filter.
func TestCreateSteps_Order(t *testing.T) {
	golden := []string{
		"session",
		"keyring",
		"namespaces",
		"network",
		"root",
		"mounts",
		"devices",
		"make working directory",
		"runtime hooks",
		"createContainer",
		"pivot",
		"console",
		"read-only root",
		"names",
		"sysctl",
		"read-only paths",
		"masked paths",
		"propagation",
		"ready",
		"standard streams",
		"personality",
		"memory policy",
		"labels",
		"courier",
		"no new privileges",
		"working directory",
		"credentials",
		"working directory of the user",
		"executable",
		"start",
		"startContainer",
		"affinity",
		"limits",
		"scheduler",
		"listener",
		"exec",
	}
	var names []string
	for _, s := range createSteps {
		names = append(names, s.Name)
		if s.Run == nil {
			t.Errorf("step %q does nothing", s.Name)
		}
		if s.Undo != nil {
			t.Errorf("step %q is undone: in the init stage the end of the process is what undoes", s.Name)
		}
	}
	if !slices.Equal(names, golden) {
		t.Errorf("steps\n%q, want\n%q", names, golden)
	}
}

func TestPrepare_BadArgs(t *testing.T) {
	const byHand = "the init stage is started by tare, not by hand"
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"none", nil, byHand},
		{"name alone", []string{"tare-init"}, byHand},
		{"too many", []string{"tare-init", "3", "4"}, byHand},
		{"no number", []string{"tare-init", "x"}, byHand + `: strconv.Atoi: parsing "x": invalid syntax`},
		{"empty", []string{"tare-init", ""}, byHand + `: strconv.Atoi: parsing "": invalid syntax`},
	}
	for _, tt := range tests {
		p := &initProc{}
		if err := p.prepare(tt.args); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// start starts an init stage, which has the socket as descriptor 3 and extra, if any, as 4.
func start(t *testing.T, extra *os.File) (*exec.Cmd, proto.Link) {
	t.Helper()
	ours, theirs, err := sys.Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ours) })
	socket := os.NewFile(uintptr(theirs), "socket")
	defer socket.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{mainArg0, "3"}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{socket}
	if extra != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, extra)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, proto.Link{FD: ours}
}

// TestMain_TellsWhatIsWrong: a stage that cannot begin says so, and ends with status 1.
func TestMain_TellsWhatIsWrong(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	config := func(c proto.Config) func(proto.Link) error {
		return func(l proto.Link) error { return l.SendConfig(&c) }
	}
	tests := []struct {
		name string
		send func(proto.Link) error
		want string
	}{
		{"another message", func(l proto.Link) error { return l.Send(proto.KindGo) }, "unexpected message: kind 2, want 1"},
		{"an empty config", func(l proto.Link) error { return sys.Write(l.FD, []byte{1, 0, 0, 0, 0}) }, wire.ErrMalformed.Error()},
		{"garbage", func(l proto.Link) error { return sys.Write(l.FD, []byte(strings.Repeat("\xff", 64))) }, "unexpected message: of "},
		{"proc is none", config(proto.Config{Proc: 4, Fifo: -1, Console: -1}), "procfs handle: not the root of a procfs"},
		{"proc is closed", config(proto.Config{Proc: 99, Fifo: -1, Console: -1}), "bad file descriptor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd, l := start(t, null)
			if err := tt.send(l); err != nil {
				t.Fatal(err)
			}
			value, err := l.Expect(proto.KindFailure)
			if err != nil {
				t.Fatalf("no failure came: %v", err)
			}
			if failure := proto.DecodeFailure(value); !strings.Contains(failure.Error(), tt.want) {
				t.Errorf("failure %q, want %q in it", failure, tt.want)
			}
			if _, _, err := l.Receive(); !errors.Is(err, io.EOF) {
				t.Errorf("after the failure: %v, want io.EOF", err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit status %d, want 1", code)
			}
		})
	}
}

// TestMain_RuntimeGone: without a runtime there is nobody to wait for.
func TestMain_RuntimeGone(t *testing.T) {
	cmd, l := start(t, nil)
	if err := unix.Shutdown(l.FD, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // ends, or the test does not
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
}
