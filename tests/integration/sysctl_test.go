package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// current is the host's value of a parameter: what a test asks for, so that nothing changes if it is not refused.
func current(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// A28: a container sets the parameters of namespaces that it owns. Which one it has is asked of the namespace, by whatever path
// it is joined.
func TestSysctlOfJoinedNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc compares with its own namespace, crun does not look")
	}
	for _, tt := range []struct {
		kind      specs.LinuxNamespaceType
		key, path string
	}{
		{specs.NetworkNamespace, "net.ipv4.ip_forward", "net/ipv4/ip_forward"},
		{specs.NetworkNamespace, "net/ipv4/conf/lo/forwarding", "net/ipv4/conf/lo/forwarding"},
		{specs.IPCNamespace, "kernel.shm_rmid_forced", "kernel/shm_rmid_forced"},
		{specs.IPCNamespace, "fs.mqueue.msg_max", "fs/mqueue/msg_max"},
		{specs.UTSNamespace, "kernel.domainname", "kernel/domainname"},
	} {
		name := nsName(tt.kind)
		ns, err := os.Open("/proc/self/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		for _, path := range []string{
			"/proc/self/ns/" + name,
			"/proc/1/ns/" + name,
			fmt.Sprintf("/proc/%d/ns/%s", os.Getpid(), name),
			fmt.Sprintf("/proc/%d/task/%d/ns/%s", os.Getpid(), os.Getpid(), name),
			fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()),
			"/proc/1/root/proc/1/ns/" + name,
		} {
			if _, err := os.Stat(path); err != nil {
				t.Logf("%s: not to be looked at here: %v", path, err)
				continue
			}
			c := NewContainer(t, WithNamespace(tt.kind, path), WithoutMount("/sys", "/dev/mqueue"), func(s *specs.Spec) {
				s.Hostname = ""
				s.Linux.Sysctl = map[string]string{tt.key: current(t, tt.path)}
			})
			c.Run().Fails(t, "/linux/sysctl/", "would change the host")
		}
	}
}

// The namespace of another container is none of the host's.
func TestSysctlOfAnothersNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	owner := NewContainer(t, Args("sleep"))
	pid := owner.Create()
	c := NewContainer(t, WithNamespace(specs.NetworkNamespace, nsPath(pid, specs.NetworkNamespace)), func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	})
	if got := c.Report("net.ipv4.ip_forward").Sysctls["net.ipv4.ip_forward"]; got == nil || *got != "1" {
		t.Error("net.ipv4.ip_forward is not 1")
	}
}

// A28: what no namespace owns, and what two readers would take for two parameters. The host's files are as they were.
func TestSysctlRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("the words are tare's")
	}
	before := current(t, "kernel/core_pattern")
	for key, value := range map[string]string{
		"kernel.core_pattern":                "|/bin/false",
		"kernel/core_pattern":                "|/bin/false",
		"net/../kernel/core_pattern":         "|/bin/false",
		"net.ipv4.../../kernel.core_pattern": "|/bin/false",
		"net//../kernel/core_pattern":        "|/bin/false",
		"/kernel/core_pattern":               "|/bin/false",
		"net.ipv4/../../kernel/core_pattern": "|/bin/false",
		"net.ipv4.ip_forward\x00":            "1",
		"net.ipv4.ip_forward\n":              "1",
		"net.ipv4.ip_forward":                "1\nkernel.core_pattern=|/bin/false",
		"net.ipv4.tcp_syncookies":            "1\x00",
		"kernel.shm_rmid_forced+kernel":      "1",
		"vm.overcommit_memory":               "1",
		"user.max_user_namespaces":           "1000",
		"kernel.random.boot_id":              "1",
		"dev.tty.ldisc_autoload":             "0",
	} {
		c := NewContainer(t, func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: value} })
		c.Run().Fails(t, "/linux/sysctl/")
		if left := c.Gone(); left != nil {
			t.Errorf("%q: left %v", key, left)
		}
	}
	if after := current(t, "kernel/core_pattern"); after != before {
		t.Errorf("kernel.core_pattern is %q, was %q", after, before)
	}
}

// Parameters of a user namespace are those of the one that the container has.
func TestSysctlOfUserNamespace(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("runc and crun refuse user.*")
	}
	const key = "user.max_mnt_namespaces"
	before := current(t, "user/max_mnt_namespaces")
	c := NewContainer(t, WithUserNamespace(100000, 65536), func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: "77"} })
	if got := c.Report(key).Sysctls[key]; got == nil || *got != "77" {
		t.Errorf("%s is not 77", key)
	}
	if after := current(t, "user/max_mnt_namespaces"); after != before {
		t.Errorf("the host's is %s, was %s", after, before)
	}
}
