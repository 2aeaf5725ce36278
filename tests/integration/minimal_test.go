package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// without takes members out of config.json that the type of the spec would write all the same.
func without(t *testing.T, c *Container, members ...string) {
	t.Helper()
	text, err := json.Marshal(c.Spec)
	if err != nil {
		t.Fatal(err)
	}
	config := make(map[string]any)
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		delete(config, m)
	}
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	c.WriteConfig(t, string(text))
}

// config.md, Mounts: OPTIONAL. A container without a single one, /proc neither, has its whole life.
func TestWithoutMounts(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc needs a /proc in the container, crun a list of mounts")
	}
	for name, edit := range map[string]Edit{
		"plain":          func(*specs.Spec) {},
		"user namespace": WithUserNamespace(100000, 65536),
		"no namespaces but the mount namespace": func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
			s.Hostname = ""
		},
		"no paths": func(s *specs.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil },
		"bare": func(s *specs.Spec) {
			s.Linux = &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}, CgroupsPath: s.Linux.CgroupsPath}
			s.Process = &specs.Process{Cwd: "/", Args: s.Process.Args}
			s.Hostname = ""
		},
		"writable root": WritableRoot,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args("sleep"), edit)
			if c.Spec.Linux.UIDMappings != nil {
				Chown(t, c.RootFS, 100000, 100000) // root in there makes the devices' mount points in it
			}
			without(t, c, "mounts")
			pid := c.Create()
			c.Start()
			c.WaitStatus(specs.StateRunning)
			c.Tare("exec", c.ID, "/probe", "true").OK(t)
			c.Tare("kill", c.ID, "KILL").OK(t)
			if status := c.Wait(pid); status.Signal() != unix.SIGKILL {
				t.Errorf("wait status %x", status)
			}
			c.Tare("delete", c.ID).OK(t)
		})
	}
}

// config.md, Process: OPTIONAL until start is called, and start is an error then.
func TestWithoutProcess(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("others want it with create")
	}
	for name, members := range map[string][]string{"with mounts": {"process"}, "without mounts": {"process", "mounts"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t)
			without(t, c, members...)
			c.Create()
			if s := c.State(); s.Status != specs.StateCreated {
				t.Errorf("status %s", s.Status)
			}
			c.Tare("start", c.ID).Fails(t, "process (/process): missing", "there is nothing to start")
			c.Tare("delete", "--force", c.ID).OK(t)
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// To join the host's mount namespace, by whatever path, would make the container's root that of the host.
func TestJoinedHostMountNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the others would work on this host's mounts")
	}
	for _, path := range []string{
		"/proc/self/ns/mnt", "/proc/thread-self/ns/mnt", fmt.Sprintf("/proc/%d/task/%d/ns/mnt", os.Getpid(), os.Getpid()), "/proc/1/ns/mnt",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			needAccess(t, path)
			c := NewContainer(t, WithNamespace(specs.MountNamespace, path))
			c.Run().Fails(t, "/linux/namespaces: the mount namespace to join is the host's")
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// needAccess skips a test of a namespace of a process that this one may not look at, as in a sandbox.
func needAccess(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skip("this host does not let root look at it: ", err)
	}
}
