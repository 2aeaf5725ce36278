package rootfs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
	"tare/libcontainer/mountopt"
)

// What the options make of a new filesystem, and of a bind mount whose source has nosuid,nodev,noatime.
func TestMount_Options(t *testing.T) {
	tests := []struct {
		options   string
		tmpfs     string // options of the mount
		super     string // starts those of the filesystem
		bind      string // options of a bind mount
		bindChild string // options of a mount below an rbind
	}{
		{"", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"defaults", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"ro", "ro,relatime", "ro", "ro,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"ro,rw", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"rw,ro", "ro,relatime", "ro", "ro,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"suid,dev", "rw,relatime", "rw", "rw,noatime", "rw,noexec,relatime"},
		{"nosuid,nodev,noexec", "rw,nosuid,nodev,noexec,relatime", "rw", "rw,nosuid,nodev,noexec,noatime", "rw,noexec,relatime"},
		{"noexec,exec", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"noatime", "rw,noatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"relatime", "rw,relatime", "rw", "rw,nosuid,nodev,relatime", "rw,noexec,relatime"},
		{"noatime,atime", "rw,relatime", "rw", "rw,nosuid,nodev,relatime", "rw,noexec,relatime"},
		{"atime", "rw,relatime", "rw", "rw,nosuid,nodev,relatime", "rw,noexec,relatime"},
		{"strictatime", "rw", "rw", "rw,nosuid,nodev", "rw,noexec,relatime"},
		{"strictatime,nostrictatime", "rw,relatime", "rw", "rw,nosuid,nodev,relatime", "rw,noexec,relatime"},
		{"norelatime", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"nodiratime", "rw,nodiratime,relatime", "rw", "rw,nosuid,nodev,noatime,nodiratime", "rw,noexec,relatime"},
		{"nodiratime,diratime", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"nosymfollow", "rw,relatime,nosymfollow", "rw", "rw,nosuid,nodev,noatime,nosymfollow", "rw,noexec,relatime"},
		{"nosymfollow,symfollow", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"sync,dirsync,mand", "rw,relatime", "rw,sync,dirsync", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"lazytime", "rw,relatime", "rw,lazytime", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"lazytime,nolazytime,silent,loud,iversion,noiversion,async,nomand", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"rro", "ro,relatime", "rw", "ro,nosuid,nodev,noatime", "ro,noexec,relatime"},
		{"rro,rrw", "rw,relatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,relatime"},
		{"rro,rw", "ro,relatime", "rw", "rw,nosuid,nodev,noatime", "ro,noexec,relatime"},
		{"rnosuid,rnodev,rnoexec", "rw,nosuid,nodev,noexec,relatime", "rw", "rw,nosuid,nodev,noexec,noatime", "rw,nosuid,nodev,noexec,relatime"},
		{"rsuid,rdev,rexec", "rw,relatime", "rw", "rw,noatime", "rw,relatime"},
		{"rnoatime", "rw,noatime", "rw", "rw,nosuid,nodev,noatime", "rw,noexec,noatime"},
		{"ratime", "rw,relatime", "rw", "rw,nosuid,nodev,relatime", "rw,noexec,relatime"},
		{"rstrictatime", "rw", "rw", "rw,nosuid,nodev", "rw,noexec"},
		{"rnodiratime,rnosymfollow", "rw,nodiratime,relatime,nosymfollow", "rw", "rw,nosuid,nodev,noatime,nodiratime,nosymfollow", "rw,noexec,nodiratime,relatime,nosymfollow"},
	}
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		mkdir(t, b.dir+"/src")
		ok(t, unix.Mount("src", b.dir+"/src", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME, ""))
		mkdir(t, b.dir+"/src/sub")
		ok(t, unix.Mount("sub", b.dir+"/src/sub", "tmpfs", unix.MS_NOEXEC, ""))
		s := with()
		names := map[string]bool{}
		for _, tt := range tests {
			options := strings.FieldsFunc(tt.options, func(r rune) bool { return r == ',' })
			for _, name := range options {
				names[name] = true
			}
			s.Mounts = append(s.Mounts,
				specs.Mount{Type: "tmpfs", Source: "x", Destination: "/t/" + tt.options, Options: options},
				specs.Mount{Source: b.dir + "/src", Destination: "/b/" + tt.options, Options: append([]string{"rbind"}, options...)})
		}
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		ok(t, r.Readonly())
		for _, tt := range tests {
			if m := mountAt(t, b.rootfs+strings.TrimSuffix("/t/"+tt.options, "/")); m.opts != tt.tmpfs || !strings.HasPrefix(m.super, tt.super) && !strings.Contains(tt.options, "ro") {
				t.Errorf("tmpfs with %q: %s and %s; want %s and %s", tt.options, m.opts, m.super, tt.tmpfs, tt.super)
			}
			if tt.options == "" {
				continue // the mounts of the other rows are below
			}
			if m := mountAt(t, b.rootfs+"/b/"+tt.options); m.opts != tt.bind {
				t.Errorf("bind with %q: %s; want %s", tt.options, m.opts, tt.bind)
			}
			if m := mountAt(t, b.rootfs+"/b/"+tt.options+"/sub"); m.opts != tt.bindChild {
				t.Errorf("below a bind with %q: %s; want %s", tt.options, m.opts, tt.bindChild)
			}
		}
		for _, name := range mountopt.Names() {
			switch name {
			case "bind", "rbind", "remount", "tmpcopyup", "copy-symlink", "idmap", "ridmap", "rdiratime", "rrelatime", "rnorelatime", "rnostrictatime", "rsymfollow":
				continue // tests of their own, or the clearing half of one that is here
			}
			if !names[name] && !strings.HasSuffix(name, "shared") && !strings.HasSuffix(name, "slave") && !strings.HasSuffix(name, "private") && !strings.HasSuffix(name, "unbindable") {
				t.Errorf("no row has the option %s", name)
			}
		}
	})
}

