package nsenter

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// The test binary is also what the tests execute. Its argv[0] tells which it is:
const (
	childArg0  = "nsenter-test-child"  // what Start started
	helperArg0 = "nsenter-test-helper" // a process of its own that calls Start
	holderArg0 = "nsenter-test-holder" // a process that keeps namespaces
)

// The main thread belongs to the main goroutine: a goroutine of a test that ended there would not end the thread.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case childArg0:
		os.Exit(child(os.Args[1:]))
	case helperArg0:
		os.Exit(helper(os.Args[1:]))
	case holderArg0:
		os.Exit(hold(0))
	}
	code := m.Run()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		fmt.Printf("a child is left by the tests: wait4 says pid %d, %v, want ECHILD\n", pid, err)
		code = 1
	}
	os.Exit(code)
}

// report is what a child says of itself.
type report struct {
	Namespaces map[string]string // links of /proc/self/ns
	Pid        int
	UID, GID   int
	UIDMap     string
	Effective  uint64
	Permitted  uint64
	Dumpable   int
	DeathSig   int
	FDs        []int
	Cgroup     string // path on the v2 hierarchy
	Monotonic  int64  // nanoseconds
	Boottime   int64
	Env        []string
	Args       []string
}

// child obeys: "exit"; "report FD"; "hold FD HOLD", which reports and stays until the end of file of HOLD.
func child(args []string) int {
	r := report{FDs: openFDs()}
	if args[0] == "exit" {
		return 0
	}
	r.fill()
	b, err := json.Marshal(&r)
	if err != nil {
		panic(err)
	}
	out := must(strconv.Atoi(args[1]))
	if n, err := unix.Write(out, b); n != len(b) {
		panic(fmt.Sprint("write the report: ", err))
	}
	unix.Close(out)
	if args[0] == "hold" {
		return hold(must(strconv.Atoi(args[2])))
	}
	return 0
}

// hold waits for the end of file.
func hold(fd int) int {
	var b [1]byte
	for {
		if _, err := unix.Read(fd, b[:]); err != unix.EINTR {
			return 0
		}
	}
}

// openFDs lists the open descriptors, without those that the Go runtime itself polls with.
func openFDs() (open []int) {
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			continue
		}
		if l, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); l != "anon_inode:[eventpoll]" && l != "anon_inode:[eventfd]" {
			open = append(open, fd)
		}
	}
	return open
}

// kinds are the namespaces as /proc/PID/ns has them, with their flags.
var kinds = []struct {
	name string
	flag int
}{
	{"user", unix.CLONE_NEWUSER},
	{"pid", unix.CLONE_NEWPID},
	{"net", unix.CLONE_NEWNET},
	{"mnt", unix.CLONE_NEWNS},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"time", unix.CLONE_NEWTIME},
}

func (r *report) fill() {
	r.Namespaces = map[string]string{}
	for _, k := range kinds {
		r.Namespaces[k.name] = must(os.Readlink("/proc/self/ns/" + k.name))
	}
	r.Pid, r.UID, r.GID, r.Env, r.Args = os.Getpid(), os.Getuid(), os.Getgid(), os.Environ(), os.Args
	r.UIDMap = strings.Join(strings.Fields(string(must(os.ReadFile("/proc/self/uid_map")))), " ")
	r.Dumpable = must(unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0))
	r.DeathSig = deathSignal()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&hdr, &d[0]); err != nil {
		panic(err)
	}
	r.Effective = uint64(d[0].Effective) | uint64(d[1].Effective)<<32
	r.Permitted = uint64(d[0].Permitted) | uint64(d[1].Permitted)<<32
	for line := range strings.Lines(string(must(os.ReadFile("/proc/self/cgroup")))) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			r.Cgroup = strings.TrimSpace(path)
		}
	}
	r.Monotonic, r.Boottime = clock(unix.CLOCK_MONOTONIC), clock(unix.CLOCK_BOOTTIME)
}

func clock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// needRoot skips a test that an ordinary user cannot run.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes and joins namespaces of the initial user namespace")
	}
}

// lock locks the test to its thread, as Start demands.
func lock(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// self is the test binary, to be executed only.
func self(t *testing.T) *os.File {
	t.Helper()
	return openPath(t, "/proc/self/exe")
}

func openPath(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

// pipe makes a pipe, close-on-exec as all of Go's.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}

// run starts a child by r, which lacks what it executes, and gives its report once it has ended well.
func run(t *testing.T, r Request) report {
	t.Helper()
	got := runBeside(t, r)
	noChildren(t)
	return got
}

// runBeside is run while the test has other children.
func runBeside(t *testing.T, r Request) report {
	t.Helper()
	read, write := pipe(t)
	out := int(write.Fd())
	if r.Exe == nil {
		r.Exe = self(t)
	}
	r.Args = []string{childArg0, "report", strconv.Itoa(out)}
	r.Inherit = append(slices.Clone(r.Inherit), out)
	pid, err := Start(&r)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	write.Close()
	var got report
	decodeErr := json.NewDecoder(read).Decode(&got)
	if ws, err := sys.Wait(pid); err != nil || !ws.Exited() || ws.ExitStatus() != 0 {
		t.Fatalf("the child ended with status %#x, %v", ws, err)
	}
	if decodeErr != nil {
		t.Fatalf("the child's report: %v", decodeErr)
	}
	noZombies(t)
	return got
}

// noChildren wants every child waited for: none alive, no zombie.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: wait4 says pid %d, %v, want ECHILD", pid, err)
	}
}

// noZombies wants every child that has ended waited for.
func noZombies(t *testing.T) {
	t.Helper()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil && err != unix.ECHILD {
		t.Fatalf("waitid: %v", err)
	}
	if info.Signo != 0 {
		t.Error("a zombie is left")
	}
}

// own is the link of a namespace of this process.
func own(t *testing.T, kind string) string {
	t.Helper()
	l, err := os.Readlink("/proc/self/ns/" + kind)
	if err != nil {
		t.Skipf("this kernel has no %s namespaces: %v", kind, err)
	}
	return l
}

// rootMaps maps 65536 ids from 100000 on, as root may.
func rootMaps(pid int) error { return writeMaps(pid, "0 100000 65536", "0 100000 65536") }

func writeMaps(pid int, uids, gids string) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/uid_map", pid), []byte(uids), 0); err != nil {
		return err
	}
	return os.WriteFile(fmt.Sprintf("/proc/%d/gid_map", pid), []byte(gids), 0)
}
