package criu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"tare/internal/sys"

	"golang.org/x/sys/unix"
)

// Event is a point that a dump or restore has come to, where it waits for us.
type Event struct {
	Name string
	PID  int // of the first process that is restored; 0 where there is none
	FD   int // a descriptor that comes with it, for the callback to close; -1 for none
}

// The events that mean something to us.
const (
	EventNamespaces = "setup-namespaces"  // the namespaces of a restore are there, empty
	EventTerminal   = "orphan-pts-master" // with the master of the terminal
)

// The kinds of requests, and the fields of requests and answers.
const (
	kindDump    = 1
	kindRestore = 2
	kindNotify  = 6
	kindPreDump = 13 // a single one

	fieldKind    = 1
	fieldOptions = 2
	fieldSuccess = 2 // of an answer
	fieldGranted = 3 // of a request, to an event
	fieldRestore = 4
	fieldNotify  = 5
	fieldMessage = 9
)

// Dump writes the processes to files, and ends them unless they are to be left running.
func Dump(o *Options, on func(Event) error) error {
	_, err := call(kindDump, o, Surroundings{}, on)
	return err
}

// PreDump writes their memory alone, for a Dump with ParentImages, and leaves them running.
func PreDump(o *Options, on func(Event) error) error {
	_, err := call(kindPreDump, o, Surroundings{}, on)
	return err
}

// Surroundings are what the server of a restore is put in.
type Surroundings struct {
	// Thread is called in the thread that starts the server, which inherits its mount namespace; the thread is for nothing else.
	Thread func() error
	// Process is called with the server's pid before the request is sent: it may change the options yet.
	Process func(pid int) error
}

// Restore makes processes of files. The first one becomes a child of ours, and its pid is returned.
func Restore(o *Options, around Surroundings, on func(Event) error) (pid int, err error) {
	a, err := call(kindRestore, o, around, on)
	return a.pid, err
}

// server is CRIU at work.
type server struct {
	cmd    *exec.Cmd
	pidfd  int // -1 where the kernel has none
	socket int
	over   chan struct{} // closed at its end: until then the thread that has started it stays
}

// answer is what a message of the server's says.
type answer struct {
	kind    int
	success bool
	pid     int
	event   Event
	message string
}

func call(kind int, o *Options, around Surroundings, on func(Event) error) (a answer, err error) {
	var terminal *os.File
	if kind == kindRestore && o.ShellJob {
		terminal = os.Stdin // CRIU takes it for that of the job
	}
	s, err := start(terminal, o.files(), around.Thread)
	if err != nil {
		return a, err
	}
	if around.Process != nil {
		err = around.Process(s.cmd.Process.Pid)
	}
	if err != nil {
		s.end()
		return a, err
	}
	a, err = s.ask(kind, o, on)
	s.end()
	if err != nil {
		err = because(err, o.Work, o.Log)
	}
	return a, err
}

// start executes the server, in surroundings that prepare makes of the thread. It is not to die with us, and no Ctrl-C is for it, which would leave the
// processes that it holds frozen or half restored: it notices the end of the socket, and lets them go. A restored job stays one of the caller's shell.
func start(stdin *os.File, files []*os.File, prepare func() error) (*server, error) {
	path, err := exec.LookPath("criu")
	if err != nil {
		return nil, fmt.Errorf("%w: checkpoint and restore are CRIU's work: install it (package criu)", err)
	}
	ours, theirs, err := sys.PacketPair()
	if err != nil {
		return nil, err
	}
	end := os.NewFile(uintptr(theirs), "criu")
	defer end.Close()
	s := &server{socket: ours, over: make(chan struct{}), cmd: exec.Command(path, "swrk", "3")}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &s.pidfd, Setpgid: stdin == nil}
	s.cmd.ExtraFiles = append([]*os.File{end}, files...)
	s.cmd.Dir = "/"
	if stdin != nil {
		s.cmd.Stdin = stdin
	}
	started := make(chan error)
	go s.host(prepare, started)
	if err := <-started; err != nil {
		sys.Close(ours)
		return nil, err
	}
	return s, nil
}

