package creds

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// The test binary is also the process that becomes somebody else, and the workload that it executes then.
const (
	applyArg0    = "creds-test-apply"
	workloadArg0 = "creds-test-workload"
)

func init() { runtime.LockOSThread() } // Apply acts on one thread: that of the main goroutine

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case applyArg0:
		applied()
		os.Exit(0)
	case workloadArg0:
		tell(result{Status: status()})
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// task is what the process is told.
type task struct {
	Process specs.Process
	Keep    uint64
	Without uint64 // give these up before
	Raise   uint64 // make these inheritable and ambient before
	Exec    bool   // tell what the workload sees
}

// result is what it tells.
type result struct {
	Error    string
	Warnings []string
	Final    sys.CapSets
	KeepCaps int
	Status   map[string]string // of /proc/thread-self/status
}

func applied() {
	var task task
	check(json.Unmarshal([]byte(os.Args[1]), &task))
	own, err := sys.Capget()
	check(err)
	own.Permitted &^= task.Without
	own.Effective &^= task.Without
	own.Inheritable = task.Raise
	check(sys.Capset(own))
	for c := range 64 {
		if task.Raise&(1<<c) != 0 {
			check(sys.RaiseAmbientCap(c))
		}
	}
	var r result
	r.Final, r.Warnings, err = Apply(&task.Process, Options{Keep: task.Keep, SetgroupsDenied: setgroupsDenied})
	if err != nil {
		r.Error = err.Error()
	}
	if err == nil && task.Exec {
		check(unix.Exec("/proc/self/exe", []string{workloadArg0}, nil))
	}
	r.KeepCaps, err = unix.PrctlRetInt(unix.PR_GET_KEEPCAPS, 0, 0, 0, 0)
	check(err)
	r.Status = status()
	tell(r)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func tell(r result) { check(json.NewEncoder(os.Stdout).Encode(&r)) }

// status reads the lines of the thread's status that tell who it is.
func status() map[string]string {
	b, err := os.ReadFile("/proc/thread-self/status")
	check(err)
	s := map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			s[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	return s
}

// apply has a process of its own apply the credentials; prepare, if any, says how it starts.
func apply(t *testing.T, task task, prepare func(*syscall.SysProcAttr)) result {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it changes to other users")
	}
	arg, err := json.Marshal(&task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{applyArg0, string(arg)}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{100, 200}}}
	if prepare != nil {
		prepare(cmd.SysProcAttr)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the process that applies: %v", err)
	}
	var r result
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// caps are the five sets, as a process has them.
type caps struct{ bnd, eff, inh, prm, amb uint64 }

func (r result) caps(t *testing.T) (c caps) {
	t.Helper()
	for key, set := range map[string]*uint64{"CapBnd": &c.bnd, "CapEff": &c.eff, "CapInh": &c.inh, "CapPrm": &c.prm, "CapAmb": &c.amb} {
		n, err := strconv.ParseUint(r.Status[key], 16, 64)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		*set = n
	}
	return c
}

const (
	chown = 1 << unix.CAP_CHOWN
	kill  = 1 << unix.CAP_KILL
	bind  = 1 << unix.CAP_NET_BIND_SERVICE
	raw   = 1 << unix.CAP_NET_RAW
	admin = 1 << unix.CAP_SYS_ADMIN
)

func TestApply_Capabilities(t *testing.T) {
	few := []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	fewCaps := &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: few}
	const fewBits = chown | kill | bind
	one := []string{"CAP_NET_BIND_SERVICE"}
	tests := []struct {
		name     string
		uid      uint32
		c        *specs.LinuxCapabilities
		task     task
		want     caps
		warnings []string
	}{
		{name: "root with a few", c: fewCaps, want: caps{fewBits, fewBits, 0, fewBits, 0}},
		{name: "root with none", want: caps{}},
		{name: "user with none", uid: 1000, want: caps{}}, // A06
		{name: "user with none, executed", uid: 1000, task: task{Exec: true}, want: caps{}},
		{name: "user with a few", uid: 1000, c: fewCaps, want: caps{fewBits, fewBits, 0, fewBits, 0}},
		// capabilities(7): without ambient ones an execution by another than root leaves none.
		{name: "user with a few, executed", uid: 1000, c: fewCaps, task: task{Exec: true}, want: caps{bnd: fewBits}},
		{name: "root with a few, executed", c: fewCaps, task: task{Exec: true}, want: caps{fewBits, fewBits, 0, fewBits, 0}},
		{
			name: "ambient", uid: 1000, c: &specs.LinuxCapabilities{Bounding: few, Effective: one, Permitted: one, Inheritable: one, Ambient: one},
			want: caps{fewBits, bind, bind, bind, bind},
		},
		{
			name: "ambient, executed", uid: 1000, c: &specs.LinuxCapabilities{Bounding: few, Effective: one, Permitted: one, Inheritable: one, Ambient: one},
			task: task{Exec: true}, want: caps{fewBits, bind, bind, bind, bind},
		},
		{
			name: "ambient, but not inheritable", uid: 1000, c: &specs.LinuxCapabilities{Bounding: few, Permitted: few, Ambient: one},
			want: caps{bnd: fewBits, prm: fewBits},
		},
		{
			name: "inheritable", c: &specs.LinuxCapabilities{Bounding: few, Inheritable: few, Permitted: one},
			want: caps{bnd: fewBits, inh: fewBits, prm: bind},
		},
		{
			name: "effective, but not permitted", c: &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: one},
			want: caps{bnd: fewBits, eff: bind, prm: bind},
		},
		{
			name: "permitted, but not in the bounding set", c: &specs.LinuxCapabilities{Effective: one, Permitted: one},
			want: caps{eff: bind, prm: bind},
		},
		{
			name: "unknown names", c: &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN", "CAP_TIME_TRAVEL", "kill"}, Permitted: []string{"CAP_TIME_TRAVEL"}},
			want: caps{bnd: chown},
		},
		{
			name: "not to be had", c: &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: few, Inheritable: few},
			task: task{Without: chown | bind}, want: caps{bnd: fewBits, eff: kill, inh: kill, prm: kill},
			warnings: []string{"process.capabilities (/process/capabilities): not to be had here: CAP_CHOWN, CAP_NET_BIND_SERVICE"},
		},
		{
			name: "heritage of the caller", uid: 1000, c: fewCaps, task: task{Raise: raw | bind},
			want: caps{fewBits, fewBits, 0, fewBits, 0},
		},
		{name: "heritage of the caller, executed", uid: 1000, c: fewCaps, task: task{Raise: raw | bind, Exec: true}, want: caps{bnd: fewBits}},
		{
			// Neither a change of the uid nor capset(2) clears this one.
			name: "heritage of the caller, inheritable too", c: &specs.LinuxCapabilities{Bounding: few, Permitted: one, Inheritable: one},
			task: task{Raise: bind}, want: caps{bnd: fewBits, prm: bind, inh: bind},
		},
		{
			name: "kept", uid: 1000, c: fewCaps, task: task{Keep: admin},
			want: caps{fewBits, fewBits | admin, 0, fewBits | admin, 0},
		},
		{
			name: "kept, but not to be had", c: fewCaps, task: task{Keep: admin, Without: admin},
			want: caps{fewBits, fewBits, 0, fewBits, 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			task := tt.task
			task.Process = specs.Process{User: specs.User{UID: tt.uid, GID: tt.uid}, Capabilities: tt.c}
			r := apply(t, task, nil)
			if r.Error != "" {
				t.Fatalf("Apply: %s", r.Error)
			}
			if got := r.caps(t); got != tt.want {
				t.Errorf("capabilities\n%+v, want\n%+v", got, tt.want)
			}
			if task.Exec {
				return
			}
			if !slices.Equal(r.Warnings, tt.warnings) {
				t.Errorf("warnings %q, want %q", r.Warnings, tt.warnings)
			}
			keep := task.Keep
			if want := (sys.CapSets{Effective: tt.want.eff &^ keep, Permitted: tt.want.prm &^ keep, Inheritable: tt.want.inh}); r.Final != want {
				t.Errorf("final sets %+v, want %+v", r.Final, want)
			}
			if r.KeepCaps != 0 {
				t.Error("SECBIT_KEEP_CAPS is left on")
			}
		})
	}
}

