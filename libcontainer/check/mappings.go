package check

import (
	"fmt"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/namespace"
)

// mappings looks whether the caller may map the ids that the user namespace is to have.
func (c *checker) mappings() {
	if !namespace.Makes(c.spec.Linux, specs.UserNamespace) {
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
	var there procfs.IDMap
	if os.Geteuid() == 0 {
		actual := c.proc.UIDMap
		if kind == "gid" {
			actual = c.proc.GIDMap
		}
		var err error
		if there, err = actual(os.Getpid()); err != nil {
			return
		}
		f.Mend = "map only ids of /proc/self/" + kind + "_map: tare runs in a user namespace itself"
	} else {
		if c.noHelper("new"+kind+"map", field) {
			return
		}
		there = subordinate("/etc/sub"+kind, own)
		there = append(there, procfs.IDRange{Inside: uint32(own), Size: 1})
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

// subordinate reads the ranges of subuid(5) that are the user's.
func subordinate(file string, uid int) (all procfs.IDMap) {
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
			all = append(all, procfs.IDRange{Inside: uint32(first), Size: uint32(size)})
		}
	}
	return all
}

// covers says whether the ranges hold all ids from first on, which a child namespace would name as its host's.
func covers(ranges procfs.IDMap, first, size uint32) bool {
	for next, end := uint64(first), uint64(first)+uint64(size); ; {
		was := next
		for _, r := range ranges {
			if low, high := uint64(r.Inside), uint64(r.Inside)+uint64(r.Size); next >= low && next < high {
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