// host starts the server in a thread that is for nothing else, for good: what prepare makes of it is for the server alone. Not in the main thread:
// that one never ends, and would keep prepare's mount namespace for as long as we live.
func (s *server) host(prepare func() error, started chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			s.host(prepare, started)
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	err := s.start(prepare)
	started <- err
	if err == nil {
		<-s.over
	}
}

func (s *server) start(prepare func() error) error {
	if prepare != nil {
		if err := prepare(); err != nil {
			return err
		}
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("execute criu: %w", err)
	}
	return nil
}

func (s *server) end() {
	sys.Close(s.socket)
	_ = s.cmd.Wait() // what it has to say it said
	sys.Close(s.pidfd)
	close(s.over)
}

// ask sends a request and answers events until the request is answered.
func (s *server) ask(kind int, o *Options, on func(Event) error) (answer, error) {
	var m message
	m.number(fieldKind, kind)
	if o != nil {
		m.part(fieldOptions, o.message())
	}
	err := sys.SendPacket(s.socket, m)
	for err == nil {
		var a answer
		if a, err = s.receive(); err != nil {
			break
		}
		if a.kind != kindNotify {
			return a, a.verdict()
		}
		err = s.grant(a.event, on)
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = errDied // before it has read what we said
	}
	return answer{}, err
}

func (a *answer) verdict() error {
	if a.success {
		return nil
	}
	if reasons := logged(a.message); len(reasons) > 0 {
		return fmt.Errorf("criu failed: %s", strings.Join(reasons, "; "))
	}
	return errors.New("criu failed")
}

// grant has the callback see an event, and the server go on, or give up.
func (s *server) grant(e Event, on func(Event) error) error {
	refused := on(e)
	var m message
	m.number(fieldKind, kindNotify)
	m.flag(fieldGranted, refused == nil)
	if refused == nil {
		return sys.SendPacket(s.socket, m)
	}
	if err := sys.SendPacket(s.socket, m); err == nil {
		_, _ = s.receive() // once it has undone what it did
	}
	return refused
}

// errDied is a server that was killed, by the OOM killer for instance.
var errDied = errors.New("criu died")

// await waits for a message. The end of the socket does not tell of the server's death: the processes that it was about to restore may have
// the other end yet, and wait for it themselves.
func (s *server) await() error {
	fds := []unix.PollFd{{Fd: int32(s.socket), Events: unix.POLLIN}, {Fd: int32(s.pidfd), Events: unix.POLLIN}}
	if _, err := sys.Poll(fds, -1); err != nil {
		return err
	}
	if fds[0].Revents == 0 {
		return errDied
	}
	return nil
}

func (s *server) receive() (a answer, err error) {
	if err := s.await(); err != nil {
		return a, err
	}
	b, fd, err := sys.RecvPacket(s.socket)
	if err != nil {
		return a, err
	}
	if len(b) == 0 {
		return a, errDied
	}
	defer func() {
		if fd >= 0 && (err != nil || a.kind != kindNotify) {
			sys.Close(fd) // nobody gets it
		}
	}()
	a.event.FD = fd
	err = fields(b, func(field int, n uint64, text []byte) error {
		switch field {
		case fieldKind:
			a.kind = int(n)
		case fieldSuccess:
			a.success = n != 0
		case fieldRestore:
			return fields(text, func(_ int, n uint64, _ []byte) error { a.pid = int(n); return nil })
		case fieldNotify:
			return a.event.read(text)
		case fieldMessage:
			a.message = string(text)
		}
		return nil
	})
	return a, err
}

func (e *Event) read(b []byte) error {
	return fields(b, func(field int, n uint64, text []byte) error {
		switch field {
		case 1:
			e.Name = string(text)
		case 2:
			e.PID = int(n)
		}
		return nil
	})
}
