package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/fsroot"
	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// device is a node that the container gets.
type device struct {
	field    string // "linux.devices[2] (/linux/devices/2)", or "default device"
	path     string // cleaned, absolute
	kind     uint32 // S_IFCHR, S_IFBLK, S_IFIFO
	rdev     uint64
	mode     uint32 // permissions
	uid, gid int
}

// defaultDevices are those that the spec says every container has.
var defaultDevices = [...]struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// Devices makes the default devices, linux.devices and the links in /dev, and gets the null device that MaskedPaths covers files with.
//
// Where the spec binds a host directory over /dev, nothing is made in it: it is the host's, and complete or not on purpose.
//
// A file that is already there and is the device, type and numbers, is taken, and never gets another mode or owner when it
// is a mount: it can be the host's own /dev/null. An empty regular file is what an earlier container in a user namespace left as a mount
// point; it makes way. Anything else is an error: the spec demands it for linux.devices, and for the default
// ones a wrong /dev/null or a link is how images attacked runtimes (CVE-2025-31133).
func (r *Rootfs) Devices() error {
	defer sys.Umask(sys.Umask(0)) // the modes are exact
	if r.devIsBind() {
		if err := r.makeDevices(nil, -1, outsideDev); err != nil {
			return err
		}
		return r.openNull(-1)
	}
	dev, err := r.root.MkdirAll("/dev", 0o755)
	if err != nil {
		return err
	}
	defer sys.Close(dev)
	if err := r.makeDevices(r.defaults(), dev, nil); err != nil {
		return err
	}
	if err := r.makeLinks(dev); err != nil {
		return err
	}
	return r.openNull(dev)
}

// devIsBind says whether what is mounted on /dev is a directory of the host.
func (r *Rootfs) devIsBind() bool {
	bound := false
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		if cleanDestination(m) != "/dev" {
			continue
		}
		if o, err := mountopt.Parse(m.Options); err == nil && !o.Has(mountopt.Remount) {
			bound = o.IsBind(m.Type)
		}
	}
	return bound
}

func outsideDev(d *device) bool { return !strings.HasPrefix(d.path, "/dev/") }

// defaults are the default devices that linux.devices does not describe itself.
func (r *Rootfs) defaults() []device {
	list := make([]device, 0, len(defaultDevices))
	for i := range defaultDevices {
		d := &defaultDevices[i]
		p := "/dev/" + d.name
		if !r.listed(p) {
			list = append(list, device{field: "default device", path: p, kind: unix.S_IFCHR, rdev: unix.Mkdev(d.major, d.minor), mode: 0o666})
		}
	}
	return list
}

func (r *Rootfs) listed(cleanPath string) bool {
	if r.spec.Linux == nil {
		return false
	}
	for i := range r.spec.Linux.Devices {
		if filepath.Clean(r.spec.Linux.Devices[i].Path) == cleanPath {
			return true
		}
	}
	return false
}

// makeDevices makes the listed default devices and those of linux.devices that filter (nil: all) lets through. dev is /dev, or -1.
func (r *Rootfs) makeDevices(list []device, dev int, filter func(*device) bool) error {
	if r.spec.Linux != nil {
		for i := range r.spec.Linux.Devices {
			d, err := specDevice(i, &r.spec.Linux.Devices[i])
			if err != nil {
				return err
			}
			if filter == nil || filter(&d) {
				list = append(list, d)
			}
		}
	}
	for i := range list {
		if err := r.makeDeviceIn(&list[i], dev); err != nil {
			return fmt.Errorf("%s: %s: %w", list[i].field, list[i].path, err)
		}
	}
	return nil
}

// specDevice is linux.devices[i] in the kernel's terms.
func specDevice(i int, s *specs.LinuxDevice) (device, error) {
	d := device{
		field: fmt.Sprintf("linux.devices[%d] (/linux/devices/%d)", i, i),
		path:  filepath.Clean("/" + s.Path),
		mode:  0o666,
	}
	switch s.Type {
	case "c", "u":
		d.kind = unix.S_IFCHR
	case "b":
		d.kind = unix.S_IFBLK
	case "p":
		d.kind = unix.S_IFIFO
	default:
		return d, fmt.Errorf("%s: unknown type %q", d.field, s.Type)
	}
	if s.Major < 0 || s.Minor < 0 || s.Major > 0xfff || s.Minor > 0xfffff {
		return d, fmt.Errorf("%s: device number %d:%d does not exist", d.field, s.Major, s.Minor)
	}
	if d.kind != unix.S_IFIFO {
		d.rdev = unix.Mkdev(uint32(s.Major), uint32(s.Minor))
	}
	if s.FileMode != nil {
		d.mode = uint32(*s.FileMode) & 0o7777 // some write the type's bits too
	}
	if s.UID != nil {
		d.uid = int(*s.UID)
	}
	if s.GID != nil {
		d.gid = int(*s.GID)
	}
	return d, nil
}

