package check

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/namespace"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// devices looks for files that are in the way of devices, and for those of the host that are to be bound.
func (c *checker) devices() {
	if c.spec.Linux == nil {
		return
	}
	made := namespace.Makes(c.spec.Linux, specs.UserNamespace)
	for i := range c.spec.Linux.Devices {
		d := &c.spec.Linux.Devices[i]
		kind := deviceKind(d.Type)
		if kind == 0 || !path.IsAbs(d.Path) {
			continue // errors of their own
		}
		if (made || !c.root) && kind != unix.S_IFIFO {
			c.hostDevice(i, d, kind)
		}
		f, err := c.view.walk(d.Path)
		if absent := (*absentError)(nil); errors.As(err, &absent) && absent.errno == unix.ENOTDIR {
			c.inTheWay(i, d, absent.path+" is no directory")
		}
		if err != nil {
			continue
		}
		is := f.stat.Mode&unix.S_IFMT == kind && (kind == unix.S_IFIFO || f.stat.Rdev == unix.Mkdev(uint32(d.Major), uint32(d.Minor)))
		placeholder := f.stat.Mode&unix.S_IFMT == unix.S_IFREG && f.stat.Size == 0
		if !is && !placeholder {
			c.inTheWay(i, d, "it is "+kindOf(f.stat.Mode)+" in the root file system, not that device")
		}
		f.close()
	}
}

func deviceKind(kind string) uint32 {
	switch kind {
	case "c", "u":
		return unix.S_IFCHR
	case "b":
		return unix.S_IFBLK
	case "p":
		return unix.S_IFIFO
	}
	return 0
}

func (c *checker) inTheWay(i int, d *specs.LinuxDevice, what string) {
	c.add(Finding{
		ID: "device-in-the-way", Severity: Error, Pointer: at("linux", "devices", i, "path"), Message: fmt.Sprintf("%s: %s", d.Path, what),
		Why: "runtime-spec, config-linux.md, Devices: a file that is there and does not match is an error", Mend: "remove the file from the root file system, or correct the path",
	})
}

// hostDevice looks for the node that a container in a user namespace gets, as nobody may make one there.
func (c *checker) hostDevice(i int, d *specs.LinuxDevice, kind uint32) {
	f := Finding{
		ID: "device-absent", Severity: Error, Pointer: at("linux", "devices", i, "path"),
		Why: "user_namespaces(7): nobody may make a device in a user namespace, so the host's node is bound", Mend: "name a device that this host has, by the host's path",
	}
	fd, err := sys.Openat(unix.AT_FDCWD, d.Path, unix.O_PATH)
	if err != nil {
		f.Message = fmt.Sprintf("this host has no %s: %v", d.Path, errno(err))
		c.add(f)
		return
	}
	defer sys.Close(fd)
	st, err := sys.Fstat(fd)
	if err == nil && (st.Mode&unix.S_IFMT != kind || st.Rdev != unix.Mkdev(uint32(d.Major), uint32(d.Minor))) {
		f.Message = fmt.Sprintf("%s of this host is not the device %s %d:%d", d.Path, d.Type, d.Major, d.Minor)
		c.add(f)
	}
}

// sysctls looks for parameters that this kernel does not have. Those of the network are left alone: a new namespace has others
// than ours, for its own devices.
func (c *checker) sysctls() {
	if c.spec.Linux == nil {
		return
	}
	for key := range c.spec.Linux.Sysctl {
		file, err := bundle.SysctlPath(key)
		if err != nil || len(file) > 4 && file[:4] == "net/" {
			continue
		}
		fd, err := sys.Openat(unix.AT_FDCWD, "/proc/sys/"+file, unix.O_PATH)
		if err == nil {
			sys.Close(fd)
			continue
		}
		if errno(err) == unix.ENOENT {
			c.add(Finding{
				ID: "sysctl-absent", Severity: Error, Pointer: at("linux", "sysctl", key), Message: "this kernel has no such parameter",
				Why: section("/linux/sysctl") + "; /proc/sys/" + file, Mend: "correct its name, or take it away",
			})
		}
	}
}
