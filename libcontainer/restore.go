package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"tare/internal/procfs"
	"tare/internal/step"
	"tare/internal/sys"
	"tare/libcontainer/criu"
	"tare/libcontainer/launch"
	"tare/libcontainer/namespace"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// RestoreOptions are those of a restore.
type RestoreOptions struct {
	CreateOptions
	CRIUOptions

	Detach      bool // return once the processes run
	NoSubreaper bool // do not adopt the container's orphans while waiting
	TCPClose    bool // connections that were established are closed

	LSMProfile      string // TYPE:LABEL in place of what the processes had
	LSMMountContext string
}

// restoration is a creation whose processes come from files.
type restoration struct {
	creation

	o        *RestoreOptions
	criu     criu.Options
	snapshot snapshot
	terminal bool // its master has been handed over
}

// restoreSteps are those of a create but for its init stage, in whose place CRIU works.
var restoreSteps = []step.Step[*restoration]{
	{Name: "descriptors", Run: (*restoration).checkDescriptors},
	{Name: "bundle", Run: (*restoration).loadBundle},
	{Name: "restorable", Run: (*restoration).checkRestorable},
	{Name: "terminal", Run: (*restoration).checkTerminal},
	{Name: "outputs", Run: (*restoration).checkOutputs},
	{Name: "limits", Run: (*restoration).planCgroup},
	{Name: "state", Run: (*restoration).reserve, Undo: (*restoration).forget}, // the intent, before the first side effect
	{Name: "images", Run: (*restoration).openImages, Undo: (*restoration).closeImages},
	{Name: "notify", Run: (*restoration).openNotify, Undo: (*restoration).closeNotify},
	{Name: "console", Run: (*restoration).openConsole, Undo: (*restoration).closeConsole},
	{Name: "mount points", Run: (*restoration).makeMountPoints},
	{Name: "cgroup", Run: (*restoration).makeCgroup, Undo: (*restoration).removeCgroup},
	{Name: "processes", Run: (*restoration).restore, Undo: (*restoration).killInit},
	{Name: "record", Run: (*restoration).record},
	{Name: "pidfd", Run: (*restoration).sendPidfd},
	{Name: "pid file", Run: (*restoration).writePidFile}, // last: its presence says that all is done
}

// Restore makes a container whose processes go on where those of a Checkpoint stood. In the foreground it waits for the end of the first one,
// deletes the container and returns the exit code, 128+N after signal N; detached it returns 0 when they run.
func Restore(o RestoreOptions) (int, error) {
	r := &restoration{creation: creation{o: &o.CreateOptions, run: true}, o: &o}
	if !o.Detach {
		r.foreground = new(foreground)
		defer r.foreground.finish()
		if !o.NoSubreaper {
			if err := sys.SetChildSubreaper(); err != nil {
				return 0, err
			}
		}
	}
	if err := step.Run(r, restoreSteps); err != nil {
		return 0, err
	}
	_ = r.closeImages()
	ct := &Container{root: o.Root, dir: r.dir, state: r.state}
	defer ct.Close()
	code, err := ct.attend(&r.creation)
	switch {
	case err == nil && o.Detach:
	case errors.Is(err, errDeleted):
		err = nil
	default:
		err = also(err, ct.delete(DeleteOptions{Force: true, Warn: r.warn}))
	}
	return code, err
}

// checkDescriptors has neither hooks nor CRIU get what the caller leaked, nor what it wants preserved: the processes have theirs from the files.
func (r *restoration) checkDescriptors() error {
	if err := r.creation.checkDescriptors(); err != nil {
		return err
	}
	return sys.CloseOnExecFrom(3)
}

func (r *restoration) checkRestorable() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	return checkRestorable(r.bundle.Spec)
}

func (r *restoration) openImages() (err error) {
	spec := r.bundle.Spec
	err = r.o.CRIUOptions.fill(&r.criu, spec, "restore.log")
	if err == nil {
		r.snapshot, err = loadSnapshot(r.criu.Images)
	}
	if err == nil {
		r.criu.External, err = r.snapshot.sources(spec, r.bundle.Dir)
	}
	if err == nil && !r.wantsTerminal() {
		r.criu.Inherited, err = r.snapshot.streams()
	}
	if err == nil {
		err = r.joinNetwork()
	}
	if err != nil {
		return errors.Join(err, r.closeImages())
	}
	r.criu.Root, r.criu.TCPClose = r.bundle.Rootfs, r.o.TCPClose
	r.criu.LSMProfile, r.criu.LSMMountContext = r.o.LSMProfile, r.o.LSMMountContext
	return nil
}

func (r *restoration) closeImages() error {
	closeDirs(&r.criu)
	return nil
}

