package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"tare/cgroups"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/launch"
	"tare/libcontainer/resctrl"
	"tare/libcontainer/state"
	"tare/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// creation is a create, or the first half of a run, at work.
type creation struct {
	o   *CreateOptions
	run bool // the workload starts at once, without the fifo
	// foreground is this process's part in a run that is waited for; nil otherwise.
	foreground *foreground
	recorder   *recorder // of a run whose system calls are recorded; nil otherwise

	exe     *launch.Exe
	bundle  *bundle.Bundle
	dir     *state.Dir
	state   *state.State
	cgroup  cgroups.Manager
	filter  *seccomp.Program
	agent   *state.Agent // nil for a filter without notifications
	console consoleEnd
	fifo    *os.File
	init    *launch.Init
	notify  *notifier
	hooked  bool // hooks may have run: what they did is undone by poststop
	// interruption is what signals do meanwhile; nil where they do what they always did.
	interruption *interruption
	network      network
	rdt          *resctrl.Group // nil without linux.intelRdt
}

// createSteps is the runtime's side of a birth. What can be refused is refused before anything is made.
var createSteps = []step.Step[*creation]{
	{Name: "descriptors", Run: (*creation).checkDescriptors}, // before anything is opened that could take their place
	{Name: "seal", Run: (*creation).seal, Undo: (*creation).closeExe},
	{Name: "bundle", Run: (*creation).loadBundle},
	{Name: "sealed runtime", Run: (*creation).reseal}, // starts again from main: before anything is made
	{Name: "terminal", Run: (*creation).checkTerminal},
	{Name: "outputs", Run: (*creation).checkOutputs},
	{Name: "labels", Run: (*creation).checkLabels},
	{Name: "limits", Run: (*creation).planCgroup},
	{Name: "seccomp", Run: (*creation).compileFilter},
	{Name: "class of service", Run: (*creation).planRdt},
	{Name: "network devices there", Run: (*creation).findNetDevices},
	{Name: "interruption", Run: (*creation).awaitCaught},
	{Name: "state", Run: (*creation).reserve, Undo: (*creation).forget}, // the intent, before the first side effect
	{Name: "notify", Run: (*creation).openNotify, Undo: (*creation).closeNotify},
	{Name: "console", Run: (*creation).openConsole, Undo: (*creation).closeConsole},
	{Name: "cgroup", Run: (*creation).makeCgroup, Undo: (*creation).removeCgroup},
	{Name: "resctrl", Run: (*creation).makeRdt, Undo: (*creation).removeRdt},
	{Name: "init", Run: (*creation).startInit, Undo: (*creation).killInit},
	{Name: "signals", Run: (*creation).watch},
	{Name: "mounts", Run: (*creation).awaitMounts},
	{Name: "network devices", Run: (*creation).moveNetDevices, Undo: (*creation).returnNetDevices},
	{Name: "runtime hooks", Run: (*creation).runHooks},
	{Name: "ready", Run: (*creation).awaitReady},
	{Name: "record", Run: (*creation).record}, // from here on the container lives without us
	{Name: "hand over", Run: (*creation).handOver},
	{Name: "pidfd", Run: (*creation).sendPidfd},
	{Name: "pid file", Run: (*creation).writePidFile}, // last: its presence says that all is done
}

// Create makes a container up to the start of its workload. The unfinished container dies with the calling process: see
// nsenter.Start.
func Create(o CreateOptions) (*Container, error) {
	c := &creation{o: &o}
	if err := step.Run(c, createSteps); err != nil {
		return nil, err
	}
	c.init.Close()
	c.exe.Close()
	return &Container{root: o.Root, dir: c.dir, state: c.state}, nil
}

func (c *creation) warn(text string) {
	if c.o.Warn != nil {
		c.o.Warn(text)
	}
}

// checkDescriptors makes sure that the descriptors which the workload is to inherit were really passed: in the
// place of a missing one it would get one of ours.
func (c *creation) checkDescriptors() error {
	return checkInherited(c.o.ListenFDs, c.o.PreserveFDs)
}

func (c *creation) seal() error {
	c.exe = launch.Seal()
	return nil
}

func (c *creation) closeExe() error {
	c.exe.Close()
	return nil
}

func (c *creation) loadBundle() (err error) {
	if err := state.CheckID(c.o.ID); err != nil {
		return err
	}
	if c.bundle, err = bundle.Load(c.o.Bundle); err != nil {
		return err
	}
	if c.run && c.bundle.Spec.Process == nil {
		return errNoProcess
	}
	for _, w := range bundle.Warnings(c.bundle.Spec) {
		c.warn(w)
	}
	return nil
}

func (c *creation) reseal() error {
	if launch.JoinsPIDNamespace(c.bundle.Spec) {
		if err := c.exe.Reseal(); err != nil {
			return err
		}
	}
	return sys.CloseOnExecFrom(3) // no hook gets what the caller leaked; the init stage gets what it is to have by number
}

func (c *creation) checkOutputs() error { return checkPidFile(c.o.PidFile) }

