package integration

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// Wherever the image's links lead, nothing is mounted but below the root, and what was mounted there before is there afterwards.
func TestInheritedMountNamespaceHostileImage(t *testing.T) {
	t.Parallel()
	for _, propagation := range []string{"private", "shared"} {
		t.Run(propagation, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, propagation)
			c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.MountNamespace))
			victim, up := Dir(t), strings.Repeat("../", 30)
			for link, to := range map[string]string{
				"absolute": victim, "relative": up + victim, "file": victim + "/file", "magic": "/proc/self/root" + victim, "thread": "/proc/1/cwd",
				"masked": up + victim, "readonly": victim + "/file", "run": victim,
			} {
				if err := os.Symlink(to, filepath.Join(c.RootFS, link)); err != nil {
					t.Fatal(err)
				}
			}
			p.do("mkdir", c.RootFS+"/sub")
			p.do("touch", victim+"/file")
			p.do("mkfifo", c.RootFS+"/fifo")
			p.do("mount", "-t", "tmpfs", "tmpfs", c.RootFS+"/sub")
			p.do("mkdir", c.RootFS+"/sub/below")
			base, made := c.Spec.Mounts, 0
			c.Spec.Linux.MaskedPaths, c.Spec.Linux.ReadonlyPaths = []string{"/masked", "/fifo", "/sub"}, []string{"/readonly", "/absolute", "/sub/below"}
			for _, destination := range []string{"absolute", "relative", "relative/x", "file", "magic", "magic/x", "thread", "thread/x", "run/notify", "sub/below", "sub", "fifo"} {
				source := specs.Mount{Type: "tmpfs", Source: "tmpfs"}
				if destination == "file" || destination == "fifo" {
					source = specs.Mount{Type: "bind", Source: victim + "/file", Options: []string{"bind"}}
				}
				source.Destination = "/" + destination
				c.Spec.Mounts = append(slices.Clone(base), source)
				c.WriteSpec(t)
				before := p.mounts()
				created := p.tare(c, "create", "--bundle", c.Dir, c.ID).Code == 0
				had := strings.Split(before, "\n")
				for _, line := range strings.Split(p.mounts(), "\n") {
					if at := strings.Fields(line); !slices.Contains(had, line) && !strings.HasPrefix(at[4]+"/", c.RootFS+"/") {
						t.Errorf("%s: mounted on the host: %s", destination, line)
					}
				}
				if created {
					made++
					p.tare(c, "delete", "--force", c.ID).OK(t)
				}
				if after := p.mounts(); after != before {
					t.Errorf("%s: left in the runtime's mount namespace:\n%s\nbefore:\n%s", destination, after, before)
				}
			}
			if made < 6 {
				t.Errorf("only %d containers could be made", made)
			}
		})
	}
}

// Whenever the runtime is killed, the next delete leaves the runtime's mount namespace as it was.
func TestInheritedMountNamespaceKilledAnywhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "shared")
	source := Dir(t)
	p.do("mkdir", source+"/sub")
	p.do("mount", "-t", "tmpfs", "tmpfs", source+"/sub")
	c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.MountNamespace))
	c.Spec.Mounts = append(c.Spec.Mounts, specs.Mount{Destination: "/data", Type: "bind", Source: source, Options: []string{"rbind"}})
	c.WriteSpec(t)
	before := p.mounts()
	seen := map[string]int{}
	for delay := time.Duration(0); delay < 120*time.Millisecond; delay += 4 * time.Millisecond {
		cmd := c.Command("create", "--bundle", c.Dir, c.ID)
		cmd.Args = append([]string{p.entry, "--mount=/proc/" + strconv.Itoa(p.pid) + "/ns/mnt", "--"}, cmd.Args...)
		cmd.Path = p.entry
		Begin(t, cmd)
		time.Sleep(delay)
		_ = cmd.Process.Kill()
		Finish(t, cmd)
		seen[strconv.Itoa(strings.Count(p.mounts(), "\n")-strings.Count(before, "\n"))]++
		p.tare(c, "delete", "--force", c.ID).OK(t)
		if after := p.mounts(); after != before {
			t.Fatalf("killed after %v: left in the runtime's mount namespace:\n%s\nbefore:\n%s", delay, after, before)
		}
	}
	t.Logf("mounts when it was killed: %v", slices.Sorted(maps.Keys(seen)))
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

// Who deletes in another mount namespace, the first one having ended for instance, finds nothing of the container's there, and leaves
// alone what is.
func TestInheritedMountNamespaceDeletedElsewhere(t *testing.T) {
	t.Parallel()
	there, here := newPlace(t, "private"), newPlace(t, "private")
	for _, covered := range []bool{false, true} {
		c := NewContainer(t, Args("sleep"), WithoutNamespace(specs.MountNamespace))
		there.tare(c, "create", "--bundle", c.Dir, c.ID).OK(t)
		if covered {
			here.do("mount", "--bind", c.RootFS, c.RootFS)
		}
		before := here.mounts()
		here.tare(c, "delete", "--force", c.ID).OK(t)
		if now := here.mounts(); now != before {
			t.Errorf("the delete has made\n%s\nof\n%s", now, before)
		}
	}
}