func (r *Rootfs) makeDeviceIn(d *device, dev int) error {
	name := path.Base(d.path)
	if dev < 0 || path.Dir(d.path) != "/dev" {
		var err error
		if dev, name, err = r.root.Parent(d.path); err != nil {
			return err
		}
		defer sys.Close(dev)
	}
	if r.opts.UserNS && d.kind != unix.S_IFIFO {
		return r.bindDevice(d, dev, name)
	}
	err := sys.Mknodat(dev, name, d.kind|d.mode, d.rdev)
	switch {
	case errors.Is(err, unix.EEXIST):
		return r.existing(d, dev, name)
	case errors.Is(err, unix.EPERM): // we have no CAP_MKNOD
		return r.bindDevice(d, dev, name)
	case err != nil:
		return err
	}
	if d.uid|d.gid == 0 {
		return nil // as made
	}
	return r.own(d, dev, name)
}

// own gives the node that we just made its owner, after a look at it: somebody who shares the directory can have
// put another file in its place.
func (r *Rootfs) own(d *device, dev int, name string) error {
	fd, err := fsroot.OpenAt(dev, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	st, err := sys.Statx(fd)
	if err != nil {
		return err
	}
	if !d.is(&st) {
		return d.mismatch(&st)
	}
	return r.adjust(d, fd, &st)
}

// existing takes a file that is already where the device goes, or replaces it.
func (r *Rootfs) existing(d *device, dev int, name string) error {
	fd, err := sys.Openat(dev, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	st, err := sys.Statx(fd)
	switch {
	case err != nil:
		return err
	case d.is(&st):
		if d.field == "default device" {
			return nil
		}
		return r.adjust(d, fd, &st)
	case !isPlaceholder(&st):
		return d.mismatch(&st)
	}
	if err := sys.Unlinkat(dev, name); err != nil {
		return err
	}
	if err := sys.Mknodat(dev, name, d.kind|d.mode, d.rdev); err != nil {
		return err
	}
	return r.own(d, dev, name)
}

// adjust gives the node fd its mode and owner, unless it is bound from elsewhere: then they are not the container's.
func (r *Rootfs) adjust(d *device, fd int, st *unix.Statx_t) error {
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return nil
	}
	if int(st.Uid) != d.uid || int(st.Gid) != d.gid {
		if err := sys.Fchown(fd, d.uid, d.gid); err != nil {
			return err
		}
	}
	if uint32(st.Mode)&0o7777 != d.mode {
		return r.proc.Chmod(fd, d.mode)
	}
	return nil
}

// bindDevice mounts the host's node over an empty file. Its mode and owner are the host's, and stay.
func (r *Rootfs) bindDevice(d *device, dev int, name string) error {
	target, err := fsroot.CreateFileAt(dev, name, 0o666)
	if errors.Is(err, unix.ELOOP) {
		return d.mismatch(&unix.Statx_t{Mode: unix.S_IFLNK})
	}
	if err != nil {
		return err
	}
	defer sys.Close(target)
	st, err := sys.Statx(target)
	switch {
	case err != nil:
		return err
	case d.is(&st):
		return nil
	case !isPlaceholder(&st):
		return d.mismatch(&st)
	}
	node, err := cloneNode(d.path, d.kind, d.rdev)
	if err != nil {
		return fmt.Errorf("bind the host's: %w", err)
	}
	defer sys.Close(node)
	return r.attach(node, target, mountopt.Attrs{}, mountopt.Attrs{Set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC})
}

// cloneNode returns a detached mount of the host's file at path, which it checks to be the device.
func cloneNode(path string, kind uint32, rdev uint64) (int, error) {
	fd, err := sys.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE)
	if err != nil {
		return -1, err
	}
	st, err := sys.Statx(fd)
	d := device{kind: kind, rdev: rdev}
	if err == nil && !d.is(&st) {
		err = d.mismatch(&st)
	}
	if err != nil {
		sys.Close(fd)
		return -1, &os.PathError{Op: "open device", Path: path, Err: err}
	}
	return fd, nil
}

func (d *device) is(st *unix.Statx_t) bool {
	return uint32(st.Mode)&unix.S_IFMT == d.kind && (d.kind == unix.S_IFIFO || unix.Mkdev(st.Rdev_major, st.Rdev_minor) == d.rdev)
}

// isPlaceholder says that st is the empty file that a device is mounted on.
func isPlaceholder(st *unix.Statx_t) bool {
	return uint32(st.Mode)&unix.S_IFMT == unix.S_IFREG && st.Size == 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0
}

func (d *device) mismatch(st *unix.Statx_t) error {
	return fmt.Errorf("%w: it is %s, not %s", ErrRefused, describe(uint32(st.Mode), unix.Mkdev(st.Rdev_major, st.Rdev_minor)), describe(d.kind, d.rdev))
}

// describe names a kind of file.
func describe(mode uint32, rdev uint64) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return fmt.Sprintf("character device %d:%d", unix.Major(rdev), unix.Minor(rdev))
	case unix.S_IFBLK:
		return fmt.Sprintf("block device %d:%d", unix.Major(rdev), unix.Minor(rdev))
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a regular file"
}
