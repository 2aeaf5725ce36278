package nsenter

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// TestStart_DiesWithTheProcess: a runtime that is killed leaves no half-made container.
func TestStart_DiesWithTheProcess(t *testing.T) {
	needRoot(t)
	lock(t)
	for _, tt := range []struct {
		name string
		o    order
		join []string
	}{
		{"no namespaces", order{}, nil},
		{"new pid namespace", order{New: unix.CLONE_NEWPID}, nil},
		{"new user namespace", order{New: unix.CLONE_NEWUSER, Maps: "0 100000 65536"}, nil},
		{"joined", order{}, []string{"net", "uts"}},
		{"joined user namespace", order{}, []string{"user"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			h := newHolder(t, tt.name == "joined user namespace")
			for _, j := range h.join(tt.join...) {
				// The standard library passes on close-on-exec descriptors only as it is told to: here by number.
				fd, err := unix.FcntlInt(uintptr(j.FD), unix.F_DUPFD, 100)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fd)
				tt.o.Join = append(tt.o.Join, Join{Type: j.Type, FD: fd})
			}
			tt.o.Hold = true
			helper := startHelper(t, tt.o, nil)
			defer helper.let()
			if helper.answer.Error != "" {
				t.Fatalf("Start: %s", helper.answer.Error)
			}
			pidfd, err := unix.PidfdOpen(helper.answer.Pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pidfd)
			if ended(t, pidfd, 0) {
				t.Fatal("the child ended before its parent")
			}
			if err := helper.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = helper.cmd.Wait()
			if !ended(t, pidfd, 20_000) {
				t.Error("the child lives on 20 s after its parent was killed")
			}
		})
	}
}

// TestStart_DiesWithTheThread: the signal is for the end of the thread that called Start.
func TestStart_DiesWithTheThread(t *testing.T) {
	needRoot(t)
	exe := self(t)
	reportRead, reportWrite := pipe(t)
	holdRead, holdWrite := pipe(t)
	defer holdWrite.Close()
	out, in := int(reportWrite.Fd()), int(holdRead.Fd())
	type started struct {
		pid int
		err error
	}
	pids, leave := make(chan started), make(chan bool)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		pid, err := Start(&Request{
			Exe: exe, Args: []string{childArg0, "hold", strconv.Itoa(out), strconv.Itoa(in)}, Inherit: []int{out, in},
		})
		pids <- started{pid, err}
		<-leave
	}()
	s := <-pids
	if s.err != nil {
		t.Fatalf("Start: %v", s.err)
	}
	var first [1]byte
	if _, err := reportRead.Read(first[:]); err != nil {
		t.Fatalf("the child's report: %v", err)
	}
	pidfd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if ended(t, pidfd, 0) {
		t.Error("the child ended before the thread")
	}
	close(leave)
	if !ended(t, pidfd, 20_000) {
		t.Error("the child lives on 20 s after the thread that made it")
		holdWrite.Close()
	}
	if ws, err := sys.Wait(s.pid); err != nil || !ws.Signaled() || ws.Signal() != unix.SIGKILL {
		t.Errorf("the child ended with status %#x, %v, want SIGKILL", ws, err)
	}
}

// ended tells whether the process ends within that many milliseconds.
func ended(t *testing.T, pidfd, timeout int) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, timeout)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// TestStart_NotDumpable: a binary that nobody may read is not dumpable from its first instruction on, and has all
// its capabilities. One that may be read shows that it is the mode that does it.
func TestStart_NotDumpable(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	u := newHolder(t, true)
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "exe")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		mode os.FileMode
		r    Request
		want int
	}{
		{"readable", 0o755, Request{}, 1},
		{"not readable", 0o111, Request{}, 0},
		{"not readable, in new namespaces", 0o111, Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWNS}, 0},
		{"not readable, in a new user namespace", 0o111, Request{New: unix.CLONE_NEWUSER, MapIDs: rootMaps}, 0},
		{"not readable, in a joined pid namespace", 0o111, Request{Join: h.join("pid")}, 0},
		{"not readable, in joined user and pid namespaces", 0o111, Request{Join: u.join("user", "pid")}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			tt.r.Exe = openPath(t, path)
			got := runBeside(t, tt.r)
			if got.Dumpable != tt.want {
				t.Errorf("dumpable %d, want %d", got.Dumpable, tt.want)
			}
			const dac = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
			if got.Effective&dac != dac || got.Effective != got.Permitted {
				t.Errorf("effective %#x of permitted %#x, want all of them", got.Effective, got.Permitted)
			}
			if got.DeathSig != int(unix.SIGKILL) {
				t.Errorf("parent-death signal %d, want SIGKILL", got.DeathSig)
			}
		})
	}
}
