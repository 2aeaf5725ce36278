package cgroups

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/cgroups/v1"
	"tare/internal/sys"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	for name, half := range map[string]func() error{"CGROUPS_TEST_ROOTLESS": rootless, "CGROUPS_TEST_ALONE": alone, "CGROUPS_TEST_HUNGRY": eat} {
		if os.Getenv(name) == "" {
			continue
		}
		if err := half(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// needTree skips a test where it cannot make cgroups, and returns the path of one of its own.
func needTree(t testing.TB) (mount, path string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	tree, err := openTree()
	if err != nil || tree == nil {
		t.Skip("this host has no cgroup v2 tree: ", err)
	}
	mount = tree.Mount
	tree.Close()
	dir, err := os.MkdirTemp(mount, "tare-manager-test-")
	if err != nil {
		t.Skip("the cgroup tree cannot be written:", err)
	}
	t.Cleanup(func() {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(dir)) // Remove leaves the levels above, on v1 too
		for _, dir := range append(left, dir) {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	return mount, "/" + filepath.Base(dir)
}

// must skips where a device program may not be loaded.
func must(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, unix.EPERM) {
		t.Skip("not allowed here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLifecycle(t *testing.T) {
	mount, root := needTree(t)
	res := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	m, err := New(Config{ID: "web", Path: root + "/../" + root + "/web"}, res)
	must(t, err)
	before := m.State()
	if before.Driver != DriverCgroupfs || before.Mount != mount || before.Path != mount+root+"/web" {
		t.Errorf("state %+v", before)
	}
	if _, err := os.Stat(before.Path); err == nil {
		t.Error("New made the cgroup")
	}
	must(t, m.Create())
	if !reflect.DeepEqual(m.State(), before) {
		t.Errorf("state %+v after Create, %+v before", m.State(), before)
	}
	dir, err := m.Dir()
	must(t, err)
	ids, err := sys.BPFProgQuery(int(dir.Fd()), unix.BPF_CGROUP_DEVICE)
	if len(ids) != 1 || err != nil {
		t.Errorf("device programs %v (%v)", ids, err)
	}
	// Born in it, a process has the default devices and no others: reading /dev/kmsg is refused, whoever it is.
	cmd := exec.Command("/bin/sh", "-c", "echo hello >/dev/null || exit 1; (: </dev/kmsg) 2>/dev/null && exit 2; echo ok; read x")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	must(t, cmd.Start())
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Errorf("the process says nothing: %v: %v", err, cmd.Wait())
	}
	must(t, m.Close())

	// A later command, from the state file.
	text, err := json.Marshal(m.State())
	must(t, err)
	var state State
	must(t, json.Unmarshal(text, &state))
	later, err := Load(state)
	must(t, err)
	if pids, err := later.Pids(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("pids %v (%v)", pids, err)
	}
	must(t, later.Freeze(patience, -1))
	if frozen, err := later.Frozen(); !frozen || err != nil {
		t.Errorf("frozen %v (%v)", frozen, err)
	}
	must(t, later.Thaw(patience))
	if n, err := later.OOMKills(); n != 0 || err != nil {
		t.Errorf("OOM kills %d (%v)", n, err)
	}
	in.Close()
	_ = cmd.Wait()
	must(t, later.Remove(patience))
	must(t, later.Remove(patience))
}

// A cgroup left by a crash is used again, and its program replaced, not joined.
func TestCreateTakesOverAnEmptyCgroup(t *testing.T) {
	_, root := needTree(t)
	cfg := Config{ID: "web", Path: root + "/web"}
	for range 3 {
		m, err := New(cfg, nil)
		must(t, err)
		must(t, m.Create())
		dir, err := m.Dir()
		must(t, err)
		if ids, err := sys.BPFProgQuery(int(dir.Fd()), unix.BPF_CGROUP_DEVICE); len(ids) != 1 || err != nil {
			t.Errorf("device programs %v (%v)", ids, err)
		}
		must(t, m.Close())
	}
	m, err := New(cfg, nil)
	must(t, err)
	must(t, m.Close())
	must(t, m.Remove(patience))
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		res  specs.LinuxResources
		is   error
		want string
	}{
		{"no name", Config{Path: "/.."}, specs.LinuxResources{}, nil, `linux.cgroupsPath (/linux/cgroupsPath): "/.." names no cgroup but the root`},
		{
			"an unknown controller",
			Config{ID: "x"},
			specs.LinuxResources{Unified: map[string]string{"quantum.max": "1"}},
			nil,
			`linux.resources.unified["quantum.max"] (/linux/resources/unified/quantum.max): the cgroup tree at `,
		},
		{
			"a bad device rule, though no cgroup is needed",
			Config{ID: "x", Rootless: true},
			specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "z"}}},
			nil, "linux.resources.devices[0].type",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := New(tc.cfg, &tc.res)
			if err == nil || m != nil || !strings.HasPrefix(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("got %v, %v", m, err)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, s := range []State{
		{},
		{Driver: "v1"},
		{Driver: DriverCgroupfs, Mount: "/sys/fs/cgroup", Path: "/sys/fs/cgroup"},
		{Driver: DriverCgroupfs, Mount: "/sys/fs/cgroup", Path: "/sys/fs/cgroup/../x"},
		{Driver: DriverCgroupfs, Mount: "/sys/fs/cgroup", Path: "/sys/fs/cgroups/x"},
		{Driver: DriverCgroupfs, Path: "/x"},
		{Driver: DriverCgroupfs, V1: []v1.Dir{{Mount: "/sys/fs/cgroup/memory", Cgroup: "/"}}},
		{Driver: DriverCgroupfs, V1: []v1.Dir{{Mount: "/sys/fs/cgroup/memory", Cgroup: "/a/../.."}}},
		{Driver: DriverCgroupfs, V1: []v1.Dir{{Mount: "", Cgroup: "/etc"}}},
		{Driver: DriverCgroupfs, Mount: "/sys/fs/cgroup", Path: "/x", V1: []v1.Dir{{Mount: "/sys/fs/cgroup/memory", Cgroup: "/a"}}},
	} {
		if m, err := Load(s); err == nil || m != nil {
			t.Errorf("%+v: %v", s, m)
		}
	}
}

func TestRootlessDoesWithoutCgroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	exe := filepath.Join(t.TempDir(), "test")
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(exe, self, 0o755))
	for dir := filepath.Dir(exe); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	cmd := exec.Command(exe)
	cmd.Dir = "/"
	mount, delegated := needTree(t)
	for _, name := range []string{"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"} {
		must(t, os.Chown(mount+delegated+name, 65534, 65534))
	}
	must(t, os.Chmod(mount+delegated, 0o755))
	cmd.Env = []string{"CGROUPS_TEST_ROOTLESS=" + delegated}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// rootless is TestRootlessDoesWithoutCgroup's other half, as a user who may write no cgroup.
func rootless() error {
	m, err := New(Config{ID: "web", Rootless: true}, &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}})
	if err != nil {
		return err
	}
	if err := m.Create(); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if !reflect.DeepEqual(m.State(), State{Driver: DriverNone}) {
		return fmt.Errorf("state %+v", m.State())
	}
	later, err := Load(m.State())
	if err != nil {
		return err
	}
	for _, m := range []Manager{m, later} {
		dir, err := m.Dir()
		if dir != nil || err != nil {
			return fmt.Errorf("dir %v (%w)", dir, err)
		}
		if err := errors.Join(m.AddProcess(os.Getpid()), m.Kill(), m.Thaw(0), m.Remove(0), m.Close()); err != nil {
			return err
		}
		if err := m.Freeze(0, -1); !errors.Is(err, ErrNoCgroup) {
			return fmt.Errorf("freeze: %w", err)
		}
		if _, err := m.Pids(); !errors.Is(err, ErrNoCgroup) {
			return fmt.Errorf("pids: %w", err)
		}
		if _, err := m.Stats(); !errors.Is(err, ErrNoCgroup) {
			return fmt.Errorf("stats: %w", err)
		}
		if w, err := m.WatchOOM(); w != nil || !errors.Is(err, ErrNoMemory) {
			return fmt.Errorf("watch: %w", err)
		}
		if err := m.Update(&specs.LinuxResources{}); err != nil {
			return fmt.Errorf("update nothing: %w", err)
		}
		if err := m.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(5))}}); !errors.Is(err, ErrNoCgroup) {
			return fmt.Errorf("update: %w", err)
		}
	}
	if err := rootlessDelegated(os.Getenv("CGROUPS_TEST_ROOTLESS") + "/web"); err != nil {
		return fmt.Errorf("delegated: %w", err)
	}
	// With a path asked for, there is no doing without.
	m, err = New(Config{ID: "web", Path: "/tare-rootless-test", Rootless: true}, nil)
	if err != nil {
		return err
	}
	if err := m.Create(); !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("create with a path: %w", err)
	}
	return nil
}

