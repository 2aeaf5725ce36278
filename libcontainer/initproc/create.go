package initproc

import (
	"errors"
	"fmt"
	"os"

	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/console"
	"tare/libcontainer/hooks"
	"tare/libcontainer/keyring"
	"tare/libcontainer/lsm"
	"tare/libcontainer/namespace"
	"tare/libcontainer/proto"
	"tare/libcontainer/rootfs"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The steps of this file build the container, with all the privileges there are.

func (p *initProc) newSession() error { return sys.Setsid() }

func (p *initProc) joinKeyring() error {
	if p.cfg.NoNewKeyring {
		return nil
	}
	label := ""
	if p.process() != nil {
		label = p.process().SelinuxLabel
	}
	reset, err := lsm.LabelKeys(p.proc, label)
	if err != nil {
		return err
	}
	return errors.Join(keyring.Join(p.cfg.ID), reset())
}

// unshare makes the namespaces that have to be this process's own work: see launch.
func (p *initProc) unshare() error {
	linux := p.cfg.Spec.Linux
	if namespace.Makes(linux, specs.CgroupNamespace) {
		if err := sys.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return fmt.Errorf("make new cgroup namespace: %w", err)
		}
	}
	if p.cfg.UserNS && namespace.Makes(linux, specs.IPCNamespace) {
		if err := sys.Unshare(unix.CLONE_NEWIPC); err != nil {
			return fmt.Errorf("make new ipc namespace: %w", err)
		}
	}
	return nil
}

func (p *initProc) setupNetwork() error {
	if !namespace.Makes(p.cfg.Spec.Linux, specs.NetworkNamespace) {
		return nil
	}
	return sys.LoopbackUp()
}

func (p *initProc) openRoot() (err error) {
	linux := p.cfg.Spec.Linux
	var hierarchies []rootfs.Hierarchy
	for _, h := range p.cfg.Hierarchies {
		hierarchies = append(hierarchies, rootfs.Hierarchy(h))
	}
	p.root, err = rootfs.Open(p.cfg.Spec, rootfs.Options{
		Path: p.cfg.Rootfs, Bundle: p.cfg.Bundle, Inherited: !namespace.Has(linux, specs.MountNamespace), NoPivot: p.cfg.NoPivot, UserNS: p.cfg.UserNS,
		CgroupNS: namespace.Has(linux, specs.CgroupNamespace), CgroupPath: p.cfg.CgroupPath, Hierarchies: hierarchies, CallersCgroups: p.cfg.CallersCgroups,
		Source: p.source, NotifyDir: p.cfg.NotifyDir,
	}, p.proc)
	if err == nil {
		p.dir = p.root.Root()
	}
	return err
}

// source receives the mount that the runtime made for mounts[i], if it did.
func (p *initProc) source(i int) (fd int, ok bool, err error) {
	if len(p.cfg.Sources) == 0 || p.cfg.Sources[0] != i {
		return -1, false, nil
	}
	p.cfg.Sources = p.cfg.Sources[1:]
	fd, err = p.link.ReceiveSource()
	return fd, err == nil, err
}

func (p *initProc) mount() error       { return p.root.Mount() }
func (p *initProc) makeDevices() error { return p.root.Devices() }

// makeDir makes process.cwd if it is not there.
func (p *initProc) makeDir() error {
	if p.process() == nil {
		return nil
	}
	fd, err := p.dir.MkdirAll(p.process().Cwd, 0o755)
	if err != nil {
		return cwdError(err)
	}
	sys.Close(fd)
	return nil
}

// awaitRuntimeHooks gives the runtime its turn.
func (p *initProc) awaitRuntimeHooks() error {
	if err := p.link.Send(proto.KindMounted); err != nil {
		return err
	}
	_, err := p.link.Expect(proto.KindGo)
	return err
}

