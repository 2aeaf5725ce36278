package devbpf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

const probeEnv = "DEVBPF_TEST_PROBE"

func TestMain(m *testing.M) {
	if os.Getenv(probeEnv) != "" {
		probe(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// probe runs in the cgroup: for each line "open PATH FLAGS" or "mknod PATH MODE DEV" it answers with the errno.
func probe(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var call, path string
		var a, b int
		_, _ = fmt.Sscan(lines.Text(), &call, &path, &a, &b)
		var err error
		if call == "open" {
			var fd int
			if fd, err = unix.Open(path, a|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
				unix.Close(fd)
			}
		} else if err = unix.Mknod(path, uint32(a), b); err == nil {
			_ = unix.Unlink(path)
		}
		errno := unix.Errno(0)
		errors.As(err, &errno)
		fmt.Fprintln(out, int(errno))
	}
}

// guarded is a scratch cgroup with a process in it that does what it is told.
type guarded struct {
	t      *testing.T
	cgroup int
	dir    string // where device nodes are
	in     io.Writer
	out    *bufio.Reader
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("loading a device program needs root")
	}
	mount := "/sys/fs/cgroup"
	if magic, err := sys.StatfsType(mount); err != nil || magic != unix.CGROUP2_SUPER_MAGIC {
		mount = "/sys/fs/cgroup/unified"
		if magic, err := sys.StatfsType(mount); err != nil || magic != unix.CGROUP2_SUPER_MAGIC {
			t.Skip("no cgroup v2 tree is mounted")
		}
	}
	path, err := os.MkdirTemp(mount, "tare-devbpf-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	g := &guarded{t: t, dir: deviceDir(t)}
	if g.cgroup, err = sys.CgroupOpenMount(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(g.cgroup) })

	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{probeEnv + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.cgroup, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
		waitEmpty(t, path)
	})
	g.in, g.out = in, bufio.NewReader(out)
	return g
}