func TestApply_User(t *testing.T) {
	tests := []struct {
		name string
		user specs.User
		want map[string]string
	}{
		{"root without groups", specs.User{}, map[string]string{"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": ""}},
		{"user without groups", specs.User{UID: 1000, GID: 1001}, map[string]string{
			"Uid": "1000 1000 1000 1000", "Gid": "1001 1001 1001 1001", "Groups": "", // not even the own gid
		}},
		{"groups", specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{9, 5, 1001, 70000}}, map[string]string{
			"Uid": "1000 1000 1000 1000", "Gid": "1001 1001 1001 1001", "Groups": "5 9 1001 70000",
		}},
		{"root with groups", specs.User{GID: 7, AdditionalGids: []uint32{0}}, map[string]string{
			"Uid": "0 0 0 0", "Gid": "7 7 7 7", "Groups": "0",
		}},
		{"high ids", specs.User{UID: 1<<32 - 2, GID: 1<<31 + 1}, map[string]string{
			"Uid": "4294967294 4294967294 4294967294 4294967294", "Gid": "2147483649 2147483649 2147483649 2147483649", "Groups": "",
		}},
	}
	for _, tt := range tests { // A30: the caller has the groups 100 and 200
		t.Run(tt.name, func(t *testing.T) {
			r := apply(t, task{Process: specs.Process{User: tt.user}}, nil)
			if r.Error != "" {
				t.Fatalf("Apply: %s", r.Error)
			}
			for key, want := range tt.want {
				if r.Status[key] != want {
					t.Errorf("%s: %q, want %q", key, r.Status[key], want)
				}
			}
		})
	}
}

