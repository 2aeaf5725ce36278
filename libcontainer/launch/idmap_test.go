package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ids(container, host, size uint32) specs.LinuxIDMapping {
	return specs.LinuxIDMapping{ContainerID: container, HostID: host, Size: size}
}

func TestSetgroupsOff(t *testing.T) {
	own := uint32(os.Getegid())
	tests := []struct {
		name    string
		helpers bool
		gid     []specs.LinuxIDMapping
		want    bool
	}{
		{"root, the own gid alone", false, []specs.LinuxIDMapping{ids(0, own, 1)}, false},
		{"root, many", false, []specs.LinuxIDMapping{ids(0, 100000, 65536)}, false},
		{"user, the own gid alone", true, []specs.LinuxIDMapping{ids(0, own, 1)}, true},
		{"user, the own gid as another", true, []specs.LinuxIDMapping{ids(5, own, 1)}, true},
		{"user, another gid", true, []specs.LinuxIDMapping{ids(0, own+1, 1)}, false},
		{"user, more than the own", true, []specs.LinuxIDMapping{ids(0, own, 2)}, false},
		{"user, two ranges", true, []specs.LinuxIDMapping{ids(0, own, 1), ids(1, 100000, 65536)}, false},
		{"user, none", true, nil, false},
	}
	for _, tt := range tests {
		m := &idMaps{gid: tt.gid, helpers: tt.helpers}
		if got := m.setgroupsOff(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// waiter is a process in a user namespace without maps.
func waiter(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{holdArg0}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// ofProc reads a file of a process, with single spaces.
func ofProc(t *testing.T, pid int, file string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(b)), " ")
}

func TestIDMaps_Write(t *testing.T) {
	needRoot(t)
	pid := waiter(t)
	m := newIDMaps(&specs.Linux{
		UIDMappings: []specs.LinuxIDMapping{ids(0, 100000, 1000), ids(1000, 5, 1)},
		GIDMappings: []specs.LinuxIDMapping{ids(0, 200000, 65536)},
	})
	if m.helpers {
		t.Fatal("root wants helpers")
	}
	if err := m.write(pid); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"uid_map": "0 100000 1000 1000 5 1", "gid_map": "0 200000 65536", "setgroups": "allow",
	} {
		if got := ofProc(t, pid, file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	err := m.write(pid) // a map is written once
	if !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), fmt.Sprintf("linux.uidMappings (/linux/uidMappings): /proc/%d/uid_map: ", pid)) {
		t.Errorf("written twice: %v", err)
	}
}

func TestIDMaps_Refused(t *testing.T) {
	needRoot(t)
	good := []specs.LinuxIDMapping{ids(0, 100000, 10)}
	overlap := []specs.LinuxIDMapping{ids(0, 100000, 10), ids(5, 200000, 10)}
	for _, tt := range []struct {
		name     string
		uid, gid []specs.LinuxIDMapping
		want     string
	}{
		{"user ids overlap", overlap, good, "linux.uidMappings (/linux/uidMappings): "},
		{"group ids overlap", good, overlap, "linux.gidMappings (/linux/gidMappings): "},
	} {
		err := (&idMaps{uid: tt.uid, gid: tt.gid, field: "linux", pointer: "/linux"}).write(waiter(t))
		if !errors.Is(err, unix.EINVAL) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want EINVAL of %s", tt.name, err, tt.want)
		}
	}
	if err := (&idMaps{uid: good, gid: good}).write(4194305); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no such process: %v, want ENOENT", err)
	}
}

// helper puts a program in the place of newuidmap(1) and newgidmap(1).
func helper(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

func TestIDMaps_Helpers(t *testing.T) {
	m := &idMaps{
		uid: []specs.LinuxIDMapping{ids(0, 1000, 1), ids(1, 4294967294, 65536)}, gid: []specs.LinuxIDMapping{ids(0, 2, 3)},
		field: "linux", pointer: "/linux", helpers: true,
	}
	t.Run("called", func(t *testing.T) {
		dir := helper(t, `echo "${0##*/} $*" >>"${0%/*}/log"`)
		if err := m.write(4711); err != nil {
			t.Fatal(err)
		}
		log, err := os.ReadFile(filepath.Join(dir, "log"))
		if want := "newuidmap 4711 0 1000 1 1 4294967294 65536\nnewgidmap 4711 0 2 3\n"; string(log) != want {
			t.Errorf("%q, %v, want %q", log, err, want)
		}
	})
	t.Run("refuse", func(t *testing.T) {
		helper(t, `echo "${0##*/}: range"; echo " not   allowed" >&2; exit 3`)
		err := m.write(4711)
		if want := "linux.uidMappings (/linux/uidMappings): newuidmap: exit status 3: newuidmap: range not allowed (/etc/subuid lists the user's ranges)"; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	})
	t.Run("missing", func(t *testing.T) {
		t.Setenv("PATH", "/nonexistent")
		err := m.write(4711)
		if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "package uidmap") {
			t.Errorf("%v, want what to install", err)
		}
	})
	t.Run("not for the own ids", func(t *testing.T) {
		needRoot(t)
		t.Setenv("PATH", "/nonexistent")
		pid := waiter(t)
		own := &idMaps{
			uid: []specs.LinuxIDMapping{ids(0, uint32(os.Geteuid()), 1)}, gid: []specs.LinuxIDMapping{ids(0, uint32(os.Getegid()), 1)},
			helpers: true,
		}
		if err := own.write(pid); err != nil {
			t.Fatal(err)
		}
		if got := ofProc(t, pid, "setgroups"); got != "deny" {
			t.Errorf("setgroups: %q, want deny", got)
		}
	})
}