// deviceDir is a temporary directory whose device nodes can be opened: /tmp may be mounted nodev.
func deviceDir(t *testing.T) string {
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Flags&unix.ST_NODEV == 0 {
		return dir
	}
	dir, err := os.MkdirTemp("/dev", "tare-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func waitEmpty(t *testing.T, path string) {
	fd, err := unix.Open(filepath.Join(path, "cgroup.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 128)
	for {
		n, err := sys.CgroupEvents(fd, buf)
		if err != nil || strings.Contains(string(buf[:n]), "populated 0") {
			return
		}
		if changed, err := sys.PollPri(fd, 10*time.Second); err != nil || !changed {
			t.Fatalf("%s does not become empty: %v", path, err)
		}
	}
}

func (g *guarded) ask(format string, a ...any) unix.Errno {
	g.t.Helper()
	var errno int
	fmt.Fprintf(g.in, format+"\n", a...)
	if _, err := fmt.Fscan(g.out, &errno); err != nil {
		g.t.Fatal(err)
	}
	return unix.Errno(errno)
}

func (g *guarded) set(rules []specs.LinuxDeviceCgroup, defaults bool, put func(cgroup, program int) error) {
	g.t.Helper()
	p, err := Program(rules, defaults)
	if err != nil {
		g.t.Fatal(err)
	}
	fd, err := Load(p)
	if errors.Is(err, unix.EPERM) {
		g.t.Skip("not allowed here:", err)
	}
	if err != nil {
		g.t.Fatalf("%d rules: %v", len(rules), err)
	}
	defer unix.Close(fd)
	if err := put(g.cgroup, fd); err != nil {
		g.t.Fatal(err)
	}
}

// On the live kernel, for devices that do no harm: the memory devices, and majors without a driver.
func TestKernelAgreesWithTheList(t *testing.T) {
	g := newGuarded(t)
	type node struct {
		path         string
		major, minor uint32
	}
	var nodes []node
	for _, d := range [][2]uint32{{1, 3}, {1, 5}, {1, 9}, {250, 3}, {250, 9}} {
		n := node{filepath.Join(g.dir, fmt.Sprintf("c%d.%d", d[0], d[1])), d[0], d[1]}
		if err := unix.Mknod(n.path, unix.S_IFCHR|0o666, int(unix.Mkdev(d[0], d[1]))); err != nil {
			t.Skip("device nodes cannot be made here:", err)
		}
		nodes = append(nodes, n)
	}
	g.set(nil, false, Attach)
	rnd := rand.New(rand.NewPCG(7, 7))
	yes, no := 0, 0
	for range 150 {
		rules := randomRules(rnd)
		g.set(rules, false, Replace)
		check := func(q request, errno unix.Errno) {
			got, want := errno != unix.EPERM, reference(rules, q)
			if got != want {
				t.Errorf("%v: %v, but the list says %v: %s", q, errno, want, show(rules))
			}
			if want {
				yes++
			} else {
				no++
			}
		}
		for _, n := range nodes {
			for flags, access := range map[int]uint32{unix.O_RDONLY: r, unix.O_WRONLY: w, unix.O_RDWR: r | w} {
				q := request{unix.BPF_DEVCG_DEV_CHAR, n.major, n.minor, access}
				check(q, g.ask("open %s %d", n.path, flags))
			}
			for mode, kind := range map[int]uint32{unix.S_IFCHR: unix.BPF_DEVCG_DEV_CHAR, unix.S_IFBLK: unix.BPF_DEVCG_DEV_BLOCK} {
				q := request{kind, n.major, n.minor, m}
				check(q, g.ask("mknod %s/new %d %d", g.dir, mode, unix.Mkdev(n.major, n.minor)))
			}
		}
	}
	if yes < 300 || no < 300 {
		t.Errorf("a one-sided test: %d allowed, %d refused", yes, no)
	}
	if ids, err := sys.BPFProgQuery(g.cgroup, unix.BPF_CGROUP_DEVICE); err != nil || len(ids) != 1 {
		t.Errorf("after 150 replacements the cgroup has programs %v (%v), not one", ids, err)
	}
}

// Another program on the cgroup, as systemd puts one on its units, stays.
func TestReplaceLeavesForeignPrograms(t *testing.T) {
	g := newGuarded(t)
	p, err := Program([]specs.LinuxDeviceCgroup{dev(true, "a", -1, -1, "rwm")}, false)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := sys.BPFProgLoad(unix.BPF_PROG_TYPE_CGROUP_DEVICE, "sd_devices", p)
	if err != nil {
		t.Skip("not allowed here:", err)
	}
	defer unix.Close(foreign)
	if err := Attach(g.cgroup, foreign); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		g.set(nil, true, Replace)
	}
	if ids, err := sys.BPFProgQuery(g.cgroup, unix.BPF_CGROUP_DEVICE); err != nil || len(ids) != 2 {
		t.Errorf("programs %v (%v), want the foreign one and ours", ids, err)
	}
	if errno := g.ask("open /dev/null %d", unix.O_RDWR); errno != 0 {
		t.Errorf("open /dev/null: %v", errno)
	}
}

// The verifier's work must not grow out of bounds with the length of a list.
func TestVerifierTakesLongLists(t *testing.T) {
	g := newGuarded(t)
	var rules []specs.LinuxDeviceCgroup
	for i := range int64(1000) {
		rules = append(rules, dev(i%3 != 0, "c", i%50, i, []string{"r", "rw", "rwm"}[i%3]))
	}
	g.set(rules, true, Replace)
}

func TestVerifierLogIsInTheError(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("loading a device program needs root")
	}
	_, err := Load([]sys.BPFInsn{load32(0, 7, 0), exit()})
	if errors.Is(err, unix.EPERM) {
		t.Skip("not allowed here:", err)
	}
	if err == nil || !strings.Contains(err.Error(), "R7 !read_ok") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkLoadAttach(b *testing.B) {
	p, err := Program([]specs.LinuxDeviceCgroup{dev(false, "", -1, -1, "rwm")}, true)
	if err != nil {
		b.Fatal(err)
	}
	path, err := os.MkdirTemp("/sys/fs/cgroup/unified", "tare-devbpf-bench-")
	if err != nil {
		b.Skip(err)
	}
	defer os.Remove(path)
	dir, err := sys.CgroupOpenMount(path)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(dir)
	b.Run("program", func(b *testing.B) {
		for b.Loop() {
			_, _ = Program([]specs.LinuxDeviceCgroup{dev(false, "", -1, -1, "rwm")}, true)
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			fd, err := Load(p)
			if err != nil {
				b.Fatal(err)
			}
			unix.Close(fd)
		}
	})
	b.Run("replace", func(b *testing.B) {
		fd, err := Load(p)
		if err != nil {
			b.Fatal(err)
		}
		defer unix.Close(fd)
		for b.Loop() {
			if err := Replace(dir, fd); err != nil {
				b.Fatal(err)
			}
		}
	})
}
