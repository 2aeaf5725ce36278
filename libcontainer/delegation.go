package libcontainer

import (
	"errors"
	"os"
	"slices"

	"tare/cgroups"
	"tare/libcontainer/namespace"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// delegate gives the container's cgroup to its user where the container is to manage it; config-linux.md, Cgroup ownership.
func (c *creation) delegate() error {
	uid, ok := delegatee(c.bundle.Spec)
	m, can := c.cgroup.(cgroups.Delegator)
	if !ok || !can {
		return nil
	}
	err := m.Delegate(uid)
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		return nil // the cgroup is the caller's, who may give nothing away
	}
	return err
}

// delegatee is the user of process.user on the host, if the container has a new cgroup namespace and a writable mount of it.
func delegatee(spec *specs.Spec) (uid int, ok bool) {
	if spec.Process == nil || spec.Linux == nil {
		return 0, false
	}
	if !namespace.Makes(spec.Linux, specs.CgroupNamespace) || !slices.ContainsFunc(spec.Mounts, isWritableCgroup) {
		return 0, false
	}
	uid = int(spec.Process.User.UID)
	if !namespace.Has(spec.Linux, specs.UserNamespace) {
		return uid, true
	}
	// Of a user namespace that is joined, the mappings may be left out: then nobody here knows who that is.
	for _, m := range spec.Linux.UIDMappings {
		if offset := uid - int(m.ContainerID); offset >= 0 && offset < int(m.Size) {
			return int(m.HostID) + offset, true
		}
	}
	return 0, false
}

func isWritableCgroup(m specs.Mount) bool {
	return m.Source == "cgroup" && m.Destination == "/sys/fs/cgroup" && !slices.Contains(m.Options, "ro")
}
