package hooks

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"tare/internal/document"
	"tare/internal/sys"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ErrTimeout is a hook that was still running when its time was up.
var ErrTimeout = errors.New("timeout")

// Set says how the hooks of one kind are run.
type Set struct {
	Kind  string // as in the spec: createRuntime and so on
	Hooks []specs.Hook
	// Env is the environment of a hook that names none. nil is an empty environment: nothing of the image's
	// or of the caller's ever reaches a hook on the host's side unasked (CVE-2025-23266).
	Env []string
	Dir string // working directory; "" keeps the caller's
	// Interrupt ends the hook that runs, when it is raised. nil never is.
	Interrupt *Interrupt
}

// Run runs all hooks of the set in their order, and stops at the first that fails. state is handed to each.
func (s *Set) Run(state *specs.State) error {
	if len(s.Hooks) == 0 {
		return nil
	}
	input := document.Encode(state)
	for i := range s.Hooks {
		if err := s.run(i, input); err != nil {
			return err
		}
	}
	return nil
}

// RunAll runs all hooks of the set even where some fail, and returns what failed: so the spec wants it of
// poststop.
func (s *Set) RunAll(state *specs.State) (failed []error) {
	input := document.Encode(state)
	for i := range s.Hooks {
		if err := s.run(i, input); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

func (s *Set) run(i int, input []byte) error {
	h := &s.Hooks[i]
	output, err := s.execute(h, input)
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(output))
	if text != "" {
		text = ": " + strings.Join(strings.Fields(text), " ")
	}
	return fmt.Errorf("hook %s[%d] (/hooks/%s/%d): %s: %w%s", s.Kind, i, s.Kind, i, h.Path, err, text)
}

// execute runs one hook to its end and returns the end of what it printed.
func (s *Set) execute(h *specs.Hook, input []byte) ([]byte, error) {
	stdin, err := sys.MemFile("hook-state", input)
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	read, write, err := sys.Pipe()
	if err != nil {
		return nil, err
	}
	defer sys.Close(read)
	pid, err := s.start(h, int(stdin.Fd()), write)
	sys.Close(write)
	if err != nil {
		return nil, err
	}
	return s.await(pid, read, deadline(h))
}

func (s *Set) start(h *specs.Hook, stdin, output int) (int, error) {
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	env := h.Env
	if env == nil {
		env = s.Env
	}
	return syscall.ForkExec(h.Path, args, &syscall.ProcAttr{
		Dir:   s.Dir,
		Env:   append([]string{}, env...), // nil would be the runtime's own
		Files: []uintptr{uintptr(stdin), uintptr(output), uintptr(output)},
		// A runtime that is killed takes its hook with it. The process group is for ending what a hook has started, too.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
}

// maxTimeout bounds what poll(2) can wait for, in seconds.
const maxTimeout = 20 * 24 * 3600

func deadline(h *specs.Hook) time.Time {
	if h.Timeout == nil {
		return time.Time{}
	}
	return time.Now().Add(min(time.Duration(*h.Timeout), maxTimeout) * time.Second)
}

// await follows the hook until it ends or its time is up. What it leaves running may hold the pipe open:
// that is not waited for.
func (s *Set) await(pid, output int, until time.Time) ([]byte, error) {
	pidfd, err := sys.PidfdOpen(pid)
	if err != nil {
		return nil, err
	}
	defer sys.Close(pidfd)
	var tail tail
	fds := []unix.PollFd{
		{Fd: int32(pidfd), Events: unix.POLLIN}, {Fd: int32(output), Events: unix.POLLIN}, {Fd: s.Interrupt.descriptor(), Events: unix.POLLIN},
	}
	for {
		n, err := sys.Poll(fds, milliseconds(until))
		if err == nil && n == 0 {
			err = ErrTimeout
		}
		if err == nil && fds[2].Revents != 0 {
			err = s.Interrupt.take()
		}
		if err != nil {
			end(pid)
			return tail.bytes(), err
		}
		if fds[1].Revents != 0 && !tail.readFrom(output) {
			fds[1].Fd = -1 // end of file: poll(2) passes over it
		}
		if fds[0].Revents != 0 {
			ws, err := sys.Wait(pid)
			drain(&tail, output)
			return tail.bytes(), exitError(ws, err)
		}
	}
}

// end kills a hook with all that it has started, and waits for it.
func end(pid int) {
	_ = unix.Kill(-pid, unix.SIGKILL)
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = sys.Wait(pid)
}

// milliseconds until then for poll(2), at least one: 0 would not wait, and -1 for ever.
func milliseconds(until time.Time) int {
	if until.IsZero() {
		return -1
	}
	return int(max(time.Until(until), 0)/time.Millisecond) + 1
}

// drain reads what an ended hook has left in the pipe, and does not wait for more.
func drain(t *tail, output int) {
	fds := []unix.PollFd{{Fd: int32(output), Events: unix.POLLIN}}
	for range 64 { // a pipe holds 16 pages; whoever still writes is not followed
		if n, err := sys.Poll(fds, 0); n == 0 || err != nil || !t.readFrom(output) {
			return
		}
	}
}

func exitError(ws unix.WaitStatus, err error) error {
	switch {
	case err != nil:
		return err
	case ws.Signaled():
		return fmt.Errorf("ended by signal %d (%s)", int(ws.Signal()), unix.SignalName(ws.Signal()))
	case ws.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", ws.ExitStatus())
	}
	return nil
}

// tail keeps the end of a stream: a hook may print without end, the runtime stays small.
type tail struct {
	buf     [8 << 10]byte
	n       int
	skipped bool
}

const tailKept = 4 << 10

// readFrom reads once, and tells whether there may be more.
func (t *tail) readFrom(fd int) bool {
	if t.n == len(t.buf) {
		t.n = copy(t.buf[:], t.buf[len(t.buf)-tailKept:])
		t.skipped = true
	}
	n, err := unix.Read(fd, t.buf[t.n:])
	if n > 0 {
		t.n += n
	}
	return n > 0 || errors.Is(err, unix.EINTR)
}

func (t *tail) bytes() []byte {
	b := t.buf[max(0, t.n-tailKept):t.n]
	if t.skipped || t.n > tailKept {
		return append([]byte("... "), b...)
	}
	return b
}
