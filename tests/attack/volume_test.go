package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "tare/internal/testutil"
)

// A11, A16, A19, A23: a running container shares a volume, with the propagation of its mounts, with containers being
// made. It exchanges directories of the volume with links to the host, and mounts over what they are about to use,
// over the mount point of their /proc among others. Each of them either fails cleanly, or is what it was asked to be.

func TestHostileNeighbour(t *testing.T) {
	inMountNamespace(t, unix.MS_SHARED, func() {
		volume, canary := newVolume(t), filepath.Join(Dir(t), "canary")
		if err := os.Mkdir(canary, 0o755); err != nil {
			t.Fatal(err)
		}
		link := func(target, path string) {
			if err := os.Symlink(target, filepath.Join(volume, path)); err != nil {
				t.Fatal(err)
			}
		}
		link("../../../../../../../../../.."+canary, "y")
		before := listing(t, canary)
		corePattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
		if err != nil {
			t.Fatal(err)
		}
		racer := guard(t, NewContainer(t, hostile(t, "mount storm", "/volume"), WithCaps("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"), WritableRoot,
			BindMount(volume, "/volume", "rbind", "rshared")))
		_, output := start(t, racer)

		victim := guard(t, NewContainer(t, WritableRoot, Args("report", "kernel.domainname"), BindMount(volume, "/data", "rbind", "rslave"), func(s *specs.Spec) {
			s.Root.Path = filepath.Join(volume, "rootfs")
			s.Linux.RootfsPropagation = "rslave"
			s.Linux.Sysctl = map[string]string{"kernel.domainname": "marker"}
			for i := range 8 {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/data/x/t%d", i), Type: "tmpfs", Source: "tare-attack"})
			}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data/x/deep/er/file", Type: "bind", Source: filepath.Join(volume, "keep"), Options: []string{"bind"}})
			s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/data/keep")
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/data/secret", "/data/x/secret")
		}))
		succeeded, failed := 0, map[string]int{}
		for end := time.Now().Add(time.Duration(scaled(6)) * time.Second); time.Now().Before(end); {
			res := victim.Run()
			if res.Code != 0 {
				if res.Code != 1 || strings.Contains(res.Stderr, "goroutine") || !strings.Contains(res.Stderr, "tare run failed:") {
					t.Fatalf("no clean failure: exit code %d: %s", res.Code, res.Stderr)
				}
				failed[shorten(res.Stderr)]++
			} else {
				succeeded++
				checkVictim(t, res)
			}
			for _, m := range HostMounts(t, "tare-attack") {
				t.Fatalf("mounted on the host: %s", m)
			}
			if after := listing(t, canary); after != before {
				t.Fatalf("the canary changed:\n%s\nbefore:\n%s", after, before)
			}
		}
		if now, _ := os.ReadFile("/proc/sys/kernel/core_pattern"); string(now) != string(corePattern) {
			t.Errorf("the host's core_pattern is %q", now)
		}
		if strings.Contains(output(), "caught") {
			t.Errorf("a write for a sysctl went to the attacker's file: %s", output())
		}
		t.Logf("%d containers, %d failures: %v", succeeded, len(failed), failed)
		if succeeded == 0 {
			t.Error("not one container succeeded: the test shows little")
		}
	})
}

// newVolume makes a shared mount with a root file system in it.
func newVolume(t *testing.T) string {
	t.Helper()
	volume := filepath.Join(Dir(t), "volume")
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("volume", volume, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(volume, unix.MNT_DETACH) })
	if err := unix.Mount("", volume, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"x/deep/er", "z/sub", "rootfs/proc", "rootfs/dev", "rootfs/sys", "rootfs/data"} {
		if err := os.MkdirAll(filepath.Join(volume, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(Probe())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"x/secret": []byte("secret"), "secret": []byte("secret"), "keep": []byte("keep"), "rootfs/probe": program} {
		if err := os.WriteFile(filepath.Join(volume, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return volume
}

// checkVictim looks at a container that was made: nothing it was promised is missing.
func checkVictim(t *testing.T, res *Result) {
	t.Helper()
	report := res.Report(t)
	if report.UTS.Domainname != "marker" {
		t.Errorf("the sysctl kernel.domainname was not set: %q", report.UTS.Domainname)
	}
	if report.Mounts == nil { // the attacker has covered its /proc: it cannot tell, and what it runs sees that
		return
	}
	protected := 0
	for _, m := range report.Mounts {
		switch {
		case m.Point == "/data/keep" && slices.Contains(strings.Split(m.Options, ","), "ro"):
			protected++
		case m.Point == "/data/secret" && m.Root == "/null":
			protected++
		}
	}
	if protected != 2 {
		t.Errorf("%d of 2 paths are protected: %+v", protected, report.Mounts)
	}
}

// shorten takes numbers out of an error, so that equal ones count as such.
func shorten(text string) string {
	text = strings.TrimPrefix(strings.TrimSpace(text), "tare run failed: unable to start container process: ")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintln(&b, path, st.Ino, st.Mode, st.Uid, st.Size, st.Mtim)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
