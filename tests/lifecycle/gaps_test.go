package lifecycle

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	. "tare/internal/testutil"
)

// What other runtimes get wrong, where no other test shows it; docs/spec.md has the whole list.

func TestGap_VersionIsChecked(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for version, ok := range map[string]bool{
		"1.0.0": true, "1.2.1": true, specs.Version: true, "1.99.7": true, "1.0.2-dev": true, "1.3.0+build.5": true,
		"": false, "1": false, "1.0": false, "v1.0.0": false, "1.0.0.0": false, "1.02.0": false, "one": false, "0.9.0": false, "2.0.0": false,
		"99.0.0": false, " 1.0.0": false, "1.0.0-": false,
	} {
		c := NewContainer(t, func(s *specs.Spec) { s.Version = version })
		if ok {
			c.Run().OK(t)
		} else {
			c.Run().Fails(t, "/ociVersion")
		}
	}
}

// What a newer minor version may bring is ignored, as unknown properties are.
func TestGap_NewerMinorVersionWithUnknownProperties(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t)
	data, err := json.Marshal(c.Spec)
	if err != nil {
		t.Fatal(err)
	}
	c.WriteConfig(t, strings.Replace(string(data), `"ociVersion":"1.0.2"`, `"ociVersion":"1.77.0","newer":{"a":[1,null]}`, 1))
	c.Run().OK(t)
}

// Mistakes that pass elsewhere, and the field that the error names.
func TestGap_MistakesAreRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	small := uint16(9)
	for field, edit := range map[string]Edit{
		"/process/rlimits/1/type": func(s *specs.Spec) {
			s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: 10, Soft: 10})
		},
		"/linux/seccomp/listenerMetadata": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerMetadata: "x"}
		},
		"/linux/seccomp/syscalls/0/names": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Action: specs.ActErrno, Names: []string{}}}}
		},
		"/annotations/":                   func(s *specs.Spec) { s.Annotations = map[string]string{"": "x"} },
		"/linux/maskedPaths/0":            func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"proc/kcore"} },
		"/linux/readonlyPaths/0":          func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"proc/sys"} },
		"/linux/namespaces/4/path":        WithNamespace(specs.NetworkNamespace, "var/run/netns/x"),
		"/linux/resources/blockIO/weight": func(s *specs.Spec) { s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{Weight: &small} },
		"/linux/rootfsPropagation":        func(s *specs.Spec) { s.Linux.RootfsPropagation = "sideways" },
		"/linux/personality/flags": func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"ADDR_NO_RANDOMIZE"}}
		},
		"/hooks/poststop/0/path":      func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "hook"}}} },
		"/linux/timeOffsets/realtime": func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {Secs: 1}} },
	} {
		c := NewContainer(t, edit)
		c.Hooked("create").Fails(t, field)
	}
}

func TestGap_AllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, func(s *specs.Spec) {
		s.Version, s.Process.Cwd, s.Linux.RootfsPropagation, s.Linux.MaskedPaths = "1", "tmp", "sideways", []string{"proc"}
	})
	c.Hooked("create").Fails(t, "4 mistakes", "/ociVersion", "/process/cwd", "/linux/rootfsPropagation", "/linux/maskedPaths/0")
}

// Something else has the place of a device: an error, and what is there stays. What is there as it shall be is fine.
func TestGap_TakenDevicePathIsRefused(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, WritableRoot, func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/etc/device", Type: "c", Major: 1, Minor: 3}}
	})
	c.WriteFile(t, "etc/device", "text", 0o600)
	c.Run().Fails(t, "/linux/devices/0", "/etc/device")
	if text, err := os.ReadFile(filepath.Join(c.RootFS, "etc/device")); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(c.RootFS, "etc/device")); err != nil {
		t.Fatal(err)
	}
	c.Run().OK(t)
	c.Run().OK(t) // it is there from before, and what it shall be
}

// A part of a key that has a dot in it, as the names of VLAN devices have: the device is made by a hook in the container's
// network.
func TestGap_SysctlOfDeviceWithDots(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	ip := NeedProgram(t, "ip")
	if exec.Command("unshare", "-n", ip, "link", "add", "a.100", "type", "dummy").Run() != nil {
		t.Skip("this kernel has no dummy devices")
	}
	for _, key := range []string{"net/ipv4/conf/a.100/forwarding", "net.ipv4.conf.a/100.forwarding"} {
		hook := specs.Hook{Path: ip, Args: []string{"ip", "link", "add", "a.100", "type", "dummy"}}
		c := NewContainer(t, WithHook(kindOf(t, "createContainer"), hook), func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: "1"} })
		const path = "net/ipv4/conf/a.100/forwarding"
		if got := c.Report(path).Sysctls[path]; got == nil || *got != "1" {
			t.Errorf("%s: %v", key, got)
		}
	}
}

// All architectures that the specification names, a flag that is for all threads, and calls younger than the profile.
func TestGap_SeccompArchitecturesAndFlags(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Architectures: architectures(), Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"},
			Syscalls: []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActErrno}},
		}
	})
	if r := c.Report(); r.Privileges.Seccomp != 2 {
		t.Errorf("seccomp mode %d", r.Privileges.Seccomp)
	}
}

func architectures() []specs.Arch {
	return []specs.Arch{
		specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS, specs.ArchMIPS64,
		specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64,
		specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64,
		specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
	}
}

// pids.limit 0: the program runs, and can make no other process. Before specification 1.3.0 it is no limit, as Podman 4 means it.
func TestGap_PidsLimitZeroIsZero(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedLimits(t, "pids")
	for version, want := range map[string]string{"1.3.0": "0", "1.0.2-dev": "max"} {
		c := NewContainer(t, Args("sleep"), func(s *specs.Spec) {
			s.Version = version
			s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(0))}}
		})
		dir := CgroupOf(t, c.Create(), "pids")
		c.Tare("start", c.ID) // the probe has threads: it cannot live with 0
		if got := CgroupFile(t, dir, "pids.max"); got != want {
			t.Errorf("%s: pids.max is %s, want %s", version, got, want)
		}
	}
}

// Nobody has asked for another umask than the caller's.
func TestGap_UmaskIsLeftAlone(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	NeedProgram(t, "sh")
	for _, umask := range []string{"0000", "0077", "0137"} {
		for _, args := range [][]string{{"run"}, {"create"}} {
			out := filepath.Join(Dir(t), "out")
			c := NewContainer(t, Args("report"))
			stdout, err := os.Create(out)
			if err != nil {
				t.Fatal(err)
			}
			defer stdout.Close()
			cmd := c.Command(append(slices.Clone(args), "--bundle", c.Dir, "--pid-file", c.Dir+"/pid", c.ID)...)
			cmd.Args = append([]string{"sh", "-c", `umask ` + umask + `; exec "$0" "$@"`}, cmd.Args...)
			cmd.Path, cmd.Stdout = "/bin/sh", stdout
			c.Do(cmd).OK(t)
			if args[0] == "create" {
				c.Start()
				c.Wait(c.PidFile(c.Dir + "/pid"))
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"0000": 0, "0077": 0o077, "0137": 0o137}[umask]
			if got := (&Result{Stdout: string(data)}).Report(t).Process.Umask; got != want {
				t.Errorf("%v with umask %s: the container has %04o", args, umask, got)
			}
		}
	}
}
