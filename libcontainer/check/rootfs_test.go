package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// want is a finding: of that id and severity, at the pointer, with the text in its message or in what is to be done.
type want struct {
	id       string
	severity Severity
	pointer  string
	text     string
}

// Each bundle has the findings that it is to have, and no others.
func TestRootfs(t *testing.T) {
	for _, tc := range []struct {
		name  string
		edit  func(*specs.Spec)
		files []entry
		want  []want
	}{
		{name: "all there"},
		{"misspelt", args("prgo"), nil, []want{{"program-missing", Error, "/process/args/0", `mean "prog"`}}},
		{"absolute path", args("/bin/prog"), nil, nil},
		{"relative path", both(args("./prog"), cwd("/bin")), nil, nil},
		{"relative path from elsewhere", args("./prog"), nil, []want{{"program-missing", Error, "/process/args/0", "stat ./prog: no such file or directory"}}},
		{"no such path", args("/opt/x"), nil, []want{{"program-missing", Error, "/process/args/0", `exec: "/opt/x": stat /opt/x: no such file or directory`}}},
		{"below a file", args("/bin/prog/x"), nil, []want{{"program-missing", Error, "/process/args/0", "not a directory"}}},
		{"a directory", args("/bin"), nil, []want{{"program-not-executable", Error, "/process/args/0", "is a directory: permission denied"}}},
		{"not executable", args("x"), []entry{{"bin/x", native(), 0o644}}, []want{{"program-not-executable", Error, "/process/args/0", "chmod +x"}}},
		{"executable further on", args("x"), []entry{{"usr/bin/x", native(), 0o644}, {"bin/x", native(), 0}}, nil},
		{"not for the user", both(args("x"), runAs(1000)), []entry{{"bin/x", native(), 0o750}}, []want{{"program-not-executable", Error, "/process/args/0", "uid 1000"}}},
		{"privileged user", both(both(args("x"), runAs(1000)), capable("CAP_DAC_OVERRIDE")), []entry{{"bin/x", native(), 0o700}}, nil},
		{"dark directory", both(args("/app/x"), runAs(1000)), []entry{{"app/x", native(), 0}, {"app/", "", 0o700}}, []want{{"no-search-permission", Error, "/process/args/0", "/app"}}},
		{"dark directory for root", args("/app/x"), []entry{{"app/x", native(), 0}, {"app/", "", 0o700}}, nil},
		{"no PATH", both(args("prog"), env("A=b")), nil, []want{{"path-unset", Warning, "/process/env", "/bin and /usr/bin"}}},
		{"no PATH, and not needed", both(args("/bin/prog"), env("A=b")), nil, nil},
		{"PATH elsewhere", env("PATH=/sbin"), nil, []want{{"program-missing", Error, "/process/args/0", "none of /sbin"}}},
		{"the last PATH counts", env("PATH=/sbin", "PATH=/bin"), nil, nil},

		{"link", args("/x"), []entry{{"x", "-> bin/prog", 0}}, nil},
		{"absolute link", args("/usr/x"), []entry{{"usr/x", "-> /bin/prog", 0}}, nil},
		{"linked directory", args("/lib/prog"), []entry{{"lib", "-> bin", 0}}, nil},
		{"link to nowhere", args("/x"), []entry{{"x", "-> /opt/y", 0}}, []want{{"program-missing", Error, "/process/args/0", "leads to /opt/y"}}},
		{"loop", args("/x"), []entry{{"x", "-> y", 0}, {"y", "-> x", 0}}, []want{{"program-missing", Error, "/process/args/0", "loop of symbolic links"}}},
		{"out of the root", args("/x"), []entry{{"x", "-> ../../../../../../bin/prog", 0}}, nil},
		{"the host's own", args("/x"), []entry{{"x", "-> /proc/self/exe", 0}}, []want{{"program-missing", Error, "/process/args/0", "/proc"}}},

		{"empty file", args("x"), []entry{{"bin/x", "", 0}}, []want{{"program-format", Error, "/process/args/0", "empty"}}},
		{"no interpreter line", args("x"), []entry{{"bin/x", "echo hello\n", 0}}, []want{{"program-format", Error, "/process/args/0", "#!/bin/sh"}}},
		{"byte order mark", args("x"), []entry{{"bin/x", "\xef\xbb\xbf#!/bin/prog\n", 0}}, []want{{"program-format", Error, "/process/args/0", "byte order mark"}}},
		{"damaged ELF", args("x"), []entry{{"bin/x", native()[:70], 0}}, []want{{"program-format", Error, "/process/args/0", "damaged"}}},
		{"object file", args("x"), []entry{{"bin/x", strings.Replace(native(), string([]byte{elfDyn, 0}), "\x01\x00", 1), 0}}, []want{{"program-format", Error, "/process/args/0", "no program"}}},
		{"other architecture", args("x"), []entry{{"bin/x", program(foreignMachine, true, ""), 0}}, []want{{"program-architecture", Error, "/process/args/0", runtime.GOARCH}}},
		{"loader there", args("x"), []entry{{"bin/x", nativeWith("/lib/ld.so"), 0}, {"lib/ld.so", native(), 0}}, nil},
		{"no loader", args("x"), []entry{{"bin/x", nativeWith("/lib/ld-musl-x86_64.so.1"), 0}}, []want{{"loader-missing", Error, "/process/args/0", "Alpine"}}},
		{"no glibc", args("x"), []entry{{"bin/x", nativeWith("/lib64/ld-linux-x86-64.so.2"), 0}}, []want{{"loader-missing", Error, "/process/args/0", "glibc"}}},
		{"loader not executable", args("x"), []entry{{"bin/x", nativeWith("/lib/ld.so"), 0}, {"lib/ld.so", native(), 0o644}}, []want{{"program-not-executable", Error, "/process/args/0", "/lib/ld.so"}}},

		{"script", args("x"), []entry{{"bin/x", "#! /bin/prog -e\necho\n", 0}}, nil},
		{"script without an end", args("x"), []entry{{"bin/x", "#!/bin/prog", 0}}, nil},
		{"no interpreter", args("x"), []entry{{"bin/x", "#!/bin/bash\n", 0}}, []want{{"interpreter-missing", Error, "/process/args/0", "/bin/bash"}}},
		{"nameless interpreter", args("x"), []entry{{"bin/x", "#! \n", 0}}, []want{{"program-format", Error, "/process/args/0", "no interpreter"}}},
		{"Windows line endings", args("x"), []entry{{"bin/x", "#!/bin/prog\r\necho\r\n", 0}}, []want{{"script-crlf", Error, "/process/args/0", "Windows"}}},
		{"interpreter of the interpreter", args("x"), []entry{{"bin/x", "#!/bin/y\n", 0}, {"bin/y", "#!/bin/z\n", 0}}, []want{{"interpreter-missing", Error, "/process/args/0", "/bin/z"}}},
		{"each other's interpreters", args("x"), []entry{{"bin/x", "#!/bin/y\n", 0}, {"bin/y", "#!/bin/x\n", 0}}, []want{{"interpreter-loop", Error, "/process/args/0", "too many"}}},
		{"env", args("x"), []entry{{"bin/x", "#!/usr/bin/env prog\n", 0}, {"usr/bin/env", native(), 0}}, nil},
		{"env finds nothing", args("x"), []entry{{"bin/x", "#!/usr/bin/env python3\n", 0}, {"usr/bin/env", native(), 0}}, []want{{"interpreter-missing", Warning, "/process/args/0", "python3"}}},

		{"cwd is made", cwd("/srv/app"), nil, nil},
		{"cwd is a file", cwd("/bin/prog"), nil, []want{{"cwd-no-directory", Error, "/process/cwd", "no directory"}}},
		{"cwd below a file", cwd("/bin/prog/x"), nil, []want{{"cwd-no-directory", Error, "/process/cwd", "no directory"}}},
		{"cwd not for the user", both(cwd("/app"), runAs(1000)), []entry{{"app/", "", 0o700}}, []want{{"no-search-permission", Warning, "/process/cwd", "/app"}}},

		{"hook brings it along", both(args("x"), hook("createContainer", "/bin/true")), nil, []want{{"program-missing", Warning, "/process/args/0", "unless a hook"}}},
		{"no hook", hook("poststop", "/nowhere/hook"), nil, []want{{"program-missing", Error, "/hooks/poststop/0/path", "on this host"}}},
		{"hook in the container", hook("startContainer", "/bin/prog"), nil, nil},
		{"no hook in the container", hook("startContainer", "/nowhere/hook"), nil, []want{{"program-missing", Error, "/hooks/startContainer/0/path", "in the root file system"}}},

		{"device there", device("/dev/null", 3), nil, nil},
		{"placeholder for a device", device("/dev/null", 3), []entry{{"dev/null", "", 0o644}}, nil},
		{"file in the way", device("/dev/null", 3), []entry{{"dev/null", "x", 0o644}}, []want{{"device-in-the-way", Error, "/linux/devices/0/path", "a file"}}},
		{"file above", device("/bin/prog/null", 3), nil, []want{{"device-in-the-way", Error, "/linux/devices/0/path", "no directory"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, look(t, newBundle(t, tc.edit, tc.files...), Options{}), tc.want)
		})
	}
}

