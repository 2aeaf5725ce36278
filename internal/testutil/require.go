package testutil

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// NeedRoot skips a test that an ordinary user cannot run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes containers without a user namespace")
	}
}

// NeedProgram skips a test without a program of the host's, and gives its path.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs the program %s, which is not installed", name)
	}
	return path
}

// NeedCapability skips a test that needs a capability the test process has not got.
func NeedCapability(t testing.TB, number int, name string) {
	t.Helper()
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatalf("capget: %v", err)
	}
	if data[number/32].Effective&(1<<(number%32)) == 0 {
		t.Skipf("needs %s, which this process lacks", name)
	}
}

// NeedNamespace skips a test for a kind of namespace (a name in /proc/self/ns) that this kernel has not got.
func NeedNamespace(t testing.TB, kind string) {
	t.Helper()
	if _, err := os.Lstat("/proc/self/ns/" + kind); err != nil {
		t.Skipf("this kernel has no %s namespaces: %v", kind, err)
	}
}

// CgroupV2 tells whether the host's controllers are on a unified hierarchy: false on a v1 or hybrid host.
func CgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// NeedSystemd skips a test where systemd is not init, or has no cgroups to give.
func NeedSystemd(t testing.TB) {
	t.Helper()
	NeedRoot(t)
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("needs systemd as init: /run/systemd/system is not there")
	}
	if !CgroupV2() {
		t.Skip("needs cgroup v2: this host's controllers are on v1")
	}
}

// NeedController skips a test whose cgroup v2 controllers this host does not offer.
func NeedController(t testing.TB, names ...string) {
	t.Helper()
	if !CgroupV2() {
		t.Skipf("needs %s on cgroup v2: this host's controllers are on v1 (/sys/fs/cgroup is no cgroup2 mount)",
			strings.Join(names, ", "))
	}
	data, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !slices.Contains(strings.Fields(string(data)), name) {
			t.Skipf("needs the cgroup controller %s: the root cgroup has %q", name, strings.TrimSpace(string(data)))
		}
	}
}

// OnV1 tells whether the host has the controller on cgroup v1.
func OnV1(controller string) bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup/"+controller, &fs) == nil && fs.Type == unix.CGROUP_SUPER_MAGIC
}

// NeedLimits skips a test of what these controllers enforce, on whichever version of cgroups the host has them.
func NeedLimits(t testing.TB, names ...string) {
	t.Helper()
	if slices.ContainsFunc(names, func(name string) bool { return !OnV1(name) }) {
		NeedController(t, names...)
	}
}

// IsTare tells whether the runtime under test is tare itself, and not another that a test is being tried on. Only what
// tare does differently on purpose may ask.
func IsTare() bool { return !IsRunc() && !IsCrun() }

// IsRunc and IsCrun tell the other runtimes by their file name.
func IsRunc() bool { return filepath.Base(suite.runtime) == "runc" }

// IsCrun is IsRunc's twin.
func IsCrun() bool { return filepath.Base(suite.runtime) == "crun" }

// HasCommand says whether the runtime knows the command.
func HasCommand(t testing.TB, name string) bool {
	t.Helper()
	return exec.Command(Runtime(), name, "--help").Run() == nil
}

// NeedCommand skips a test of commands that the runtime does not know.
func NeedCommand(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if !HasCommand(t, name) {
			t.Skipf("%s has no command %q", filepath.Base(Runtime()), name)
		}
	}
}
