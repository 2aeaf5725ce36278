package testutil

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"tare/nsenter"
)

// UserNS opens a new user namespace in which the ids 0 to 65535 are the host's from first on. It is closed with the test.
func UserNS(t testing.TB, first int) *os.File {
	t.Helper()
	f, err := nsenter.NewUserNamespace(func(pid int) error {
		for _, file := range []string{"uid_map", "gid_map"} {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file), fmt.Appendf(nil, "0 %d 65536", first), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// IDMap makes a detached mount of dir, idmapped by the user namespace. The error is that of a file system, or a kernel, that cannot.
func IDMap(t testing.TB, dir string, ns *os.File) (fd int, err error) {
	t.Helper()
	if fd, err = unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	return fd, unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr)
}
