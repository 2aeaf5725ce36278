package attack

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// L01 exactly: the runtime's main thread, which does its work, is stopped at each of its system calls in turn, and
// killed there.

// stepped are the commands, and where in the walk over the variants they are done: all of them by all ways if
// TARE_CRASH_STRIDE is 1.
var stepped = []struct{ command, variant string }{
	{"create", "plain"},
	{"start", "plain"},
	{"delete --force", "plain"},
	{"run --detach", "plain"},
	{"create", "user namespace"},
	{"create", "joined user namespace"},
	{"create", "terminal"},
	{"start", "startContainer hook hangs"},
	{"delete", "host's PID namespace"},
	{"delete --force", "joined namespaces"},
	{"pause", "plain"},
	{"resume", "plain"},
	{"kill", "plain"},
	{"update", "plain"},
	{"pause", "host's PID namespace"},
	{"kill", "host's PID namespace"},
}

func TestCrashAtEverySystemCall(t *testing.T) {
	NeedRoot(t)
	stride := number("TARE_CRASH_STRIDE", 16)
	descriptors := OpenDescriptors(t)
	for i, s := range stepped {
		t.Run(s.command+", "+s.variant, func(t *testing.T) {
			v := newVictim(t, variantNamed(t, s.variant))
			// Each command starts at another call, so that they do not all stop at the same ones of the Go runtime.
			last := 0
			for n := 1 + i%stride; ; n += stride {
				v.prepare(s.command)
				name, killed := v.killAt(s.command, n)
				what := s.command + ", killed at system call " + name
				v.check(what)
				if n/stride%8 == 0 || stride == 1 && n%8 == 0 {
					v.again(what)
				}
				if !killed {
					break
				}
				last = n
			}
			v.again(s.command)
			t.Logf("killed at every %d. of %d or more system calls", stride, last)
			if last < 100 {
				t.Errorf("only %d system calls: the test shows nothing", last)
			}
		})
	}
	if now := OpenDescriptors(t); len(now) > len(descriptors) {
		t.Errorf("descriptors leaked into the caller: %v, before %v", now, descriptors)
	}
}

func variantNamed(t *testing.T, name string) int {
	t.Helper()
	for i := range variants {
		if variants[i].name == name {
			return i
		}
	}
	t.Fatalf("no variant %q", name)
	return 0
}

// killAt runs the command and kills it when its main thread is about to make its nth system call. It says
// whether the command got that far.
func (v *victim) killAt(command string, n int) (where string, killed bool) {
	v.t.Helper()
	// ptrace(2) goes by thread: all of it is done by this one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := v.Command(v.arguments(command)...)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		v.t.Fatal(err)
	}
	defer null.Close()
	env := cmd.Env
	if env == nil {
		env = os.Environ()
	}
	pid, err := syscall.ForkExec(cmd.Path, cmd.Args, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	status := v.waitTraced(pid)
	if !status.Stopped() || status.StopSignal() != unix.SIGTRAP {
		v.t.Fatalf("%s: no stop at the execution: %#x", command, status)
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		v.t.Fatal(err)
	}
	// A hook that hangs brings no further stop. The command is over when it is killed for that.
	timer := time.AfterFunc(Deadline()/30, func() { _ = unix.Kill(pid, unix.SIGKILL) })
	defer timer.Stop()
	signal, calls := 0, 0
	for {
		if err := unix.PtraceSyscall(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			v.t.Fatal(err)
		}
		status = v.waitTraced(pid)
		signal = 0
		switch {
		case status.Exited() || status.Signaled():
			return "after its end", false
		case status.StopSignal() == unix.SIGTRAP|0x80:
			if calls++; calls == 2*n-1 { // stops come in pairs, before a call and after it
				where = syscallOf(pid)
				v.end(pid)
				return where, true
			}
		default:
			signal = int(status.StopSignal())
		}
	}
}

func (v *victim) end(pid int) {
	v.t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		v.t.Fatal(err)
	}
	for {
		if status := v.waitTraced(pid); status.Exited() || status.Signaled() {
			return
		}
		_ = unix.PtraceCont(pid, 0)
	}
}

// waitTraced waits for a stop or the end.
func (v *victim) waitTraced(pid int) unix.WaitStatus {
	v.t.Helper()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			v.t.Fatalf("wait for the runtime: %v", err)
		}
		return status
	}
}

// syscallOf says which call a stopped process is about to make.
func syscallOf(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/syscall")
	if err != nil {
		return err.Error()
	}
	number, _, _ := strings.Cut(string(data), " ")
	return "number " + strings.TrimSpace(number)
}
