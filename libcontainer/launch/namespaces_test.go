package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/libcontainer/namespace"
)

func TestNewNamespaces(t *testing.T) {
	ns, err := newNamespaces(&specs.Spec{})
	if err != nil || ns.new != 0 || len(ns.join) != 0 {
		t.Errorf("without linux: %+v, %v", ns, err)
	}
	own := func(kind string) string { return "/proc/self/ns/" + kind }
	spec := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
		{Type: specs.PIDNamespace},
		{Type: specs.NetworkNamespace, Path: own("net")},
		{Type: specs.MountNamespace},
		{Type: specs.UTSNamespace, Path: own("uts")},
		{Type: specs.UserNamespace, Path: own("user")}, // one's own cannot be entered
	}}}
	before := openFDs(t)
	ns, err = newNamespaces(spec)
	if err != nil {
		t.Fatal(err)
	}
	if ns.new != unix.CLONE_NEWPID|unix.CLONE_NEWNS {
		t.Errorf("new %#x, want a pid and a mount namespace", ns.new)
	}
	if len(ns.join) != 2 || ns.join[0].Type != unix.CLONE_NEWNET || ns.join[1].Type != unix.CLONE_NEWUTS {
		t.Fatalf("join %+v, want net and uts", ns.join)
	}
	for i, kind := range []string{"net", "uts"} {
		var got, want unix.Stat_t
		if err := unix.Fstat(ns.join[i].FD, &got); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(own(kind), &want); err != nil || got.Ino != want.Ino {
			t.Errorf("the descriptor of %s leads to another, %v", kind, err)
		}
		if flags, err := unix.FcntlInt(uintptr(ns.join[i].FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("that of %s stays open across an execution: %v", kind, err)
		}
	}
	for flag, want := range map[int][2]bool{ // has, joins
		unix.CLONE_NEWPID: {true, false}, unix.CLONE_NEWNET: {true, true}, unix.CLONE_NEWUSER: {}, unix.CLONE_NEWIPC: {},
	} {
		if ns.has(flag) != want[0] || ns.joins(flag) != want[1] {
			t.Errorf("%s: has %v, joins %v, want %v", namespace.TypeOf(flag), ns.has(flag), ns.joins(flag), want)
		}
	}
	ns.close()
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors are open after close, %d before", after, before)
	}
}

func TestNewNamespaces_Refused(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		kind       specs.LinuxNamespaceType
		want       string
	}{
		{"another type", "/proc/self/ns/uts", specs.NetworkNamespace, "/proc/self/ns/uts: is a uts namespace, want network"},
		{"user for another", "/proc/self/ns/user", specs.PIDNamespace, "/proc/self/ns/user: is a user namespace, want pid"},
		{"another for user", "/proc/self/ns/net", specs.UserNamespace, "/proc/self/ns/net: is a network namespace, want user"},
		{"mount for cgroup", "/proc/self/ns/mnt", specs.CgroupNamespace, "/proc/self/ns/mnt: is a mount namespace, want cgroup"},
		{"ipc for time", "/proc/self/ns/ipc", specs.TimeNamespace, "/proc/self/ns/ipc: is a ipc namespace, want time"},
		{"device", "/dev/null", specs.NetworkNamespace, "/dev/null: is no namespace"},
		{"file", dir + "/file", specs.NetworkNamespace, dir + "/file: is no namespace"},
		{"directory", dir, specs.MountNamespace, dir + ": is no namespace"},
		{"file of /proc", "/proc/self/status", specs.NetworkNamespace, "/proc/self/status: is no namespace"},
		{"missing", dir + "/none", specs.NetworkNamespace, "open " + dir + "/none: no such file or directory"},
		{"process that is gone", "/proc/4194305/ns/net", specs.NetworkNamespace, "open /proc/4194305/ns/net: no such file or directory"},
		{"fifo", fifo, specs.NetworkNamespace, fifo + ": is no namespace"}, // and nobody waits for its other end
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
				{Type: specs.IPCNamespace, Path: "/proc/self/ns/ipc"},
				{Type: tt.kind, Path: tt.path},
			}}}
			before := openFDs(t)
			done := make(chan error, 1)
			go func() {
				_, err := newNamespaces(spec)
				done <- err
			}()
			var err error
			select {
			case err = <-done:
			case <-time.After(5 * time.Second):
				f, openErr := os.OpenFile(tt.path, os.O_WRONLY, 0) // the end that is waited for
				if openErr != nil {
					t.Fatal(openErr)
				}
				f.Close()
				err = fmt.Errorf("hangs; after help: %w", <-done)
			}
			want := "linux.namespaces[1] (/linux/namespaces/1): " + tt.want
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %q", err, want)
			}
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors are open after the error, %d before", after, before)
			}
		})
	}
}

func TestTimeOffsets(t *testing.T) {
	tests := []struct {
		name string
		l    *specs.Linux
		want string
	}{
		{"no linux", nil, ""},
		{"none", &specs.Linux{}, ""},
		{"one", &specs.Linux{TimeOffsets: map[string]specs.LinuxTimeOffset{"boottime": {Secs: 7}}}, "boottime 7 0\n"},
		{"both, in one order", &specs.Linux{TimeOffsets: map[string]specs.LinuxTimeOffset{
			"boottime": {Secs: -5, Nanosecs: 999999999}, "monotonic": {Secs: 1 << 40},
		}}, "monotonic 1099511627776 0\nboottime -5 999999999\n"},
		{"zero is one too", &specs.Linux{TimeOffsets: map[string]specs.LinuxTimeOffset{"monotonic": {}}}, "monotonic 0 0\n"},
	}
	for _, tt := range tests {
		if got := string(timeOffsets(tt.l)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
