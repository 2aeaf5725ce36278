package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultOptions says for whom a default config is.
type DefaultOptions struct {
	Rootless        bool   // for an unprivileged user: a user namespace, and nothing that takes privileges
	UID, GID        uint32 // the user's, the only ids that Rootless maps
	CgroupNamespace bool   // the host has cgroup v2, where a view of one's own cgroup costs nothing
}

// Default is the config that `tare spec` writes: a shell on a terminal, in a read-only root file system.
func Default(o DefaultOptions) *specs.Spec {
	spec := &specs.Spec{
		Version:  "1.3.0",
		Process:  defaultProcess(),
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "tare",
		Mounts:   defaultMounts(o.Rootless),
		Linux: &specs.Linux{
			Namespaces: defaultNamespaces(o),
			MaskedPaths: []string{
				"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
				"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if o.Rootless {
		spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: o.UID, Size: 1}}
		spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: o.GID, Size: 1}}
	} else {
		spec.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
	}
	return spec
}

func defaultProcess() *specs.Process {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Process{
		Terminal: true,
		Args:     []string{"sh"},
		Env:      []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
		Cwd:      "/",
		Capabilities: &specs.LinuxCapabilities{
			Bounding: caps, Effective: slices.Clone(caps), Permitted: slices.Clone(caps),
		},
		Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
		NoNewPrivileges: true,
	}
}

func defaultMounts(rootless bool) []specs.Mount {
	pts := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	sys := specs.Mount{
		Destination: "/sys", Type: "sysfs", Source: "sysfs",
		Options: []string{"nosuid", "noexec", "nodev", "ro"},
	}
	if rootless {
		// Without a network namespace of its own a user namespace may not mount sysfs.
		sys.Type, sys.Source = "none", "/sys"
		sys.Options = []string{"rbind", "nosuid", "noexec", "nodev", "ro"}
	} else {
		pts = append(pts, "gid=5") // tty, which one mapped id does not have
	}
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: pts},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		sys,
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
}

func defaultNamespaces(o DefaultOptions) []specs.LinuxNamespace {
	namespaces := []specs.LinuxNamespace{{Type: specs.PIDNamespace}}
	if !o.Rootless {
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	}
	namespaces = append(namespaces,
		specs.LinuxNamespace{Type: specs.IPCNamespace},
		specs.LinuxNamespace{Type: specs.UTSNamespace},
		specs.LinuxNamespace{Type: specs.MountNamespace})
	if o.Rootless {
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	}
	// On cgroup v1, too, a user's container has a view of cgroups only through a namespace: it has no cgroup of its own.
	if o.CgroupNamespace || o.Rootless {
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return namespaces
}

// ErrConfigExists is in the words that people and scripts know.
//
//lint:ignore ST1005 a sentence of the command line's contract
var ErrConfigExists = errors.New("File " + configName + " exists. Remove it first")

// WriteDefault writes Default(o) to dir's config.json, which must not exist yet: ErrConfigExists.
func WriteDefault(dir string, o DefaultOptions) error {
	text, err := json.MarshalIndent(Default(o), "", "\t")
	if err != nil {
		return fmt.Errorf("encode the default config: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, configName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return ErrConfigExists
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