func TestMount_Propagation(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		if asHost(t, b, func() {
			mkdir(t, b.dir+"/src")
			ok(t, unix.Mount("src", b.dir+"/src", "tmpfs", 0, ""))
			mkdir(t, b.dir+"/src/sub")
			ok(t, unix.Mount("sub", b.dir+"/src/sub", "tmpfs", 0, ""))
			ok(t, unix.Mount("", b.dir+"/src", "", unix.MS_SHARED|unix.MS_REC, ""))
		}) {
			return
		}
		rows := []struct{ options, top, sub string }{
			{"", "master", "master"}, // isolate made the source a slave
			{"slave", "master", "master"},
			{"private", "", "master"},
			{"rprivate", "", ""},
			{"shared", "shared master", "master"},
			{"rshared", "shared master", "shared master"},
			{"slave shared", "shared master", "master"},
			{"unbindable", "unbindable", "master"},
			{"runbindable", "unbindable", "unbindable"},
		}
		s := with()
		for _, row := range rows {
			s.Mounts = append(s.Mounts, mnt("bind "+b.dir+"/src /"+strings.ReplaceAll(row.options, " ", "-")+"x rbind "+row.options))
		}
		s.Mounts = append(s.Mounts, mnt("tmpfs tmpfs /tmpfs shared"))
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		kinds := func(path string) string {
			var words []string
			for _, f := range strings.Fields(mountAt(t, path).propagation) {
				words = append(words, strings.TrimRight(f, ":0123456789"))
			}
			return strings.Join(words, " ")
		}
		for _, row := range rows {
			at := b.rootfs + "/" + strings.ReplaceAll(row.options, " ", "-") + "x"
			if top, sub := kinds(at), kinds(at+"/sub"); top != row.top || sub != row.sub {
				t.Errorf("%q: %q and below %q; want %q and %q", row.options, top, sub, row.top, row.sub)
			}
		}
		if got := kinds(b.rootfs + "/tmpfs"); got != "shared" {
			t.Errorf("tmpfs: %q", got)
		}
	})
}

