package integration

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// do executes a program of this machine in there.
func (p *place) do(args ...string) {
	p.t.Helper()
	cmd := exec.Command(p.entry, append([]string{"--mount=/proc/" + strconv.Itoa(p.pid) + "/ns/mnt", "--"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v: %s", args, err, out)
	}
}

// mountedAt counts the mounts on a path.
func (p *place) mountedAt(path string) int {
	p.t.Helper()
	return strings.Count(p.mounts(), " "+path+" ")
}

// What a container without a mount namespace binds is a mount of the host's own, which is shared as a rule: what goes on in the copy,
// and at last its end, must not happen to the original.
func TestInheritedMountNamespaceSparesSources(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"rbind"}, {"rbind", "rshared"}, {"rbind", "rslave"}, {"rbind", "root shared"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "shared")
			source := Dir(t)
			p.do("mkdir", source+"/sub", source+"/later", source+"/masked")
			p.do("mount", "-t", "tmpfs", "tmpfs", source+"/sub")
			c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.MountNamespace))
			if i := slices.Index(options, "root shared"); i >= 0 {
				c.Spec.Linux.RootfsPropagation = "rshared"
				options = slices.Delete(slices.Clone(options), i, i+1)
			}
			peer := c.Spec.Linux.RootfsPropagation != "" // wanted: what is mounted in the copy is mounted in the original
			c.Spec.Mounts = append(c.Spec.Mounts,
				specs.Mount{Destination: "/data", Type: "bind", Source: source, Options: options},
				specs.Mount{Destination: "/data/later", Type: "tmpfs", Source: "tmpfs"},
			)
			c.Spec.Linux.MaskedPaths = []string{"/data/masked"}
			c.WriteSpec(t)
			before := p.mounts()
			p.tare(c, "create", "--bundle", c.Dir, c.ID).OK(t)
			for _, at := range []string{"/later", "/masked"} {
				if n := p.mountedAt(source + at); n != 0 && !peer {
					t.Errorf("%s of the source got %d mounts of the container's", at, n)
				}
				if n := p.mountedAt(c.RootFS + "/data" + at); n == 0 {
					t.Errorf("nothing is mounted at /data%s", at)
				}
			}
			p.tare(c, "delete", "--force", c.ID).OK(t)
			if p.mountedAt(source+"/sub") != 1 {
				t.Error("the delete has unmounted what was mounted in the source")
			}
			if after := p.mounts(); after != before && !peer {
				t.Errorf("left in the runtime's mount namespace:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// A container's mounts are its own to take away: with those of another one over them, on the same root file system, they stay until
// that is gone.
func TestInheritedMountNamespaceTwoOnOneRoot(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "private")
	c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.MountNamespace))
	over := c.ID + "-over"
	t.Cleanup(func() {
		p.tare(c, "delete", "--force", over)
		p.tare(c, "delete", "--force", c.ID)
	})
	before := p.mounts()
	p.tare(c, "create", "--bundle", c.Dir, c.ID).OK(t)
	under := p.mounts()
	c.Spec.Linux.CgroupsPath += "-over"
	c.WriteSpec(t)
	p.tare(c, "create", "--bundle", c.Dir, over).OK(t)
	both := p.mounts()
	p.tare(c, "delete", "--force", c.ID).Fails(t, c.RootFS)
	if now := p.mounts(); now != both {
		t.Errorf("the delete of the container below has changed the mounts to\n%s\nfrom\n%s", now, both)
	}
	p.tare(c, "start", over).OK(t)
	p.tare(c, "exec", over, "/probe", "list", "/proc").OK(t)
	p.tare(c, "delete", "--force", over).OK(t)
	if now := p.mounts(); now != under {
		t.Errorf("the delete of the container above has left\n%s\nnot\n%s", now, under)
	}
	p.tare(c, "delete", "--force", c.ID).OK(t)
	if now := p.mounts(); now != before {
		t.Errorf("left in the runtime's mount namespace:\n%s\nbefore:\n%s", now, before)
	}
}
