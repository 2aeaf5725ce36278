package bundle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

// checkSysctl lets a container set the parameters of its own namespaces, and nothing else (CVE-2022-0811 shows what a way
// around such a check is worth). Whether a joined namespace is the host's takes a look at files: see checkHostNamespaces.
func checkSysctl(r *report, spec *specs.Spec) {
	if spec.Linux == nil || len(spec.Linux.Sysctl) == 0 {
		return
	}
	seen := make(map[string]string, len(spec.Linux.Sysctl))
	for _, key := range sortedKeys(spec.Linux.Sysctl) {
		if strings.ContainsAny(spec.Linux.Sysctl[key], "\x00\n") {
			r.add(at("linux", "sysctl", key), "the value must not contain NUL or newline, got %s", quote(spec.Linux.Sysctl[key]))
		}
		path, err := SysctlPath(key)
		if err != nil {
			r.add(at("linux", "sysctl", key), "%v", err)
			continue
		}
		if first, twice := seen[path]; twice {
			r.add(at("linux", "sysctl", key), "is the same parameter as %s", quote(first))
		}
		seen[path] = key
		owner, _ := sysctlNamespace(path)
		if !namespace.Has(spec.Linux, owner) {
			r.add(at("linux", "sysctl", key), "needs a namespace of type %q in linux.namespaces: the host's must not be changed", string(owner))
		}
	}
}

var (
	errSysctlForm  = errors.New("want a name like net.ipv4.ip_forward or net/ipv4/conf/eth0.100/forwarding")
	errSysctlOwner = errors.New("belongs to no namespace of the container: want kernel.msg*, kernel.sem*, kernel.shm*, fs.mqueue.*, " +
		"kernel.hostname, kernel.domainname, net.* or user.*")
)

// SysctlPath gives the path below /proc/sys of the parameter that key names, in one of the two forms of sysctl(8): with dots
// between the steps, or with slashes, where a dot belongs to the step (as in a VLAN's name). Between dots a slash is taken for
// a dot only within the name of an interface (net.ipv4.conf.eth0/100.forwarding, as the kubelet has it). Only parameters that
// some namespace of a container owns have a path: the rest is an error, without the key.
func SysctlPath(key string) (string, error) {
	path := key
	if separator := strings.IndexAny(key, "./"); separator < 0 || key[separator] == '.' {
		path = strings.ReplaceAll(key, ".", "/")
		if strings.Contains(key, "/") {
			path = dottedInterface(key)
		}
	}
	if path == "" {
		return "", errSysctlForm
	}
	for step := range strings.SplitSeq(path, "/") {
		if step == "" || step == "." || step == ".." {
			return "", errSysctlForm
		}
	}
	for i := range len(path) {
		if path[i] <= ' ' || path[i] >= 0x7f || path[i] == '\\' {
			return "", fmt.Errorf("must be printable, without spaces and backslashes: %w", errSysctlForm)
		}
	}
	if _, ok := sysctlNamespace(path); !ok {
		return "", errSysctlOwner
	}
	return path, nil
}

// dottedInterface turns a dotted key with slashes into a path if the slashes are in the fourth step, below net/*/conf and
// net/*/neigh. Everywhere else they are a mixture that two readers would take for two parameters.
func dottedInterface(key string) string {
	parts := strings.Split(key, ".")
	if len(parts) != 5 || parts[0] != "net" || parts[2] != "conf" && parts[2] != "neigh" {
		return ""
	}
	for i, part := range parts {
		if i == 3 {
			name := strings.Split(part, "/")
			for _, n := range name {
				if n == "" {
					return ""
				}
			}
			parts[i] = strings.Join(name, ".")
		} else if strings.Contains(part, "/") {
			return ""
		}
	}
	return strings.Join(parts, "/")
}

// sysctlNamespace says which namespace has its own copy of a parameter: sysctl(7) files in ipc/ipc_sysctl.c, ipc/mq_sysctl.c,
// kernel/utsname_sysctl.c, kernel/ucount.c and net/sysctl_net.c of the kernel.
func sysctlNamespace(path string) (specs.LinuxNamespaceType, bool) {
	switch path {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/msg_next_id", "kernel/auto_msgmni",
		"kernel/sem", "kernel/sem_next_id",
		"kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_next_id", "kernel/shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel/hostname", "kernel/domainname":
		return specs.UTSNamespace, true
	}
	switch first, rest, _ := strings.Cut(path, "/"); {
	case rest == "":
		return "", false
	case first == "net":
		return specs.NetworkNamespace, true
	case first == "user":
		return specs.UserNamespace, true
	}
	if name, ok := strings.CutPrefix(path, "fs/mqueue/"); ok && name != "" {
		return specs.IPCNamespace, true
	}
	return "", false
}
