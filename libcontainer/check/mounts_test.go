package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func mount(m ...specs.Mount) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m...) }
}

func tmpfs(at string, options ...string) specs.Mount {
	return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: options}
}

func bindOf(source, at string, options ...string) specs.Mount {
	return specs.Mount{Destination: at, Type: "none", Source: source, Options: append(options, "bind")}
}

// What mounts cover is not what the root file system has, and what they show is looked into.
func TestMounts(t *testing.T) {
	outside := t.TempDir()
	for name, content := range map[string]string{"tool": native(), "script": "#!/bin/prog\n", "alien": program(foreignMachine, true, "")} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/bin/prog", filepath.Join(outside, "link")); err != nil {
		t.Fatal(err)
	}
	missing := func(text string) []want { return []want{{"program-missing", Error, "/process/args/0", text}} }
	for _, tc := range []struct {
		name  string
		edit  func(*specs.Spec)
		files []entry
		want  []want
	}{
		{"below a tmpfs", both(args("/bin/prog"), mount(tmpfs("/bin"))), nil, missing("new tmpfs")},
		{"below a tmpfs with a copy", both(args("/bin/prog"), mount(tmpfs("/bin", "tmpcopyup"))), nil, nil},
		{"beside a tmpfs", both(args("/bin/prog"), mount(tmpfs("/bin2"))), nil, nil},
		{"on a bind", both(args("/opt/tool"), mount(bindOf(outside, "/opt"))), nil, nil},
		{"on a bind of a file", both(args("/opt/tool"), mount(bindOf(filepath.Join(outside, "tool"), "/opt/tool"))), nil, nil},
		{"covered by a bind", both(args("/bin/prog"), mount(bindOf(outside, "/bin"))), nil, missing("no such file")},
		{"later bind", both(args("/opt/tool"), mount(tmpfs("/opt"), bindOf(outside, "/opt/"))), nil, []want{{"mount-hidden", Warning, "/mounts/0", ""}}},
		{"bind in a tmpfs", both(args("/opt/x/tool"), mount(tmpfs("/opt"), bindOf(outside, "/opt/x"))), nil, nil},
		{"link on a bind leads into the container", both(args("/opt/link"), mount(bindOf(outside, "/opt"))), nil, nil},
		{"interpreter below the bind", both(args("/opt/script"), mount(bindOf(outside, "/opt"))), nil, nil},
		{"wrong architecture on a bind", both(args("/opt/alien"), mount(bindOf(outside, "/opt"))), nil, []want{{"program-architecture", Error, "/process/args/0", ""}}},
		{"mount point by a link", both(args("/lib/x/tool"), mount(bindOf(outside, "/link/x"))), []entry{{"link", "-> /lib", 0}, {"lib/", "", 0}}, nil},
		{"what nobody knows", both(args("/opt/tool"), mount(specs.Mount{Destination: "/opt", Type: "overlay", Source: "overlay"})), nil, []want{{"program-unknown", Note, "/process/args/0", "/opt"}}},
		{"noexec", both(args("/opt/tool"), mount(bindOf(outside, "/opt", "noexec"))), nil, []want{{"program-not-executable", Error, "/process/args/0", "noexec"}}},
		{"noexec, and exec", both(args("/opt/tool"), mount(bindOf(outside, "/opt", "noexec", "exec"))), nil, nil},
		{"cwd in a tmpfs", both(cwd("/srv/x"), mount(tmpfs("/srv"))), nil, nil},
		{"device in a tmpfs", both(device("/dev/null", 3), mount(tmpfs("/dev"))), []entry{{"dev/null", "x", 0}}, nil},

		{"no source", mount(bindOf("/nowhere/x", "/mnt")), nil, []want{{"mount-source", Error, "/mounts/0/source", "mkdir -p"}}},
		{"source beside the config", mount(bindOf("rootfs/bin", "/mnt")), nil, nil},
		{"file on a directory", mount(bindOf(filepath.Join(outside, "tool"), "/bin")), nil, []want{{"mount-point", Error, "/mounts/0/destination", "/bin/NAME"}}},
		{"directory on a file", mount(bindOf(outside, "/bin/prog")), nil, []want{{"mount-point", Error, "/mounts/0/destination", "is a file in the container"}}},
		{"tmpfs on a file", mount(tmpfs("/bin/prog")), nil, []want{{"mount-point", Error, "/mounts/0/destination", "is a file in the container"}}},
		{"below a file", mount(tmpfs("/bin/prog/x")), nil, []want{{"mount-point", Error, "/mounts/0/destination", "not a directory"}}},
		{"over the root", mount(tmpfs("/x/..")), nil, []want{{"mount-refused", Error, "/mounts/0/destination", "root directory"}}},
		{"over the root by a link", mount(tmpfs("/up")), []entry{{"up", "-> ..", 0}}, []want{{"mount-refused", Error, "/mounts/0/destination", "root directory"}}},
		{"in proc", mount(tmpfs("/proc/sys")), nil, []want{{"mount-refused", Error, "/mounts/0/destination", "lies in /proc"}}},
		{"over proc", mount(tmpfs("/proc")), nil, []want{{"mount-refused", Error, "/mounts/0/destination", "procfs"}}},
		{"misspelt option", mount(bindOf(outside, "/mnt", "nosiud")), nil, []want{{"warnings", Warning, "/mounts/0/options/0", `"nosuid"`}}},
		{"option of a manager", mount(bindOf(outside, "/mnt", "Z")), nil, []want{{"warnings", Warning, "/mounts/0/options/0", "command line"}}},
		{"misspelt type", mount(specs.Mount{Destination: "/mnt", Type: "tmpsf", Source: "x"}), nil, []want{{"filesystem-unknown", Warning, "/mounts/0/type", `"tmpfs"`}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, look(t, newBundle(t, tc.edit, tc.files...), Options{}), tc.want)
		})
	}
}

