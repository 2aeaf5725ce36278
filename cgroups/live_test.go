package cgroups

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// opener is a shell in a cgroup that opens what it is told, and says whether it may.
type opener struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func openerIn(t *testing.T, m Manager) *opener {
	t.Helper()
	dir, err := m.Dir()
	must(t, err)
	// What it needs before it is told anything must not be a device: those may be refused.
	cmd := exec.Command("/bin/sh", "-c", `while read dev; do if (: <"$dev") 2>&-; then echo yes; else echo no; fi; done`)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		if err := errors.Join(m.Remove(patience), m.Close()); err != nil {
			t.Error(err)
		}
	})
	return &opener{in, bufio.NewReader(out)}
}

// may checks which of these devices can be opened.
func (o *opener) may(t *testing.T, when string, devices map[string]bool) {
	t.Helper()
	for dev, want := range devices {
		fmt.Fprintln(o.in, dev)
		line, err := o.out.ReadString('\n')
		if got := strings.TrimSpace(line) == "yes"; got != want || err != nil {
			t.Errorf("%s: %s: %q (%v), want %v", when, dev, line, err, want)
		}
	}
}

func programs(t *testing.T, m Manager) []uint32 {
	t.Helper()
	dir, err := m.Dir()
	must(t, err)
	ids, err := sys.BPFProgQuery(int(dir.Fd()), unix.BPF_CGROUP_DEVICE)
	must(t, err)
	return ids
}

func rule(allow bool, major, minor int64) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: allow, Type: "c", Major: &major, Minor: &minor, Access: "rw"}
}

func TestUpdateDevices(t *testing.T) {
	_, root := needTree(t)
	m, err := New(Config{ID: "web", Path: root + "/web"}, &specs.LinuxResources{})
	must(t, err)
	must(t, m.Create())
	o := openerIn(t, m)
	later, err := Load(m.State())
	must(t, err)
	defer later.Close()
	const null, kmsg = "/dev/null", "/dev/kmsg"
	update := func(res specs.LinuxResources) error { return later.Update(&res) }

	o.may(t, "at first", map[string]bool{null: true, kmsg: false})
	first := programs(t, m)
	must(t, later.Update(nil))
	must(t, update(specs.LinuxResources{}))
	must(t, update(specs.LinuxResources{Unified: map[string]string{"cgroup.max.depth": "9"}}))
	if now := programs(t, m); !slices.Equal(now, first) {
		t.Errorf("programs %v, %v before limits changed", now, first)
	}
	must(t, update(specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{rule(true, 1, 11)}}))
	o.may(t, "allowed", map[string]bool{null: true, kmsg: true})
	if now := programs(t, m); len(now) != 1 || slices.Equal(now, first) {
		t.Errorf("programs %v, %v before", now, first)
	}
	// What is refused leaves the rules as they are, at whatever point.
	second := programs(t, m)
	for _, res := range []specs.LinuxResources{
		{Devices: []specs.LinuxDeviceCgroup{{Type: "z"}}},
		{Devices: []specs.LinuxDeviceCgroup{}, Unified: map[string]string{"quantum.max": "1"}},
		{Devices: []specs.LinuxDeviceCgroup{}, Unified: map[string]string{"cgroup.max.depth": "many"}},
	} {
		if err := update(res); err == nil {
			t.Errorf("%+v is taken", res)
		}
	}
	if now := programs(t, m); !slices.Equal(now, second) {
		t.Errorf("programs %v, %v before", now, second)
	}
	must(t, update(specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{}}))
	o.may(t, "an empty list", map[string]bool{null: true, kmsg: false})
}

func TestOwnDevicesOnly(t *testing.T) {
	_, root := needTree(t)
	m, err := New(Config{ID: "web", Path: root + "/web", OwnDevicesOnly: true}, &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{rule(true, 1, 5)}})
	must(t, err)
	must(t, m.Create())
	o := openerIn(t, m)
	o.may(t, "created", map[string]bool{"/dev/null": false, "/dev/zero": true})
	later, err := Load(m.State())
	must(t, err)
	defer later.Close()
	must(t, later.Update(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{rule(true, 1, 7)}}))
	o.may(t, "updated", map[string]bool{"/dev/null": false, "/dev/zero": false, "/dev/full": true})
}

func TestGoneTells(t *testing.T) {
	_, root := needTree(t)
	m, err := New(Config{ID: "web", Path: root + "/web"}, nil)
	must(t, err)
	must(t, m.Create())
	must(t, m.Remove(patience))
	later, err := Load(m.State())
	must(t, err)
	if s, err := later.Stats(); s != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stats %v (%v)", s, err)
	}
	if w, err := later.WatchOOM(); w != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("watch %v (%v)", w, err)
	}
	err = later.Update(&specs.LinuxResources{Unified: map[string]string{"cgroup.max.depth": "9"}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("update: %v", err)
	}
}
