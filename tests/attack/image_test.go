package attack

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/libcontainer/proto"

	. "tare/internal/testutil"
)

// A37: an image's account files are what no account file is. A start takes no longer, and no more memory.
func TestStrangeAccountFiles(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	for name, plant := range map[string]func(path string) error{
		"fifo":           func(path string) error { return unix.Mkfifo(path, 0o644) },
		"link to zero":   func(path string) error { return os.Symlink("/dev/zero", path) },
		"link to itself": func(path string) error { return os.Symlink("passwd", path) },
		"link out":       func(path string) error { return os.Symlink("../../../../../../../../../../etc/passwd", path) },
		"link to proc":   func(path string) error { return os.Symlink("/proc/self/fd/0", path) },
		"directory":      func(path string) error { return os.Mkdir(path, 0o755) },
		"device zero":    func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) },
		"socket":         func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o644, 0) },
		"10 GiB of nothing": func(path string) error {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(path, 10<<30)
		},
		"one long line": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("root:x:0:0:"), 1<<20), 0o644) },
		"garbage": func(path string) error {
			text := make([]byte, 1<<16)
			_, _ = rand.Read(text)
			return os.WriteFile(path, text, 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainer(t, Args("report"))
			for _, file := range []string{"passwd", "group"} {
				if err := plant(filepath.Join(c.RootFS, "etc", file)); err != nil {
					t.Fatal(err)
				}
			}
			begin := time.Now()
			c.Run().OK(t)
			if spent := time.Since(begin); spent > Deadline()/3 {
				t.Errorf("the start took %v", spent)
			}
		})
	}
}

// A45, of the init stage: whatever is on the other end of its socket, it ends with an error; it does not hang, and it
// does not crash.
func TestInitStageWithGarbage(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	message := func(kind byte, size uint32, body []byte) []byte {
		return append(binary.NativeEndian.AppendUint32([]byte{kind}, size), body...)
	}
	random := make([]byte, 4096)
	_, _ = rand.Read(random)
	cases := map[string][]byte{
		"nothing":                 nil,
		"half a header":           {1, 0},
		"random":                  random,
		"another kind":            message(byte(proto.KindGo), 0, nil),
		"no kind":                 message(0, 0, nil),
		"an empty config":         message(byte(proto.KindConfig), 0, nil),
		"a random config":         message(byte(proto.KindConfig), 4096, random),
		"a config of zeros":       message(byte(proto.KindConfig), 4096, make([]byte, 4096)),
		"a config of ones":        message(byte(proto.KindConfig), 4096, bytes.Repeat([]byte{0xff}, 4096)),
		"less than announced":     message(byte(proto.KindConfig), 4096, random[:100]),
		"4 GiB announced":         message(byte(proto.KindConfig), 1<<32-1, random),
		"64 MiB announced":        message(byte(proto.KindConfig), 64<<20, random),
		"a message, then another": append(message(byte(proto.KindConfig), 0, nil), message(byte(proto.KindConfig), 0, nil)...),
	}
	for i := range scaled(50) {
		noise := make([]byte, 8+i*7)
		_, _ = rand.Read(noise)
		cases[fmt.Sprint("noise ", i)] = message(byte(proto.KindConfig), uint32(len(noise)), noise)
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := initStage(t, []string{"tare-init", "3"}, data)
			judgeInit(t, res)
		})
	}
	for name, args := range map[string][]string{
		"no descriptor": {"tare-init"}, "not open": {"tare-init", "77"}, "no number": {"tare-init", "x"}, "negative": {"tare-init", "-1"},
		"standard input": {"tare-init", "0"}, "too many": {"tare-init", "3", "3"}, "huge": {"tare-init", "99999999999999999999"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judgeInit(t, initStage(t, args, nil))
		})
	}
}

func judgeInit(t *testing.T, res *Result) {
	t.Helper()
	if res.Code != 1 {
		t.Errorf("exit code %d", res.Code)
	}
	for _, word := range []string{"goroutine", "panic", "fatal error", ".go:"} {
		if strings.Contains(res.Stdout+res.Stderr, word) {
			t.Errorf("it crashed: %.2000s", res.Stderr)
		}
	}
}