func (p *initProc) createContainer() error {
	h := p.cfg.Spec.Hooks
	if h == nil {
		return nil
	}
	set := hooks.Set{Kind: "createContainer", Hooks: h.CreateContainer, Dir: p.cfg.Bundle}
	return p.runHooks(&set, specs.StateCreating)
}

// runHooks runs hooks with the caller's umask, which this stage itself works without.
func (p *initProc) runHooks(set *hooks.Set, status specs.ContainerState) error {
	sys.Umask(p.umask)
	defer sys.Umask(0)
	return set.Run(p.state(status))
}

// state is what the hooks of the container's side are told; the pid is the one in their PID namespace.
func (p *initProc) state(status specs.ContainerState) *specs.State {
	return &specs.State{
		Version: specs.Version, ID: p.cfg.ID, Status: status, Pid: os.Getpid(),
		Bundle: p.cfg.Bundle, Annotations: p.cfg.Spec.Annotations,
	}
}

func (p *initProc) pivot() error {
	if err := p.root.Pivot(); err != nil {
		return fmt.Errorf("make %s the root: %w", p.cfg.Rootfs, err)
	}
	return nil
}

func (p *initProc) openConsole() error {
	return p.openTerminal(func(pty *console.Pty) error { return p.root.Console(pty.Slave) }, (*console.Pty).Control)
}

// openTerminal gives the process the terminal that it asks for, and its master to who shows it.
func (p *initProc) openTerminal(name, take func(*console.Pty) error) error {
	process := p.process()
	if process == nil || !process.Terminal || p.cfg.Console < 0 {
		return nil
	}
	pty, err := console.Open(p.dir, p.proc)
	if err != nil {
		return err
	}
	if err := name(pty); err != nil {
		return err
	}
	if err := pty.Setup(process.ConsoleSize, process.User.UID); err != nil {
		return err
	}
	if err := pty.Send(p.cfg.Console); err != nil {
		return err
	}
	sys.Close(p.cfg.Console)
	return take(pty)
}

func (p *initProc) makeReadonly() error { return p.root.Readonly() }
func (p *initProc) propagate() error    { return p.root.Propagation() }

func (p *initProc) setNames() error {
	if name := p.cfg.Spec.Hostname; name != "" {
		if err := sys.Sethostname(name); err != nil {
			return fmt.Errorf("hostname (/hostname): %w", err)
		}
	}
	if name := p.cfg.Spec.Domainname; name != "" {
		if err := sys.Setdomainname(name); err != nil {
			return fmt.Errorf("domainname (/domainname): %w", err)
		}
	}
	return nil
}

// setSysctls writes through the runtime's own handle on /proc: what the container has put on its /proc is not
// asked (CVE-2025-52881). Which namespace a file speaks of is decided by who opens it.
func (p *initProc) setSysctls() error {
	if p.cfg.Spec.Linux == nil {
		return nil
	}
	for key, value := range p.cfg.Spec.Linux.Sysctl {
		if err := p.setSysctl(key, value); err != nil {
			return fmt.Errorf("linux.sysctl[%q] (/linux/sysctl): %w", key, err)
		}
	}
	return nil
}

func (p *initProc) setSysctl(key, value string) error {
	path, err := bundle.SysctlPath(key)
	if err != nil {
		return err
	}
	f, err := p.proc.Open("sys/"+path, unix.O_WRONLY)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: is the kernel module loaded?", err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return sys.Write(int(f.Fd()), []byte(value))
}

func (p *initProc) readonlyPaths() error { return p.root.ReadonlyPaths() }
func (p *initProc) maskPaths() error     { return p.root.MaskedPaths() }

// ready hands the container over: once the runtime has written down that it exists, it lives without the runtime.
func (p *initProc) ready() error {
	if err := p.link.Send(proto.KindReady); err != nil {
		return err
	}
	if _, err := p.link.Expect(proto.KindGo); err != nil {
		return err
	}
	return sys.SetParentDeathSignal(0)
}
