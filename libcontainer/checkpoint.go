package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"tare/internal/document"
	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/criu"
	"tare/libcontainer/mountopt"
	"tare/libcontainer/namespace"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CheckpointOptions are those of a checkpoint.
type CheckpointOptions struct {
	CRIUOptions

	ParentPath      string // images of an earlier PreDump, relative to ImagePath
	LeaveRunning    bool
	PreDump         bool   // write the memory alone, and leave the container running
	PageServer      string // HOST:PORT that gets the memory
	StatusFD        int    // gets a byte once LazyPages' server listens; -1 for none
	TCPSkipInFlight bool

	Warn func(text string) // gets what goes wrong in poststop hooks; nil drops it
}

// checkpoint is one at work.
type checkpoint struct {
	o         *CheckpointOptions
	container *Container
	spec      specs.Spec // as it was at create
	proc      *procfs.Handle
	criu      criu.Options
	snapshot  snapshot
}

// Checkpoint writes the processes of a running or paused container to files, and destroys the container unless it is to be left running. If it
// fails, the container is as it was.
func (c *Container) Checkpoint(o CheckpointOptions) error {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	status, err := c.lockedStatus()
	if err != nil {
		return err
	}
	if status != specs.StateRunning && status != StatePaused { // containerd pauses it before
		return fmt.Errorf("cannot checkpoint a container that is not running: it is %s", status)
	}
	cp := &checkpoint{o: &o, container: c}
	defer cp.close()
	if err := cp.prepare(); err != nil {
		return err
	}
	if o.PreDump {
		return c.asBefore(status, criu.PreDump(&cp.criu, ignoreEvent))
	}
	if err := cp.dump(); err != nil || o.LeaveRunning {
		return c.asBefore(status, err)
	}
	if err := c.delete(DeleteOptions{Force: true, Warn: o.Warn}); err != nil {
		return fmt.Errorf("the checkpoint is complete, but the container is not removed: %w: delete --force goes on with it", err)
	}
	return nil
}

// asBefore undoes, after an error, what a CRIU that was killed could not: it freezes a container that runs, and lets a paused one run, while it is at
// work.
func (c *Container) asBefore(status Status, err error) error {
	if err == nil {
		return nil
	}
	alive, aliveErr := c.initAlive()
	switch {
	case aliveErr != nil || !alive:
		err = also(err, aliveErr)
	case status != StatePaused:
		err = also(err, c.thaw())
	case !c.frozen():
		err = also(err, c.freeze())
	}
	return err
}

func ignoreEvent(e criu.Event) error {
	sys.Close(e.FD) // -1 does no harm
	return nil
}

func (cp *checkpoint) close() {
	closeDirs(&cp.criu)
	if cp.proc != nil {
		_ = cp.proc.Close()
	}
}

func closeDirs(o *criu.Options) {
	o.Images.Close() // nil does no harm
	o.Work.Close()
	for _, i := range o.Inherited {
		i.File.Close()
	}
}

// prepare finds out what there is to say to CRIU.
func (cp *checkpoint) prepare() (err error) {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	raw, err := cp.container.dir.LoadConfig()
	if err != nil {
		return err
	}
	if err := document.Decode(raw, &cp.spec); err != nil {
		return fmt.Errorf("the container's saved config: %w", err)
	}
	if err := checkRestorable(&cp.spec); err != nil {
		return err
	}
	if cp.proc, err = procfs.Open(); err != nil {
		return err
	}
	if err := sys.MakeDirs(cp.o.ImagePath, 0o700); err != nil {
		return fmt.Errorf("image directory: %w", err)
	}
	if err := cp.o.fill(&cp.criu, &cp.spec, "dump.log"); err != nil {
		return err
	}
	return cp.fill()
}

var errNotRoot = errors.New("needs root: CRIU looks into all of the container's processes")

