package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/proto"
	"tare/libcontainer/rootfs"
	"tare/nsenter"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Arg0 is the name that the init stage is executed under: main knows it by that.
const Arg0 = "tare-init"

// Options say what the init stage is made from.
type Options struct {
	Spec *specs.Spec
	// Config is what the init stage will be told. Start fills in what is its own to know: UserNS
	// and the numbers of the descriptors below; Configure fills in Sources.
	Config *proto.Config

	Exe     *Exe     // what the init stage executes. Borrowed
	Cgroup  *os.File // cgroup v2 directory to be born in; nil: stay in the caller's
	Fifo    *os.File // exec.fifo, or nil
	Console *os.File // socket for the terminal's master, or nil
	PidsMax *os.File // for Config.PidsLimit, or nil
	// StartSocket is a listening socket for Rejoin, or nil.
	StartSocket *os.File
	Warn        func(text string)
}

// Init is the init stage on its way, and later the container's first process.
type Init struct {
	Pid   int
	Pidfd int
	// OwnPidNS tells that the process is the first of a PID namespace: all others in it end with it.
	OwnPidNS bool

	link    proto.Link
	warn    func(string)
	sources []rootfs.Source // until they are handed over
	// relay tells how a process with a listener ended, if it could not say so; -1 for none.
	relay int
}

// killTimeout is how long a killed init process may take to end, in milliseconds.
const killTimeout = 10_000

// ErrInitGone is what the end of the socket means before its time.
var ErrInitGone = errors.New("the init stage died without a word")

// Start starts the init stage: from here on it exists, and dies with the calling process (see nsenter.Start).
func Start(o Options) (*Init, error) {
	ns, err := newNamespaces(o.Spec)
	if err != nil {
		return nil, err
	}
	defer ns.close()
	proc, err := procfs.Open()
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	l, err := newLine(o.Exe, proc)
	if err != nil {
		return nil, err
	}
	defer l.close()
	req := &nsenter.Request{
		Exe: l.exe, Args: l.args(), Env: initEnv(),
		New: ns.new &^ ns.late(), Join: ns.join,
		TimeOffsets: timeOffsets(o.Spec.Linux), Proc: l.proc.File(), Cgroup: o.Cgroup,
	}
	fill(&o, ns, req, l)
	// The init stage dies with the thread that forks it, which therefore must not be the one that inMountNS uses up.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	i, err := start(req, l.ours, o.Warn)
	if err != nil {
		unix.Close(l.ours)
		return nil, err
	}
	i.OwnPidNS = ns.new&unix.CLONE_NEWPID != 0
	if ns.joins(unix.CLONE_NEWUSER) {
		err = newIDMaps(o.Spec.Linux).agree(l.proc, i.Pid)
	}
	if err == nil && o.Config.UserNS {
		err = ownStreams(l.proc, i.Pid, o.Spec.Process)
	}
	if err == nil {
		i.sources, err = openSources(&o, ns, l.proc, i)
	}
	if err != nil {
		err = errors.Join(err, i.Kill())
		i.Close()
		return nil, err
	}
	return i, nil
}

// line is what the runtime has of a stage before it is forked: the binary, /proc for it, and the two ends of the conversation.
type line struct {
	exe          *os.File
	proc         *procfs.Handle // borrowed
	ours, theirs int
}

// newLine lays a line, from which on this process cannot be traced. close gives it up but for our end.
func newLine(binary *Exe, proc *procfs.Handle) (l *line, err error) {
	if err = hide(); err != nil {
		return nil, err
	}
	l = &line{proc: proc}
	if l.exe, err = binary.await(); err != nil {
		return nil, err
	}
	if l.ours, l.theirs, err = sys.Socketpair(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *line) args() []string { return []string{Arg0, strconv.Itoa(l.theirs)} }

func (l *line) close() { unix.Close(l.theirs) }

// hide keeps what is forked from here on from being traced by those it meets in a joined PID namespace. An ordinary
// user's runtime stays as it is: the maps of a non-dumpable child would be root's alone to write.
func hide() error {
	if os.Geteuid() != 0 {
		return nil
	}
	return sys.SetDumpable(false)
}

// initEnv is the whole environment of the init stage. A garbage collection or a second thread running Go code
// would cost more than the memory they could save in its short life, and nobody reads the stacks that profstackdepth is the depth of.
func initEnv() []string {
	return []string{"GOGC=off", "GOMAXPROCS=1", "GOTRACEBACK=none", "GODEBUG=profstackdepth=0"}
}

// fill completes the config by what only Start knows, and lists the descriptors to inherit.
func fill(o *Options, ns *namespaces, req *nsenter.Request, l *line) {
	c := o.Config
	inherit(c, req, l, o.Console)
	c.Fifo, c.PidsMax, c.StartSocket = -1, -1, -1
	if o.StartSocket != nil {
		c.StartSocket = int(o.StartSocket.Fd())
		req.Inherit = append(req.Inherit, c.StartSocket)
	}
	if o.Fifo != nil {
		c.Fifo = int(o.Fifo.Fd())
		req.Inherit = append(req.Inherit, c.Fifo)
	}
	if o.PidsMax != nil {
		c.PidsMax = int(o.PidsMax.Fd())
		req.Inherit = append(req.Inherit, c.PidsMax)
	}
	c.UserNS = ns.has(unix.CLONE_NEWUSER)
	if ns.new&unix.CLONE_NEWUSER != 0 {
		req.MapIDs = newIDMaps(o.Spec.Linux).write
	}
}

// inherit lists the descriptors that every stage inherits.
func inherit(c *proto.Config, req *nsenter.Request, l *line, console *os.File) {
	c.Proc, c.Console = int(l.proc.File().Fd()), -1
	req.Inherit = append(req.Inherit, l.theirs, c.Proc)
	if console != nil {
		c.Console = int(console.Fd())
		req.Inherit = append(req.Inherit, c.Console)
	}
	for i := range c.ListenFDs + c.PreserveFDs {
		req.Inherit = append(req.Inherit, 3+i)
	}
}

func start(req *nsenter.Request, ours int, warn func(string)) (*Init, error) {
	// The workload, too, starts with the caller's limit, unless its config names one.
	sys.RestoreNofile()
	pid, err := nsenter.Start(req)
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 && req.New != 0 && req.New&unix.CLONE_NEWUSER == 0 {
		err = fmt.Errorf("%w: an ordinary user needs a user namespace (/linux/namespaces, type user)", err)
	}
	if err != nil {
		return nil, cgroupError(err, req.Cgroup)
	}
	i := &Init{Pid: pid, link: proto.Link{FD: ours}, warn: warn, relay: -1}
	if i.Pidfd, err = sys.PidfdOpen(pid); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = sys.Wait(pid)
		return nil, err
	}
	return i, nil
}

