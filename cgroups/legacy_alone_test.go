package cgroups

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups/v2"
	"tare/internal/sys"
)

// Without a v2 tree, v1 does it all. A mount namespace hides the tree.
func TestV1Alone(t *testing.T) {
	needV1(t)
	tree, err := openTree()
	must(t, err)
	mount := tree.Mount
	tree.Close()
	if mount != unifiedRoot {
		t.Skip("this host has cgroup v2 at ", mount)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "CGROUPS_TEST_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// alone is TestV1Alone's other half.
func alone() error {
	if err := unix.Mount("tmpfs", unifiedRoot, "tmpfs", 0, ""); err != nil {
		return err
	}
	if tree, err := openTree(); tree != nil || err != nil {
		return fmt.Errorf("the v2 tree is still there (%w)", err)
	}
	path := fmt.Sprintf("/tare-alone-test-%d", os.Getpid())
	cfg := Config{ID: "x", Path: path}
	if m, err := New(cfg, &specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}); err == nil || !strings.HasPrefix(err.Error(), "linux.resources.unified") {
		return fmt.Errorf("unified: %v, %w", m, err)
	}
	m, err := New(cfg, &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}, Memory: &specs.LinuxMemory{Limit: new(int64(32 << 20)), Swap: new(int64(32 << 20))},
	})
	if err != nil {
		return err
	}
	if err := m.Create(); err != nil {
		return err
	}
	defer func() { _ = errors.Join(m.Kill(), m.Remove(patience)) }()
	if dir, err := m.Dir(); dir != nil || err != nil {
		return fmt.Errorf("dir %v, %w", dir, err)
	}
	if m, err = Load(m.State()); err != nil {
		return err
	}
	for _, step := range []func(Manager) error{aloneDevices, aloneFreeze, aloneOOM, aloneKill} {
		if err := step(m); err != nil {
			return err
		}
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + path); left != nil {
		return fmt.Errorf("left: %v", left)
	}
	if populated, err := m.Populated(); populated || err != nil {
		return fmt.Errorf("populated %v, %w", populated, err)
	}
	return nil
}

const tryDevices = `echo x >/dev/null || exit 1; (: </dev/kmsg) 2>/dev/null && echo -n yes || echo -n no`

func aloneDevices(m Manager) error {
	kmsg := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: new(int64(1)), Minor: new(int64(11)), Access: "r"}
	for _, tc := range []struct {
		rules []specs.LinuxDeviceCgroup
		want  string
	}{{nil, "no"}, {[]specs.LinuxDeviceCgroup{kmsg}, "yes"}, {[]specs.LinuxDeviceCgroup{{}}, "no"}} {
		if err := m.Update(&specs.LinuxResources{Devices: tc.rules}); err != nil {
			return fmt.Errorf("update devices: %w", err)
		}
		cmd, err := sleeper(m, tryDevices)
		if err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil || cmd.Stdout.(*bytes.Buffer).String() != tc.want {
			return fmt.Errorf("devices: %v, %w, want %s", cmd.Stdout, err, tc.want)
		}
	}
	return nil
}

func aloneFreeze(m Manager) error {
	cmd, err := sleeper(m, "while :; do :; done")
	if err != nil {
		return err
	}
	if err := m.Freeze(patience, -1); err != nil {
		return err
	}
	if frozen, err := m.Frozen(); !frozen || err != nil {
		return fmt.Errorf("frozen %v, %w", frozen, err)
	}
	before := value(m, "cpuacct.usage")
	time.Sleep(50 * time.Millisecond) // for a process that does not stand still to show it
	if after := value(m, "cpuacct.usage"); after != before {
		return fmt.Errorf("a frozen process runs: %s, then %s", before, after)
	}
	// A frozen one dies too.
	if err := m.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait()
	if frozen, err := m.Frozen(); frozen || err != nil {
		return fmt.Errorf("after kill, frozen %v, %w", frozen, err)
	}
	return m.Thaw(patience)
}

// hungry starts a process that wants more memory than there is. It asks by touching it: where nobody is killed for it, a system call
// that wants memory only fails.
func hungry(m Manager) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return sleeper(m, "CGROUPS_TEST_ALONE= CGROUPS_TEST_HUNGRY=1 exec "+exe)
}

// eat is hungry's other half.
func eat() error {
	mem := make([]byte, 100<<20)
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	return fmt.Errorf("%d bytes were there", len(mem))
}

func aloneOOM(m Manager) error {
	w, err := m.WatchOOM()
	if err != nil {
		return err
	}
	defer w.Close()
	if n, err := w.Kills(); n != 0 || err != nil {
		return fmt.Errorf("%d OOM kills before, %w", n, err)
	}
	cmd, err := hungry(m)
	if err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}}
	if n, err := sys.Poll(fds, int(patience.Milliseconds())); n != 1 || err != nil {
		return fmt.Errorf("no word of want of memory: %w", err)
	}
	if n, err := w.Kills(); n != 1 || err != nil {
		return fmt.Errorf("%d OOM kills, %w", n, err)
	}
	_ = cmd.Wait()
	if n, err := m.OOMKills(); n != 1 || err != nil {
		return fmt.Errorf("%d OOM kills counted, %w", n, err)
	}
	return aloneWithoutKiller(m, w)
}

// aloneWithoutKiller: where nobody is killed for it, want of memory is told all the same.
func aloneWithoutKiller(m Manager, w OOMWatch) error {
	if _, err := w.Kills(); err != nil { // what was told late
		return err
	}
	before, err := w.Kills()
	if err != nil {
		return err
	}
	killer := func(off bool) error {
		return m.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: &off}})
	}
	if err := killer(true); err != nil {
		return err
	}
	cmd, err := hungry(m)
	if err != nil {
		return err
	}
	n, err := sys.Poll([]unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}}, int(patience.Milliseconds()))
	after, err2 := w.Kills()
	if n != 1 || after != before+1 {
		err = fmt.Errorf("no word of want of memory: count %d, then %d (%w)", before, after, errors.Join(err, err2))
	}
	err = errors.Join(err, m.Kill(), killer(false))
	_ = cmd.Wait()
	return err
}

func aloneKill(m Manager) error {
	cmd, err := sleeper(m, "for i in 1 2 3 4; do (while :; do sleep 1000 & wait; done) & done; wait")
	if err != nil {
		return err
	}
	for _, d := range m.State().V1 {
		below := d.Path() + "/below"
		if err := os.Mkdir(below, 0o755); err != nil {
			return err
		}
		if !slices.Contains(d.Controllers, "freezer") {
			continue
		}
		// As a container may freeze itself.
		err := errors.Join(os.WriteFile(below+"/cgroup.procs", []byte(fmt.Sprint(cmd.Process.Pid)), 0),
			os.WriteFile(below+"/freezer.state", []byte("FROZEN"), 0))
		if err != nil {
			return err
		}
	}
	if err := m.Remove(time.Millisecond); !errors.Is(err, v2.ErrTimeout) {
		return fmt.Errorf("remove a full one: %w", err)
	}
	if err := m.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait()
	w, err := m.WatchOOM()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := m.Remove(patience); err != nil {
		return err
	}
	if n, err := sys.Poll([]unix.PollFd{{Fd: int32(w.FD()), Events: unix.POLLIN}}, int(patience.Milliseconds())); n != 1 || err != nil {
		return fmt.Errorf("no word of the end: %w", err)
	}
	if _, err := w.Kills(); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("count of what is gone: %w", err)
	}
	return nil
}
