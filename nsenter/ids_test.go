package nsenter

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// nobody is an ordinary user.
const nobody = 65534

func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// needUnprivilegedUserNS skips where an ordinary user must not make user namespaces.
func needUnprivilegedUserNS(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"/proc/sys/kernel/unprivileged_userns_clone", "/proc/sys/user/max_user_namespaces",
	} {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == "0" {
			t.Skipf("this host forbids ordinary users to make user namespaces: %s is 0", name)
		}
	}
	const restrict = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
	if b, err := os.ReadFile(restrict); err == nil && strings.TrimSpace(string(b)) == "1" {
		t.Skipf("this host forbids ordinary users to make user namespaces: %s is 1", restrict)
	}
}

func TestStart_IDsMappedByRoot(t *testing.T) {
	needRoot(t)
	lock(t)
	got := run(t, Request{New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, MapIDs: rootMaps})
	if got.UID != 0 || got.GID != 0 || got.UIDMap != "0 100000 65536" {
		t.Errorf("uid %d, gid %d, map %q, want root of 0 100000 65536", got.UID, got.GID, got.UIDMap)
	}
	const want = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if got.Effective&want != want || got.Effective != got.Permitted {
		t.Errorf("effective %#x of permitted %#x, want all of them", got.Effective, got.Permitted)
	}
}

func TestStart_IDsMappedByOrdinaryUser(t *testing.T) {
	needRoot(t) // to become that user
	needUnprivilegedUserNS(t)
	h := startHelper(t, order{
		New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		// The container's root is the user.
		Maps: "0 65534 1",
	}, asNobody)
	defer h.end(t)
	if h.answer.Error != "" {
		t.Fatalf("Start: %s", h.answer.Error)
	}
	where{
		"user": "new", "pid": "new", "net": "new", "mnt": "new", "ipc": "new", "uts": "new",
	}.check(t, h.answer.Report, nil)
	if r := h.answer.Report; r.UID != 0 || r.GID != 0 || r.UIDMap != "0 65534 1" || r.Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		t.Errorf("uid %d, gid %d, map %q, effective %#x, want root of 0 65534 1", r.UID, r.GID, r.UIDMap, r.Effective)
	}
}

func TestStart_OrdinaryUserMayNot(t *testing.T) {
	needRoot(t) // to become that user
	needUnprivilegedUserNS(t)
	uts, err := os.Open("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	defer uts.Close()
	tests := []struct {
		name string
		o    order
		want string
	}{
		{"make a network namespace", order{New: unix.CLONE_NEWNET}, "make new namespaces: clone3: operation not permitted"},
		{
			"join a namespace of the host's",
			order{Join: []Join{{Type: unix.CLONE_NEWUTS, FD: helperAnswer + 1}}},
			"join uts namespace: setns: operation not permitted",
		},
		{
			"map what is not the user's",
			order{New: unix.CLONE_NEWUSER, Maps: "0 0 1"},
			"uid_map: operation not permitted",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := startHelper(t, tt.o, func(cmd *exec.Cmd) {
				asNobody(cmd)
				cmd.ExtraFiles = append(cmd.ExtraFiles, uts)
			})
			defer h.end(t)
			if !strings.HasSuffix(h.answer.Error, tt.want) {
				t.Errorf("error %q, want %q", h.answer.Error, tt.want)
			}
			if h.answer.Left {
				t.Error("a child is left")
			}
		})
	}
}

// TestStart_JoinedByOrdinaryUser: what the user may not join at first is joined with the privileges that the user
// namespace gives.
func TestStart_JoinedByOrdinaryUser(t *testing.T) {
	needRoot(t) // to become that user
	needUnprivilegedUserNS(t)
	first := startHelper(t, order{New: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWUTS, Maps: "0 65534 1"}, asNobody)
	defer first.end(t)
	if first.answer.Error != "" {
		t.Fatalf("Start: %s", first.answer.Error)
	}
	var files []*os.File
	var o order
	for i, k := range []int{0, 2, 5} { // user, net, uts
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", first.answer.Pid, kinds[k].name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
		o.Join = append([]Join{{Type: kinds[k].flag, FD: helperAnswer + 1 + i}}, o.Join...)
	}
	second := startHelper(t, o, func(cmd *exec.Cmd) {
		asNobody(cmd)
		cmd.ExtraFiles = append(cmd.ExtraFiles, files...)
	})
	defer second.end(t)
	if second.answer.Error != "" {
		t.Fatalf("Start: %s", second.answer.Error)
	}
	where{"user": "holder", "net": "holder", "uts": "holder"}.check(t, second.answer.Report, first.answer.Report.Namespaces)
	if r := second.answer.Report; r.UID != 0 || r.GID != 0 || r.UIDMap != "0 65534 1" {
		t.Errorf("uid %d, gid %d, map %q, want root of 0 65534 1", r.UID, r.GID, r.UIDMap)
	}
}

// TestStart_MapIDsOrder: the entrant says whom it forked while that one may already ask for its maps. Whichever is
// first, the maps are those of init, not of the entrant.
func TestStart_MapIDsOrder(t *testing.T) {
	needRoot(t)
	lock(t)
	h := newHolder(t, false)
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	r := Request{
		Exe: self(t), Args: []string{childArg0, "exit"},
		New: unix.CLONE_NEWUSER, Join: h.join("net"), MapIDs: rootMaps,
	}
	for i := range rounds {
		pid, err := Start(&r)
		if err != nil {
			t.Fatalf("round %d: Start: %v", i, err)
		}
		if ws, err := sys.Wait(pid); err != nil || ws != 0 {
			t.Fatalf("round %d: the child ended with status %#x, %v", i, ws, err)
		}
	}
}
