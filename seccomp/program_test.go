package seccomp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary run one of the roles below instead of the tests: a filter cannot be taken off again.
const roleEnv = "TARE_TEST_SECCOMP_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	run := roles[role]
	if run == nil {
		run = helpers[role]
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helpers are roles that other tests ask for.
var helpers = map[string]func() error{}

var roles = map[string]func() error{
	"docker":       roleDocker,
	"errnos":       roleErrnos,
	"kill":         roleKill,
	"unprivileged": roleUnprivileged,
	"bad flag":     roleBadFlag,
	"refused":      roleRefused,
	"listener":     roleListener,
}

// TestLoad lets the kernel judge: each role is a process that loads a program and makes system calls.
func TestLoad(t *testing.T) {
	for role := range roles {
		t.Run(role, func(t *testing.T) {
			// A process under a wrong filter may be unable even to exit.
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "/proc/self/exe")
			cmd.Env = append(os.Environ(), roleEnv+"="+role)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if role == "kill" {
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
					t.Fatalf("ended with %v, want SIGSYS: %s", err, &out)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v: %s", err, &out)
			}
		})
	}
}

// load compiles the profile, sets no_new_privs and loads.
func load(profile *specs.LinuxSeccomp) error {
	p, err := Compile(profile)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, err = p.load(0)
	return err
}

// load installs the program on the calling thread. The result is the listener, with SECCOMP_FILTER_FLAG_NEW_LISTENER among the flags to add.
func (p *Program) load(flags uint) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(p.Filter)), Filter: &p.Filter[0]}
	r, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(p.Flags|flags), uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return 0, p.Explain(errno)
	}
	return int(r), nil
}

// call makes a system call and says if its errno is not the expected one.
func call(name string, want syscall.Errno, number uintptr, args ...uintptr) error {
	args = append(args, 0, 0, 0)
	if _, _, errno := unix.RawSyscall(number, args[0], args[1], args[2]); errno != want {
		return fmt.Errorf("%s: errno %d (%v), want %d", name, errno, errno, want)
	}
	return nil
}

// roleDocker: under Docker's profile a Go program goes on working, and is refused what it should be.
func roleDocker() error {
	native, err := NativeArch()
	if err != nil {
		return err
	}
	if err := load(dockerProfile(&testing.T{}, native)); err != nil {
		return err
	}
	buffer := make([]byte, 1<<20)
	if data, err := os.ReadFile("/proc/self/status"); err != nil || !bytes.Contains(data, []byte("Seccomp:\t2")) {
		return fmt.Errorf("status: %v %s", err, data)
	}
	runtime.KeepAlive(buffer)
	return errors.Join(
		call("getpid", 0, unix.SYS_GETPID),
		call("personality(0)", 0, unix.SYS_PERSONALITY, 0),
		call("personality(1)", unix.EPERM, unix.SYS_PERSONALITY, 1),
		call("unshare(CLONE_NEWUTS)", unix.EPERM, unix.SYS_UNSHARE, unix.CLONE_NEWUTS),
		call("clone3", unix.ENOSYS, unix.SYS_CLONE3),
		call("kexec_load", unix.EPERM, unix.SYS_KEXEC_LOAD),
		call("keyctl", unix.EPERM, unix.SYS_KEYCTL, 0, 1),
		call("number 900", unix.ENOSYS, 900),
		call("number -1", unix.EPERM, ^uintptr(0)),
	)
}

