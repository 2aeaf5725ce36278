package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// makeBundle fills a directory with what a runtime needs: config.json and a root file system.
func makeBundle(dir, probe string, spec *specs.Spec) error {
	rootfs := filepath.Join(dir, "rootfs")
	// Where the runtime mounts something there has to be a directory.
	for _, name := range []string{"proc", "sys", "dev"} {
		if err := os.MkdirAll(filepath.Join(rootfs, name), 0o755); err != nil {
			return err
		}
	}
	if err := copyProgram(probe, filepath.Join(rootfs, "probe")); err != nil {
		return err
	}
	return writeConfig(dir, spec)
}

func writeConfig(dir string, spec *specs.Spec) error {
	data, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// newSpec describes the container. `tare spec` writes a config.json much like it.
func newSpec() *specs.Spec {
	caps := []string{"CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Args:            []string{"/probe", "demo"},
			Cwd:             "/",
			Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps},
			NoNewPrivileges: true,
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "tare-demo",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "mode=755", "size=64k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "size=1m"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.CgroupNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.MountNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.PIDNamespace},
				{Type: specs.TimeNamespace},
				{Type: specs.UserNamespace},
				{Type: specs.UTSNamespace},
			},
			UIDMappings:   userIDs(os.Getuid()),
			GIDMappings:   userIDs(os.Getgid()),
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
			Seccomp:       seccompProfile(),
		},
	}
}

// userIDs makes the container's root somebody harmless: for the host's root a user far above all others, for an
// ordinary user the one he is, which is the only one that the kernel lets him give.
func userIDs(own int) []specs.LinuxIDMapping {
	if os.Geteuid() == 0 {
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	}
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(own), Size: 1}}
}

// seccompProfile allows all but some of the calls that a container has no business with. One for real use is the other
// way round: it names what is allowed.
func seccompProfile() *specs.LinuxSeccomp {
	eperm := uint(1)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{{
			Names: []string{
				"add_key", "bpf", "init_module", "keyctl", "kexec_load", "mount", "perf_event_open", "ptrace", "reboot",
				"request_key", "setns", "swapon", "umount2", "unshare", "userfaultfd",
			},
			Action: specs.ActErrno, ErrnoRet: &eperm,
		}},
	}
}

// controllers are the ones that the demo limits; each is a member of linux.resources.
var controllers = []string{"memory", "cpu", "pids"}

// limit sets a limit for one of them.
func limit(spec *specs.Spec, controller string) {
	if spec.Linux.Resources == nil {
		spec.Linux.Resources = &specs.LinuxResources{}
	}
	memory, quota, period, pids := int64(64<<20), int64(50_000), uint64(100_000), int64(32)
	switch controller {
	case "memory":
		spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	case "cpu":
		spec.Linux.Resources.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
	case "pids":
		spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	default:
		panic(fmt.Sprintf("no limit for %q", controller))
	}
}
