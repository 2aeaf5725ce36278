package rootfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// maxValue is how long a value fsconfig(2) takes: strndup_user(value, 256).
const maxValue = 255

// mountNew mounts a filesystem of m's type.
func (r *Rootfs) mountNew(m *mount) error {
	k := dirMount
	if m.Type == "proc" {
		k = procMount
	}
	d, err := r.destination(m.Destination, k)
	if err != nil {
		return err
	}
	defer d.close()
	return r.mountNewOn(m, &d, k)
}

func (r *Rootfs) mountNewOn(m *mount, d *destination, k kind) error {
	o, label, attr, late := r.newOptions(m)
	// A tmpfs looks like the directory that it covers.
	mimic := m.Type == "tmpfs" && !d.made && !hasData(&o, "mode")
	fd, ok, err := r.takeSource(m)
	if err != nil {
		return err
	}
	if ok {
		if mimic {
			// The runtime could not look. Where the mapping leaves root out, this cannot be (EPERM, EOVERFLOW).
			_ = r.proc.Chmod(fd, d.mode&0o7777)
		}
		return r.place(fd, m, d, k, late)
	}
	if mimic {
		mode := strconv.FormatUint(uint64(d.mode&0o7777), 8)
		o.Data = append(o.Data, mountopt.Datum{Key: "mode", Value: mode, HasValue: true})
	}
	for i := range o.Data {
		if len(o.Data[i].Value) > maxValue {
			return r.mountLong(m, d, &o, attr, label)
		}
	}
	if fd, err = newMount(m.Type, m.Source, label, &o, attr); err != nil {
		return err
	}
	if err := r.labelQueue(m, fd); err != nil {
		sys.Close(fd)
		return err
	}
	return r.place(fd, m, d, k, late)
}

// newOptions are the options of m's new file system, its label, and the attributes of its mount; late says that the mount becomes
// read-only at the end, by Readonly.
func (r *Rootfs) newOptions(m *mount) (o mountopt.Options, label string, attr uint64, late bool) {
	o = m.opts
	label = r.labelOf(m.Type, &o)
	attr = o.Attrs.Set | o.Recursive.Set // nothing is mounted in it
	late = attr&unix.MOUNT_ATTR_RDONLY != 0 && readonlyLate(m)
	if late {
		attr &^= unix.MOUNT_ATTR_RDONLY
		o.SuperSet &^= mountopt.SuperReadOnly
	}
	return o, label, attr, late
}

// place fills the detached mount fd if it is to be, attaches it, and closes the descriptor or keeps it for later.
func (r *Rootfs) place(fd int, m *mount, d *destination, k kind, late bool) error {
	if m.opts.Has(mountopt.TmpCopyUp) && m.Type == "tmpfs" {
		if err := r.copyUp(d.fd, fd); err != nil {
			sys.Close(fd)
			return fmt.Errorf("tmpcopyup: %w", err)
		}
	}
	if err := r.finish(fd, d, k, m.opts.Propagation); err != nil {
		sys.Close(fd)
		return err
	}
	if late {
		r.deferred = append(r.deferred, deferredAttr{mount: fd, index: m.index, destination: m.Destination})
		return nil
	}
	sys.Close(fd)
	return nil
}

// finish attaches a mount that has its attributes.
func (r *Rootfs) finish(fd int, d *destination, k kind, propagation []uint32) error {
	if err := sys.MoveMount(fd, d.fd); err != nil {
		return err
	}
	if err := r.propagateAll(fd, propagation); err != nil {
		return err
	}
	if k.strict() {
		return r.confirm(d, fd)
	}
	return nil
}