func expect(t *testing.T, r *Report, wanted []want) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user is told of more")
	}
	for _, w := range wanted {
		if !has(r, w) {
			t.Errorf("no %+v", w)
		}
	}
	if len(r.Findings) != len(wanted) {
		t.Errorf("want %d findings", len(wanted))
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Logf("%+v", f)
		}
	}
}

func has(r *Report, w want) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.ID == w.id && f.Severity == w.severity && f.Pointer == w.pointer && strings.Contains(f.Message+" "+f.Mend, w.text)
	})
}

func both(a, b func(*specs.Spec)) func(*specs.Spec) {
	return func(s *specs.Spec) { a(s); b(s) }
}

func args(args ...string) func(*specs.Spec) { return func(s *specs.Spec) { s.Process.Args = args } }
func env(env ...string) func(*specs.Spec)   { return func(s *specs.Spec) { s.Process.Env = env } }
func cwd(dir string) func(*specs.Spec)      { return func(s *specs.Spec) { s.Process.Cwd = dir } }

func runAs(uid uint32) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.User.UID, s.Process.User.GID = uid, uid }
}

func capable(names ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Permitted: names, Effective: names}
	}
}

func hook(name, path string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		list := []specs.Hook{{Path: path}}
		s.Hooks = map[string]*specs.Hooks{
			"createContainer": {CreateContainer: list}, "startContainer": {StartContainer: list}, "poststop": {Poststop: list},
		}[name]
	}
}

