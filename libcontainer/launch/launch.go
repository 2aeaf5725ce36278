package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/proto"
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
		sys.Close(l.ours)
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

func (l *line) close() { sys.Close(l.theirs) }

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