// newMount makes a detached mount of a new filesystem, with a label of SELinux or "". The descriptor belongs to the caller.
func newMount(fstype, source, label string, o *mountopt.Options, attr uint64) (int, error) {
	fs, err := sys.Fsopen(fstype)
	if err != nil {
		return -1, err
	}
	defer sys.Close(fs)
	if source != "" {
		if err := sys.FsconfigString(fs, "source", source); err != nil {
			return -1, err
		}
	}
	if err := configure(fs, o, nil, o.Data); err != nil {
		return -1, err
	}
	if err := setLabel(fs, label); err != nil {
		return -1, err
	}
	if err := sys.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return sys.Fsmount(fs, attr)
}

// configure gives the context fs its options.
func configure(fs int, o *mountopt.Options, clear []string, data []mountopt.Datum) error {
	for _, flags := range [...][]string{o.SuperSet.SetNames(), clear} {
		for _, flag := range flags {
			if err := sys.FsconfigFlag(fs, flag); err != nil {
				return err
			}
		}
	}
	for _, d := range data {
		err := error(nil)
		if d.HasValue {
			err = sys.FsconfigString(fs, d.Key, d.Value)
		} else {
			err = sys.FsconfigFlag(fs, d.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mountLong mounts with mount(2), whose options may fill a page, where one is too long for fsconfig(2): the layers of an overlay. The
// target is still the descriptor, by its entry in our verified /proc.
func (r *Rootfs) mountLong(m *mount, d *destination, o *mountopt.Options, attr uint64, label string) error {
	var data []string
	for _, datum := range o.Data {
		data = append(data, datum.String())
	}
	if label != "" {
		data = append(data, labelOption+`="`+label+`"`) // its categories are parted by commas
	}
	var flags uint64
	for _, f := range [...]struct {
		super mountopt.Super
		ms    uint64
	}{
		{mountopt.SuperReadOnly, unix.MS_RDONLY},
		{mountopt.SuperSync, unix.MS_SYNCHRONOUS},
		{mountopt.SuperDirsync, unix.MS_DIRSYNC},
		{mountopt.SuperLazytime, unix.MS_LAZYTIME},
	} {
		if o.SuperSet&f.super != 0 {
			flags |= f.ms
		}
	}
	flags |= uint64(remountFlags(0, mountopt.Attrs{Set: attr, Clear: unix.MOUNT_ATTR__ATIME})) &^ (unix.MS_REMOUNT | unix.MS_BIND)
	err := r.proc.WithPath(d.fd, func(path string) error {
		return sys.Mount(m.Source, path, m.Type, uintptr(flags), strings.Join(data, ","))
	})
	if err != nil || len(o.Propagation) == 0 {
		return err
	}
	fd, err := r.root.Open(d.path)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	return r.propagateAll(fd, o.Propagation)
}

// mountSysfs mounts a sysfs. A user namespace may only if it owns the network namespace; otherwise the host's /sys is
// bound, all of it read-only whatever the options say, since nothing in it is the container's.
func (r *Rootfs) mountSysfs(m *mount) error {
	d, err := r.destination(m.Destination, sysMount)
	if err != nil {
		return err
	}
	defer d.close()
	err = r.mountNewOn(m, &d, sysMount)
	if !errors.Is(err, unix.EPERM) || !r.opts.UserNS {
		return err
	}
	tree, err := sys.OpenTree(unix.AT_FDCWD, "/sys", unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer sys.Close(tree)
	all := mountopt.Attrs{Set: unix.MOUNT_ATTR_RDONLY | m.opts.Attrs.Set | m.opts.Recursive.Set}
	all.Set &^= unix.MOUNT_ATTR__ATIME // locked
	if err := r.attach(tree, d.fd, all, mountopt.Attrs{}); err != nil {
		return fmt.Errorf("bind of /sys: %w", err)
	}
	if err := r.propagateAll(tree, m.opts.Propagation); err != nil {
		return err
	}
	return r.confirm(&d, tree)
}

func hasData(o *mountopt.Options, key string) bool {
	for i := range o.Data {
		if o.Data[i].Key == key {
			return true
		}
	}
	return false
}