// fill completes the options of CRIU by what only a dump has.
func (cp *checkpoint) fill() (err error) {
	st, o := cp.container.state, &cp.criu
	o.Root, o.PID = st.Rootfs, st.InitPid
	o.ParentImages, o.TrackMemory = cp.o.ParentPath, cp.o.PreDump
	o.LeaveRunning, o.TCPSkipInFlight = cp.o.LeaveRunning || cp.o.PreDump, cp.o.TCPSkipInFlight
	if o.PageServer, err = pageServer(cp.o.PageServer); err != nil {
		return err
	}
	if cp.o.LazyPages && o.PageServer == nil && o.ConfigFile == "" { // it would be any port, and wait there for ever
		return errors.New("--lazy-pages needs --page-server HOST:PORT, where the memory is fetched")
	}
	if cp.o.StatusFD != -1 {
		if !sys.IsInherited(cp.o.StatusFD) {
			return fmt.Errorf("--status-fd %d: %w", cp.o.StatusFD, unix.EBADF)
		}
		o.StatusFD = os.NewFile(uintptr(cp.o.StatusFD), "status")
	}
	if st.Cgroup != nil {
		o.Freezer = freezer(st.Cgroup)
	}
	if err := cp.findNetwork(); err != nil {
		return err
	}
	return cp.look()
}

// pageServer reads HOST:PORT; nil for none.
func pageServer(address string) (*criu.PageServer, error) {
	if address == "" {
		return nil, nil
	}
	at := strings.LastIndexByte(address, ':')
	if at < 0 {
		return nil, fmt.Errorf("--page-server %s: want HOST:PORT", address)
	}
	host := strings.Trim(address[:at], "[]")
	n, err := strconv.ParseUint(address[at+1:], 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("--page-server %s: the port is a number from 1 to 65535", address)
	}
	return &criu.PageServer{Address: host, Port: int(n)}, nil
}

// networkKey stands for a network namespace that the container has joined.
const networkKey = "network"

// findNetwork has CRIU leave out a network namespace that is not the container's own.
func (cp *checkpoint) findNetwork() error {
	if namespace.Joined(cp.spec.Linux, specs.NetworkNamespace) == "" {
		return nil
	}
	ns, err := sys.NetworkNamespace(cp.container.state.InitPid)
	if err != nil {
		return err
	}
	defer ns.Close()
	st, err := sys.Fstat(int(ns.Fd()))
	if err != nil {
		return err
	}
	cp.criu.External = append(cp.criu.External, fmt.Sprintf("net[%d]:%s", st.Ino, networkKey))
	return nil
}

// checkRestorable refuses what CRIU would lose without a word, or could not make again.
func checkRestorable(spec *specs.Spec) error {
	if !namespace.Makes(spec.Linux, specs.MountNamespace) {
		return errors.New(`linux.namespaces (/linux/namespaces): a checkpoint needs a namespace of the container's own of type "mount"`)
	}
	for i, ns := range spec.Linux.Namespaces {
		if ns.Path != "" && ns.Type != specs.NetworkNamespace {
			return fmt.Errorf("linux.namespaces[%d].path (/linux/namespaces/%d/path): a joined namespace of type %q cannot be saved: only one of type \"network\" can", i, i, ns.Type)
		}
	}
	for i := range spec.Mounts {
		opts, err := mountopt.Parse(spec.Mounts[i].Options)
		if err == nil && (opts.Has(mountopt.IDMap) || opts.Has(mountopt.RIDMap) || len(spec.Mounts[i].UIDMappings) > 0) {
			err = errors.New("a mount with mapped ids cannot be saved")
		}
		if err != nil {
			return fmt.Errorf("mounts[%d] (/mounts/%d): %w", i, i, err)
		}
	}
	switch l := spec.Linux; {
	case l.IntelRdt != nil:
		return errors.New("linux.intelRdt (/linux/intelRdt): cannot be saved")
	case len(l.NetDevices) > 0:
		return errors.New("linux.netDevices (/linux/netDevices): a device of the host's cannot be saved")
	case l.Seccomp != nil && l.Seccomp.ListenerPath != "":
		return errors.New("linux.seccomp.listenerPath (/linux/seccomp/listenerPath): a filter with an agent cannot be saved")
	}
	return nil
}
