package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The main thread belongs to the main goroutine: one of onThread has to end with its goroutine.
func init() { runtime.LockOSThread() }

// onThread runs f on a thread of its own, which ends with it and with all that f did to it.
func onThread(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it changes ids, capabilities or namespaces of a thread")
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		defer close(done)
		f(t)
	}()
	<-done
}

// threadStatus gives a line of the calling thread's status.
func threadStatus(t *testing.T, key string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(v), " ")
		}
	}
	return ""
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestIDs_OfTheThreadAlone: where the standard library would change all threads.
func TestIDs_OfTheThreadAlone(t *testing.T) {
	before, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	onThread(t, func(t *testing.T) {
		noError(t, Setgroups([]uint32{7, 5, 1 << 20}))
		want(t, "groups", threadStatus(t, "Groups"), "5 7 1048576")
		noError(t, Setgroups(nil))
		want(t, "no groups", threadStatus(t, "Groups"), "")
		noError(t, SetKeepCaps(true))
		noError(t, Setresgid(70000))
		noError(t, Setresuid(80000))
		want(t, "gid", threadStatus(t, "Gid"), "70000 70000 70000 70000")
		want(t, "uid", threadStatus(t, "Uid"), "80000 80000 80000 80000")
		if s, err := Capget(); err != nil || s.Permitted == 0 || s.Effective != 0 {
			t.Errorf("kept %+v, %v, want them permitted", s, err)
		}
		noError(t, Capset(CapSets{}))
		if err := Setresuid(0); !errors.Is(err, unix.EPERM) || err.Error() != "setresuid: operation not permitted" {
			t.Errorf("back to root: %v", err)
		}
		if err := Setgroups([]uint32{1}); !errors.Is(err, unix.EPERM) {
			t.Errorf("groups of a user: %v", err)
		}
	})
	after, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	ids := func(status []byte) (s string) {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Uid") || strings.HasPrefix(line, "Gid") || strings.HasPrefix(line, "Groups") {
				s += line
			}
		}
		return s
	}
	want(t, "the main thread", ids(after), ids(before))
}

func TestCaps(t *testing.T) {
	onThread(t, func(t *testing.T) {
		const low, high = 1 << unix.CAP_CHOWN, 1 << unix.CAP_CHECKPOINT_RESTORE // one of each word
		s := CapSets{Effective: low, Permitted: low | high, Inheritable: high}
		noError(t, Capset(s))
		if got, err := Capget(); err != nil || got != s {
			t.Errorf("%+v, %v, want %+v", got, err, s)
		}
		want(t, "CapEff", threadStatus(t, "CapEff"), fmt.Sprintf("%016x", s.Effective))
		want(t, "CapPrm", threadStatus(t, "CapPrm"), fmt.Sprintf("%016x", s.Permitted))
		want(t, "CapInh", threadStatus(t, "CapInh"), fmt.Sprintf("%016x", s.Inheritable))
		noError(t, RaiseAmbientCap(unix.CAP_CHECKPOINT_RESTORE))
		want(t, "CapAmb", threadStatus(t, "CapAmb"), fmt.Sprintf("%016x", uint64(high)))
		if err := RaiseAmbientCap(unix.CAP_CHOWN); !errors.Is(err, unix.EPERM) {
			t.Errorf("raise one that is not inheritable: %v", err)
		}
		noError(t, ClearAmbientCaps())
		want(t, "CapAmb", threadStatus(t, "CapAmb"), fmt.Sprintf("%016x", 0))
		if err := Capset(CapSets{Permitted: 1 << unix.CAP_KILL}); !errors.Is(err, unix.EPERM) {
			t.Errorf("take one more: %v", err)
		}
	})
	onThread(t, func(t *testing.T) {
		if has, known := HasBoundingCap(unix.CAP_CHOWN); !has || !known {
			t.Fatalf("CAP_CHOWN: %v, %v", has, known)
		}
		noError(t, DropBoundingCap(unix.CAP_CHOWN))
		if has, known := HasBoundingCap(unix.CAP_CHOWN); has || !known {
			t.Errorf("CAP_CHOWN after it was dropped: %v, %v", has, known)
		}
		if has, known := HasBoundingCap(63); has || known {
			t.Errorf("capability 63: %v, %v", has, known)
		}
		if err := DropBoundingCap(63); !errors.Is(err, unix.EINVAL) {
			t.Errorf("drop capability 63: %v", err)
		}
	})
}

