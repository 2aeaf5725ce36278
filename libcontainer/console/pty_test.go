package console

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

func TestOpen(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		p := newPty(t, root)
		if _, err := p.Slave.WriteString("to the master\n"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		if n, err := p.Master.Read(b); err != nil || string(b[:n]) != "to the master\r\n" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		// It is the first of this devpts, and not one of the host's.
		var slave, there unix.Stat_t
		if err := unix.Fstat(int(p.Slave.Fd()), &slave); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(filepath.Join(pts(root), "0"), &there); err != nil || slave.Ino != there.Ino || slave.Dev != there.Dev {
			t.Errorf("the slave is not dev/pts/0: %v", err)
		}
		for name, f := range map[string]*os.File{"master": p.Master, "slave": p.Slave} {
			if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("the %s stays open across an execution: %v", name, err)
			}
		}
	})
}

// TestOpen_Planted: what the image has put in the place of the terminals is not taken for one (CVE-2025-52565).
func TestOpen_Planted(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		ptmx := filepath.Join(pts(root), "ptmx")
		canary := filepath.Join(root, "canary")
		if err := os.WriteFile(canary, []byte("canary"), 0o600); err != nil {
			t.Fatal(err)
		}
		mknod := func(mode uint32, major, minor uint32) func() error {
			return func() error { return unix.Mknod(ptmx, mode|0o666, int(unix.Mkdev(major, minor))) }
		}
		tests := []struct {
			name  string
			plant func() error
		}{
			{"nothing", func() error { return nil }},
			{"regular file", func() error { return os.WriteFile(ptmx, nil, 0o666) }},
			{"hard link", func() error { return os.Link(canary, ptmx) }},
			{"directory", func() error { return os.Mkdir(ptmx, 0o777) }},
			{"link to a file", func() error { return os.Symlink("/canary", ptmx) }},
			{"link to the host's", func() error { return os.Symlink("/dev/ptmx", ptmx) }},
			{"dangling link", func() error { return os.Symlink("nowhere", ptmx) }},
			{"link to itself", func() error { return os.Symlink("ptmx", ptmx) }},
			{"null device", mknod(unix.S_IFCHR, 1, 3)},
			{"the right device, on another file system", mknod(unix.S_IFCHR, 5, 2)},
			{"block device of that number", mknod(unix.S_IFBLK, 5, 2)},
			{"fifo", mknod(unix.S_IFIFO, 0, 0)},
			{"socket", mknod(unix.S_IFSOCK, 0, 0)},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if err := tt.plant(); err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(ptmx)
				p, err := openIn(t, root)
				if !errors.Is(err, errNoDevpts) || !strings.HasPrefix(err.Error(), "/dev/pts/ptmx: no devpts there") {
					t.Errorf("Open: %v, %v, want errNoDevpts", p, err)
				}
			})
		}
		if b, err := os.ReadFile(canary); string(b) != "canary" {
			t.Errorf("the canary: %q, %v", b, err)
		}
		if fi, err := os.Stat(canary); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("the canary: %v, %v", fi.Mode(), err)
		}
	})
}

// TestOpen_SlaveForMaster: another terminal's slave is on a devpts too.
func TestOpen_SlaveForMaster(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		newPty(t, root)
		for range 2 {
			p, err := openIn(t, root)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Master.Close()
			defer p.Slave.Close()
		}
		// The one with the minor number of a ptmx.
		slave, ptmx := filepath.Join(pts(root), "2"), filepath.Join(pts(root), "ptmx")
		if err := unix.Mount(slave, ptmx, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		if p, err := openIn(t, root); !errors.Is(err, errNoDevpts) {
			t.Errorf("Open: %v, %v, want errNoDevpts", p, err)
		}
	})
}