func setgroupsDenied() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// TestApply_SetgroupsDenied: in a user namespace whose gid map an ordinary user could have written.
func TestApply_SetgroupsDenied(t *testing.T) {
	denied := func(a *syscall.SysProcAttr) {
		a.Cloneflags = unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: 0, Size: 10}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: 0, Size: 10}}
		a.Credential = &syscall.Credential{NoSetGroups: true}
	}
	if r := apply(t, task{}, denied); r.Error != "" {
		t.Errorf("no groups wanted: %q", r.Error)
	}
	r := apply(t, task{Process: specs.Process{User: specs.User{AdditionalGids: []uint32{5}}}}, denied)
	const want = "process.user.additionalGids (/process/user/additionalGids): setgroups: operation not permitted: setgroups is denied in a user namespace whose gid map an ordinary user has written"
	if r.Error != want {
		t.Errorf("error %q, want %q", r.Error, want)
	}
}

// TestApply_Unmapped: ids that the user namespace has not got.
func TestApply_Unmapped(t *testing.T) {
	inUserNS := func(a *syscall.SysProcAttr) {
		a.Cloneflags = unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: 0, Size: 10}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: 0, Size: 10}}
		a.GidMappingsEnableSetgroups = true
		a.Credential = &syscall.Credential{}
	}
	tests := []struct {
		name, want string
		user       specs.User
	}{
		{"mapped", "", specs.User{UID: 9, GID: 9, AdditionalGids: []uint32{3}}},
		{"uid", "process.user.uid (/process/user/uid): setresuid: invalid argument: is uid 1000 mapped in the user namespace?", specs.User{UID: 1000}},
		{"gid", "process.user.gid (/process/user/gid): setresgid: invalid argument: is gid 1000 mapped in the user namespace?", specs.User{GID: 1000}},
		{"group", "process.user.additionalGids (/process/user/additionalGids): setgroups: invalid argument", specs.User{AdditionalGids: []uint32{3, 1000}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r := apply(t, task{Process: specs.Process{User: tt.user}}, inUserNS); r.Error != tt.want {
				t.Errorf("error %q, want %q", r.Error, tt.want)
			}
		})
	}
}
