package libcontainer

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"tare/internal/sys"
	"tare/libcontainer/bundle"
	"tare/libcontainer/criu"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CRIUOptions are what a checkpoint and a restore are both told.
type CRIUOptions struct {
	ImagePath string // absolute
	WorkPath  string // of CRIU's log and statistics, absolute; empty: ImagePath, as the state directory goes with the container

	TCPEstablished bool // save, or take up again, connections that are established
	ExtUnixSockets bool // UNIX sockets whose other end is outside are fine
	ShellJob       bool // a session and terminal of the caller's are fine
	FileLocks      bool
	LazyPages      bool // memory comes when it is needed: userfaultfd(2)
	LinkRemap      bool
	AutoDedup      bool
	EmptyNetwork   bool   // network interfaces and routes are left out: hooks make them anew
	Cgroups        string // soft, full, strict or ignore; empty: soft
}

// fill has CRIU told what a dump and a restore have in common. The directories are opened.
func (o *CRIUOptions) fill(c *criu.Options, spec *specs.Spec, log string) (err error) {
	work := cmp.Or(o.WorkPath, o.ImagePath)
	if c.Cgroups, err = cgroupMode(o.Cgroups); err != nil {
		return err
	}
	if c.Images, err = openDir(o.ImagePath); err != nil {
		return fmt.Errorf("image directory: %w", err)
	}
	if err := sys.MakeDirs(work, 0o700); err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	if c.Work, err = openDir(work); err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	c.Log = log
	c.TCPEstablished, c.ExtUnixSockets, c.ShellJob, c.FileLocks = o.TCPEstablished, o.ExtUnixSockets, o.ShellJob, o.FileLocks
	c.LazyPages, c.LinkRemap, c.AutoDedup, c.EmptyNetwork = o.LazyPages, o.LinkRemap, o.AutoDedup, o.EmptyNetwork
	c.OrphanTerminal = spec.Process != nil && spec.Process.Terminal
	c.ConfigFile = criuConfig(spec.Annotations)
	return nil
}

// cgroupModes are CRIU's names.
var cgroupModes = [...]struct {
	name string
	mode criu.CgroupMode
}{{"", criu.CgroupsSoft}, {"soft", criu.CgroupsSoft}, {"full", criu.CgroupsFull}, {"strict", criu.CgroupsStrict}, {"ignore", criu.CgroupsIgnored}}

func cgroupMode(name string) (criu.CgroupMode, error) {
	for _, m := range cgroupModes {
		if m.name == name {
			return m.mode, nil
		}
	}
	return 0, fmt.Errorf("--manage-cgroups-mode %s: want soft, full, strict or ignore", name)
}

// openDir opens a directory of the caller's; containerd's work directory is a link.
func openDir(path string) (*os.File, error) {
	fd, err := sys.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// criuConfig is the file that may add to the options, as an annotation names it, or an administrator has it; the second name is that of
// who comes from runc.
func criuConfig(annotations map[string]string) string {
	if path, ok := annotations[bundle.AnnotationCRIUConfig]; ok {
		return path
	}
	for _, name := range [...]string{"tare.conf", "runc.conf"} {
		path := filepath.Join("/etc/criu", name)
		if _, err := sys.Mode(path); err == nil {
			return path
		}
	}
	return ""
}