// roleErrnos: the kernel agrees with the interpreter on 64-bit arguments.
func roleErrnos() error {
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	add := func(errno uint, args ...specs.LinuxSeccompArg) {
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: []string{"getpriority"}, Action: specs.ActErrno, ErrnoRet: &errno, Args: args})
	}
	add(101, specs.LinuxSeccompArg{Index: 1, Value: 1 << 31, Op: specs.OpEqualTo})
	add(102, specs.LinuxSeccompArg{Index: 1, Value: 0xff00, ValueTwo: 0x1200, Op: specs.OpMaskedEqual})
	add(103, specs.LinuxSeccompArg{Index: 0, Value: 1000, Op: specs.OpGreaterThan}, specs.LinuxSeccompArg{Index: 1, Value: 5, Op: specs.OpLessThan})
	if unsafe.Sizeof(uintptr(0)) == 8 {
		add(104, specs.LinuxSeccompArg{Index: 1, Value: 1 << 32, Op: specs.OpGreaterEqual})
	}
	zero := uint(0)
	profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: []string{"kexec_load"}, Action: specs.ActErrno, ErrnoRet: &zero})
	if err := load(profile); err != nil {
		return err
	}
	priority := func(want syscall.Errno, args ...uintptr) error {
		return call(fmt.Sprintf("getpriority(%#x)", args), want, unix.SYS_GETPRIORITY, args...)
	}
	checks := []error{
		priority(0, 0, 0),
		priority(101, 0, 1<<31),
		priority(102, 0, 0x1234),
		priority(103, 1001, 4),
		priority(unix.EINVAL, 1001, 5),
		priority(unix.EINVAL, 1000, 4),
		call("kexec_load", 0, unix.SYS_KEXEC_LOAD),
	}
	if unsafe.Sizeof(uintptr(0)) == 8 {
		high := ^uintptr(0) - 0xffff // its bits of mask 0xff00 are clear
		checks = append(checks, priority(104, 0, high))
	}
	return errors.Join(checks...)
}

func roleKill() error {
	if err := load(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"getpriority"}, Action: specs.ActKillProcess}},
	}); err != nil {
		return err
	}
	return call("getpriority", 0, unix.SYS_GETPRIORITY)
}

// roleUnprivileged: without no_new_privs and CAP_SYS_ADMIN the error says so.
func roleUnprivileged() error {
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return err
	}
	p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow})
	if err != nil {
		return err
	}
	if _, err := p.load(0); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "without no_new_privs or CAP_SYS_ADMIN") {
		return fmt.Errorf("error %v", err)
	}
	return nil
}

// roleBadFlag: a flag that no profile can name is not blamed on the kernel.
func roleBadFlag() error {
	p := &Program{Filter: []unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}, Flags: 1 << 30}
	if _, err := p.load(0); !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("error %v, want EINVAL", err)
	}
	return nil
}

// roleRefused: a kernel that does not know a flag (here: a filter in its place) is reported with the flag's name.
func roleRefused() error {
	einval := uint(unix.EINVAL)
	if err := load(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{{
			Names: []string{"seccomp"}, Action: specs.ActErrno, ErrnoRet: &einval,
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: unix.SECCOMP_FILTER_FLAG_LOG, ValueTwo: unix.SECCOMP_FILTER_FLAG_LOG, Op: specs.OpMaskedEqual}},
		}},
	}); err != nil {
		return err
	}
	err := load(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagLog},
	})
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "flag SECCOMP_FILTER_FLAG_LOG unknown to this kernel") {
		return fmt.Errorf("error %v", err)
	}
	return nil
}

// roleListener: another thread, that the filter is not on, answers for this one.
func roleListener() error {
	profile := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: "/run/agent", Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"sethostname"}, Action: specs.ActNotify}},
	}
	p, err := Compile(profile)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	listeners, answered := make(chan int), make(chan error)
	go func() { // on a thread that is there, as all others than this locked one
		runtime.LockOSThread()
		listeners <- -1
		answered <- answerOne(<-listeners)
	}()
	<-listeners
	listener, err := p.load(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err != nil {
		return err
	}
	if flags, err := unix.FcntlInt(uintptr(listener), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		return fmt.Errorf("the listener stays open across an execution: %v", err)
	}
	listeners <- listener
	if err := call("sethostname", unix.EXDEV, unix.SYS_SETHOSTNAME); err != nil {
		return err
	}
	if _, err := p.load(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "has a listener already") {
		return fmt.Errorf("a second listener: %w", err)
	}
	return <-answered
}

// answerOne answers one notification with EXDEV; seccomp_unotify(2).
func answerOne(listener int) error {
	var notification [80]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&notification))); errno != 0 {
		return errno
	}
	response := struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}{id: *(*uint64)(unsafe.Pointer(&notification)), errno: -int32(unix.EXDEV)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&response))); errno != 0 {
		return errno
	}
	return nil
}

func TestNativeArch(t *testing.T) {
	native, err := NativeArch()
	if err != nil || !slices.Contains(Archs(), string(native)) {
		t.Errorf("native architecture %q, %v", native, err)
	}
}
