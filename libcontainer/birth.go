package libcontainer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"tare/cgroups"
	"tare/cgroups/v1"
	"tare/internal/procfs"
	"tare/internal/sys"
	"tare/libcontainer/launch"
	"tare/libcontainer/namespace"
	"tare/libcontainer/proto"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// The steps of this file are what a create has to do with its init process: start it, give it its orders, wait for its answers, let it go.

func (c *creation) startInit() (err error) {
	if !c.run {
		owner := fifoOwner(c.bundle.Spec)
		if c.fifo, err = c.dir.MakeFifo(owner.uid, owner.gid); err != nil {
			return err
		}
		defer c.fifo.Close()
	}
	startSocket, err := c.startSocket()
	if err != nil {
		return err
	}
	defer startSocket.Close() // nil does no harm
	dir, err := c.cgroup.Dir()
	if err != nil {
		return err
	}
	restore, err := lendOOMScore(c.bundle.Spec.Process)
	if err != nil {
		return err
	}
	config := c.config()
	pidsMax, err := c.startLimit(config)
	if err == nil {
		c.init, err = launch.Start(launch.Options{
			Spec: c.bundle.Spec, Config: config, Exe: c.exe, Cgroup: dir, Fifo: c.fifo, Console: c.console.file(), PidsMax: pidsMax,
			StartSocket: startSocket, Warn: c.warn,
		})
	}
	pidsMax.Close() // nil does no harm
	restore()
	if err != nil {
		return startError(c.explain(err))
	}
	return c.settle(config)
}

// startSocket is where a listener gets to whoever starts the container.
func (c *creation) startSocket() (*os.File, error) {
	if c.run || c.agent == nil {
		return nil, nil
	}
	return c.dir.MakeStartSocket()
}

// startLimit tells the init stage of the limit that it could not live under itself.
func (c *creation) startLimit(config *proto.Config) (*os.File, error) {
	m, ok := c.cgroup.(cgroups.StartLimiter)
	if !ok {
		return nil, nil
	}
	limit, err := m.AtStart()
	if limit == nil || err != nil {
		return nil, err
	}
	config.PidsLimit, config.PidsUntil = limit.Value, limit.Until
	return limit.File, nil
}

// settle has the new process, which waits for its orders, in its cgroup, gives it the orders and, while it works, writes down
// that it exists.
func (c *creation) settle(config *proto.Config) error {
	err := c.cgroup.Adopt(c.init.Pid)
	if err == nil {
		err = c.enterRdt()
	}
	if err == nil {
		err = c.delegate()
	}
	if err == nil {
		err = c.identify(c.init.Pid, c.init.OwnPidNS)
	}
	if err == nil {
		err = c.init.Configure(config)
	}
	if err == nil {
		err = c.saveState()
	}
	if err == nil {
		err = c.dir.SaveConfig(c.bundle.Raw)
	}
	if err == nil {
		c.state.Creating, c.state.NetDevices, c.state.IntelRdt = false, nil, c.rdtState().Committed()
		err = c.dir.Stage(c.state)
	}
	if err != nil {
		return startError(fmt.Errorf("%w%s", c.explain(err), undoText(c.killInit())))
	}
	c.exe.Settle()
	return nil
}

func undoText(err error) string {
	if err == nil {
		return ""
	}
	return "; and ending the init process: " + err.Error()
}

// identify keeps which process is the container's first, for who comes later: its pid may be another's then.
func (c *creation) identify(pid int, ownPIDNS bool) error {
	proc, err := procfs.Open()
	if err != nil {
		return err
	}
	defer proc.Close()
	stat, err := proc.Stat(pid)
	if err != nil {
		return err
	}
	c.state.InitPid, c.state.InitStart, c.state.OwnPidNS = pid, stat.StartTime, ownPIDNS
	return nil
}

