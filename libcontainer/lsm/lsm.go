// Package lsm gives processes the labels that Linux security modules know them by: AppArmor's profile and SELinux' context.
//
// A label goes through the handle on /proc that the caller has verified: a file that the container has mounted there would
// take it and do nothing (CVE-2019-16884, CVE-2025-52881). It holds from the next execve(2) on.
package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tare/internal/procfs"
	"tare/internal/sys"
)

// Check refuses labels of modules that are not at work on this host: without them a container would run unconfined that was
// asked to be confined. The process may be nil.
func Check(proc *procfs.Handle, p *specs.Process, mountLabel string) error {
	if p != nil && p.ApparmorProfile != "" && !appArmorEnabled() {
		return errors.New("process.apparmorProfile (/process/apparmorProfile): AppArmor is not enabled on this host (/sys/module/apparmor/parameters/enabled)")
	}
	field := ""
	switch {
	case p != nil && p.SelinuxLabel != "":
		field = "process.selinuxLabel (/process/selinuxLabel)"
	case mountLabel != "":
		field = "linux.mountLabel (/linux/mountLabel)"
	default:
		return nil
	}
	enabled, err := seLinuxEnabled(proc)
	if err == nil && !enabled {
		err = errors.New("SELinux is not enabled on this host (/proc/filesystems has no selinuxfs)")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func appArmorEnabled() bool {
	text, err := sys.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && bytes.HasPrefix(text, []byte("Y"))
}

// seLinuxEnabled goes by the filesystem that SELinux registers when it is enabled. It may be mounted anywhere, or nowhere.
func seLinuxEnabled(proc *procfs.Handle) (bool, error) {
	f, err := proc.Open("filesystems", unix.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	return bytes.Contains(text, []byte("\tselinuxfs\n")), err
}

// SetExec labels what the calling thread executes next as the process says.
func SetExec(proc *procfs.Handle, p *specs.Process) error {
	if p.ApparmorProfile != "" {
		if err := write(proc, "apparmor/exec", "exec "+p.ApparmorProfile); err != nil {
			return fmt.Errorf("process.apparmorProfile (/process/apparmorProfile): %w", appArmorHint(p.ApparmorProfile, err))
		}
	}
	if p.SelinuxLabel != "" {
		if err := write(proc, "exec", p.SelinuxLabel); err != nil {
			return fmt.Errorf("process.selinuxLabel (/process/selinuxLabel): %w", seLinuxHint(p.SelinuxLabel, err))
		}
	}
	return nil
}

// LabelKeys has the keys and keyrings that the calling thread makes carry a SELinux context, until reset is called.
func LabelKeys(proc *procfs.Handle, label string) (reset func() error, err error) {
	if label == "" {
		return func() error { return nil }, nil
	}
	if err := write(proc, "keycreate", label); err != nil {
		return nil, fmt.Errorf("process.selinuxLabel (/process/selinuxLabel): label of the session keyring: %w", seLinuxHint(label, err))
	}
	return func() error { return write(proc, "keycreate", "\n") }, nil
}

// write goes to the files of the thread: a label is the thread's, and the kernel lets it write no other's.
func write(proc *procfs.Handle, attr, value string) error {
	f, err := proc.Open("thread-self/attr/"+attr, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sys.Write(int(f.Fd()), []byte(value)); err != nil {
		return &os.PathError{Op: "write " + strings.TrimSuffix(value, "\n") + " to", Path: f.Name(), Err: bare(err)}
	}
	return nil
}

// bare takes the name of the call off an errno.
func bare(err error) error {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

func appArmorHint(profile string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: is a profile %q loaded? (apparmor_parser(8), aa-status(8))", err, profile)
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the profile that the runtime itself runs under forbids the change", err)
	}
	return err
}

func seLinuxHint(label string, err error) error {
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the loaded policy has no context %q", err, label)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: the policy does not let the runtime's own domain set it", err)
	}
	return err
}
