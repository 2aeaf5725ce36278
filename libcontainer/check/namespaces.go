package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/namespace"
)

// namespaces looks at those to join, and whether the kernel has those to make.
func (c *checker) namespaces() {
	if c.spec.Linux == nil {
		return
	}
	for i, ns := range c.spec.Linux.Namespaces {
		kind := namespace.KindOf(ns.Type)
		switch _, err := os.Lstat("/proc/self/ns/" + kind.File); {
		case kind.Flag == 0: // an error of its own
		case errors.Is(err, fs.ErrNotExist):
			c.add(Finding{
				ID: "namespace-unsupported", Severity: Error, Pointer: at("linux", "namespaces", i, "type"),
				Message: "this kernel has no " + string(ns.Type) + " namespaces", Why: "namespaces(7)", Mend: "take the entry away, or a kernel that has them",
			})
		case path.IsAbs(ns.Path):
			c.join(i, ns, kind.Flag)
		}
	}
	c.usersNamespace()
}

// usersNamespace is what an ordinary user needs for all other ones.
func (c *checker) usersNamespace() {
	if os.Geteuid() == 0 || len(c.spec.Linux.Namespaces) == 0 {
		return
	}
	if namespace.Has(c.spec.Linux, specs.UserNamespace) {
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
	if filesystem, err := sys.Fstatfs(fd); err != nil || filesystem.Type != unix.NSFS_MAGIC {
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