// config is what the init stage is told, without what launch knows.
func (c *creation) config() *proto.Config {
	spec := *c.bundle.Spec
	spec.Windows, spec.Solaris, spec.VM, spec.ZOS, spec.FreeBSD = nil, nil, nil, nil, nil
	if spec.Linux != nil {
		linux := *spec.Linux
		linux.Seccomp, linux.Resources = nil, nil
		spec.Linux = &linux
	}
	if h := spec.Hooks; h != nil {
		spec.Hooks = &specs.Hooks{CreateContainer: h.CreateContainer, StartContainer: h.StartContainer}
	}
	cgroup := c.cgroup.State()
	config := &proto.Config{
		ID: c.o.ID, Bundle: c.bundle.Dir, Rootfs: c.bundle.Rootfs, Spec: &spec, Seccomp: c.filter,
		NoPivot: c.o.NoPivot, NoNewKeyring: c.o.NoNewKeyring, Start: c.run,
		CgroupPath: cgroup.Path, ListenFDs: c.o.ListenFDs, PreserveFDs: c.o.PreserveFDs,
	}
	for i := range cgroup.V1 {
		config.Hierarchies = append(config.Hierarchies, proto.Hierarchy{Controllers: cgroup.V1[i].Controllers, Path: cgroup.V1[i].Path()})
	}
	if cgroup.Path == "" && len(cgroup.V1) == 0 && showsCgroup(&spec) {
		config.Hierarchies, config.CallersCgroups = callersHierarchies(), true
	}
	if c.o.NotifySocket != "" {
		config.NotifyDir = c.dir.NotifyDir()
	}
	return config
}

// showsCgroup says whether the container is to see cgroups by their paths on the host.
func showsCgroup(spec *specs.Spec) bool {
	return spec.Linux != nil && !namespace.Has(spec.Linux, specs.CgroupNamespace) &&
		slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
}

// callersHierarchies are the cgroups that an ordinary user's container stays in on cgroup v1. Podman wants them to be seen there. Where
// they cannot be told, the mount fails, and says so.
func callersHierarchies() (all []proto.Hierarchy) {
	mounted, _ := v1.Hierarchies()
	for i := range mounted {
		if own, err := mounted[i].Own(); err == nil {
			all = append(all, proto.Hierarchy{Controllers: mounted[i].Controllers, Path: filepath.Join(mounted[i].Mount, own)})
		}
	}
	return all
}

func (c *creation) killInit() error {
	err := c.init.Kill()
	c.init.Close()
	sys.Close(c.init.Pidfd)
	return err
}

func (c *creation) awaitMounts() error {
	if err := c.init.AwaitMounted(); err != nil {
		return startError(c.explain(c.memoryHint(err)))
	}
	return nil
}

func (c *creation) awaitReady() error {
	err := c.init.Go()
	if err == nil {
		c.foreground.arm(c.console.ours > 0)
		if !c.interruption.watches() {
			c.foreground.aim(c.init.Pidfd)
		}
		err = c.init.AwaitReady()
	}
	if err != nil {
		return startError(c.explain(c.memoryHint(err)))
	}
	return nil
}

// record writes down that the container exists, before it can outlive this process.
func (c *creation) record() error {
	if err := raiseLimits(c.init.Pid, c.bundle.Spec.Process); err != nil {
		return err
	}
	if err := setIOPriority(c.init.Pid, c.bundle.Spec.Process); err != nil {
		return startError(err)
	}
	watched := c.interruption.watches()
	if err := c.interruption.end(); err != nil {
		return startError(err)
	}
	if watched {
		c.foreground.aim(c.init.Pidfd)
	}
	if err := c.dir.Commit(); err != nil {
		return err
	}
	return c.unpinNetwork()
}

// handOver lets the init process go, to wait at the fifo or, in a run, to execute the workload.
func (c *creation) handOver() error {
	err := c.init.Go()
	if err == nil && c.run {
		err = c.init.Execute(c.listens())
	} else if err == nil {
		err = c.init.AwaitExec()
	}
	if err == nil && !c.run {
		err = c.init.Alive() // a death is the end of the socket, too
	}
	if err == nil && c.run {
		err = c.cgroup.Started()
	}
	if err != nil {
		return startError(c.explain(c.memoryHint(err)))
	}
	return nil
}
