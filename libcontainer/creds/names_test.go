package creds

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

func TestNumber(t *testing.T) {
	tests := []struct {
		name string
		n    int
		ok   bool
	}{
		{"CAP_CHOWN", unix.CAP_CHOWN, true},
		{"CAP_DAC_READ_SEARCH", unix.CAP_DAC_READ_SEARCH, true},
		{"CAP_KILL", unix.CAP_KILL, true},
		{"CAP_SETPCAP", unix.CAP_SETPCAP, true},
		{"CAP_NET_BIND_SERVICE", unix.CAP_NET_BIND_SERVICE, true},
		{"CAP_NET_RAW", unix.CAP_NET_RAW, true},
		{"CAP_SYS_MODULE", unix.CAP_SYS_MODULE, true},
		{"CAP_SYS_PTRACE", unix.CAP_SYS_PTRACE, true},
		{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN, true},
		{"CAP_SYS_RESOURCE", unix.CAP_SYS_RESOURCE, true},
		{"CAP_MKNOD", unix.CAP_MKNOD, true},
		{"CAP_SETFCAP", unix.CAP_SETFCAP, true},
		{"CAP_MAC_OVERRIDE", unix.CAP_MAC_OVERRIDE, true},
		{"CAP_AUDIT_READ", unix.CAP_AUDIT_READ, true},
		{"CAP_BPF", unix.CAP_BPF, true},
		{"CAP_CHECKPOINT_RESTORE", unix.CAP_CHECKPOINT_RESTORE, true},
		{name: ""},
		{name: "CAP_"},
		{name: "CHOWN"},
		{name: "cap_chown"},
		{name: "CAP_chown"},
		{name: "CAP_CHOWN "},
		{name: "CAP_CAP_CHOWN"},
		{name: "CAP_40"},
		{name: "CAP_ALL"},
	}
	for _, tt := range tests {
		if n, ok := Number(tt.name); n != tt.n || ok != tt.ok {
			t.Errorf("Number(%q) is %d, %v, want %d, %v", tt.name, n, ok, tt.n, tt.ok)
		}
	}
}

// TestNames_AreNumbersInOrder: and there are as many as the kernel of the floor has.
func TestNames_AreNumbersInOrder(t *testing.T) {
	all := Names()
	if len(all) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names, x/sys knows of %d", len(all), unix.CAP_LAST_CAP+1)
	}
	for i, name := range all {
		if n, ok := Number(name); !ok || n != i {
			t.Errorf("%s is %d, %v, want %d", name, n, ok, i)
		}
	}
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Skip("needs /proc/sys:", err)
	}
	if last, _ := strconv.Atoi(strings.TrimSpace(string(b))); last >= len(all) {
		t.Errorf("this kernel has capabilities up to %d, of which those from %d on have no name here", last, len(all))
	}
}

func TestNewSets(t *testing.T) {
	const chown, kill, net = 1 << unix.CAP_CHOWN, 1 << unix.CAP_KILL, 1 << unix.CAP_NET_RAW
	tests := []struct {
		name string
		c    *specs.LinuxCapabilities
		want Sets
	}{
		{"none", nil, Sets{}},
		{"empty", &specs.LinuxCapabilities{Bounding: []string{}}, Sets{}},
		{"each its own", &specs.LinuxCapabilities{
			Bounding: []string{"CAP_CHOWN", "CAP_KILL"}, Effective: []string{"CAP_CHOWN"}, Inheritable: []string{"CAP_KILL"},
			Permitted: []string{"CAP_NET_RAW", "CAP_NET_RAW"}, Ambient: []string{"CAP_CHECKPOINT_RESTORE"},
		}, Sets{Bounding: chown | kill, Effective: chown, Inheritable: kill, Permitted: net, Ambient: 1 << unix.CAP_CHECKPOINT_RESTORE}},
		{"unknown ones", &specs.LinuxCapabilities{Bounding: []string{"CAP_NONE", "", "chown", "CAP_CHOWN"}}, Sets{Bounding: chown}},
	}
	for _, tt := range tests {
		if got := NewSets(tt.c); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestWithin(t *testing.T) {
	tests := []struct {
		name    string
		s       Sets
		own     sys.CapSets
		want    Sets
		missing uint64
	}{
		{"all is there", Sets{Bounding: 7, Effective: 3, Inheritable: 1, Permitted: 3, Ambient: 1}, sys.CapSets{Permitted: 7}, Sets{Bounding: 7, Effective: 3, Inheritable: 1, Permitted: 3, Ambient: 1}, 0},
		{"not permitted", Sets{Bounding: 7, Effective: 7, Inheritable: 7, Permitted: 7, Ambient: 7}, sys.CapSets{Permitted: 5}, Sets{Bounding: 7, Effective: 5, Inheritable: 5, Permitted: 5, Ambient: 5}, 2},
		{"effective, but not permitted by the spec", Sets{Effective: 3, Permitted: 1}, sys.CapSets{Permitted: 3}, Sets{Effective: 1, Permitted: 1}, 0},
		{"ambient, but not inheritable", Sets{Permitted: 3, Inheritable: 1, Ambient: 3}, sys.CapSets{Permitted: 3}, Sets{Permitted: 3, Inheritable: 1, Ambient: 1}, 0},
		{"ambient, but not permitted", Sets{Permitted: 1, Inheritable: 3, Ambient: 3}, sys.CapSets{Permitted: 3}, Sets{Permitted: 1, Inheritable: 3, Ambient: 1}, 0},
		{"inheritable by heritage", Sets{Inheritable: 2}, sys.CapSets{Permitted: 1, Inheritable: 2}, Sets{Inheritable: 2}, 0},
	}
	for _, tt := range tests {
		got := tt.s
		if missing := got.within(tt.own); got != tt.want || missing != tt.missing {
			t.Errorf("%s: %+v, %#x missing, want %+v, %#x", tt.name, got, missing, tt.want, tt.missing)
		}
	}
}

func TestSpell(t *testing.T) {
	for m, want := range map[uint64]string{
		0:                                      "",
		1 << unix.CAP_CHOWN:                    "CAP_CHOWN",
		1<<unix.CAP_BPF | 1<<unix.CAP_CHOWN:    "CAP_CHOWN, CAP_BPF",
		1<<unix.CAP_CHECKPOINT_RESTORE | 1<<60: "CAP_CHECKPOINT_RESTORE",
	} {
		if got := spell(m); got != want {
			t.Errorf("%#x: %q, want %q", m, got, want)
		}
	}
}

func TestRlimit(t *testing.T) {
	want := map[string]int{
		"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4,
		"RLIMIT_RSS": unix.RLIMIT_RSS, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
		"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
		"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE,
		"RLIMIT_NICE": unix.RLIMIT_NICE, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
	}
	seen := map[int]string{}
	for name, n := range want {
		got, ok := Rlimit(name)
		if !ok || got != n {
			t.Errorf("%s is %d, %v, want %d", name, got, ok, n)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%s and %s are both %d", name, other, got)
		}
		seen[got] = name
	}
	for _, name := range []string{"", "NOFILE", "RLIMIT_", "rlimit_nofile", "RLIMIT_NOFILE ", "RLIMIT_OFILE"} {
		if n, ok := Rlimit(name); ok {
			t.Errorf("%q is %d, want none", name, n)
		}
	}
}