// rootlessDelegated: a user who may write a cgroup, but load no device program, changes rules as he has made them.
func rootlessDelegated(path string) error {
	rules := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	m, err := New(Config{ID: "web", Path: path, Rootless: true}, rules)
	if err != nil {
		return err
	}
	if err := m.Create(); err != nil {
		return err
	}
	if !m.State().NoDeviceRules {
		return fmt.Errorf("state %+v", m.State())
	}
	later, err := Load(m.State())
	if err != nil {
		return err
	}
	rules.Unified = map[string]string{"cgroup.max.depth": "7"}
	if err := later.Update(rules); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if b, err := os.ReadFile(m.State().Path + "/cgroup.max.depth"); string(b) != "7\n" {
		return fmt.Errorf("cgroup.max.depth is %q (%w)", b, err)
	}
	rules.Devices[0].Type = "z"
	if err := later.Update(rules); err == nil {
		return errors.New("update takes a rule that is none")
	}
	return later.Remove(patience)
}

// BenchmarkCreate is a container's cgroup from New to removal, with the limits that the tree can hold.
func BenchmarkCreate(b *testing.B) {
	_, root := needTree(b)
	res := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	for _, tc := range []struct {
		name string
		res  specs.LinuxResources
	}{
		{"devices", *res},
		{"limits", specs.LinuxResources{
			Devices: res.Devices,
			CPU:     &specs.LinuxCPU{Shares: new(uint64(512)), Quota: new(int64(50000))},
			Memory:  &specs.LinuxMemory{Limit: new(int64(1 << 28))},
			Pids:    &specs.LinuxPids{Limit: new(int64(100))},
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				m, err := New(Config{ID: "web", Path: root + "/web"}, &tc.res)
				must(b, err)
				must(b, m.Create())
				must(b, m.Remove(patience))
			}
		})
	}
}