// initStage runs the runtime as its own init stage, with a socket as descriptor 3 from which data comes. It is in
// namespaces of its own, for the case that it takes an order for good.
func initStage(t *testing.T, args []string, data []byte) *Result {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer theirs.Close()
	go func() {
		_, _ = ours.Write(data)
		_ = unix.Shutdown(fds[0], unix.SHUT_WR)
		_, _ = io.Copy(io.Discard, ours)
		ours.Close()
	}()
	cmd := exec.Command(Runtime())
	cmd.Args, cmd.Dir, cmd.Env = args, "/", []string{"GOGC=off", "GOMAXPROCS=1"}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET}
	// A Go program that is killed by its parent's death is not what this is about: the parent waits.
	return Do(t, cmd)
}

// A45, of the runtime: what it receives from the init stage is bounded and checked.
func TestRuntimeReceivesGarbage(t *testing.T) {
	t.Parallel()
	for i := range scaled(300) {
		noise := make([]byte, i%64)
		_, _ = rand.Read(noise)
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fds[0], noise); err != nil {
			t.Fatal(err)
		}
		unix.Close(fds[0])
		link := proto.Link{FD: fds[1]}
		for {
			kind, value, err := link.Receive()
			if err != nil {
				break
			}
			if len(value) > len(noise) {
				t.Fatalf("%d bytes of %d", len(value), len(noise))
			}
			if kind == proto.KindFailure {
				_ = proto.DecodeFailure(value).Error()
			}
		}
		unix.Close(fds[1])
	}
}

// A24: without a terminal of its own the container's process is in a session of its own, and the terminal that it has
// as standard input takes no input from it.
func TestNoInputForCallersTerminal(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	_, slave := OpenPTY(t, 24, 80)
	c := NewContainer(t, Args("report"))
	cmd := c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdin = slave
	report := c.Do(cmd).Report(t)
	if p := report.Process; p.SID != p.PID {
		t.Errorf("session %d, process %d", p.SID, p.PID)
	}
	if report.Terminal.Controlling {
		t.Error("the caller's terminal controls the container's process")
	}
	c = NewContainer(t, hostile(t, "inject"))
	cmd = c.Command("run", "--bundle", c.Dir, c.ID)
	cmd.Stdin = slave
	res := c.Do(cmd).OK(t)
	if text := strings.TrimSpace(res.Stdout); text != "EPERM" && text != "EIO" {
		t.Errorf("TIOCSTI: %s", text)
	}
}

// A17 and A18 under a race: somebody else on the host's side swaps what the image has in /dev while containers are
// made that have no /dev of their own. What is masked is masked by the null device, or the container is not there.
func TestExchangedNull(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	c := NewContainer(t, WritableRoot, WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"), Args("stat", "/secret", "/proc/version"), func(s *specs.Spec) {
		s.Linux.MaskedPaths = []string{"/secret", "/proc/version"}
	})
	c.WriteFile(t, "secret", "secret", 0o644)
	c.WriteFile(t, "file", "untouched", 0o666)
	null, link := filepath.Join(c.RootFS, "dev/null"), filepath.Join(c.RootFS, "dev/link")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	c.Symlink(t, "/file", "dev/link")
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, null, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	won := 0
	for range scaled(60) {
		res := c.Run()
		if res.Code != 0 {
			res.Fails(t, "tare run failed:")
			continue
		}
		won++
		if masked := strings.Count(res.Stdout, `"Major":1,"Minor":3,`); masked != 2 {
			t.Fatalf("%d of 2 paths are masked: %s", masked, res.Stdout)
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d of %d containers came to be", won, scaled(60))
	if text, _ := os.ReadFile(filepath.Join(c.RootFS, "file")); string(text) != "untouched" {
		t.Errorf("the image's file was written to: %q", text)
	}
	if now, _ := os.ReadFile("/proc/sys/kernel/core_pattern"); string(now) != string(pattern) {
		t.Errorf("the host's core_pattern is %q", now)
	}
}
