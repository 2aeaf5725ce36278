package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
	"tare/internal/testutil/view"
)

// idMaps is one range for both kinds of ids.
func idMaps(container, host, size uint32) []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: container, HostID: host, Size: size}}
}

// idmapOnto attaches an idmapped mount of dir on target for the time of the test, if the file system can.
func idmapOnto(t *testing.T, dir, target string, ns *os.File) error {
	t.Helper()
	fd, err := IDMap(t, dir, ns)
	if err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	return nil
}

// idmapDir makes a directory on a file system that can be idmapped. It skips the test where there is none.
func idmapDir(t *testing.T) string {
	t.Helper()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("idmapped mounts are younger than these releases")
	}
	ns := UserNS(t, 100000)
	for _, parent := range []string{filepath.Dir(Dir(t)), "/var/tmp"} { // a tmpfs can only since Linux 6.3
		dir := DirIn(t, parent)
		if idmapOnto(t, dir, dir, ns) == nil {
			return DirIn(t, parent)
		}
	}
	t.Skip("this kernel can idmap neither the file system of the temporary directory nor that of /var/tmp")
	return ""
}

// mountFor mounts for the time of the test.
func mountFor(t *testing.T, source, target, fstype string, flags uintptr) {
	t.Helper()
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(source, target, fstype, flags, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
}

// newVolume makes a directory with files of several owners, named after them, and one below that root of a user namespace cannot enter.
func newVolume(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(idmapDir(t), "closed", "volume")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{0, 1000, 100000, 200000} {
		path := filepath.Join(dir, fmt.Sprint(id))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, id, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// points makes directories in the root file system to mount on: root of a user namespace cannot.
func points(t *testing.T, c *Container, names ...string) *Container {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(c.RootFS, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// owners says whose files are, as "UID:GID" by name.
func owners(all []view.Stat) map[string]string {
	m := map[string]string{}
	for _, s := range all {
		m[filepath.Base(s.Path)] = fmt.Sprintf("%d:%d", s.UID, s.GID)
		if s.Error != "" {
			m[filepath.Base(s.Path)] = s.Error
		}
	}
	return m
}

func onDisk(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

// Each row mounts a volume with files of 0, 1000, 100000 and 200000, and says whose they are inside.
func TestIDMappedBinds(t *testing.T) {
	t.Parallel()
	idmapDir(t)
	const nobody = "65534:65534"
	shifted := func(m *specs.Mount) { m.UIDMappings, m.GIDMappings = idMaps(0, 100500, 2000), idMaps(0, 100500, 2000) }
	none := func(*specs.Mount) {}
	user := WithUserNamespace(100000, 65536)
	for name, tt := range map[string]struct {
		edit    Edit
		options string
		maps    func(*specs.Mount)
		want    [4]string // of 0, 1000, 100000, 200000
	}{
		"not idmapped":                   {user, "bind", none, [4]string{nobody, nobody, "0:0", nobody}},
		"by the container's namespace":   {user, "bind,idmap", none, [4]string{"0:0", "1000:1000", nobody, nobody}},
		"by maps in the option":          {user, "bind,idmap=uids=0-100500-2000;gids=@0-500-2000", none, [4]string{"500:500", "1500:1500", nobody, nobody}},
		"recursively":                    {user, "rbind,ridmap", none, [4]string{"0:0", "1000:1000", nobody, nobody}},
		"by maps of its own":             {user, "bind,idmap", shifted, [4]string{"500:500", "1500:1500", nobody, nobody}},
		"by maps without an option":      {user, "rbind", shifted, [4]string{"500:500", "1500:1500", nobody, nobody}},
		"read-only":                      {user, "bind,idmap,ro,nosuid", none, [4]string{"0:0", "1000:1000", nobody, nobody}},
		"without a user namespace":       {func(*specs.Spec) {}, "bind,idmap", shifted, [4]string{"100500:100500", "101500:101500", nobody, nobody}},
		"of a namespace that is sparse":  {sparse, "bind,idmap", none, [4]string{"0:0", "1000:1000", nobody, nobody}},
		"uids and gids apart, two of it": {apart, "bind,idmap", none, [4]string{"0:0", "1000:1000", nobody, nobody}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := newVolume(t)
			m := specs.Mount{Destination: "/data", Source: volume, Type: "none", Options: strings.Split(tt.options, ",")}
			tt.maps(&m)
			c := points(t, NewContainer(t, tt.edit, WithMount(m)), "data")
			got := owners(probeStat(t, c, "/data/0", "/data/1000", "/data/100000", "/data/200000"))
			for i, id := range []string{"0", "1000", "100000", "200000"} {
				if got[id] != tt.want[i] {
					t.Errorf("the file of %s on disk is one of %s in the container, want %s", id, got[id], tt.want[i])
				}
			}
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// sparse is a user namespace of several ranges, root not at the first.
func sparse(s *specs.Spec) {
	WithNamespace(specs.UserNamespace, "")(s)
	maps := []specs.LinuxIDMapping{{ContainerID: 1, HostID: 300000, Size: 2000}, {ContainerID: 0, HostID: 400000, Size: 1}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
}

// apart is a user namespace with other gids than uids.
func apart(s *specs.Spec) {
	WithNamespace(specs.UserNamespace, "")(s)
	s.Linux.UIDMappings, s.Linux.GIDMappings = idMaps(0, 300000, 3000), idMaps(0, 500000, 3000)
}

// A user namespace that is joined by path gives its maps, and reaches its sources, as a new one does.
func TestIDMappedJoinedUserNamespace(t *testing.T) {
	t.Parallel()
	idmapDir(t)
	owner, pid := running(t, WithUserNamespace(100000, 65536))
	defer owner.Tare("kill", owner.ID, "KILL")
	volume := newVolume(t)
	c := NewContainer(t, WithNamespace(specs.UserNamespace, nsPath(pid, specs.UserNamespace)),
		BindMount(volume, "/idmapped", "bind", "idmap"), BindMount(volume, "/plain", "rbind"))
	points(t, c, "idmapped", "plain")
	got := probeStat(t, c, "/idmapped/1000", "/plain/100000")
	if got[0].UID != 1000 || got[0].GID != 1000 || got[1].UID != 0 || got[1].Error != "" {
		t.Errorf("got %+v", got)
	}
}

// ridmap maps what is mounted below, too; idmap does not.
func TestIDMappedTree(t *testing.T) {
	t.Parallel()
	idmapDir(t)
	for options, want := range map[string]string{"rbind,ridmap": "1000:1000", "rbind,idmap": "65534:65534", "bind,ridmap": "ENOENT"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			volume, below := newVolume(t), newVolume(t)
			edits := []Edit{WithUserNamespace(100000, 65536)}
			m := specs.Mount{Destination: "/data", Source: volume, Options: strings.Split(options, ",")}
			if options == "bind,ridmap" { // a user namespace must take along what is mounted below
				edits = nil
				m.UIDMappings, m.GIDMappings = idMaps(0, 0, 65536), idMaps(0, 0, 65536)
			}
			mountFor(t, below, filepath.Join(volume, "sub"), "", unix.MS_BIND)
			c := points(t, NewContainer(t, append(edits, WithMount(m))...), "data")
			if got := owners(probeStat(t, c, "/data/sub/1000")); got["1000"] != want {
				t.Errorf("below: %s, want %s", got["1000"], want)
			}
		})
	}
}

// A tmpfs of the container's own, with maps.
func TestIDMappedTmpfs(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	if !IsTare() {
		t.Skip("idmapped mounts are younger than these releases")
	}
	dir := Dir(t)
	mountFor(t, "tmpfs", filepath.Join(dir, "a"), "tmpfs", 0)
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := idmapOnto(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"), UserNS(t, 100000)); err != nil {
		t.Skipf("a tmpfs can be idmapped since Linux 6.3: %v", err)
	}
	c := NewContainer(t, WithUserNamespace(100000, 65536), WithMount(specs.Mount{
		Destination: "/tmp", Source: "tmpfs", Type: "tmpfs", Options: []string{"idmap", "nodev", "tmpcopyup", "ro"},
	}))
	c.WriteFile(t, "tmp/copied", "x", 0o640)
	if err := os.Chmod(filepath.Join(c.RootFS, "tmp"), os.ModeSticky|0o770); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"tmp", "tmp/copied"} {
		if err := os.Chown(filepath.Join(c.RootFS, path), 100000, 100000); err != nil {
			t.Fatal(err)
		}
	}
	got := probeStat(t, c, "/tmp", "/tmp/copied")
	for i, want := range []uint32{unix.S_IFDIR | 0o1770, unix.S_IFREG | 0o640} {
		if got[i].Mode != want || got[i].UID != 0 || got[i].GID != 0 {
			t.Errorf("%+v, want mode %o", got[i], want)
		}
	}
	if m := mountAt(t, c.Report(), "/tmp"); m.Type != "tmpfs" || !hasOptions(m, "idmapped", "nodev", "ro") {
		t.Errorf("mounted %+v", m)
	}
}

// A container whose root file system and volumes are idmapped: what belongs to 0 on disk belongs to 0 inside, and what is made inside, by
// the first process or another that joins, is on disk as if there was no user namespace.
func TestIDMappedContainer(t *testing.T) {
	t.Parallel()
	volume := newVolume(t)
	c := NewContainer(t, Args("sleep"), WithUserNamespace(100000, 65536), WritableRoot, BindMount(volume, "/data", "rbind", "ridmap"),
		BindMount(filepath.Join(volume, "1000"), "/file", "bind", "idmap"))
	disk, root := idmapDir(t), filepath.Join(c.Dir, "idmapped")
	if err := errors.Join(os.CopyFS(disk, os.DirFS(c.RootFS)), os.Mkdir(root, 0o755), idmapOnto(t, disk, root, UserNS(t, 100000))); err != nil {
		t.Fatal(err)
	}
	c.Spec.Root.Path = root
	c.WriteSpec(t)
	pid := c.Create()
	c.Start()
	defer func() {
		c.Tare("kill", c.ID, "KILL").OK(t)
		c.Wait(pid)
		c.Tare("delete", c.ID).OK(t)
	}()
	var all []view.Stat
	if err := json.Unmarshal([]byte(inside(c, nil, "stat", "/", "/probe", "/etc", "/data/0", "/file").OK(t).Stdout), &all); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"/": "0:0", "probe": "0:0", "etc": "0:0", "0": "0:0", "file": "1000:1000"}
	for name, got := range owners(all) {
		if got != want[name] {
			t.Errorf("inside %s is of %s, want %s", name, got, want[name])
		}
	}
	inside(c, nil, "mkdir", "/made").OK(t)
	inside(c, nil, "mkdir", "/data/made").OK(t)
	inside(c, nil, "write", "/data/0", "x").OK(t)
	inside(c, []string{"--user", "1000:1000"}, "write", "/data/1000", "y").OK(t)
	inside(c, []string{"--user", "1000:1000"}, "write", "/data/0", "y").Exit(t, 1)
	for _, path := range []string{filepath.Join(disk, "made"), filepath.Join(disk, "data"), filepath.Join(disk, "file"), filepath.Join(volume, "made")} {
		if got := onDisk(t, path); got != "0:0" {
			t.Errorf("%s is of %s on disk, want 0:0", path, got)
		}
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil || !strings.Contains(string(status), "Uid:\t100000\t") {
		t.Errorf("its process on the host: %s, %v", status, err)
	}
}

// What cannot be idmapped is named, and nothing is left.
func TestIDMapErrors(t *testing.T) {
	t.Parallel()
	volume, tree := newVolume(t), newVolume(t)
	mountFor(t, "ramfs", filepath.Join(tree, "sub"), "ramfs", 0)
	user := WithUserNamespace(100000, 65536)
	mount := func(m specs.Mount) []Edit { return []Edit{user, WithMount(m)} }
	for name, tt := range map[string]struct {
		edits []Edit
		texts []string
	}{
		"a file system": {
			mount(specs.Mount{Destination: "/x", Source: filepath.Join(tree, "sub"), Options: []string{"bind", "idmap"}}),
			[]string{"(/mounts/", "idmapped bind " + filepath.Join(tree, "sub") + " on /x: ", "its file system is ramfs, which cannot be idmapped"},
		},
		"one below": {
			mount(specs.Mount{Destination: "/x", Source: tree, Options: []string{"rbind", "ridmap"}}),
			[]string{"the file system mounted on " + filepath.Join(tree, "sub") + " is ramfs, which cannot be idmapped"},
		},
		"an overlay": {
			mount(specs.Mount{Destination: "/x", Source: "o", Type: "overlay", Options: []string{"idmap", "lowerdir=" + volume + ":" + Dir(t)}}),
			[]string{"idmapped mount overlay on /x: ", "its layers can"},
		},
		"a procfs": {
			mount(specs.Mount{Destination: "/x", Source: "p", Type: "proc", Options: []string{"idmap"}}),
			[]string{"idmapped mount proc on /x: ", "refused"},
		},
		"no source": {
			mount(specs.Mount{Destination: "/x", Source: "/no/such", Options: []string{"bind", "idmap"}}),
			[]string{"idmapped bind /no/such on /x: ", "no such file or directory"},
		},
		"twice": {
			mount(specs.Mount{Destination: "/x", Source: func() string {
				dir := idmapDir(t)
				if err := idmapOnto(t, dir, dir, UserNS(t, 7)); err != nil {
					t.Fatal(err)
				}
				return dir
			}(), Options: []string{"bind", "idmap"}}),
			[]string{"operation not permitted", "idmapped already"},
		},
		"maps between other options": {
			[]Edit{BindMount(volume, "/x", "bind", "nodev,idmap=uids=0-1000-1;gids=0-1000-1")}, []string{"has to be an option of its own"},
		},
		"no maps": {
			[]Edit{BindMount(volume, "/x", "bind", "idmap")}, []string{"/options/1: needs uidMappings and gidMappings"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, tt.edits...)
			c.Run().Fails(t, tt.texts...)
			if left := c.Gone(); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Many idmapped mounts take a user namespace for each list of maps, not for each mount, and few descriptors.
func TestIDMapMany(t *testing.T) {
	t.Parallel()
	volume := newVolume(t)
	edits := []Edit{WithUserNamespace(100000, 65536)}
	var dirs, paths []string
	for i := range 300 {
		m := specs.Mount{Destination: fmt.Sprintf("/m/%d", i), Source: volume, Options: []string{"bind", "idmap"}}
		if i%2 == 1 {
			m.UIDMappings, m.GIDMappings = idMaps(0, 100000+uint32(i%7), 2000), idMaps(0, 100000, 2000)
		}
		edits = append(edits, WithMount(m))
		dirs, paths = append(dirs, m.Destination), append(paths, m.Destination+"/1000")
	}
	c := points(t, NewContainer(t, edits...), dirs...)
	for i, s := range probeStat(t, c, paths...) {
		want := 1000
		if i%2 == 1 {
			want += i % 7
		}
		if s.UID != want || s.GID != 1000 {
			t.Fatalf("mount %d: %+v, want uid %d", i, s, want)
		}
	}
	OnlyFDs(t, c.Report(), 0, 1, 2)
}
