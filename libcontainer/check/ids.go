package check

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/libcontainer/creds"
	"tare/libcontainer/namespace"
)

// Capabilities that go beyond the permissions of files (capabilities(7)).
const (
	capDACOverride   = 1
	capDACReadSearch = 2
)

// ids are those of a process of the container, as the host counts them.
type ids struct {
	unknown bool // the user namespace is joined: nobody knows its maps from the config
	uids    []specs.LinuxIDMapping
	gids    []specs.LinuxIDMapping

	uid    uint32
	groups []uint32
	caps   uint64 // effective
}

// idsOf are those of process.user, with its capabilities.
func idsOf(spec *specs.Spec) *ids {
	u := &ids{}
	switch {
	case namespace.Makes(spec.Linux, specs.UserNamespace):
		u.uids, u.gids = spec.Linux.UIDMappings, spec.Linux.GIDMappings
	case namespace.Has(spec.Linux, specs.UserNamespace):
		u.unknown = true
	}
	p := spec.Process
	if p == nil || u.unknown {
		u.unknown = true
		return u
	}
	var mapped bool
	if u.uid, mapped = toHost(u.uids, p.User.UID); !mapped {
		u.unknown = true // which is an error of its own
	}
	for _, gid := range append([]uint32{p.User.GID}, p.User.AdditionalGids...) {
		if id, mapped := toHost(u.gids, gid); mapped {
			u.groups = append(u.groups, id)
		}
	}
	u.caps = creds.NewSets(p.Capabilities).Effective
	return u
}

// toHost is an id of the container as the host counts it. Without mappings it is the same.
func toHost(mappings []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	if len(mappings) == 0 {
		return id, true
	}
	for _, m := range mappings {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
}

// isMapped says whether an id of the host has one in the container.
func isMapped(mappings []specs.LinuxIDMapping, id uint32) bool {
	return len(mappings) == 0 || slices.ContainsFunc(mappings, func(m specs.LinuxIDMapping) bool {
		return id >= m.HostID && uint64(id) < uint64(m.HostID)+uint64(m.Size)
	})
}

// may says whether the process has a permission of a file: 4 to read, 2 to write, 1 to execute or search. Access control
// lists are not looked at. What cannot be known is permitted.
func (u *ids) may(st *unix.Stat_t, permission uint32) bool {
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if u.unknown {
		return permission != 1 || isDir || st.Mode&0o111 != 0
	}
	if isMapped(u.uids, st.Uid) && isMapped(u.gids, st.Gid) { // capable_wrt_inode_uidgid, kernel/capability.c
		if u.has(capDACOverride) && (permission != 1 || isDir || st.Mode&0o111 != 0) {
			return true
		}
		if u.has(capDACReadSearch) && (permission == 4 || permission == 1 && isDir) {
			return true
		}
	}
	switch {
	case st.Uid == u.uid:
		return st.Mode>>6&permission != 0
	case slices.Contains(u.groups, st.Gid):
		return st.Mode>>3&permission != 0
	}
	return st.Mode&permission != 0
}

func (u *ids) has(capability int) bool { return u.caps&(1<<capability) != 0 }
