package rootfs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMount_Tmpfs(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		mkdir(t, b.rootfs+"/covered")
		ok(t, os.Chmod(b.rootfs+"/covered", 0o701))
		ok(t, unix.Chmod(b.rootfs+"/covered", 0o1731))
		ok(t, os.Mkdir(b.rootfs+"/explicit", 0o700))
		s := with(mnt("tmpfs tmpfs /covered"), mnt("tmpfs tmpfs /explicit mode=750,size=8k"), mnt("tmpfs tmpfs /new"), mnt("tmpfs tmpfs /late ro mode=755"),
			mnt("tmpfs tmpfs /late/below"))
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		for path, want := range map[string]uint32{"/covered": 0o1731, "/explicit": 0o750, "/new": 0o1777, "/late": 0o755} {
			if st := statAt(t, r, path); st.Mode&0o7777 != want {
				t.Errorf("%s has mode %o, want %o", path, st.Mode&0o7777, want)
			}
		}
		if m := mountAt(t, b.rootfs+"/late"); !strings.HasPrefix(m.opts, "rw") {
			t.Errorf("/late is read-only too early: %s", m.opts)
		}
		ok(t, r.Readonly())
		if m := mountAt(t, b.rootfs+"/late"); !strings.HasPrefix(m.opts, "ro") {
			t.Errorf("/late is not read-only: %s", m.opts)
		}
	})
}

func TestMount_Overlay(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		ok(t, unix.Mount("work", b.bundle, "tmpfs", 0, ""))
		mkdir(t, b.rootfs)
		var lower []string
		for _, name := range []string{"a", "b", "c", "d"} {
			dir := b.bundle + "/" + strings.Repeat(name, 100)
			write(t, dir+"/"+name, name)
			lower = append(lower, dir)
		}
		mkdir(t, b.bundle+"/upper")
		mkdir(t, b.bundle+"/work")
		s := with(
			specs.Mount{Type: "overlay", Source: "overlay", Destination: "/long", Options: []string{"nosuid", "noatime", "shared", "lowerdir=" + strings.Join(lower, ":"), "upperdir=" + b.bundle + "/upper", "workdir=" + b.bundle + "/work"}},
			specs.Mount{Type: "overlay", Source: "overlay", Destination: "/short", Options: []string{"lowerdir=" + lower[0] + ":" + lower[1]}},
		)
		r := b.open(t, s, Options{})
		if err := r.Mount(); errors.Is(err, unix.ENODEV) {
			t.Skip("no overlay in this kernel: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/long/a", "/long/d", "/short/a", "/short/b"} {
			if _, err := os.Stat(b.rootfs + path); err != nil {
				t.Error(err)
			}
		}
		if m := mountAt(t, b.rootfs+"/long"); m.opts != "rw,nosuid,noatime" || !strings.Contains(m.propagation, "shared") {
			t.Errorf("options %s, %s", m.opts, m.propagation)
		}
	})
}

// A43: a user namespace without a network namespace of its own gets the host's /sys, all of it read-only.
func TestMount_SysfsOfHost(t *testing.T) {
	for _, options := range []string{"nosuid noexec nodev ro", "rw", ""} {
		t.Run(options, func(t *testing.T) {
			sandbox(t, syscall.CLONE_NEWUSER, nil, func(t *testing.T, b box) {
				r := b.open(t, with(mnt("sysfs sysfs /sys "+options)), Options{UserNS: true})
				ok(t, r.Mount())
				found := 0
				for line := range strings.Lines(hostMounts(t)) {
					if f := strings.Fields(line); strings.HasPrefix(f[4], b.rootfs+"/sys") {
						found++
						if !strings.HasPrefix(f[5], "ro") {
							t.Errorf("writable: %s", line)
						}
					}
				}
				if m := mountAt(t, b.rootfs+"/sys"); found == 0 || m.fstype != "sysfs" {
					t.Errorf("%d mounts; %+v", found, m)
				}
				if strings.Contains(options, "nosuid") && !strings.HasPrefix(mountAt(t, b.rootfs+"/sys").opts, "ro,nosuid,nodev,noexec") {
					t.Errorf("%+v", mountAt(t, b.rootfs+"/sys"))
				}
			})
		})
	}
}