// All that is wrong with a bundle is told at once: with its text, its values, its root file system and with what it wants of
// this host.
func TestManyAtOnce(t *testing.T) {
	config := `{
	"ociVersion": "1.3.0",
	"root": {"path": "rootfs"},
	"hostname": "web",
	"process": {
		"user": {"uid": "root"},
		"cwd": "tmp",
		"args": ["/bin/scirpt"],
		"env": ["PATH"],
		"capabilites": {},
		"rlimits": [{"type": "RLIMIT_NOFILES", "hard": 1, "soft": 2},]
	},
	"mounts": [
		{"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}
		{"destination": "/data", "source": "/nowhere/data", "options": ["bind", "readonly"]},
		{"destination": "/bin/script", "source": ".", "options": ["bind"]}
	],
	"hooks": {"poststart": [{"path": "/nowhere/hook"}, {"path": "hook"}]},
	"linux": {
		"namespaces": [{"type": "mount"}, {"type": "netwerk"}, {"type": "network", "path": "/nowhere/net"}],
		"resources": {"memory": {"limit": 64}, "pids": {"limit": -5}, "unified": {"nosuch.max": "1"}, "memory": {"limit": 64}},
		"netDevices": {"nodev0": {}},
		"seccomp": {"defaultAction": "SCMP_ACT_ALOW"},
		"sysctl": {"kernel.core_pattern": "x"}
	}
}`
	dir := newTextBundle(t, config, entry{"bin/script", "#!/bin/bash\r\n", 0}, entry{"bin/prog", native(), 0})
	r := look(t, dir, Options{})
	for _, w := range []want{
		{"syntax", Error, "", "take away the comma at line 11"},
		{"syntax", Error, "", "end of line 15"},
		{"type", Error, "/process/user/uid", "not a string"},
		{"names", Error, "/hostname", `"uts"`},
		{"process", Error, "/process/cwd", "absolute"},
		{"program-missing", Error, "/process/args/0", "/bin/scirpt"},
		{"process", Error, "/process/env/0", "NAME=VALUE"},
		{"unknown-field", Warning, "/process/capabilites", `"capabilities"`},
		{"rlimits", Error, "/process/rlimits/0/type", `"RLIMIT_NOFILE"`},
		{"rlimits", Error, "/process/rlimits/0/soft", "hard limit"},
		{"mount-hidden", Warning, "/mounts/0", "/dev"},
		{"mount-source", Error, "/mounts/2/source", "/nowhere/data"},
		{"warnings", Warning, "/mounts/2/options/1", `"ro"`},
		{"mount-point", Error, "/mounts/3/destination", "is a file"},
		{"program-missing", Error, "/hooks/poststart/0/path", "/nowhere/hook"},
		{"hooks", Error, "/hooks/poststart/1/path", "absolute"},
		{"namespaces", Error, "/linux/namespaces/1/type", `"network"`},
		{"namespace-path", Error, "/linux/namespaces/2/path", "/nowhere/net"},
		{"memory-small", Warning, "/linux/resources/memory/limit", "bytes"},
		{"repeated-field", Warning, "/linux/resources/memory", "second"},
		{"other-limits", Error, "/linux/resources/pids/limit", "-5"},
		{"cgroup-limit", Error, "/linux/resources/unified/nosuch.max", "nosuch"},
		{"net-device-absent", Error, "/linux/netDevices/nodev0", "no network device"},
		{"seccomp", Error, "/linux/seccomp/defaultAction", `"SCMP_ACT_ALLOW"`},
		{"sysctl", Error, "/linux/sysctl/kernel.core_pattern", "no namespace"},
	} {
		if !has(r, w) && (os.Geteuid() == 0 || w.id != "cgroup-limit") {
			t.Errorf("no %+v", w)
		}
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Logf("%+v", f)
		}
	}
}
