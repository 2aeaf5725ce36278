package rootfs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// fsTypes names file systems by statfs(2)'s f_type, and the Linux version that can idmap them first; "" for none.
var fsTypes = [...]struct {
	magic       uint32
	name, since string
}{
	{unix.EXT4_SUPER_MAGIC, "ext4", "5.12"},
	{unix.XFS_SUPER_MAGIC, "xfs", "5.12"},
	{unix.MSDOS_SUPER_MAGIC, "vfat", "5.12"},
	{unix.BTRFS_SUPER_MAGIC, "btrfs", "5.15"},
	{0x7366746e, "ntfs3", "5.15"},
	{unix.F2FS_SUPER_MAGIC, "f2fs", "5.18"},
	{unix.EROFS_SUPER_MAGIC_V1, "erofs", "5.19"},
	{unix.SQUASHFS_MAGIC, "squashfs", "6.2"},
	{unix.TMPFS_MAGIC, "tmpfs", "6.3"},
	{unix.CEPH_SUPER_MAGIC, "ceph", "6.7"},
	{unix.HUGETLBFS_MAGIC, "hugetlbfs", "6.9"},
	{unix.FUSE_SUPER_MAGIC, "fuse", "6.12, where its server takes part"},
	{unix.OVERLAYFS_SUPER_MAGIC, "overlay", ""},
	{unix.PROC_SUPER_MAGIC, "proc", ""},
	{unix.SYSFS_MAGIC, "sysfs", ""},
	{unix.CGROUP2_SUPER_MAGIC, "cgroup2", ""},
	{unix.DEVPTS_SUPER_MAGIC, "devpts", ""},
	{unix.RAMFS_MAGIC, "ramfs", ""},
	{unix.NFS_SUPER_MAGIC, "nfs", ""},
	{unix.SMB2_SUPER_MAGIC, "cifs", ""},
	{unix.V9FS_MAGIC, "9p", ""},
	{unix.ISOFS_SUPER_MAGIC, "iso9660", ""},
	{unix.EXFAT_SUPER_MAGIC, "exfat", ""},
	{unix.AUTOFS_SUPER_MAGIC, "autofs", ""},
	{unix.NSFS_MAGIC, "nsfs", ""},
	{unix.BPF_FS_MAGIC, "bpf", ""},
	{0x2fc12fc1, "zfs", ""},
}

// whyNotIDMapped says which file system it is that the kernel refused to idmap (EINVAL), and when it can be. source is the host's path of
// a bind mount.
func whyNotIDMapped(fd int, source string, recursive bool, ns *os.File) string {
	if !recursive || !canIDMap(fd, ns) {
		return "its file system " + describeFS(fd)
	}
	if below := notIDMappedBelow(source, ns); below != "" {
		return below
	}
	return "one of the file systems mounted below it cannot be idmapped"
}

// notIDMappedBelow finds the mount below the directory source that stands in the way of ridmap, by trying one after the other.
func notIDMappedBelow(source string, ns *os.File) string {
	source, err := filepath.EvalSymlinks(source)
	if err != nil {
		return ""
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(source))
	if err != nil {
		return ""
	}
	for _, at := range mounts {
		fd, err := sys.OpenTree(unix.AT_FDCWD, at.Mountpoint, unix.OPEN_TREE_CLONE)
		if err != nil {
			continue
		}
		defer sys.Close(fd)
		if at.Mountpoint != source && !canIDMap(fd, ns) {
			return "the file system mounted on " + at.Mountpoint + " " + describeFS(fd)
		}
	}
	return ""
}

func canIDMap(fd int, ns *os.File) bool {
	return sys.MountSetattr(fd, false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}) == nil
}

// describeFS names the file system of fd, and what it takes to idmap it.
func describeFS(fd int) string {
	st, err := sys.Fstatfs(fd)
	if err != nil {
		return "is unknown"
	}
	for i := range fsTypes {
		t := &fsTypes[i]
		switch {
		case t.magic != uint32(st.Type):
			continue
		case t.magic == unix.OVERLAYFS_SUPER_MAGIC:
			return "is overlay, which cannot be idmapped, only its layers can (Linux 5.19)"
		case t.since == "":
			return "is " + t.name + ", which cannot be idmapped"
		}
		return fmt.Sprintf("is %s, which can be idmapped since Linux %s (this is %s), with other maps than those of the user namespace "+
			"that it was mounted in", t.name, t.since, sys.KernelRelease())
	}
	return fmt.Sprintf("is of type 0x%x, which Linux %s cannot idmap", uint32(st.Type), sys.KernelRelease())
}
