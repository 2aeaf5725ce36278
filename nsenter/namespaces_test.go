package nsenter

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// where says for each kind of namespace that is not the caller's whose it is: "new" or "holder".
type where map[string]string

// check compares the namespaces of a child with what was wanted.
func (w where) check(t *testing.T, got report, holder map[string]string) {
	t.Helper()
	for _, k := range kinds {
		link, ours := got.Namespaces[k.name], own(t, k.name)
		switch w[k.name] {
		case "":
			if link != ours {
				t.Errorf("%s: %s, want the caller's %s", k.name, link, ours)
			}
		case "new":
			if link == ours || link == holder[k.name] {
				t.Errorf("%s: %s, want a new one", k.name, link)
			}
		case "holder":
			if link != holder[k.name] {
				t.Errorf("%s: %s, want the joined %s (the caller's is %s)", k.name, link, holder[k.name], ours)
			}
		}
	}
}

func TestStart_NewNamespaces(t *testing.T) {
	needRoot(t)
	lock(t)
	const all = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUTS | unix.CLONE_NEWTIME
	tests := map[string]struct {
		flags uintptr
		want  where
	}{
		"none": {},
		"all": {all, where{
			"user": "new", "pid": "new", "net": "new", "mnt": "new", "ipc": "new", "uts": "new", "time": "new",
		}},
	}
	for _, k := range kinds {
		if k.flag != unix.CLONE_NEWCGROUP { // the init stage makes that one
			tests[k.name] = struct {
				flags uintptr
				want  where
			}{uintptr(k.flag), where{k.name: "new"}}
		}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			lock(t)
			r := Request{New: tt.flags, Env: []string{"A=1", "B="}}
			if tt.flags&unix.CLONE_NEWUSER != 0 {
				r.MapIDs = rootMaps
			}
			got := run(t, r)
			tt.want.check(t, got, nil)
			if first := got.Pid == 1; first != (tt.want["pid"] != "") {
				t.Errorf("pid %d", got.Pid)
			}
			if got.UID != 0 || got.GID != 0 {
				t.Errorf("uid %d, gid %d, want root", got.UID, got.GID)
			}
			if got.DeathSig != int(unix.SIGKILL) {
				t.Errorf("parent-death signal %d, want SIGKILL", got.DeathSig)
			}
			if fmt.Sprint(got.Env) != "[A=1 B=]" {
				t.Errorf("environment %v", got.Env)
			}
		})
	}
}

// holder is a process with namespaces of its own.
type holder struct {
	links map[string]string
	files map[string]*os.File
}

// newHolder starts a holder by means of the standard library, so that the tests do not rest on what they test.
func newHolder(t *testing.T, user bool) *holder {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = holderArg0
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		Unshareflags: unix.CLONE_NEWTIME, // no flag of clone(2)
	}
	if user {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		ids := []syscall.SysProcIDMap{{HostID: 100000, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
		cmd.SysProcAttr.Credential = &syscall.Credential{}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a process with namespaces: %v", err)
	}
	h := &holder{links: map[string]string{}, files: map[string]*os.File{}}
	for _, k := range kinds {
		name := k.name
		if name == "time" {
			name = "time_for_children" // which is its own since Linux 6.1 only
		}
		path := fmt.Sprintf("/proc/%d/ns/%s", cmd.Process.Pid, name)
		h.links[k.name], err = os.Readlink(path)
		if err == nil {
			h.files[k.name], err = os.Open(path)
		}
		if err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		for _, f := range h.files {
			f.Close()
		}
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("holder: %v", err)
		}
	})
	return h
}

// join lists namespaces to join, in the order of names.
func (h *holder) join(names ...string) (j []Join) {
	for _, n := range names {
		for _, k := range kinds {
			if k.name == n {
				j = append(j, Join{Type: k.flag, FD: int(h.files[n].Fd())})
			}
		}
	}
	return j
}

func TestStart_JoinedNamespaces(t *testing.T) {
	needRoot(t)
	lock(t)
	tests := []struct {
		name string
		user bool // the holder has a user namespace of its own
		join []string
		new  uintptr
	}{
		{"pid", false, []string{"pid"}, 0},
		{"net", false, []string{"net"}, 0},
		{"mnt", false, []string{"mnt"}, 0},
		{"ipc", false, []string{"ipc"}, 0},
		{"uts", false, []string{"uts"}, 0},
		{"cgroup", false, []string{"cgroup"}, 0},
		{"time", false, []string{"time"}, 0},
		{"net, and new ones", false, []string{"net"}, unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS},
		{"net, and a new user namespace", false, []string{"net"}, unix.CLONE_NEWUSER},
		{"a pod's, and a new pid and mount namespace", false, []string{"net", "ipc", "uts"}, unix.CLONE_NEWPID | unix.CLONE_NEWNS},
		{"pid, and a new mount namespace", false, []string{"pid"}, unix.CLONE_NEWNS},
		{"all but user", false, []string{"time", "cgroup", "uts", "ipc", "mnt", "net", "pid"}, 0},

		{"user", true, []string{"user"}, 0},
		{"user, and all others new", true, []string{"user"}, unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWTIME},
		{"all", true, []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup", "time"}, 0},
		{"all, user last", true, []string{"time", "cgroup", "uts", "ipc", "mnt", "net", "pid", "user"}, 0},
		{"user and net, and a new pid namespace", true, []string{"net", "user"}, unix.CLONE_NEWPID},
		{"net of a user namespace that is not joined", true, []string{"net"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lock(t)
			h := newHolder(t, tt.user)
			want := where{}
			for _, k := range kinds {
				if tt.new&uintptr(k.flag) != 0 {
					want[k.name] = "new"
				}
			}
			for _, n := range tt.join {
				want[n] = "holder"
			}
			r := Request{New: tt.new, Join: h.join(tt.join...)}
			if tt.new&unix.CLONE_NEWUSER != 0 {
				r.MapIDs = rootMaps
			}
			got := runBeside(t, r)
			want.check(t, got, h.links)
			if got.UID != 0 || got.GID != 0 {
				t.Errorf("uid %d, gid %d, want root", got.UID, got.GID)
			}
			if want["user"] != "" && got.UIDMap != "0 100000 65536" {
				t.Errorf("uid_map %q", got.UIDMap)
			}
			if got.DeathSig != int(unix.SIGKILL) {
				t.Errorf("parent-death signal %d, want SIGKILL", got.DeathSig)
			}
		})
	}
}
