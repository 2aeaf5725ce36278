package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	shelterArg = "shelter" // argv[1] of this program as init of a shelter
	shelterFD  = 3         // where it says what is wrong with the shelter itself
	cgroupDir  = "/sys/fs/cgroup"
	noShelter  = 125
	suiteHome  = "/suite" // in the shelter: programs, bundles, and the working directory
)

// commission is what a shelter is made for: the arguments after shelterArg.
type commission struct {
	view     string // environment: "v2" gets a view of cgroup v2
	base     string // empty directory to mount things in
	programs string // directory of the suite
	name     string // program to run
	runtime  string // file
	before   string // highest ociVersion that the runtime accepts, if that is not the suite's
}

// shelterMain is process 1 of a PID namespace, in a mount namespace of its own: it makes the shelter, runs the program, reaps
// what is left to it, and ends with the program's exit code. Nothing outlives it.
func shelterMain(args []string) {
	runtime.LockOSThread()
	c := &commission{args[0], args[1], args[2], args[3], args[4], args[5]}
	code, err := c.run()
	if err != nil {
		fmt.Fprintln(os.NewFile(shelterFD, "shelter"), err)
		code = noShelter
	}
	os.Exit(code)
}

func (c *commission) run() (int, error) {
	root := filepath.Join(c.base, "root")
	if err := c.furnish(root); err != nil {
		return 0, err
	}
	command, err := c.bring(root)
	if err != nil {
		return 0, err
	}
	if err := enter(root); err != nil {
		return 0, err
	}
	unix.CloseOnExec(shelterFD)
	cmd := exec.Command(filepath.Join(suiteHome, c.name))
	cmd.Dir = suiteHome
	cmd.Env = append(os.Environ(), "TMPDIR="+suiteHome, "RUNTIME="+command)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return reapUntil(cmd.Process.Pid)
}

// reapUntil waits for all children, as an init does, until the one with this pid has ended.
func reapUntil(pid int) (int, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case got == pid && status.Exited():
			return status.ExitStatus(), nil
		case got == pid:
			return 128 + int(status.Signal()), nil
		}
	}
}

// furnish mounts the shelter's file system: an overlay of the host's root, whose changes go to a tmpfs; /sys with its cgroups, and /dev, moved to
// there from where they were; tmpfs where the suite and the runtimes write; a /proc of the PID namespace.
func (c *commission) furnish(root string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &os.PathError{Op: "make private", Path: "/", Err: err}
	}
	if err := mount("tmpfs", c.base, "mode=755"); err != nil {
		return err
	}
	upper, work := filepath.Join(c.base, "upper"), filepath.Join(c.base, "work")
	for _, dir := range []string{root, upper, work, filepath.Join(upper, suiteHome)} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mount("overlay", root, "lowerdir=/,upperdir="+upper+",workdir="+work); err != nil {
		return err
	}
	for _, dir := range []string{suiteHome, "/tmp", "/run"} {
		if err := mount("tmpfs", filepath.Join(root, dir), "mode=755"); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/sys", "/dev"} {
		if err := unix.Mount(dir, filepath.Join(root, dir), "", unix.MS_MOVE, ""); err != nil {
			return &os.PathError{Op: "move mount", Path: dir, Err: err}
		}
	}
	if err := mount("proc", filepath.Join(root, "proc"), ""); err != nil {
		return err
	}
	if c.view == "v2" {
		return mount("cgroup2", filepath.Join(root, cgroupDir), "")
	}
	return nil
}

func mount(fs, path, options string) error {
	if err := unix.Mount(fs, path, fs, 0, options); err != nil {
		return &os.PathError{Op: "mount " + fs, Path: path, Err: err}
	}
	return nil
}

// bring copies what is run into the shelter, as it may lie on a file system that is not in the overlay, and gives the name that
// the suite is to call the runtime by.
func (c *commission) bring(root string) (string, error) {
	home := filepath.Join(root, suiteHome)
	for _, file := range []string{c.name, inside} {
		if err := copyFile(filepath.Join(c.programs, file), filepath.Join(home, file), 0o755); err != nil {
			return "", err
		}
	}
	// Under its name, but not compressed: `tar -xf` of busybox does not look for that, and that of GNU takes both.
	if err := decompress(filepath.Join(c.programs, rootfsArchive()), filepath.Join(home, rootfsArchive())); err != nil {
		return "", err
	}
	command := filepath.Join(suiteHome, filepath.Base(c.runtime))
	if err := copyFile(c.runtime, filepath.Join(root, command), 0o755); err != nil || c.before == "" {
		return command, err
	}
	script := `#!/bin/sh
if [ "$1" = create ] && [ "$2" = --bundle ] && [ -f "$3/config.json" ]; then
  sed -i 's/"ociVersion": *"1\.[1-9][0-9]*\.[0-9]*"/"ociVersion": "` + c.before + `"/' "$3/config.json"
fi
exec ` + command + ` "$@"
`
	command += ".sh"
	return command, os.WriteFile(filepath.Join(root, command), []byte(script), 0o755)
}

func decompress(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	data, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, data)
	return errors.Join(err, out.Close())
}

// enter makes root the root of the mount namespace, and lets go of the host's.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount2", err)
	}
	return os.Chdir("/")
}

// inShelter gives a command that becomes init of a shelter. Whatever kills it, kills all that is in there.
func inShelter(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{shelterArg}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  unix.SIGKILL,
		Setsid:     true,
	}
	return cmd
}

func isCgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs(cgroupDir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}