func (c *creation) checkLabels() error {
	mountLabel := ""
	if l := c.bundle.Spec.Linux; l != nil {
		mountLabel = l.MountLabel
	}
	return checkLabels(c.bundle.Spec.Process, mountLabel)
}

func (c *creation) planCgroup() (err error) {
	config := cgroups.Config{
		ID: c.o.ID, Systemd: c.o.SystemdCgroup, Rootless: rootless(c.o.Rootless),
		OwnDevicesOnly: c.bundle.Spec.Annotations[bundle.AnnotationDefaultDevices] == "false",
	}
	config.Shown = slices.ContainsFunc(c.bundle.Spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	if c.o.SystemdCgroup {
		config.Annotations = c.bundle.Spec.Annotations
	}
	var resources *specs.LinuxResources
	if l := c.bundle.Spec.Linux; l != nil {
		config.Path, resources = l.CgroupsPath, l.Resources
	}
	c.cgroup, err = cgroups.New(config, resources)
	return err
}

func (c *creation) compileFilter() (err error) {
	l := c.bundle.Spec.Linux
	if c.recorder != nil {
		if l != nil && l.Seccomp != nil {
			c.warn("linux.seccomp (/linux/seccomp) is put aside while system calls are recorded")
		}
		c.filter, err = c.recorder.filter()
		return err
	}
	if l == nil {
		return nil
	}
	if c.filter, err = compileFilter(l.Seccomp); err == nil {
		c.agent, err = findAgent(c.filter, l.Seccomp, c.bundle.Dir)
	}
	return err
}

// compileFilter gives nil for no profile.
func compileFilter(profile *specs.LinuxSeccomp) (*seccomp.Program, error) {
	if profile == nil {
		return nil, nil
	}
	filter, err := seccomp.Compile(profile)
	if err != nil {
		return nil, err
	}
	return filter, filter.CheckExecution()
}

// reserve makes the state directory and writes down what is about to be made, so that `delete --force` finds
// it however this process ends.
func (c *creation) reserve() (err error) {
	if c.dir, err = state.Reserve(c.o.Root, c.o.ID); err != nil {
		return err
	}
	spec := c.bundle.Spec
	ground, err := findGround(spec, c.bundle.Rootfs)
	if err != nil {
		return errors.Join(err, c.dir.Remove(), c.dir.Close())
	}
	c.state = &state.State{
		Version: specs.Version, ID: c.o.ID, Bundle: c.bundle.Dir, Rootfs: c.bundle.Rootfs,
		Annotations: spec.Annotations, Hooks: laterHooks(spec.Hooks), Notify: c.o.NotifySocket != "",
		Created: time.Now().UTC(), Creating: true, NoNewKeyring: c.o.NoNewKeyring,
		NoProcess: spec.Process == nil, Ground: ground,
		NetDevices: c.network.devices, IntelRdt: c.rdtState(),
		Agent: c.agent,
	}
	if c.state.Streams, err = c.streams(); err != nil {
		return errors.Join(err, c.dir.Remove(), c.dir.Close())
	}
	if err = c.saveState(); err != nil {
		_ = c.dir.Remove()
		c.dir.Close()
	}
	return err
}

func (c *creation) saveState() error {
	cgroup := c.cgroup.State()
	c.state.Cgroup = &cgroup
	return c.dir.Save(c.state)
}

// forget removes the last trace. Where hooks may have run, the poststop hooks run now: the container is destroyed.
func (c *creation) forget() error {
	defer c.dir.Close()
	if err := clearGround(c.state); err != nil {
		return err
	}
	if c.hooked {
		c.interruption.hooks().Clear() // by it we are here, maybe
		if err := runPoststop(c.dir, c.state, DeleteOptions{Warn: c.warn, interrupt: c.interruption.hooks()}); err != nil {
			return err
		}
	}
	return c.dir.Remove()
}

// openNotify makes what the container finds its sd_notify(3) socket in. In a run it is there at once, else
// with the start.
func (c *creation) openNotify() (err error) {
	if c.o.NotifySocket == "" {
		return nil
	}
	if err := c.dir.MakeNotifyDir(); err != nil {
		return err
	}
	if c.run {
		c.notify, err = newNotifier(c.dir, c.o.NotifySocket)
	}
	return err
}

func (c *creation) closeNotify() error {
	c.notify.Close()
	return nil
}

func (c *creation) makeCgroup() error { return c.cgroup.Create() }

func (c *creation) removeCgroup() error {
	if err := c.cgroup.Kill(); err != nil {
		return err
	}
	return c.cgroup.Remove(removeTimeout)
}

func (c *creation) sendPidfd() error { return sendPidfd(c.o.PidfdSocket, c.init.Pidfd, "standard") }

func (c *creation) writePidFile() error { return writePidFile(c.o.PidFile, c.init.Pid) }

// memoryHint says so when the init process was killed because the container's memory limit is too small for it.
func (c *creation) memoryHint(err error) error {
	kills, countErr := c.cgroup.OOMKills()
	if countErr != nil || kills == 0 {
		return err
	}
	return fmt.Errorf("%w: killed for want of memory: linux.resources.memory.limit (/linux/resources/memory/limit) is too small for the init process", err)
}
