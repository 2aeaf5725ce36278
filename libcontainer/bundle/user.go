package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/namespace"
)

const (
	// noID is (uid_t)-1: "leave it as it is" to chown(2) and setresuid(2), never an id.
	noID = 1<<32 - 1

	umaskLimit = 0o777
)

func checkUser(r *report, spec *specs.Spec) {
	if spec.Process == nil {
		return
	}
	user := &spec.Process.User
	var uids, gids []specs.LinuxIDMapping
	if spec.Linux != nil && namespace.Makes(spec.Linux, specs.UserNamespace) {
		uids, gids = spec.Linux.UIDMappings, spec.Linux.GIDMappings
	}
	checkID(r, user.UID, uids, "uidMappings", "process", "user", "uid")
	checkID(r, user.GID, gids, "gidMappings", "process", "user", "gid")
	for i, gid := range user.AdditionalGids {
		checkID(r, gid, gids, "gidMappings", "process", "user", "additionalGids", i)
	}
	if user.Umask != nil && *user.Umask > umaskLimit {
		r.add("/process/user/umask", "must be at most %d (0777), got %d", umaskLimit, *user.Umask)
	}
}

// checkID finds fault with an id of the container that cannot exist in it. An empty mapping is a mistake of its own.
func checkID(r *report, id uint32, mappings []specs.LinuxIDMapping, name string, steps ...any) {
	if id == noID {
		r.add(at(steps...), "%d is no id", id)
		return
	}
	if len(mappings) == 0 {
		return
	}
	for _, m := range mappings {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return
		}
	}
	r.add(at(steps...), "%d is not mapped by linux.%s", id, name)
}
