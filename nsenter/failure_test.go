package nsenter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// wantError wants an *Error of exactly that step and errno.
func wantError(t *testing.T, err error, step string, errno syscall.Errno) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Step.String() != step || e.Errno != errno {
		t.Errorf("error %#v (%v), want step %q with %v", err, err, step, errno)
		return
	}
	if !errors.Is(err, errno) || err.Error() != step+": "+errno.Error() {
		t.Errorf("error %q, want %q, and errors.Is to find the errno", err, step+": "+errno.Error())
	}
}

// file makes a file of that content and mode, opened with O_PATH.
func file(t *testing.T, content string, mode os.FileMode) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return openPath(t, path)
}

// closedFD is a number that no descriptor has.
const closedFD = 999

func TestStart_Failures(t *testing.T) {
	needRoot(t)
	lock(t)
	uts, err := os.Open("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	defer uts.Close()
	utsFD := int(uts.Fd())
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	// So that what fails does so in a process that an entrant has forked.
	entrant := []Join{{Type: unix.CLONE_NEWUTS, FD: utsFD}}
	maps := func(uids, gids string) func(int) error {
		return func(pid int) error { return writeMaps(pid, uids, gids) }
	}

	type test struct {
		name  string
		r     Request
		step  string
		errno syscall.Errno
	}
	tests := []test{
		{"exe without x", Request{Exe: file(t, "", 0o644)}, "execute the init stage: execveat", unix.EACCES},
		{"exe is no program", Request{Exe: file(t, "text", 0o755)}, "execute the init stage: execveat", unix.ENOEXEC},
		{"exe is a directory", Request{Exe: openPath(t, "/")}, "execute the init stage: execveat", unix.EACCES},
		{"exe without its loader", Request{Exe: file(t, "#!/no/such/loader\n", 0o755)}, "execute the init stage: execveat", unix.ENOENT},
		{"exe without x, after a join", Request{Exe: file(t, "", 0o644), Join: entrant}, "execute the init stage: execveat", unix.EACCES},
		{"exe without x, in a new user namespace", Request{Exe: file(t, "", 0o644), New: unix.CLONE_NEWUSER, MapIDs: rootMaps}, "execute the init stage: execveat", unix.EACCES},
		{"closed descriptor to inherit", Request{Inherit: []int{closedFD}}, "pass on a descriptor: fcntl", unix.EBADF},
		{"closed descriptor to inherit, after a join", Request{Inherit: []int{closedFD}, Join: entrant}, "pass on a descriptor: fcntl", unix.EBADF},
		{
			"no root of the group map",
			Request{New: unix.CLONE_NEWUSER, MapIDs: maps("0 100000 10", "1 100000 10")},
			"become gid 0 of the user namespace: is it mapped in /linux/gidMappings?: setresgid", unix.EINVAL,
		},
		{
			"no root of the user map",
			Request{New: unix.CLONE_NEWUSER, MapIDs: maps("1 100000 10", "0 100000 10")},
			"become uid 0 of the user namespace: is it mapped in /linux/uidMappings?: setresuid", unix.EINVAL,
		},
		{
			"no root of the user map, after a join",
			Request{New: unix.CLONE_NEWUSER, Join: entrant, MapIDs: maps("1 100000 10", "0 100000 10")},
			"become uid 0 of the user namespace: is it mapped in /linux/uidMappings?: setresuid", unix.EINVAL,
		},
		{"cgroup is none", Request{Cgroup: null}, "fork", unix.EBADF},
		{"cgroup is none, with namespaces", Request{Cgroup: null, New: unix.CLONE_NEWUTS}, "make new namespaces: clone3", unix.EBADF},
		{"cgroup is none, with a join", Request{Cgroup: null, New: unix.CLONE_NEWUTS, Join: entrant}, "fork", unix.EBADF},
		{"unknown namespaces", Request{New: unix.CLONE_NEWNS | unix.CLONE_FS}, "make new namespaces: clone3", unix.EINVAL},
		{"unknown namespaces, after a join", Request{New: unix.CLONE_NEWNS | unix.CLONE_FS, Join: entrant}, "make new namespaces: clone3", unix.EINVAL},
		{
			"time offsets of no clock",
			Request{New: unix.CLONE_NEWTIME, TimeOffsets: []byte("lunchtime 1 0\n"), Proc: openPath(t, "/proc")},
			"linux.timeOffsets (/linux/timeOffsets): write /proc/self/timens_offsets", unix.EINVAL,
		},
	}
	for _, k := range kinds {
		word := map[string]string{"net": "network", "mnt": "mount"}[k.name]
		if word == "" {
			word = k.name
		}
		step := "join " + word + " namespace: setns"
		tests = append(tests,
			test{step + ": no namespace", Request{Join: []Join{{Type: k.flag, FD: int(null.Fd())}}}, step, unix.EINVAL},
			test{step + ": closed", Request{Join: []Join{{Type: k.flag, FD: closedFD}}}, step, unix.EBADF})
		if k.name != "uts" {
			tests = append(tests, test{step + ": of another kind", Request{Join: []Join{{Type: k.flag, FD: utsFD}}}, step, unix.EINVAL})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			if tt.r.Exe == nil {
				tt.r.Exe = self(t)
			}
			tt.r.Args = []string{childArg0, "exit"}
			before := openFDs()
			pid, err := Start(&tt.r)
			if pid != 0 {
				t.Errorf("pid %d beside the error", pid)
			}
			wantError(t, err, tt.step, tt.errno)
			noChildren(t)
			if after := openFDs(); !slices.Equal(after, before) {
				t.Errorf("descriptors %v after, %v before", after, before)
			}
		})
	}
}

