package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// delegation is a cgroup with these controllers that belongs to an ordinary user, as systemd delegates one.
type delegation struct {
	uid uint32
	dir string   // the cgroup
	own *os.File // one below it, for the user's own processes
}

func delegate(t *testing.T, uid uint32, controllers ...string) *delegation {
	t.Helper()
	above, err := os.MkdirTemp("/sys/fs/cgroup", "tare-test-delegation-")
	if err != nil {
		t.Skip("cgroups cannot be made here:", err)
	}
	d := &delegation{uid: uid, dir: above + "/user"}
	own := d.dir + "/own"
	if err := os.Chmod(above, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(above+"/cgroup.subtree_control", []byte("+"+strings.Join(controllers, " +")), 0); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.dir, own} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
			if err := os.Chown(filepath.Join(dir, name), int(uid), int(uid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d.own, err = os.Open(own); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.own.Close()
		for _, dir := range []string{own, d.dir, above} {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// container has the user make a container with these limits, in a cgroup below what is delegated.
func (d *delegation) container(t *testing.T, resources *specs.LinuxResources, edits ...Edit) *Container {
	t.Helper()
	c := NewContainer(t, append([]Edit{WithoutMount("/sys"), rootless(d.uid, d.uid)}, edits...)...)
	c.AsUser(d.uid, d.uid)
	c.Spec.Linux.CgroupsPath, c.Spec.Linux.Resources = strings.TrimPrefix(d.dir, "/sys/fs/cgroup")+"/"+c.ID, resources
	c.WriteSpec(t)
	return c
}

// inside prepares a call of the runtime from within what is delegated.
func (d *delegation) inside(c *Container, args ...string) *exec.Cmd {
	cmd := c.Command(args...)
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.UseCgroupFD, attr.CgroupFD = true, int(d.own.Fd())
	cmd.SysProcAttr = &attr
	return cmd
}

// A user's containers get all limits whose controllers the user was given; the others matter only to who asks for them.
func TestDelegatedCgroup(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedController(t, "memory", "pids", "cpu")
	d := delegate(t, 65533, "memory", "pids")
	held := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: new(int64(33))}}

	t.Run("limits", func(t *testing.T) {
		c := d.container(t, held, Args("sleep"))
		c.Do(d.inside(c, "create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)).OK(t)
		dir := CgroupOf(t, c.PidFile(c.Dir+"/pid"), "")
		if dir != d.dir+"/"+c.ID {
			t.Errorf("the cgroup is %s", dir)
		}
		hasFiles(t, dir, map[string]string{"memory.max": "67108864", "pids.max": "33"})
		c.Do(d.inside(c, "delete", "--force", c.ID)).OK(t)
	})
	t.Run("no path is beside the caller", func(t *testing.T) {
		c := d.container(t, held, Args("sleep"))
		c.Spec.Linux.CgroupsPath = ""
		c.WriteSpec(t)
		c.Do(d.inside(c, "create", "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)).OK(t)
		if dir := CgroupOf(t, c.PidFile(c.Dir+"/pid"), ""); dir != d.dir+"/"+c.ID {
			t.Errorf("the cgroup is %s", dir)
		}
		c.Do(d.inside(c, "delete", "--force", c.ID)).OK(t)
	})
	for name, tt := range map[string]struct {
		resources *specs.LinuxResources
		path      string // or where it belongs
		inside    bool
		want      string
	}{
		"a controller that was not given": {
			&specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: new(uint64(512))}}, "", true,
			"linux.resources.cpu.shares (/linux/resources/cpu/shares): enable the cpu controller in " + filepath.Dir(d.dir) + "/cgroup.subtree_control: permission denied: this cgroup is not ours to write: it has to be delegated, with that controller",
		},
		"elsewhere": {
			held, "/tare-test-elsewhere", true,
			"make cgroup /sys/fs/cgroup/tare-test-elsewhere: permission denied: the cgroup above is not ours to write: it has to be delegated",
		},
		"from outside": {held, "", false, "permission denied: to have a process in " + d.dir},
	} {
		t.Run(name, func(t *testing.T) {
			c := d.container(t, tt.resources)
			if tt.path != "" {
				c.Spec.Linux.CgroupsPath = tt.path
				c.WriteSpec(t)
			}
			args := []string{"run", "--bundle", c.Dir, c.ID}
			cmd := c.Command(args...)
			if tt.inside {
				cmd = d.inside(c, args...)
			}
			c.Do(cmd).Fails(t, tt.want)
			if _, err := os.Stat(d.dir + "/" + c.ID); err == nil {
				t.Errorf("the cgroup %s is left", c.ID)
			}
		})
	}
}
