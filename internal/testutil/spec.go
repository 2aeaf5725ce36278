package testutil

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultSpec is what `spec` writes, less the terminal, the cgroup mount and the cgroup namespace (the first two are
// subjects of their own tests, the last one needs a v2 host to mean much), and running `/probe true`.
func DefaultSpec() *specs.Spec {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Args: []string{"/probe", "true"},
			Env:  []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/", "TERM=xterm"},
			Cwd:  "/",
			Capabilities: &specs.LinuxCapabilities{
				Bounding: caps, Effective: caps, Permitted: caps,
			},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
			NoNewPrivileges: true,
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "tare-test",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		Linux: &specs.Linux{
			Resources: &specs.LinuxResources{
				Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
			},
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.MountNamespace},
			},
			MaskedPaths: []string{
				"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
				"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// Args sets what the container runs. A first word without a slash is a command of the probe.
func Args(args ...string) Edit {
	if args[0] != "" && args[0][0] != '/' {
		args = append([]string{"/probe"}, args...)
	}
	return func(s *specs.Spec) { s.Process.Args = args }
}

// Terminal asks for a terminal.
func Terminal(s *specs.Spec) { s.Process.Terminal = true }

// WritableRoot makes the root file system writable.
func WritableRoot(s *specs.Spec) { s.Root.Readonly = false }

// WithCaps sets all sets but ambient and inheritable. It replaces the default's.
func WithCaps(names ...string) Edit {
	return func(s *specs.Spec) {
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
	}
}

// WithMount appends a mount.
func WithMount(m specs.Mount) Edit {
	return func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }
}

// BindMount appends a bind mount; with no options it is "bind".
func BindMount(source, destination string, options ...string) Edit {
	if len(options) == 0 {
		options = []string{"bind"}
	}
	return WithMount(specs.Mount{Destination: destination, Source: source, Type: "bind", Options: options})
}

// WithoutMount drops the mounts on the destinations.
func WithoutMount(destinations ...string) Edit {
	return func(s *specs.Spec) {
		s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return slices.Contains(destinations, m.Destination) })
	}
}

// WithoutNamespace has the container share the runtime's namespaces of these kinds.
func WithoutNamespace(kinds ...specs.LinuxNamespaceType) Edit {
	return func(s *specs.Spec) {
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
			return slices.Contains(kinds, ns.Type)
		})
		if slices.Contains(kinds, specs.UTSNamespace) {
			s.Hostname = ""
		}
	}
}

// WithNamespace sets one namespace: a new one, or with a path one to join.
func WithNamespace(kind specs.LinuxNamespaceType, path string) Edit {
	return func(s *specs.Spec) {
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == kind })
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
	}
}

// WithUserNamespace adds a new user namespace in which container ids 0 to size-1 are the host's from first on.
func WithUserNamespace(first, size uint32) Edit {
	return func(s *specs.Spec) {
		WithNamespace(specs.UserNamespace, "")(s)
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: size}}
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
	}
}

// HookRecord makes a hook of the probe that writes how it was called to file, under a name, and exits with code after
// secs seconds.
func HookRecord(file, name string, more ...string) specs.Hook {
	return specs.Hook{Path: Probe(), Args: append([]string{"probe", "hook", file, name}, more...)}
}
