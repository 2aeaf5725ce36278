package rootfs

import (
	"errors"
	"os"
	"slices"
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

func TestMount_CopyUp(t *testing.T) {
	sandbox(t, 0, nil, func(t *testing.T, b box) {
		src := b.rootfs + "/src"
		write(t, src+"/file", "text")
		ok(t, os.Chown(src+"/file", 7, 8))
		ok(t, unix.Chmod(src+"/file", 0o4751))
		write(t, src+"/dir/deep/file", strings.Repeat("x", 1<<20))
		ok(t, unix.Chmod(src+"/dir", 0o2770))
		ok(t, os.Chown(src+"/dir", 9, 10))
		link(t, "/etc/passwd", src+"/dir/link")
		link(t, b.canary+"/null", src+"/out")
		ok(t, unix.Mkfifo(src+"/fifo", 0o640))
		node(t, src+"/null", unix.S_IFCHR, 1, 3)
		ok(t, unix.Chmod(src, 0o711))
		caps := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		ok(t, unix.Setxattr(src+"/file", "security.capability", caps, 0))
		want := snapshot(t, src)
		r := b.open(t, with(mnt("tmpfs tmpfs /src tmpcopyup")), Options{})
		ok(t, r.Mount())
		if m := mountAt(t, src); m.fstype != "tmpfs" {
			t.Fatal(m)
		}
		strip := func(text string) string { // inode numbers and times differ
			var lines []string
			for line := range strings.Lines(text) {
				head, rest, _ := strings.Cut(line, " ino ")
				_, rest, _ = strings.Cut(rest, " ")
				attrs, _, _ := strings.Cut(rest, " mtime")
				lines = append(lines, head+" "+attrs)
			}
			return strings.Join(lines, "\n")
		}
		if got := strip(snapshot(t, src)); got != strip(want) {
			t.Errorf("copied:\n%s\nwant:\n%s", got, strip(want))
		}
		if text, _ := os.ReadFile(src + "/dir/deep/file"); len(text) != 1<<20 {
			t.Errorf("%d bytes were copied", len(text))
		}
		buf := make([]byte, 64)
		if n, err := unix.Getxattr(src+"/file", "security.capability", buf); err != nil || string(buf[:n]) != string(caps) {
			t.Errorf("capabilities %x, %v", buf[:max(n, 0)], err)
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

func TestMount_Cgroup(t *testing.T) {
	group := "/sys/fs/cgroup"
	if fd, err := unix.Open("/sys/fs/cgroup/unified", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		group = "/sys/fs/cgroup/unified"
	}
	for _, typ := range []string{"cgroup", "cgroup2"} {
		t.Run(typ+" in a namespace", func(t *testing.T) {
			sandbox(t, syscall.CLONE_NEWCGROUP, nil, func(t *testing.T, b box) {
				r := b.open(t, with(mnt(typ+" cgroup /cg nosuid noexec nodev ro")), Options{CgroupNS: true, CgroupPath: group})
				ok(t, r.Mount())
				if m := mountAt(t, b.rootfs+"/cg"); m.fstype != "cgroup2" || m.opts != "ro,nosuid,nodev,noexec,relatime" {
					t.Errorf("%+v", m)
				}
			})
		})
		// Without a namespace it is the host's tree: never writable, whatever the spec says (A14).
		for _, options := range []string{"", "rw", "rrw", "ro"} {
			t.Run(typ+" without a namespace "+options, func(t *testing.T) {
				sandbox(t, 0, nil, func(t *testing.T, b box) {
					r := b.open(t, with(mnt(typ+" cgroup /cg nosuid "+options)), Options{CgroupPath: group})
					ok(t, r.Mount())
					if m := mountAt(t, b.rootfs+"/cg"); m.fstype != "cgroup2" || !strings.HasPrefix(m.opts, "ro,nosuid") {
						t.Errorf("%+v", m)
					}
					made := b.rootfs + "/cg/tare-rootfs-test"
					if err := os.Mkdir(made, 0o755); !errors.Is(err, unix.EROFS) {
						t.Errorf("mkdir: %v, %v", err, os.Remove(made))
					}
				})
			})
		}
	}
	t.Run("no path", func(t *testing.T) {
		sandbox(t, 0, nil, func(t *testing.T, b box) {
			r := b.open(t, with(mnt("cgroup cgroup /cg")), Options{})
			if err := r.Mount(); !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		})
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

// The parent opens what a user namespace may not reach.
func TestOpenSources(t *testing.T) {
	const sourcesEnv = "TARE_ROOTFS_SOURCES"
	spec := func(b box) *specs.Spec {
		return with(mnt("tmpfs tmpfs /tmp"), mnt("bind "+b.dir+"/secret/dir /dir rbind ro"), mnt("bind "+b.dir+"/secret/file /file bind nosuid"))
	}
	sandbox(t, 0, func(t *testing.T, b box) {
		write(t, b.dir+"/secret/dir/x", "x")
		write(t, b.dir+"/secret/file", "file")
		ok(t, os.Chmod(b.rootfs, 0o777)) // mount points are made by an id that is nobody to the host
		for _, p := range []string{b.dir, b.bundle} {
			ok(t, os.Chmod(p, 0o755))
		}
	}, func(t *testing.T, b box) {
		if os.Getenv(sourcesEnv) == "" {
			ok(t, os.Chmod(b.dir+"/secret", 0))
			ok(t, unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
			sources, err := OpenSources(spec(b), SourceOptions{Bundle: b.bundle, Binds: true})
			ok(t, err)
			if len(sources) != 2 {
				t.Fatalf("%d sources", len(sources))
			}
			for i, s := range sources { // to 41, 42, which are inherited
				ok(t, unix.Dup3(int(s.File.Fd()), 40+s.Mount, 0))
				if s.Mount != i+1 {
					t.Errorf("source %d is that of mount %d", i, s.Mount)
				}
			}
			t.Setenv(sourcesEnv, "1")
			ok(t, unix.Setgroups(nil))
			run(t, b.dir, syscall.CLONE_NEWUSER)
			return
		}
		var taken []int
		r := b.open(t, spec(b), Options{UserNS: true, Source: func(i int) (int, bool, error) {
			taken = append(taken, i)
			return 40 + i, i > 0, nil
		}})
		ok(t, r.Mount())
		for path, want := range map[string]string{"/dir/x": "x", "/file": "file"} {
			if text, err := os.ReadFile(b.rootfs + path); string(text) != want {
				t.Errorf("%s: %q, %v", path, text, err)
			}
		}
		if m := mountAt(t, b.rootfs+"/dir"); !strings.HasPrefix(m.opts, "ro") {
			t.Errorf("%+v", m)
		}
		if !slices.Equal(taken, []int{0, 1, 2}) {
			t.Errorf("asked for the sources of %v", taken)
		}
	})
	if os.Getenv(sandboxEnv) == "" {
		if _, err := OpenSources(with(mnt("tmpfs t /t"), mnt("bind /none/such /x bind")), SourceOptions{Bundle: "/", Binds: true}); err == nil ||
			err.Error() != "mounts[1] (/mounts/1): open bind source /none/such: no such file or directory" {
			t.Error(err)
		}
	}
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