func TestPrctl(t *testing.T) {
	onThread(t, func(t *testing.T) {
		noError(t, SetName("tare:[a name that is long]"))
		want(t, "name", threadStatus(t, "Name"), "tare:[a name th")
		if err := SetName("a\x00b"); err == nil {
			t.Error("a name with NUL is taken")
		}
		noError(t, SetNoNewPrivs())
		want(t, "NoNewPrivs", threadStatus(t, "NoNewPrivs"), "1")
		noError(t, SetKeepCaps(true))
		if on, err := unix.PrctlRetInt(unix.PR_GET_KEEPCAPS, 0, 0, 0, 0); on != 1 {
			t.Errorf("keepcaps %d, %v", on, err)
		}
		noError(t, SetKeepCaps(false))
		if on, err := unix.PrctlRetInt(unix.PR_GET_KEEPCAPS, 0, 0, 0, 0); on != 0 {
			t.Errorf("keepcaps %d, %v", on, err)
		}
		noError(t, SetDumpable(false))
		if on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); on != 0 {
			t.Errorf("dumpable %d, %v", on, err)
		}
		noError(t, SetDumpable(true)) // which is the whole process's
		noError(t, SetAffinityAll())
	})
	want(t, "NoNewPrivs of the main thread", threadStatus(t, "NoNewPrivs"), "0")
}

func TestNamespaces(t *testing.T) {
	onThread(t, func(t *testing.T) {
		own, err := os.Open("/proc/thread-self/ns/uts")
		if err != nil {
			t.Error(err)
			return
		}
		defer own.Close()
		if flag, err := NamespaceType(own); err != nil || flag != unix.CLONE_NEWUTS {
			t.Errorf("type %#x, %v", flag, err)
		}
		noError(t, Unshare(unix.CLONE_NEWUTS|unix.CLONE_NEWNET))
		noError(t, Sethostname("inside"))
		noError(t, Setdomainname("domain"))
		var u unix.Utsname
		noError(t, unix.Uname(&u))
		want(t, "host name", unix.ByteSliceToString(u.Nodename[:]), "inside")
		want(t, "domain name", unix.ByteSliceToString(u.Domainname[:]), "domain")
		if err := Sethostname(strings.Repeat("x", 65)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("a name of 65 bytes: %v", err)
		}
		if flags := loopbackFlags(t); flags&unix.IFF_UP != 0 {
			t.Errorf("lo is up before, flags %#x", flags)
		}
		noError(t, LoopbackUp())
		if flags := loopbackFlags(t); flags&unix.IFF_UP == 0 {
			t.Errorf("lo is down, flags %#x", flags)
		}
		if err := Unshare(-1); !errors.Is(err, unix.EINVAL) {
			t.Errorf("unshare -1: %v", err)
		}
	})
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := NamespaceType(null); !errors.Is(err, unix.ENOTTY) || !strings.Contains(err.Error(), "/dev/null") {
		t.Errorf("the type of /dev/null: %v, want ENOTTY", err)
	}
}

func loopbackFlags(t *testing.T) uint16 {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer Close(fd)
	ifr, err := unix.NewIfreq("lo")
	noError(t, err)
	noError(t, unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr))
	return ifr.Uint16()
}

func TestProcess_WaitAndSignals(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skipf("needs sleep(1): %v", err)
	}
	pid := cmd.Process.Pid
	pidfd, err := PidfdOpen(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(pidfd)
	closeOnExec(t, "a pidfd", pidfd)
	if ended, err := WaitExit(pidfd, 0); ended || err != nil {
		t.Errorf("it has ended before it was killed: %v", err)
	}
	noError(t, PidfdSendSignal(pidfd, unix.SIGTERM))
	if ended, err := WaitExit(pidfd, 60_000); !ended || err != nil {
		t.Errorf("it has not ended: %v", err)
	}
	if ws, err := Wait(pid); err != nil || !ws.Signaled() || ws.Signal() != unix.SIGTERM {
		t.Errorf("status %#x, %v, want SIGTERM", ws, err)
	}
	if _, err := Wait(pid); !errors.Is(err, unix.ECHILD) {
		t.Errorf("waited for twice: %v", err)
	}
	if err := PidfdSendSignal(pidfd, unix.SIGTERM); !errors.Is(err, unix.ESRCH) {
		t.Errorf("signal after the end: %v", err)
	}
	if _, err := PidfdOpen(4194305); err == nil {
		t.Error("a pidfd of nobody")
	}
}

func TestPoll_Timeout(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(r)
	defer Close(w)
	fds := []unix.PollFd{{Fd: int32(r), Events: unix.POLLIN}}
	if n, err := Poll(fds, 1); n != 0 || err != nil {
		t.Errorf("%d, %v, want none ready", n, err)
	}
	noError(t, Write(w, []byte("x")))
	if n, err := Poll(fds, -1); n != 1 || err != nil || fds[0].Revents&unix.POLLIN == 0 {
		t.Errorf("%d, %v, want one ready", n, err)
	}
}

func TestExecutables(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/plain", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/program", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	noError(t, AccessExec(dir+"/program"))
	if err := AccessExec(dir + "/plain"); !errors.Is(err, unix.EACCES) || err.Error() != unix.EACCES.Error() {
		t.Errorf("plain: %v, want a bare EACCES", err)
	}
	if mode, err := Mode(dir + "/program"); err != nil || mode != unix.S_IFREG|0o755 {
		t.Errorf("mode %#o, %v", mode, err)
	}
	if _, err := Mode(dir + "/none"); err == nil || err.Error() != "stat "+dir+"/none: no such file or directory" {
		t.Errorf("mode of none: %v", err)
	}
	exe, err := os.Open(dir + "/plain")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if err := Execveat(exe, []string{"x"}, nil); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "execveat "+dir) {
		t.Errorf("execveat: %v, want EACCES", err)
	}
	if err := Execveat(exe, []string{"\x00"}, nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("execveat with NUL: %v", err)
	}
}

