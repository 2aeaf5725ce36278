package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"tare/internal/procfs"
	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// idMaps writes the id maps of a new user namespace; user_namespaces(7).
type idMaps struct {
	uid, gid       []specs.LinuxIDMapping
	field, pointer string // of config.json, which has them as uidMappings and gidMappings
	// helpers says that the caller may map no more than its own ids: newuidmap(1) and newgidmap(1) do the rest.
	helpers bool
}

func newIDMaps(l *specs.Linux) *idMaps {
	m := &idMaps{field: "linux", pointer: "/linux", helpers: !mayMapIDs()}
	if l != nil {
		m.uid, m.gid = l.UIDMappings, l.GIDMappings
	}
	return m
}

// mayMapIDs tells whether the caller may map other ids than its own.
func mayMapIDs() bool {
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	own, err := sys.Capget()
	return err == nil && own.Effective&need == need
}

// agree checks that mappings in the config are those of the user namespace that the process pid has joined.
func (m *idMaps) agree(proc *procfs.Handle, pid int) error {
	for _, kind := range [...]struct {
		name   string
		list   []specs.LinuxIDMapping
		actual func(int) (procfs.IDMap, error)
	}{{"uidMappings", m.uid, proc.UIDMap}, {"gidMappings", m.gid, proc.GIDMap}} {
		if len(kind.list) == 0 {
			continue
		}
		actual, err := kind.actual(pid)
		if err != nil {
			return m.fail(kind.name, err)
		}
		var want procfs.IDMap
		for _, e := range kind.list {
			want = append(want, procfs.IDRange{Inside: e.ContainerID, Outside: e.HostID, Size: e.Size})
		}
		if !want.Same(actual) {
			return m.fail(kind.name, fmt.Errorf("the user namespace that is joined has other ones: %v", actual))
		}
	}
	return nil
}

// same tells whether both have the same maps.
func (m *idMaps) same(other *idMaps) bool {
	return slices.Equal(m.uid, other.uid) && slices.Equal(m.gid, other.gid)
}

// setgroupsOff tells whether the kernel wants setgroups(2) denied before it takes the gid map, lest dropping a
// group gives access that the group was denied (CVE-2014-8989).
func (m *idMaps) setgroupsOff() bool { return m.helpers && ownOnly(m.gid, os.Getegid()) }

// ownOnly tells whether the list maps one id, the caller's own.
func ownOnly(list []specs.LinuxIDMapping, own int) bool {
	return len(list) == 1 && list[0].Size == 1 && list[0].HostID == uint32(own)
}

// write writes the maps of the process pid, which waits for them.
func (m *idMaps) write(pid int) error {
	if m.setgroupsOff() {
		if err := writeProc(pid, "setgroups", "deny"); err != nil {
			return m.fail("gidMappings", err)
		}
	}
	if err := m.writeOne(pid, "uid_map", "newuidmap", m.uid, os.Geteuid()); err != nil {
		return m.fail("uidMappings", err)
	}
	if err := m.writeOne(pid, "gid_map", "newgidmap", m.gid, os.Getegid()); err != nil {
		return m.fail("gidMappings", err)
	}
	return nil
}

func (m *idMaps) fail(list string, err error) error {
	return fmt.Errorf("%s.%s (%s/%s): %w", m.field, list, m.pointer, list, err)
}

func (m *idMaps) writeOne(pid int, file, helper string, list []specs.LinuxIDMapping, own int) error {
	if m.helpers && !ownOnly(list, own) {
		return runMapHelper(helper, pid, list)
	}
	var text strings.Builder
	for _, e := range list {
		fmt.Fprintf(&text, "%d %d %d\n", e.ContainerID, e.HostID, e.Size)
	}
	err := writeProc(pid, file, text.String())
	if size := os.Getpagesize(); errors.Is(err, unix.EINVAL) && text.Len() >= size {
		err = fmt.Errorf("%w: the kernel takes less than a page (%d bytes) of them, and this is %d", err, size, text.Len())
	}
	return err
}

// writeProc writes a file of a process in one write, as the map files want it.
func writeProc(pid int, file, text string) error {
	path := "/proc/" + strconv.Itoa(pid) + "/" + file
	fd, err := sys.Openat(unix.AT_FDCWD, path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	if err := sys.Write(fd, []byte(text)); err != nil {
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%s: %w: may the caller map these ids?", path, err)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// runMapHelper has the setuid helper of the shadow package write the map: it knows the ranges of /etc/subuid
// and /etc/subgid.
func runMapHelper(helper string, pid int, list []specs.LinuxIDMapping) error {
	args := []string{strconv.Itoa(pid)}
	for _, e := range list {
		args = append(args, strconv.FormatUint(uint64(e.ContainerID), 10),
			strconv.FormatUint(uint64(e.HostID), 10), strconv.FormatUint(uint64(e.Size), 10))
	}
	out, err := exec.Command(helper, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: an ordinary user needs it to map more than the own id (package uidmap)", err)
	}
	if err != nil {
		ranges := map[string]string{"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}[helper]
		return fmt.Errorf("%s: %w: %s (%s lists the user's ranges)", helper, err, strings.Join(strings.Fields(string(out)), " "), ranges)
	}
	return nil
}