// joinNetwork hands over the network namespace that the config names.
func (r *restoration) joinNetwork() error {
	path := namespace.Joined(r.bundle.Spec.Linux, specs.NetworkNamespace)
	if path == "" {
		return nil
	}
	ns, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("linux.namespaces, network (/linux/namespaces): %w", err)
	}
	r.criu.Inherited = append(r.criu.Inherited, criu.Inherited{Key: networkKey, File: ns})
	return nil
}

// restore has CRIU make the processes.
func (r *restoration) restore() error {
	around := criu.Surroundings{Thread: r.detachMounts, Process: r.adoptServer}
	pid, err := criu.Restore(&r.criu, around, r.on)
	if err != nil {
		return also(err, r.abandon())
	}
	if err := r.adoptInit(pid); err != nil {
		return err
	}
	if r.wantsTerminal() && !r.terminal {
		r.console.close() // who waits for it sees the end
		r.warn("process.terminal (/process/terminal): the processes of the checkpoint have none")
	}
	return nil
}

// adoptInit has the first process, which CRIU has made a child of ours, for what it is, as soon as it is known.
func (r *restoration) adoptInit(pid int) (err error) {
	if r.init == nil {
		r.init, err = launch.Restored(pid, namespace.Makes(r.bundle.Spec.Linux, specs.PIDNamespace))
	}
	return err
}

// abandon ends the first process, which waits for CRIU, and is not in its cgroup yet, should that have died.
func (r *restoration) abandon() error {
	if r.init == nil {
		return nil
	}
	return r.killInit()
}

// adoptServer has CRIU in the container's cgroup where that is made with a first process, or nobody else puts the processes into it, and tells it
// where the cgroup is. Until there is an init process CRIU stands for it: a delete ends it, if we are killed meanwhile.
func (r *restoration) adoptServer(pid int) error {
	if err := r.cgroup.Adopt(pid); err != nil {
		return err
	}
	if r.criu.Cgroups == criu.CgroupsIgnored {
		if err := r.cgroup.AddProcess(pid); err != nil {
			return err
		}
	}
	st := r.cgroup.State()
	if st.Path != "" {
		r.criu.CgroupRoots = append(r.criu.CgroupRoots, criu.CgroupRoot{Path: strings.TrimPrefix(st.Path, st.Mount)})
	}
	for i := range st.V1 {
		r.criu.CgroupRoots = append(r.criu.CgroupRoots, criu.CgroupRoot{Controllers: strings.Join(st.V1[i].Controllers, ","), Path: st.V1[i].Cgroup})
	}
	if st.Path == "" && len(st.V1) == 0 {
		r.criu.Cgroups = criu.CgroupsIgnored
	}
	if err := r.identify(pid, false); err != nil {
		return err
	}
	return r.saveState()
}

// on is what happens on the way.
func (r *restoration) on(e criu.Event) error {
	defer sys.Close(e.FD) // -1 does no harm
	switch e.Name {
	case criu.EventNamespaces:
		return r.prepareInit(e.PID)
	case criu.EventTerminal:
		if e.FD < 0 {
			return errors.New("criu has no terminal to hand over")
		}
		r.terminal = true
		return sys.SendFD(int(r.console.file().Fd()), e.FD, "/dev/ptmx")
	}
	return nil
}

// prepareInit is what a create does between the namespaces and the workload. From here on a delete ends the first process, and with it CRIU's work.
func (r *restoration) prepareInit(pid int) error {
	err := r.adoptInit(pid)
	if err == nil {
		err = r.identify(pid, false)
	}
	if err == nil {
		err = r.saveState()
	}
	if err == nil {
		err = r.watch()
	}
	if err == nil {
		err = r.runHooks()
	}
	if interrupted := r.interruption.end(); err == nil && interrupted != nil {
		err = startError(interrupted)
	}
	return err
}

// record writes down that the container exists.
func (r *restoration) record() error {
	r.foreground.arm(r.console.ours > 0)
	r.foreground.aim(r.init.Pidfd)
	err := r.identify(r.init.Pid, r.init.OwnPidNS)
	if err == nil {
		err = r.dir.SaveConfig(r.bundle.Raw)
	}
	if err == nil {
		r.state.Creating = false
		err = r.saveState()
	}
	if err == nil {
		err = r.cgroup.Started()
	}
	if err == nil {
		err = r.checkPrivileges()
	}
	return err
}

// checkPrivileges warns of what CRIU before 3.19 does not bring back: no_new_privs.
func (r *restoration) checkPrivileges() error {
	if p := r.bundle.Spec.Process; p == nil || !p.NoNewPrivileges {
		return nil
	}
	proc, err := procfs.Open()
	if err != nil {
		return err
	}
	defer proc.Close()
	set, err := proc.NoNewPrivs(r.init.Pid)
	if err == nil && !set {
		r.warn("process.noNewPrivileges (/process/noNewPrivileges): this version of CRIU has not restored it")
	}
	return err
}