// Configure hands over the config, with which the init stage sets to work.
func (i *Init) Configure(c *proto.Config) error {
	c.Sources = nil
	for _, s := range i.sources {
		c.Sources = append(c.Sources, s.Mount)
	}
	err := i.link.SendConfig(c)
	for _, s := range i.sources {
		if err == nil {
			err = i.link.SendSource(int(s.File.Fd()))
		}
		s.File.Close()
	}
	i.sources = nil
	return i.peerGone(err)
}

// AwaitMounted waits until the namespaces and mounts are there, and the runtime's hooks may run.
func (i *Init) AwaitMounted() error { return i.await(proto.KindMounted) }

// Restored is the Init of a child of ours that another program has made: there is no conversation with it.
func Restored(pid int, ownPIDNS bool) (i *Init, err error) {
	i = &Init{Pid: pid, OwnPidNS: ownPIDNS, link: proto.Link{FD: -1}, relay: -1}
	i.Pidfd, err = sys.PidfdOpen(pid)
	return i, err
}

// AwaitReady waits until only the start is missing.
func (i *Init) AwaitReady() error { return i.await(proto.KindReady) }

// Go lets the init stage go on.
func (i *Init) Go() error { return i.peerGone(i.link.Send(proto.KindGo)) }

// AwaitExec waits for the end of the socket after the last Go: in a run the workload is executed, in a create
// the init process waits at its fifo, or it has died.
func (i *Init) AwaitExec() error {
	if err := i.await(0); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Alive tells how the init process died, if it did.
func (i *Init) Alive() error {
	ended, err := sys.WaitExit(i.Pidfd, 0)
	if err != nil || !ended {
		return err
	}
	return i.epitaph()
}

// Close closes the conversation.
func (i *Init) Close() {
	for _, s := range i.sources {
		s.File.Close()
	}
	i.sources = nil
	unix.Close(i.link.FD)
	if i.relay >= 0 {
		unix.Close(i.relay)
	}
}

// Kill ends the init stage and waits for it.
func (i *Init) Kill() error {
	err := sys.PidfdSendSignal(i.Pidfd, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	ended, waitErr := sys.WaitExit(i.Pidfd, killTimeout)
	if waitErr == nil && !ended {
		waitErr = fmt.Errorf("init process %d: still there after SIGKILL: does it wait for a device or a network file system?", i.Pid)
	}
	if ended {
		if _, waitErr = sys.Wait(i.Pid); errors.Is(waitErr, unix.ECHILD) {
			waitErr = nil
		}
	}
	return errors.Join(err, waitErr)
}

// await receives until a message of kind k, passing on warnings. A failure of the init stage is returned; with
// k 0 the end of the socket is io.EOF.
func (i *Init) await(k proto.Kind) error {
	_, err := i.awaitValue(k)
	return err
}

func (i *Init) awaitValue(k proto.Kind) ([]byte, error) {
	for {
		got, value, err := i.link.Receive()
		switch {
		case errors.Is(err, io.EOF) && k != 0:
			return nil, i.epitaph()
		case err != nil:
			return nil, err
		case got == proto.KindWarning:
			i.warn(string(value))
		case got == proto.KindFailure:
			return nil, &InitError{Err: proto.DecodeFailure(value)}
		case got == k:
			return value, nil
		default:
			return nil, fmt.Errorf("%w from the init stage: kind %d, want %d", proto.ErrOutOfOrder, got, k)
		}
	}
}

// InitError is a failure in the init stage: that of the container, not of the runtime.
type InitError struct{ Err error }

func (e *InitError) Error() string { return e.Err.Error() }

func (e *InitError) Unwrap() error { return e.Err }

// peerGone turns the error of a send to a dead init stage into what it had still to say.
func (i *Init) peerGone(err error) error {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return i.await(proto.KindReady)
	}
	return err
}

// epitaph says how the init stage died.
func (i *Init) epitaph() error {
	ended, err := sys.WaitExit(i.Pidfd, 5000)
	if err != nil || !ended {
		return ErrInitGone
	}
	ws, err := sys.Wait(i.Pid)
	switch {
	case err != nil:
		return ErrInitGone
	case ws.Signaled():
		return &ExitError{Signal: ws.Signal()}
	}
	return &ExitError{Status: ws.ExitStatus()}
}

// ExitError is an init stage that died without a word: killed from outside, for instance for want of memory.
type ExitError struct {
	Status int
	Signal unix.Signal
}

func (e *ExitError) Unwrap() error { return ErrInitGone }

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("%v: ended by signal %d (%s)", ErrInitGone, int(e.Signal), unix.SignalName(e.Signal))
	}
	return fmt.Sprintf("%v: exit status %d", ErrInitGone, e.Status)
}
