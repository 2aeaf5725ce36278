package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// nsfsMagic is that of the file system of namespaces (linux/magic.h).
const nsfsMagic = 0x6e736673

// clone is a namespace's flag (namespaces(7)) and its file in /proc/PID/ns.
func clone(t specs.LinuxNamespaceType) (flag int, file string) {
	switch t {
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID, "pid"
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET, "net"
	case specs.MountNamespace:
		return unix.CLONE_NEWNS, "mnt"
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC, "ipc"
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS, "uts"
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER, "user"
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP, "cgroup"
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME, "time"
	}
	return 0, ""
}

// namespaces looks at those to join, and whether the kernel has those to make.
func (c *checker) namespaces() {
	if c.spec.Linux == nil {
		return
	}
	for i, ns := range c.spec.Linux.Namespaces {
		flag, file := clone(ns.Type)
		switch _, err := os.Lstat("/proc/self/ns/" + file); {
		case flag == 0: // an error of its own
		case errors.Is(err, fs.ErrNotExist):
			c.add(Finding{
				ID: "namespace-unsupported", Severity: Error, Pointer: at("linux", "namespaces", i, "type"),
				Message: "this kernel has no " + string(ns.Type) + " namespaces", Why: "namespaces(7)", Mend: "take the entry away, or a kernel that has them",
			})
		case path.IsAbs(ns.Path):
			c.join(i, ns, flag)
		}
	}
	c.usersNamespace()
}

// usersNamespace is what an ordinary user needs for all other ones.
func (c *checker) usersNamespace() {
	if os.Geteuid() == 0 || len(c.spec.Linux.Namespaces) == 0 {
		return
	}
	joined, made := namespace(c.spec, specs.UserNamespace)
	if made || joined != "" {
		return
	}
	c.add(Finding{
		ID: "user-namespace-needed", Severity: Error, Pointer: at("linux", "namespaces"), Message: "has no user namespace, and the caller is not root",
		Why:  "namespaces(7): all others take CAP_SYS_ADMIN",
		Mend: "add {\"type\": \"user\"} with uidMappings and gidMappings (spec --rootless writes such a config), or run as root",
	})
}

// join looks at the file of a namespace.
func (c *checker) join(i int, ns specs.LinuxNamespace, flag int) {
	pointer := at("linux", "namespaces", i, "path")
	f := Finding{
		ID: "namespace-path", Severity: Error, Pointer: pointer, Why: section(pointer) + ": a path that is not associated with a namespace of that type is an error",
		Mend: "name a file such as /proc/PID/ns/" + string(ns.Type) + " or /run/netns/NAME, of a namespace that is there",
	}
	fd, err := sys.Openat(unix.AT_FDCWD, ns.Path, unix.O_PATH)
	if err != nil {
		if errno(err) == unix.EACCES || errno(err) == unix.EPERM {
			c.unseen(pointer, "the namespace "+ns.Path, errno(err))
			return
		}
		f.Message = fmt.Sprintf("%s: %v", quote(ns.Path), errno(err))
		c.add(f)
		return
	}
	defer sys.Close(fd)
	if filesystem, err := fstatfs(fd); err != nil || filesystem.Type != nsfsMagic {
		f.Message = quote(ns.Path) + " is no namespace"
		c.add(f)
		return
	}
	opened, err := c.proc.ReopenFD(fd, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		c.unseen(pointer, "the namespace "+ns.Path, errno(err))
		return
	}
	defer opened.Close()
	if is, err := sys.NamespaceType(opened); err == nil && is != flag {
		f.Message = quote(ns.Path) + " is a namespace of another type"
		c.add(f)
	}
}

func fstatfs(fd int) (sys.Filesystem, error) { return sys.Fstatfs(fd) }

// mappings looks whether the caller may map the ids that the user namespace is to have.
func (c *checker) mappings() {
	if _, made := namespace(c.spec, specs.UserNamespace); !made {
		return
	}
	if limit, err := sys.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil && strings.TrimSpace(string(limit)) == "0" {
		c.add(Finding{
			ID: "user-namespace-forbidden", Severity: Error, Pointer: at("linux", "namespaces"), Message: "this host allows no user namespaces (user.max_user_namespaces is 0)",
			Why: "user_namespaces(7)", Mend: "sysctl user.max_user_namespaces=10000",
		})
	}
	c.mapping("uidMappings", "uid", c.spec.Linux.UIDMappings, os.Geteuid())
	c.mapping("gidMappings", "gid", c.spec.Linux.GIDMappings, os.Getegid())
	c.owner()
}

