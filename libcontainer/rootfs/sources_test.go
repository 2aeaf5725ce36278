package rootfs

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

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