func TestGetcwd(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PWD", "/elsewhere")
	if got, err := Getcwd(); err != nil || got != dir {
		t.Errorf("%q, %v, want %q", got, err, dir)
	}
}

// TestGetcwd_Unreachable: the place that a leaked descriptor would lead to (CVE-2024-21626).
func TestGetcwd_Unreachable(t *testing.T) {
	if os.Getenv("TARE_TEST_CHROOT") != "" {
		noError(t, Chdir("/proc"))
		noError(t, Chroot(os.Getenv("TARE_TEST_CHROOT")))
		if got, err := Getcwd(); err != nil || !strings.HasPrefix(got, "(unreachable)") {
			t.Errorf("%q, %v", got, err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it changes the root directory")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestGetcwd_Unreachable$", "-test.v")
	cmd.Env = append(os.Environ(), "TARE_TEST_CHROOT="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTerminal(t *testing.T) {
	if os.Getenv("TARE_TEST_TERMINAL") != "" {
		terminal(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTerminal$", "-test.v")
	cmd.Env = append(os.Environ(), "TARE_TEST_TERMINAL=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no session of its own
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func terminal(t *testing.T) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("this host has no /dev/ptmx: %v", err)
	}
	slave, err := PtyPeer(master)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(slave.Fd())
	closeOnExec(t, "a slave", fd)
	if !IsTerminal(fd) {
		t.Error("the slave is no terminal")
	}
	r, w, err := Pipe()
	noError(t, err)
	defer Close(w)
	if IsTerminal(r) {
		t.Error("a pipe is a terminal")
	}
	if _, err := PtyPeer(r); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("the peer of a pipe: %v", err)
	}
	noError(t, SetWinsize(master, 7, 9))
	other, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	noError(t, err)
	noError(t, CopyWinsize(fd, other))
	if ws, err := unix.IoctlGetWinsize(other, unix.TIOCGWINSZ); err != nil || ws.Row != 7 || ws.Col != 9 {
		t.Errorf("size %+v, %v", ws, err)
	}
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	noError(t, err)
	restore, err := MakeRaw(fd)
	noError(t, err)
	raw, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	noError(t, err)
	if raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || raw.Oflag&unix.OPOST != 0 || raw.Cc[unix.VMIN] != 1 {
		t.Errorf("not raw: %+v", raw)
	}
	restore()
	if after, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil || *after != *before {
		t.Errorf("not as it was: %+v, %v, want %+v", after, err, before)
	}
	if err := SetControllingTerminal(fd); !errors.Is(err, unix.EPERM) {
		t.Errorf("without a session: %v, want EPERM", err)
	}
}

func TestSetsid(t *testing.T) {
	if os.Getenv("TARE_TEST_SETSID") != "" {
		for range 2 { // the second time it is the leader already
			noError(t, Setsid())
			if sid, err := unix.Getsid(0); err != nil || sid != os.Getpid() {
				t.Errorf("session %d of %d, %v", sid, os.Getpid(), err)
			}
		}
		master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		noError(t, err)
		slave, err := PtyPeer(master)
		noError(t, err)
		noError(t, SetControllingTerminal(int(slave.Fd())))
		tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
		noError(t, err)
		noError(t, Dup3(int(slave.Fd()), 77))
		if flags, err := unix.FcntlInt(77, unix.F_GETFD, 0); err != nil || flags != 0 {
			t.Errorf("the copy has flags %#x, %v, want it kept", flags, err)
		}
		if !IsTerminal(tty) || !IsTerminal(77) {
			t.Error("no terminal")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSetsid$", "-test.v")
	cmd.Env = append(os.Environ(), "TARE_TEST_SETSID=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRlimits(t *testing.T) {
	soft, hard, err := GetRlimit(0, unix.RLIMIT_CORE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { noError(t, Prlimit(0, unix.RLIMIT_CORE, soft, hard)) }()
	lower := min(hard, 4096)
	noError(t, Prlimit(0, unix.RLIMIT_CORE, lower, hard))
	if s, h, err := GetRlimit(os.Getpid(), unix.RLIMIT_CORE); err != nil || s != lower || h != hard {
		t.Errorf("%d:%d, %v, want %d:%d", s, h, err, lower, hard)
	}
	if err := Prlimit(0, unix.RLIMIT_CORE, 2, 1); !errors.Is(err, unix.EINVAL) {
		t.Errorf("soft above hard: %v", err)
	}
	if _, _, err := GetRlimit(0, 99); !errors.Is(err, unix.EINVAL) {
		t.Errorf("limit 99: %v", err)
	}
}
