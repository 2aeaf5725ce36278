package rootfs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
)

// sandboxEnv tells a process that it is the child of sandbox, and where its directory is.
const sandboxEnv = "TARE_ROOTFS_SANDBOX"

// box is what a test has inside the sandbox.
type box struct {
	dir    string // of the test, on the host
	bundle string
	rootfs string
	canary string // outside of the bundle: must not change
}

func boxIn(dir string) box {
	return box{dir: dir, bundle: dir + "/bundle", rootfs: dir + "/bundle/rootfs", canary: dir + "/canary"}
}

// sandbox runs body in a process of its own, with new namespaces (CLONE_NEWNS and what flags say), where it may mount and pivot as a
// container's init. A user namespace maps the caller's ids to the same ids, as far as 65536. prepare (or nil) runs on the host before.
func sandbox(t *testing.T, flags uintptr, prepare, body func(*testing.T, box)) {
	t.Helper()
	if dir := os.Getenv(sandboxEnv); dir != "" {
		body(t, boxIn(dir))
		return
	}
	if os.Getuid() != 0 {
		t.Skip("mounts need root")
	}
	b := boxIn(t.TempDir())
	mkdir(t, b.rootfs)
	mkdir(t, b.canary)
	// Names that a runtime makes files under.
	for _, name := range []string{"ptmx", "console", "null", "fd", "stdin", "hosts", "core"} {
		write(t, b.canary+"/"+name, "canary "+name)
	}
	if prepare != nil {
		prepare(t, b)
	}
	before, mounts := snapshot(t, b.canary), ownMounts(t, b)
	run(t, b.dir, flags)
	if after := snapshot(t, b.canary); after != before {
		t.Errorf("the canary changed\nbefore:\n%s\nafter:\n%s", before, after)
	}
	if after := ownMounts(t, b); after != mounts {
		t.Errorf("the host's mounts changed\nbefore:\n%s\nafter:\n%s", mounts, after)
	}
}

// ownMounts are the host's mounts that have to do with b; others come and go on a busy machine.
func ownMounts(t *testing.T, b box) string {
	t.Helper()
	var own strings.Builder
	for line := range strings.Lines(hostMounts(t)) {
		if strings.Contains(line, b.dir) {
			own.WriteString(line)
		}
	}
	return own.String()
}

// run starts this test anew in namespaces.
func run(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	var pattern []string
	for _, part := range strings.Split(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run="+strings.Join(pattern, "/"), "-test.v")
	cmd.Env = append(os.Environ(), sandboxEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in the sandbox: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") && !strings.Contains(string(out), "--- SKIP: "+t.Name()+" ") && err == nil {
		t.Errorf("the sandbox ran no test:\n%s", out)
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
	if strings.Contains(string(out), "--- SKIP: "+t.Name()+" ") {
		t.Skipf("in the sandbox: %s", out)
	}
}

// asHost makes the sandbox play a host: it calls prepare and runs the test anew as a container of it, after which no mount of the
// host may have changed. It returns true in the host, false in the container.
func asHost(t *testing.T, b box, prepare func()) bool {
	t.Helper()
	const inner = "TARE_ROOTFS_INNER"
	if os.Getenv(inner) != "" {
		return false
	}
	ok(t, unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	prepare()
	before := hostMounts(t)
	t.Setenv(inner, "1")
	run(t, b.dir, syscall.CLONE_NEWPID)
	if after := hostMounts(t); after != before {
		t.Errorf("the host's mounts changed\nbefore:\n%s\nafter:\n%s", before, after)
	}
	return true
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		text := ""
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(data)
		}
		fmt.Fprintf(&b, "%s ino %d mode %o owner %d:%d mtime %d.%d %q\n", path, st.Ino, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func hostMounts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func node(t *testing.T, path string, kind, major, minor uint32) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := unix.Mknod(path, kind|0o666, int(unix.Mkdev(major, minor))); err != nil {
		t.Fatal(err)
	}
}

// open opens the root file system of b for spec.
func (b box) open(t *testing.T, spec *specs.Spec, o Options) *Rootfs {
	t.Helper()
	proc, err := procfs.Open()
	if err != nil {
		t.Fatal(err)
	}
	o.Path, o.Bundle = b.rootfs, b.bundle
	r, err := Open(spec, o, proc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// with makes a spec of mounts.
func with(mounts ...specs.Mount) *specs.Spec {
	return &specs.Spec{Root: &specs.Root{Path: "rootfs"}, Mounts: mounts, Linux: &specs.Linux{}}
}

// mnt is a mount in few words: type source destination options...
func mnt(words string) specs.Mount {
	f := strings.Fields(words)
	return specs.Mount{Type: f[0], Source: f[1], Destination: f[2], Options: f[3:]}
}

// mounted are the fields of the topmost mount at path in mountinfo: its options, those of its filesystem, its propagation.
type mounted struct {
	opts, super, propagation, fstype, root string
}

func mountAt(t *testing.T, path string) mounted {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var m mounted
	for line := range strings.Lines(string(data)) {
		left, right, _ := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if l[4] == path {
			m = mounted{opts: l[5], super: r[len(r)-1], propagation: strings.Join(l[6:], " "), fstype: r[0], root: l[3]}
		}
	}
	if m.fstype == "" {
		t.Fatalf("nothing is mounted at %s", path)
	}
	return m
}

func statAt(t *testing.T, r *Rootfs, path string) unix.Stat_t {
	t.Helper()
	fd, err := r.root.OpenNoFollow(path)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close(fd)
	st, err := sys.Fstat(fd)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
