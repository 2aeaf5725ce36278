package rootfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// labelOption is SELinux' mount option by which all of a filesystem has one context; mount(8).
const labelOption = "context"

// labelOf is linux.mountLabel for a new filesystem, "" if it is not to have one: the kernel labels its own objects one by one, and
// who asks for a context by an option of the mount gets that.
func (r *Rootfs) labelOf(fstype string, o *mountopt.Options) string {
	if r.spec.Linux == nil || hasData(o, labelOption) {
		return ""
	}
	switch fstype {
	case "proc", "sysfs", "cgroup", "cgroup2", "mqueue":
		return ""
	}
	return r.spec.Linux.MountLabel
}

// setLabel gives the filesystem that fs is to become its label.
func setLabel(fs int, label string) error {
	if label == "" {
		return nil
	}
	err := sys.FsconfigString(fs, labelOption, label)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("linux.mountLabel (/linux/mountLabel): %w: the loaded policy has no context %q", err, label)
	}
	return err
}

// labelQueue labels the directory of the container's message queues, whose filesystem takes no context.
func (r *Rootfs) labelQueue(m *mount, fd int) error {
	if m.Type != "mqueue" || r.spec.Linux == nil || r.spec.Linux.MountLabel == "" {
		return nil
	}
	dir, err := r.proc.ReopenFD(fd, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = sys.Fsetxattr(int(dir.Fd()), "security.selinux", []byte(r.spec.Linux.MountLabel))
	if r.opts.UserNS && errors.Is(err, unix.EPERM) {
		return nil // of an IPC namespace that was joined and somebody else's: its queues have the label that they have
	}
	return err
}