func TestMount_Binds(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		write(t, b.bundle+"/relative", "relative")
		write(t, b.bundle+"/tree/file", "tree")
		mkdir(t, b.bundle+"/tree/sub")
		ok(t, unix.Mount("sub", b.bundle+"/tree/sub", "tmpfs", 0, ""))
		write(t, b.bundle+"/tree/sub/below", "below")
		link(t, "../zone/X", b.bundle+"/localtime")
		write(t, b.bundle+"/zone", "")
		link(t, "../run/resolv.conf", b.rootfs+"/etc/resolv.conf")
		s := with(
			mnt("none relative /a/file bind"),
			mnt("bind tree /type-only"),
			mnt("none tree /recursive rbind"),
			mnt("none tree relative-destination bind,ro"),
			mnt("none relative /etc/resolv.conf bind ro"),
			mnt("bind localtime /etc/localtime copy-symlink"),
			mnt("bind localtime /etc/localtime copy-symlink"),
			mnt("bind relative /not-a-link copy-symlink"),
			mnt("none none /a/file bind remount ro nosuid"),
			mnt("tmpfs tmpfs /t"),
			mnt("tmpfs tmpfs /t remount ro size=4096"),
		)
		s.Mounts[3].Options = []string{"bind", "ro"}
		r := b.open(t, s, Options{})
		ok(t, r.Mount())
		for path, want := range map[string]string{
			"/a/file": "relative", "/type-only/file": "tree", "/recursive/sub/below": "below", "/relative-destination/file": "tree",
			"/run/resolv.conf": "relative", "/not-a-link": "relative",
		} {
			if text, err := os.ReadFile(b.rootfs + path); err != nil || string(text) != want {
				t.Errorf("%s: %q, %v", path, text, err)
			}
		}
		if _, err := os.Stat(b.rootfs + "/type-only/sub/below"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a bind without r shows the mount below: %v", err)
		}
		if text, err := os.Readlink(b.rootfs + "/etc/localtime"); text != "../zone/X" {
			t.Errorf("copied link: %q, %v", text, err)
		}
		if m := mountAt(t, b.rootfs+"/a/file"); m.opts != "ro,nosuid,relatime" {
			t.Errorf("remounted: %s", m.opts)
		}
		if m := mountAt(t, b.rootfs+"/t"); !strings.HasPrefix(m.opts, "ro") || !strings.HasPrefix(m.super, "ro") || !strings.Contains(m.super, "size=4k") {
			t.Errorf("remounted tmpfs: %s, %s", m.opts, m.super)
		}
	})
}

func TestMount_Errors(t *testing.T) {
	tests := []struct{ name, mount, want string }{
		{"no source", "bind /none/such /x bind", "mounts[1] (/mounts/1): open bind source /none/such: no such file or directory"},
		{"no such filesystem", "nosuchfs x /x", "mounts[1] (/mounts/1): mount nosuchfs on /x: fsopen nosuchfs: no such device: is the nosuchfs module loaded?"},
		{"the filesystem's words", "tmpfs tmpfs /x mode=9", "mounts[1] (/mounts/1): mount tmpfs on /x: option mode: tmpfs: Bad value for 'mode': invalid argument"},
		{"unknown option", "tmpfs tmpfs /x nosuchoption", "mounts[1] (/mounts/1): mount tmpfs on /x: option nosuchoption: tmpfs: Unknown parameter 'nosuchoption': invalid argument"},
		{"over a file", "tmpfs tmpfs /file", "mounts[1] (/mounts/1): mount tmpfs on /file: not a directory"},
		{"file over a directory", "bind /etc/passwd /dir bind", "mounts[1] (/mounts/1): bind /etc/passwd on /dir: not a directory: the source is a file, its place in the container a directory"},
		{"idmap", "bind / /x rbind idmap", "mounts[1] (/mounts/1): an idmapped mount that the runtime has not made"},
		{"idmap of a new filesystem", "tmpfs tmpfs /x ridmap", "mounts[1] (/mounts/1): mount tmpfs on /x: an idmapped mount that the runtime has not made"},
		{"root", "tmpfs tmpfs /", "mounts[1] (/mounts/1): mount tmpfs on /: refused: a mount over the root directory"},
		{"root by a link", "tmpfs tmpfs /self", "mounts[1] (/mounts/1): mount tmpfs on /self: refused: /self is the root directory"},
		{"root by dots", "tmpfs tmpfs /x/../..", "mounts[1] (/mounts/1): mount tmpfs on /x/../..: refused: a mount over the root directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sandbox(t, 0, nil, func(t *testing.T, b box) {
				write(t, b.rootfs+"/file", "")
				mkdir(t, b.rootfs+"/dir")
				link(t, "a/../..", b.rootfs+"/self")
				mkdir(t, b.rootfs+"/a")
				r := b.open(t, with(mnt("tmpfs tmpfs /fine"), mnt(tt.mount)), Options{})
				if err := r.Mount(); err == nil || err.Error() != tt.want {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
			})
		})
	}
}

