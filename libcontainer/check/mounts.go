package check

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/document"
	"tare/internal/sys"
	"tare/libcontainer/mountopt"
	"tare/libcontainer/namespace"
	"tare/libcontainer/rootfs"
)

// mounts goes through the mounts as a create does, and puts them into the view.
func (c *checker) mounts() {
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		o, err := mountopt.Parse(m.Options)
		switch {
		case c.hasProblem(at("mounts", i)): // nobody knows what is meant
		case err != nil:
			c.add(Finding{
				ID: "mount-option", Severity: Error, Pointer: at("mounts", i, "options"), Message: err.Error(),
				Why: section("/mounts"), Mend: "write NAME or NAME=VALUE",
			})
		case changes(m):
		case o.IsBind(m.Type):
			c.bind(i, m, &o)
		default:
			c.filesystem(i, m, &o)
		}
	}
}

// bind looks at the source of a bind mount.
func (c *checker) bind(i int, m *specs.Mount, o *mountopt.Options) {
	if m.Source == "" {
		return
	}
	source := m.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(c.e.Dir, source)
	}
	cv := cover{index: i, fd: -1, noexec: o.Attrs.Set&unix.MOUNT_ATTR_NOEXEC != 0}
	flags := unix.O_PATH
	if o.Has(mountopt.CopySymlink) {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := sys.Openat(unix.AT_FDCWD, source, flags)
	if err != nil {
		c.noSource(i, source, errno(err))
		return
	}
	st, err := sys.Fstat(fd)
	if err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK {
		sys.Close(fd)
		return
	}
	cv.fd, cv.isDir = fd, st.Mode&unix.S_IFMT == unix.S_IFDIR
	if !c.destination(&cv, m, cv.isDir) {
		sys.Close(fd)
	}
}

func (c *checker) noSource(i int, source string, err unix.Errno) {
	pointer := at("mounts", i, "source")
	if err == unix.EACCES {
		c.unseen(pointer, "the source "+source, err)
		return
	}
	f := Finding{
		ID: "mount-source", Severity: Error, Pointer: pointer, Message: fmt.Sprintf("open bind source %s: %v", source, err), Why: "mount(2): the source of a bind mount must be there",
		Mend: "make it (mkdir -p " + source + "), or correct the path",
	}
	c.add(f)
}

// filesystem looks at a mount of a new file system.
func (c *checker) filesystem(i int, m *specs.Mount, o *mountopt.Options) {
	cv := cover{index: i, fd: -1, noexec: o.Attrs.Set&unix.MOUNT_ATTR_NOEXEC != 0}
	cv.copied = m.Type == "tmpfs" && o.Has(mountopt.TmpCopyUp)
	cv.fresh = m.Type == "tmpfs" && path.Clean("/"+m.Destination) != "/dev"
	if m.Type != "cgroup" && m.Type != "" && !c.knowsFilesystem(m.Type) {
		f := Finding{
			ID: "filesystem-unknown", Severity: Warning, Pointer: at("mounts", i, "type"), Message: "this kernel knows no file system " + quote(m.Type) + ", unless one of its modules does",
			Why: "filesystems(5), mount(2): ENODEV", Mend: "correct the type, or load the module (modprobe " + m.Type + ")",
		}
		if near := document.Nearest([]string{"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay", "ext4", "xfs", "bind"}, m.Type); near != "" {
			f.Mend = "did you mean \"" + near + "\"?"
		}
		c.add(f)
	}
	c.destination(&cv, m, true)
}

func (c *checker) knowsFilesystem(name string) bool {
	text, err := sys.ReadFile("/proc/filesystems")
	if err != nil {
		return true
	}
	name, _, _ = strings.Cut(name, ".") // fuse.sshfs
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == name {
			return true
		}
	}
	return false
}

