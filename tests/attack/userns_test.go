package attack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// Root of a user namespace, with all the privileges that gives, has a volume that the host has mounted read-only, without devices,
// set-user-id bits and execution, with a mount in it that covers something. None of that is its own to change, and what
// it mounts in the volume, which is shared on the host, stays its own.
func TestVolumeOfUserNamespace(t *testing.T) {
	inMountNamespace(t, unix.MS_SHARED, func() {
		volume := lockedVolume(t)
		owner, pid := held(t, WithUserNamespace(100000, 65536))
		guard(t, owner)
		user, joined := WithUserNamespace(100000, 65536), WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace))
		for name, edits := range map[string][]Edit{
			"new user namespace":    {user, BindMount(volume, "/volume", "rbind")},
			"joined user namespace": {joined, BindMount(volume, "/volume", "rbind")},
			"flags asked away":      {user, BindMount(volume, "/volume", "rbind", "rw", "suid", "dev", "exec")},
			"shared":                {user, BindMount(volume, "/volume", "rbind", "rshared")},
			"root shared": {user, BindMount(volume, "/volume", "rbind"), func(s *specs.Spec) {
				s.Linux.RootfsPropagation = "shared"
			}},
			"idmapped":            {user, BindMount(volume, "/volume", "rbind", "ridmap")},
			"idmapped and joined": {joined, BindMount(volume, "/volume", "rbind", "ridmap")},
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := IDMap(t, volume, UserNS(t, 100000)); err != nil && strings.HasPrefix(name, "idmapped") {
					t.Skipf("a tmpfs can be idmapped since Linux 6.3: %v", err)
				}
				c := guard(t, NewContainer(t, append(edits, hostile(t, "unlock"), WithCaps("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_MKNOD"))...))
				for _, dir := range []string{"volume", "mine"} {
					if err := os.Mkdir(filepath.Join(c.RootFS, dir), 0o777); err != nil {
						t.Fatal(err)
					}
				}
				c.WriteFile(t, attackerPath, "", 0o755) // to mount on: root of the container may not make it
				before := HostMounts(t, "")
				got := c.Run().OK(t).Stdout
				const want = "remount EPERM\nset attributes EPERM\nwrite EROFS\nuncover EINVAL\ncovered ENOENT\nmount ok\nown remount ok\n"
				if got != want {
					t.Errorf("got\n%swant\n%s", got, want)
				}
				if after := HostMounts(t, ""); strings.Join(after, "\n") != strings.Join(before, "\n") {
					t.Errorf("the host's mounts were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
				}
			})
		}
	})
}

// The clone of an idmapped volume is made by the runtime also where there is no user namespace. It is as little a peer of the host's mount
// as any other.
func TestIDMappedVolumeStaysInside(t *testing.T) {
	inMountNamespace(t, unix.MS_SHARED, func() {
		volume := Dir(t)
		if err := os.Mkdir(filepath.Join(volume, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := IDMap(t, volume, UserNS(t, 100000)); err != nil {
			t.Skipf("the file system of %s cannot be idmapped: %v", volume, err)
		}
		maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: 65536}}
		for _, propagation := range []string{"", "slave", "private", "rslave", "rprivate"} {
			t.Run("root "+propagation, func(t *testing.T) {
				m := specs.Mount{Destination: "/volume", Source: volume, Options: []string{"rbind", "idmap"}, UIDMappings: maps, GIDMappings: maps}
				c := guard(t, NewContainer(t, WithMount(m), hostile(t, "unlock"), WithCaps("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"), func(s *specs.Spec) {
					s.Linux.RootfsPropagation = propagation
				}))
				if err := os.Mkdir(filepath.Join(c.RootFS, "mine"), 0o755); err != nil {
					t.Fatal(err)
				}
				before := HostMounts(t, "")
				if got := c.Run().OK(t).Stdout; !strings.Contains(got, "mount ok\n") {
					t.Errorf("the container cannot mount at all:\n%s", got)
				}
				if after := HostMounts(t, ""); strings.Join(after, "\n") != strings.Join(before, "\n") {
					t.Errorf("the host's mounts were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
				}
			})
		}
	})
}

// lockedVolume is a directory on a mount that has all restrictions, with another one in it that covers a file.
func lockedVolume(t *testing.T) string {
	t.Helper()
	volume := filepath.Join(Dir(t), "volume")
	sub := filepath.Join(volume, "sub")
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := errors.Join(
		os.Mkdir(volume, 0o755), unix.Mount("tare-attack", volume, "tmpfs", 0, "mode=755"), os.Mkdir(sub, 0o755),
		os.WriteFile(filepath.Join(sub, "covered"), []byte("secret"), 0o644), unix.Mount("tare-attack", sub, "tmpfs", 0, ""),
		unix.Mount("", volume, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(sub, unix.MNT_DETACH)
		_ = unix.Unmount(volume, unix.MNT_DETACH)
	})
	return volume
}

// unlock tries to get rid of what restricts /volume, and tells how far it got.
func unlock() {
	tell := func(what string, err error) {
		text := "ok"
		var errno unix.Errno
		if errors.As(err, &errno) {
			text = unix.ErrnoName(errno)
		} else if err != nil {
			text = err.Error()
		}
		fmt.Println(what, text)
	}
	tell("remount", unix.Mount("", "/volume", "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	tell("set attributes", unix.MountSetattr(unix.AT_FDCWD, "/volume", 0, &unix.MountAttr{
		Attr_clr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC,
	}))
	tell("write", os.WriteFile("/volume/pwned", nil, 0o644))
	tell("uncover", unix.Unmount("/volume/sub", unix.MNT_DETACH))
	_, err := os.Stat("/volume/sub/covered")
	tell("covered", err)
	tell("mount", unix.Mount("tare-attack-pwned", "/volume/sub", "tmpfs", 0, ""))
	// That it has the privileges for all of that.
	err = unix.Mount("tare-attack-mine", "/mine", "tmpfs", unix.MS_RDONLY, "")
	tell("own remount", errors.Join(err, unix.Mount("", "/mine", "", unix.MS_REMOUNT|unix.MS_BIND, "")))
	os.Exit(0)
}