// noSetattr makes mount_setattr(2) answer ENOSYS, as Linux 5.10 does.
func noSetattr(t *testing.T) {
	t.Helper()
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, Jf: 1, K: unix.SYS_MOUNT_SETATTR},
		{Code: ret, K: 0x00050000 | uint32(unix.ENOSYS)}, // SECCOMP_RET_ERRNO
		{Code: ret, K: 0x7fff0000},                       // SECCOMP_RET_ALLOW
	}
	ok(t, seccomp(filter))
	if err := sys.MountSetattr(-1, false, unix.MountAttr{}); !errors.Is(err, unix.ENOSYS) {
		t.Fatal(err)
	}
}

// The branch for kernels without mount_setattr gives the same mounts.
func TestMount_WithoutSetattr(t *testing.T) {
	for _, flags := range []uintptr{newAll, newAll | syscall.CLONE_NEWUSER} {
		t.Run(map[bool]string{true: "user namespace", false: "root"}[flags&syscall.CLONE_NEWUSER != 0], func(t *testing.T) {
			sandbox(t, flags, nil, func(t *testing.T, b box) {
				write(t, b.rootfs+"/file", "x")
				noSetattr(t)
				s := typical()
				s.Mounts = append(s.Mounts, mnt("bind "+b.bundle+" /bind rbind ro nosuid noatime rprivate"))
				if flags&syscall.CLONE_NEWUSER != 0 { // atime is locked there
					s.Mounts[len(s.Mounts)-1] = mnt("bind " + b.bundle + " /bind rbind ro nosuid rprivate")
				}
				s.Linux.RootfsPropagation = "rslave"
				r := b.open(t, s, Options{CgroupNS: true, UserNS: flags&syscall.CLONE_NEWUSER != 0})
				ok(t, r.Mount())
				if m := mountAt(t, b.rootfs+"/bind"); !strings.HasPrefix(m.opts, "ro,nosuid") || flags&syscall.CLONE_NEWUSER == 0 && m.opts != "ro,nosuid,noatime" {
					t.Errorf("%+v", m)
				}
				for _, step := range []func() error{r.Devices, r.Pivot, r.Readonly, r.ReadonlyPaths, r.MaskedPaths, r.Propagation} {
					ok(t, step())
				}
				for path, want := range map[string]string{"/": "ro", "/proc/sys": "ro", "/sys": "ro,nosuid,nodev,noexec"} {
					if m := mountAt(t, path); !strings.HasPrefix(m.opts, want) {
						t.Errorf("%s: %+v", path, m)
					}
				}
				s.Mounts = []specs.Mount{mnt("bind /proc/sys /dev/shm/x rbind rro")}
				if err := r.Mount(); !errors.Is(err, unix.ENOSYS) {
					t.Errorf("recursive options: %v", err)
				}
			})
		})
	}
}