// TestOpen_LinkOnTheWay: a link that dev/pts is leads nowhere outside of the root.
func TestOpen_LinkOnTheWay(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		if err := os.Remove(pts(root)); err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"/dev/pts", "../../../../../../dev/pts", "/proc/self/root/dev/pts"} {
			if err := os.Symlink(target, pts(root)); err != nil {
				t.Fatal(err)
			}
			if p, err := openIn(t, root); err == nil {
				t.Errorf("dev/pts is a link to %s: %v, want an error", target, p)
			}
			if err := os.Remove(pts(root)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func winsize(t *testing.T, fd int) (rows, cols uint16) {
	t.Helper()
	ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		t.Fatal(err)
	}
	return ws.Row, ws.Col
}

func TestSetup(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		p := newPty(t, root)
		for _, tt := range []struct {
			name       string
			size       *specs.Box
			uid        uint32
			rows, cols uint16
		}{
			{"no size", nil, 0, 0, 0},
			{"zero", &specs.Box{}, 5, 0, 0},
			{"size", &specs.Box{Height: 24, Width: 80}, 1000, 24, 80},
			{"no height", &specs.Box{Width: 7}, 1000, 24, 80},
			{"no width", &specs.Box{Height: 7}, 1000, 24, 80},
			{"largest", &specs.Box{Height: 65535, Width: 65535}, 0, 65535, 65535},
		} {
			if err := p.Setup(tt.size, tt.uid); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if rows, cols := winsize(t, int(p.Slave.Fd())); rows != tt.rows || cols != tt.cols {
				t.Errorf("%s: %d rows, %d columns, want %d, %d", tt.name, rows, cols, tt.rows, tt.cols)
			}
			st, err := sys.Fstat(int(p.Slave.Fd()))
			if err != nil || st.Uid != tt.uid {
				t.Errorf("%s: owner %d, %v, want %d", tt.name, st.Uid, err, tt.uid)
			}
		}
	})
}

func TestSend(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		p := newPty(t, root)
		a, b, err := sys.Socketpair()
		if err != nil {
			t.Fatal(err)
		}
		defer sys.Close(b)
		if err := p.Send(a); err != nil {
			t.Fatalf("Send: %v", err)
		}
		if _, err := p.Master.Write(nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the master is still open here: %v", err)
		}
		sys.Close(a)
		fd, err := sys.RecvFD(b)
		if err != nil {
			t.Fatalf("RecvFD: %v", err)
		}
		defer sys.Close(fd)
		if err := sys.SetWinsize(fd, 3, 4); err != nil {
			t.Fatal(err)
		}
		if rows, cols := winsize(t, int(p.Slave.Fd())); rows != 3 || cols != 4 {
			t.Errorf("what was received is not the master: %d rows, %d columns", rows, cols)
		}
		if _, err := sys.RecvFD(b); err == nil {
			t.Error("a second descriptor came")
		}
	})
}

func TestSend_NobodyThere(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		p := newPty(t, root)
		a, b, err := sys.Socketpair()
		if err != nil {
			t.Fatal(err)
		}
		defer sys.Close(a)
		sys.Close(b)
		if err := p.Send(a); !errors.Is(err, unix.EPIPE) || !strings.HasPrefix(err.Error(), "send the terminal: ") {
			t.Errorf("Send: %v, want EPIPE", err)
		}
	})
}

// TestControl: the sandbox is a session leader, as the init stage.
func TestControl(t *testing.T) {
	sandbox(t, func(t *testing.T, root string) {
		signal.Ignore(unix.SIGHUP) // which a session leader gets when its terminal is closed
		p := newPty(t, root)
		slave, err := sys.Fstat(int(p.Slave.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		var saved [3]int
		for fd := range 3 {
			if saved[fd], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10); err != nil {
				t.Fatal(err)
			}
		}
		controlErr := p.Control()
		var stdio [3]unix.Stat_t
		for fd := range 3 {
			_ = unix.Fstat(fd, &stdio[fd])
		}
		tty, ttyErr := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		for fd := range 3 { // what the test says goes to the test again
			if err := unix.Dup3(saved[fd], fd, 0); err != nil {
				os.Exit(3)
			}
		}
		if controlErr != nil {
			t.Fatalf("Control: %v", controlErr)
		}
		for fd := range 3 {
			if stdio[fd].Rdev != slave.Rdev || stdio[fd].Ino != slave.Ino {
				t.Errorf("descriptor %d is not the terminal", fd)
			}
		}
		if ttyErr != nil {
			t.Fatalf("no controlling terminal: %v", ttyErr)
		}
		defer tty.Close()
		if _, err := tty.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 9)
		if n, err := p.Master.Read(b); err != nil || string(b[:n]) != "x" {
			t.Errorf("the controlling terminal is another: %q, %v", b[:n], err)
		}
		if _, err := p.Slave.Write(nil); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the slave is still open beside: %v", err)
		}
	})
}
