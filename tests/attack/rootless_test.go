package attack

import (
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// A07 for an ordinary user's containers: a second one joins the user and PID namespaces of a first, as in a pod, under
// the eyes of a process that may read every file there. Not of one with CAP_SYS_PTRACE, nor with CAP_SYS_ADMIN, which
// opens parts of /proc: an ordinary user's runtime owns no file that its own user namespace has no power over, so the
// kernel lets them look (docs/security.md).
func TestRootlessSharedPIDNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	user := func(s *specs.Spec) {
		WithNamespace(specs.UserNamespace, "")(s)
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 12345, Size: 1}}
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
		for i := range s.Mounts {
			if s.Mounts[i].Destination == "/dev/pts" {
				s.Mounts[i].Options = []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"} // no gid 5 here
			}
		}
	}
	c := NewContainer(t, user, Args("proc-hammer"), WithCaps("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"))
	c.AsUser(12345, 12345)
	pid, output := start(t, c)
	guest := NewContainer(t, user, Args("true"))
	guest.AsUser(12345, 12345)
	WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace))(guest.Spec)
	WithNamespace(specs.PIDNamespace, nsPath(pid, specs.PIDNamespace))(guest.Spec)
	guest.WriteSpec(t)
	if err := os.Chown(guest.Dir+"/config.json", 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for range scaled(30) {
		guest.Run().OK(t)
	}
	c.Tare("kill", c.ID, "KILL").OK(t)
	c.Wait(pid)
	judge(t, Hits(t, output()), []string{InodeOf(t, c.RootFS), InodeOf(t, guest.RootFS)}, false, false)
}
