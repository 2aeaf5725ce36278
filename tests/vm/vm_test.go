package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// needVM skips a test that boots a machine, which takes seconds and needs the packages of packages.txt.
func needVM(t *testing.T) {
	t.Helper()
	if os.Getenv("TARE_VM") != "1" {
		t.Skip("boots a virtual machine: set TARE_VM=1, with the packages of packages.txt installed")
	}
}

// guest runs the harness with args and returns what it printed and its exit code.
func guest(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code, err := run(t.Context(), args, &stdout, &stderr)
	if stderr.Len() > 0 || err != nil {
		t.Logf("code %d, error %v, standard error:\n%s", code, err, stderr.String())
	}
	return stdout.String(), code
}

// script is run once in the small guest; each line it prints is "name: value".
const script = `
echo "init: $(readlink /proc/1/exe)"
echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
echo "enabled: $(cat /sys/fs/cgroup/cgroup.subtree_control)"
mkdir /sys/fs/cgroup/child
echo "child: $(cat /sys/fs/cgroup/child/cgroup.controllers)"
rmdir /sys/fs/cgroup/child
echo "root cgroup: $(for p in $(cat /sys/fs/cgroup/cgroup.procs); do cat /proc/$p/cmdline; done)"
echo "cgroup: $(cat /proc/self/cgroup)"
echo "nsdelegate: $(grep -c ' /sys/fs/cgroup .*nsdelegate' /proc/mounts)"
echo "rlimit: $(ulimit -n 100; ulimit -n 200; ulimit -Hn)"
echo "userns: $(su user -c 'unshare -Ur cat /proc/self/uid_map' | tr -s ' ')"
echo "lo: $(ip -o addr show lo | grep -c 127.0.0.1)"
echo "devices: $(stat -c %F /dev/fuse /dev/net/tun /dev/loop-control | sort -u)"
mkdir /tmp/l /tmp/u /tmp/w /tmp/m
mount -t tmpfs t /tmp/u && mkdir /tmp/u/u /tmp/u/w
echo "overlay: $(mount -t overlay -o lowerdir=/tmp/l,upperdir=/tmp/u/u,workdir=/tmp/u/w o /tmp/m && echo mounted)"
echo "guest: $TARE_VM_GUEST"
echo "error stream: $(ls /nowhere)"
exit 3
`

func TestSmallGuest(t *testing.T) {
	needVM(t)
	out, code := guest(t, "--", "sh", "-c", script)
	if code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	const all = "cpuset cpu io memory hugetlb pids rdma misc"
	for _, want := range []string{
		"init: /usr/bin/busybox",
		"controllers: " + all,
		"enabled: " + all,
		"child: " + all,
		"root cgroup: ", // kernel threads have no command line
		"cgroup: 0::/init.scope",
		"nsdelegate: 1",
		"rlimit: 200", // raising a hard limit takes CAP_SYS_RESOURCE
		"userns:  0 1000 1",
		"lo: 1",
		"devices: character special file",
		"overlay: mounted",
		"guest: small",
		"ls: /nowhere: No such file or directory",
	} {
		if !strings.Contains("\n"+out, "\n"+want+"\n") {
			t.Errorf("the output lacks the line %q", want)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}

func TestExitCodes(t *testing.T) {
	needVM(t)
	for _, tc := range []struct {
		name    string
		args    []string
		want    int
		printed string
	}{
		{"success", []string{"--", "true"}, 0, ""},
		{"no such command", []string{"--", "/no/such/command"}, 127, "/no/such/command"},
		{"guest dies", []string{"--", "sh", "-c", "echo last words; sleep 1; echo c >/proc/sysrq-trigger"}, exitDied, "last words"},
		{"time is up", []string{"-timeout", "15s", "--", "sh", "-c", "echo asleep; sleep 1000"}, exitTimeout, "asleep"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, code := guest(t, tc.args...)
			if code != tc.want || !strings.Contains(out, tc.printed) {
				t.Errorf("exit code %d, want %d; output, which should contain %q:\n%s", code, tc.want, tc.printed, out)
			}
		})
	}
}

func TestFilesInAndOut(t *testing.T) {
	needVM(t)
	in, results := t.TempDir(), t.TempDir()
	if err := os.WriteFile(in+"/a b", []byte("#!/bin/sh\necho \"ran as $0 with $COLOUR\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, code := guest(t, "-v", "-results", results, "-env", "COLOUR=it's blue", "-bin", in+"/a b", "-add", in+":/opt/dir",
		"--", "sh", "-c", `'a b' && '/opt/dir/a b' && mkdir $TARE_VM_RESULTS/sub && echo kept >$TARE_VM_RESULTS/sub/file`)
	want := "ran as /usr/local/bin/a b with it's blue\nran as /opt/dir/a b with it's blue\n"
	if code != 0 || out != want {
		t.Errorf("exit code %d, output %q, want 0 and %q", code, out, want)
	}
	for name, want := range map[string]string{"sub/file": "kept\n", "output.txt": want} {
		if got, err := os.ReadFile(results + "/" + name); err != nil || string(got) != want {
			t.Errorf("results: %s holds %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestSuite(t *testing.T) {
	needVM(t)
	results := t.TempDir()
	out, code := guest(t, "-results", results, "-env", "COLOUR=red",
		"-tests", "./testdata/mixed,./testdata/broken", "-tests", "./testdata/dies")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{
		"FAIL  tare/tests/vm/testdata/mixed  6 passed, 1 failed, 1 skipped\n",
		"skipped TestSkip: mixed_test.go:30: there is no moon\n",
		"two is not three\n",
		"FAIL  tare/tests/vm/testdata/broken  does not compile\n",
		"FAIL  tare/tests/vm/testdata/dies  1 passed, 1 failed, 0 skipped\n",
		"exit code of tare/tests/vm/testdata/dies: 7\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if !strings.HasSuffix(out, "\n7 passed, 3 failed, 1 skipped\n") {
		t.Error("the closing line is wrong")
	}
	if got, err := os.ReadFile(results + "/from-test"); err != nil || string(got) != "red" {
		t.Errorf("results: from-test holds %q (%v), want \"red\"", got, err)
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}

// TestSystemdGuest builds that guest's disk if there is none, which needs root.
func TestSystemdGuest(t *testing.T) {
	needVM(t)
	if os.Geteuid() != 0 {
		t.Skip("the disk of the systemd guest is made by mmdebstrap, as root")
	}
	out, code := guest(t, "-guest", "systemd", "--", "sh", "-c", `systemctl is-system-running --wait
		as-user systemctl --user is-system-running --wait
		cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers
		runc --version | head -n 1; crun --version | head -n 1; cat /proc/1/comm; exit 4`)
	if code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	if !strings.HasPrefix(out, "running\nrunning\ncpuset cpu io memory pids\nrunc version ") || !strings.HasSuffix(out, "\nsystemd\n") {
		t.Errorf("output:\n%s", out)
	}
}