// TestStart_FailureOfInitFirst: init may fail before the entrant has said whom it forked. It is waited for all the same.
func TestStart_FailureOfInitFirst(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	r := Request{Exe: file(t, "", 0o644), Args: []string{childArg0}, Join: h.join("uts")}
	for i := range 500 {
		_, err := Start(&r)
		wantError(t, err, "execute the init stage: execveat", unix.EACCES)
		if noZombies(t); t.Failed() {
			t.Fatalf("in round %d", i)
		}
	}
}

func TestStart_MapIDsFails(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	for name, join := range map[string][]Join{"at once": nil, "after a join": h.join("net")} {
		t.Run(name, func(t *testing.T) {
			lock(t)
			mine := errors.New("the maps are not to be had")
			var asked int
			pid, err := Start(&Request{
				Exe: self(t), Args: []string{childArg0, "exit"}, New: unix.CLONE_NEWUSER, Join: join,
				MapIDs: func(pid int) error { asked = pid; return mine },
			})
			if pid != 0 || !errors.Is(err, mine) || err.Error() != mine.Error() {
				t.Errorf("pid %d, error %v, want that of MapIDs", pid, err)
			}
			if err := unix.Kill(asked, 0); asked == 0 || err != unix.ESRCH {
				t.Errorf("the process %d, whose maps were asked for: %v, want it ended and waited for", asked, err)
			}
			noZombies(t)
		})
	}
}

func TestStart_NoExe(t *testing.T) {
	lock(t)
	gone := file(t, "", 0o755)
	gone.Close()
	for name, exe := range map[string]*os.File{"none": nil, "closed": gone} {
		pid, err := Start(&Request{Exe: exe, Args: []string{childArg0, "exit"}})
		if err == nil {
			_, _ = sys.Wait(pid)
		}
		t.Logf("exe %s: %v", name, err)
		wantError(t, err, "execute the init stage: execveat", unix.EBADF)
	}
	noChildren(t)
}

func TestStart_RefusesNUL(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{"arguments", Request{Exe: self(t), Args: []string{"a\x00b"}}, "arguments of the init stage: invalid argument"},
		{"environment", Request{Exe: self(t), Args: []string{"a"}, Env: []string{"A=\x00"}}, "environment of the init stage: invalid argument"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			if _, err := Start(&tt.r); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			noChildren(t)
		})
	}
}

// TestStep_EveryOneHasItsWords: a step without them would head an error with "raw stage".
func TestStep_EveryOneHasItsWords(t *testing.T) {
	seen := map[string]step{}
	for s := stepFork; s <= stepHolder; s++ {
		text := s.String()
		if other, ok := seen[text]; ok || text == "raw stage" {
			t.Errorf("step %d is called %q, as is %d", s, text, other)
		}
		seen[text] = s
	}
	if got := (stepHolder + 1).String(); got != "raw stage" {
		t.Errorf("a step beyond the last is called %q: the table of this test ends too early", got)
	}
}

func TestKeepSorted(t *testing.T) {
	st := &stage{exe: 7, report: 5}
	got := fmt.Sprint(keepSorted([]int{9, 0, 3, 9, 2}, st))
	if want := "[{3 true} {5 false} {7 false} {9 true}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