// destination looks where a mount goes, and says whether it is in the view now.
func (c *checker) destination(cv *cover, m *specs.Mount, isDir bool) bool {
	pointer := at("mounts", cv.index, "destination")
	if err := rootfs.RefusedDestination(m.Destination, m.Type == "proc" || cv.fd >= 0); err != nil {
		c.add(Finding{
			ID: "mount-refused", Severity: Error, Pointer: pointer, Message: err.Error(),
			Why: "docs/rootfs.md: such a mount would take the walls of the container down", Mend: "mount it elsewhere",
		})
		return false
	}
	f, err := c.view.walk(m.Destination)
	defer f.close()
	var absent *absentError
	var hidden *hiddenError
	switch {
	case errors.As(err, &hidden):
		cv.at = hidden.full
	case errors.As(err, &absent) && absent.errno == unix.ENOENT:
		if !c.canMake(absent, pointer, "the mount point") {
			return false
		}
		cv.at = absent.full
	case errors.As(err, &absent) && absent.errno == unix.EACCES:
		c.unseen(pointer, "the mount point "+m.Destination, absent)
		return false
	case err != nil:
		c.add(Finding{
			ID: "mount-point", Severity: Error, Pointer: pointer, Message: err.Error(), Why: "mount(2)", Mend: "correct the path, or the root file system",
		})
		return false
	case f.path == "/":
		c.add(Finding{
			ID: "mount-refused", Severity: Error, Pointer: pointer, Message: m.Destination + " leads to the root directory",
			Why: "docs/rootfs.md: such a mount would take the walls of the container down", Mend: "mount it elsewhere",
		})
		return false
	case isDir != f.isDir():
		c.mismatch(pointer, m.Destination, isDir)
		return false
	default:
		cv.at = f.path
	}
	cv.isDir = isDir
	c.view.covers = append(c.view.covers, *cv)
	return true
}

func (c *checker) mismatch(pointer, destination string, isDir bool) {
	f := Finding{
		ID: "mount-point", Severity: Error, Pointer: pointer, Why: "mount(2): ENOTDIR",
		Message: "not a directory: " + destination + " is a directory in the container, and the source is a file",
		Mend:    "name a file as destination: " + path.Join(destination, "NAME"),
	}
	if isDir {
		f.Message = "not a directory: " + destination + " is a file in the container, and what is mounted is a directory"
		f.Mend = "name a directory as destination, or a file as source"
	}
	c.add(f)
}

// canMake says whether what is missing can be made in the container, and tells if it cannot.
func (c *checker) canMake(absent *absentError, pointer, what string) bool {
	f := Finding{
		ID: "mount-point", Severity: Error, Pointer: pointer, Why: "mount(2): what is mounted on must be there",
		Mend: "make " + absent.full + " in the root file system",
	}
	if pointer == at("process", "cwd") {
		f.ID, f.Why, f.Mend = "cwd-missing", "chdir(2): ENOENT", "make "+absent.full+" in the root file system, or name another directory"
	}
	parent, err := c.view.walk(path.Dir(absent.path))
	if err != nil || parent.fd < 0 {
		return true // on a mount that is empty at first
	}
	defer parent.close()
	filesystem, err := sys.Fstatfs(parent.fd)
	switch {
	case err == nil && filesystem.Flags&unix.ST_RDONLY != 0:
		f.Message = fmt.Sprintf("%s %s is not there, and cannot be made: %s is on a read-only file system", what, absent.full, parent.path)
	case !c.makerMay(&parent.stat):
		f.Message = fmt.Sprintf("%s %s is not there, and root of the user namespace may not make it: %s belongs to %d:%d of the host",
			what, absent.full, parent.path, parent.stat.Uid, parent.stat.Gid)
		f.Mend += ", or chown it into the range that is mapped"
	default:
		return true
	}
	c.add(f)
	return false
}

// makerMay says whether root of the container's user namespace may write to a directory.
func (c *checker) makerMay(st *unix.Stat_t) bool {
	if !namespace.Makes(c.spec.Linux, specs.UserNamespace) {
		return true
	}
	uid, ok := toHost(c.spec.Linux.UIDMappings, 0)
	if !ok {
		return true
	}
	gid, _ := toHost(c.spec.Linux.GIDMappings, 0)
	root := &ids{uids: c.spec.Linux.UIDMappings, gids: c.spec.Linux.GIDMappings, uid: uid, groups: []uint32{gid}, caps: 1 << capDACOverride}
	return root.may(st, 2)
}