func device(path string, minor int64) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: path, Type: "c", Major: 1, Minor: minor}}
	}
}

// What is no root file system yet is told of once, and not also as a missing program.
func TestRootfs_Unpacked(t *testing.T) {
	text := `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"process":{"cwd":"/","args":["sh"],"env":["PATH=/bin"]},"linux":{"namespaces":[{"type":"mount"}]}}`
	for name, tc := range map[string]struct {
		files []entry
		text  string
	}{
		"empty":      {nil, "is empty"},
		"archive":    {[]entry{{"rootfs.tar.gz", "x", 0}}, "-xf"},
		"image":      {[]entry{{"oci-layout", "{}", 0}, {"index.json", "{}", 0}, {"blobs/", "", 0}}, "umoci"},
		"one deeper": {[]entry{{"debian/bin/sh", native(), 0}, {"debian/etc/", "", 0}}, `"rootfs/debian"`},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, look(t, newTextBundle(t, text, tc.files...), Options{}), []want{{"rootfs-empty", Error, "/root/path", tc.text}})
		})
	}
}

// Links that lead to the next one and then on make a path of tens of thousands of names. It takes the time of as many look-ups,
// and not of their square.
func TestRootfs_LongWay(t *testing.T) {
	detour := strings.Repeat("/d/..", 800)
	files := []entry{{"d/", "", 0}}
	for i := range maxLinks {
		next := fmt.Sprintf("l%d", i+1)
		if i == maxLinks-1 {
			next = "d/.."
		}
		files = append(files, entry{fmt.Sprintf("l%d", i), "-> " + next + detour, 0})
	}
	dir := newBundle(t, args("/l0/x"), files...)
	before := cpuTime(t)
	expect(t, look(t, dir, Options{}), []want{{"program-missing", Error, "/process/args/0", "leads to /x"}})
	if used := cpuTime(t) - before; used > 5*time.Second {
		t.Errorf("it took %v of the CPU", used)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano())
}

// A root file system full of traps ends no check, and nothing is read but regular files.
func TestRootfs_Hostile(t *testing.T) {
	dir := newBundle(t, func(s *specs.Spec) {
		s.Process.Args = []string{"/trap/fifo"}
		s.Mounts = []specs.Mount{{Destination: "/trap/loop/x", Type: "tmpfs", Source: "tmpfs"}, {Destination: "/trap/up", Type: "tmpfs", Source: "tmpfs"}}
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{
			{Path: "/trap/zero"}, {Path: "/trap/huge"}, {Path: "/trap/out"}, {Path: "/trap/deep"}, {Path: "/trap/socket"},
		}}
	}, entry{"trap/loop", "-> loop", 0}, entry{"trap/up", "-> ../../..", 0}, entry{"trap/out", "-> /proc/1/root/bin/sh", 0},
		entry{"trap/deep", "-> " + strings.Repeat("../", 1000) + "trap/deep", 0})
	trap := filepath.Join(dir, "rootfs/trap")
	huge, err := os.OpenFile(filepath.Join(trap, "huge"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(huge.Truncate(1<<40), huge.Close(), unix.Mkfifo(filepath.Join(trap, "fifo"), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(trap, "zero"), unix.S_IFCHR|0o777, int(unix.Mkdev(1, 5))); err != nil {
		t.Skipf("make a device: %v", err)
	}
	if err := unix.Mknod(filepath.Join(trap, "socket"), unix.S_IFSOCK|0o777, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan *Report, 1)
	go func() { done <- look(t, dir, Options{}) }()
	select {
	case r := <-done:
		expect(t, r, []want{
			{"program-not-executable", Error, "/process/args/0", "a fifo"},
			{"mount-point", Error, "/mounts/0/destination", "too many levels"},
			{"mount-refused", Error, "/mounts/1/destination", "root directory"},
			{"program-not-executable", Error, "/hooks/startContainer/0/path", "a device"},
			{"program-format", Error, "/hooks/startContainer/1/path", "no ELF file"},
			{"program-missing", Error, "/hooks/startContainer/2/path", "no such file"},
			{"program-missing", Error, "/hooks/startContainer/3/path", "loop"},
			{"program-not-executable", Error, "/hooks/startContainer/4/path", "a socket"},
		})
	case <-time.After(30 * time.Second):
		t.Fatal("hangs")
	}
}