func (c *checker) mapping(field, kind string, mappings []specs.LinuxIDMapping, own int) {
	if len(mappings) == 1 && mappings[0].Size == 1 && mappings[0].HostID == uint32(own) {
		return // nobody is asked for that (user_namespaces(7))
	}
	f := Finding{ID: "mapping-forbidden", Severity: Error, Why: "user_namespaces(7): ids to map must be the caller's to give"}
	var there []specs.LinuxIDMapping
	if os.Geteuid() == 0 {
		text, err := sys.ReadFile("/proc/self/" + kind + "_map")
		if err != nil {
			return
		}
		there = parseIDMap(string(text))
		f.Mend = "map only ids of /proc/self/" + kind + "_map: tare runs in a user namespace itself"
	} else {
		if c.noHelper("new"+kind+"map", field) {
			return
		}
		there = subordinate("/etc/sub"+kind, own)
		there = append(there, specs.LinuxIDMapping{ContainerID: uint32(own), Size: 1})
		f.Mend = "map ids of /etc/sub" + kind + ", or give the user more with usermod --add-sub" + kind + "s FIRST-LAST"
	}
	for i, m := range mappings {
		if m.Size == 0 || covers(there, m.HostID, m.Size) {
			continue
		}
		f.Pointer = at("linux", field, i, "hostID")
		f.Message = fmt.Sprintf("ids %d to %d of the host are not the caller's to map", m.HostID, uint64(m.HostID)+uint64(m.Size)-1)
		c.add(f)
	}
}

// noHelper says, also to the report, that the set-user-id program is missing that maps an ordinary user's ids.
func (c *checker) noHelper(name, field string) bool {
	for dir := range strings.SplitSeq(os.Getenv("PATH")+":/usr/bin", ":") {
		if _, err := os.Stat(path.Join(dir, name)); err == nil && dir != "" {
			return false
		}
	}
	c.add(Finding{
		ID: "mapping-forbidden", Severity: Error, Pointer: at("linux", field), Message: name + " is not installed, without which only one's own id can be mapped",
		Why: "user_namespaces(7)", Mend: "install it (package uidmap or shadow-utils), or map one id: your own",
	})
	return true
}

// parseIDMap reads /proc/PID/uid_map, with the ids that a child namespace names as its host's in front.
func parseIDMap(text string) (all []specs.LinuxIDMapping) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		first, err := strconv.ParseUint(f[0], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err == nil && err2 == nil {
			all = append(all, specs.LinuxIDMapping{ContainerID: uint32(first), Size: uint32(size)})
		}
	}
	return all
}

// subordinate reads the ranges of subuid(5) that are the user's.
func subordinate(file string, uid int) (all []specs.LinuxIDMapping) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != name && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err := strconv.ParseUint(f[1], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err == nil && err2 == nil {
			all = append(all, specs.LinuxIDMapping{ContainerID: uint32(first), Size: uint32(size)})
		}
	}
	return all
}

// covers says whether the ranges hold all ids from first on.
func covers(ranges []specs.LinuxIDMapping, first, size uint32) bool {
	for next, end := uint64(first), uint64(first)+uint64(size); ; {
		was := next
		for _, r := range ranges {
			if low, high := uint64(r.ContainerID), uint64(r.ContainerID)+uint64(r.Size); next >= low && next < high {
				next = high
			}
		}
		if next >= end {
			return true
		}
		if next == was {
			return false
		}
	}
}

// owner looks whether root of the user namespace can reach the root file system, and whose its files are.
func (c *checker) owner() {
	if c.e.Rootfs == "" {
		return
	}
	uid, ok := toHost(c.spec.Linux.UIDMappings, 0)
	if !ok {
		return
	}
	gid, _ := toHost(c.spec.Linux.GIDMappings, 0)
	root := &ids{uids: c.spec.Linux.UIDMappings, gids: c.spec.Linux.GIDMappings, uid: uid, groups: []uint32{gid}, caps: 1<<capDACOverride | 1<<capDACReadSearch}
	for dir := c.e.Rootfs; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		fd, err := sys.Openat(unix.AT_FDCWD, dir, unix.O_PATH)
		if err == nil {
			st, err = sys.Fstat(fd)
			sys.Close(fd)
		}
		if err == nil && !root.may(&st, 1) {
			c.add(Finding{
				ID: "rootfs-unreachable", Severity: Error, Pointer: at("root", "path"),
				Message: fmt.Sprintf("root of the user namespace (uid %d of the host) may not enter %s", uid, dir),
				Why:     "path_resolution(7): each directory on the way takes search permission", Mend: "chmod o+x " + dir,
			})
		}
		if err == nil && dir == c.e.Rootfs && !isMapped(root.uids, st.Uid) {
			c.add(Finding{
				ID: "rootfs-owner", Severity: Warning, Pointer: at("root", "path"),
				Message: fmt.Sprintf("the root file system belongs to uid %d of the host, which is not mapped: all of its files seem to belong to nobody, and root cannot change them", st.Uid),
				Why:     "user_namespaces(7)", Mend: fmt.Sprintf("chown its files into the range that is mapped (from %d on)", uid),
			})
		}
		if dir == "/" {
			return
		}
	}
}
