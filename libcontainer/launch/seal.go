package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tare/internal/sys"
	"tare/libcontainer/namespace"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Exe is a sealed view of the running binary in the making.
type Exe struct {
	done   chan struct{}
	file   *os.File
	layers []int // what it is made of; see Settle
	err    error
}

// Seal begins to make the view, beside what its caller does next: it needs nothing but the binary, and half a
// millisecond of system calls.
func Seal() *Exe {
	e := &Exe{done: make(chan struct{})}
	go func() {
		e.file, e.err = e.seal()
		close(e.done)
	}()
	return e
}

func (e *Exe) await() (*os.File, error) {
	<-e.done
	return e.file, e.err
}

// Settle lets go of what the view was made of. For each detached mount the kernel waits for RCU, which is for the time when the
// init stage is at work.
func (e *Exe) Settle() {
	<-e.done
	for _, fd := range e.layers {
		sys.Close(fd)
	}
	e.layers = nil
}

// Close gives up the view. It is kept until the workload was executed: whoever lets go of it last takes the overlay
// down, and waits for RCU (kern_unmount in the kernel), which the container's first process need not.
func (e *Exe) Close() {
	e.Settle()
	if f, err := e.await(); err == nil {
		f.Close()
	}
}

// seal gives an O_PATH descriptor of the running binary for the init stage to execute: a view of its
// own, which nobody can write through (CVE-2019-5736) and nobody may read, so that the kernel keeps the init
// stage non-dumpable from its first instruction (would_dump in fs/exec.c).
//
// An overlay costs a fraction of a copy and shares the binary's page cache. Where none can be mounted (without
// privileges, or below another overlay) the binary is copied to memory.
func (e *Exe) seal() (*os.File, error) {
	if resealed() {
		fd, err := sys.Openat(unix.AT_FDCWD, "/proc/self/exe", unix.O_PATH)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "/proc/self/exe"), nil
	}
	f, err := e.overlay()
	if err == nil {
		return f, nil
	}
	if f, copyErr := copyExe(); copyErr == nil {
		return f, nil
	} else {
		return nil, fmt.Errorf("seal the binary: %w, and as an overlay: %w", copyErr, err)
	}
}

// resealedEnv marks a runtime that executes itself from a sealed view.
const resealedEnv = "_TARE_SEALED"

// resealed tells whether the running binary is such a view.
func resealed() bool {
	if os.Getenv(resealedEnv) == "" {
		return false
	}
	var st unix.Stat_t
	return unix.Stat("/proc/self/exe", &st) == nil && st.Mode&0o777 == exeMode
}

// Reseal has the runtime go on from a sealed view of itself when the raw stage joins a PID namespace (JoinsPIDNamespace,
// Residence.EntersEarly). The raw stage is in that namespace before it executes anything, and whoever may trace
// processes there without a user namespace of its own would find the host's binary behind its /proc/PID/exe. It returns
// only if the runtime is sealed already.
// Preconditions: nothing was made yet, as the program starts again from its beginning.
func (e *Exe) Reseal() error {
	if resealed() {
		return nil
	}
	exe, err := e.await()
	if err != nil {
		return err
	}
	sys.RestoreNofile()
	return sys.Execveat(exe, os.Args, append(os.Environ(), resealedEnv+"=1"))
}

// JoinsPIDNamespace tells whether the container's first process joins a PID namespace.
func JoinsPIDNamespace(spec *specs.Spec) bool {
	return namespace.Joined(spec.Linux, specs.PIDNamespace) != ""
}

// exeMode lets everybody execute and nobody read.
const exeMode = 0o111

// overlay shows the binary's directory through an overlay whose upper layer is a tmpfs that is mounted
// nowhere. The change of mode copies the inode up, not the data (metacopy, Linux 4.19); a write, if anybody
// could open the file for one, would end in the tmpfs.
func (e *Exe) overlay() (*os.File, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	dir, name := filepath.Split(path)
	lower, err := sys.Openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	e.layers = append(e.layers, lower)
	upper, err := scratchLayers()
	if err != nil {
		return nil, err
	}
	e.layers = append(e.layers, upper)
	mount, err := mountOverlay(lower, upper)
	if err != nil {
		return nil, err
	}
	e.layers = append(e.layers, mount)
	if err := sameExe(lower, name); err != nil {
		return nil, err
	}
	if err := sys.Fchmodat(mount, name, exeMode); err != nil {
		return nil, err
	}
	if err := freeze(mount); err != nil {
		return nil, err
	}
	fd, err := sys.Openat(mount, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// freeze makes the file system of the mount read-only for good: a container with CAP_SYS_ADMIN that gets hold of
// the file could undo a mount attribute, but has no way from the file to the file system's root.
func freeze(mount int) error {
	fs, err := sys.Fspick(mount)
	if err != nil {
		return err
	}
	defer sys.Close(fs)
	if err := sys.FsconfigFlag(fs, "ro"); err != nil {
		return err
	}
	return sys.FsconfigReconfigure(fs)
}

// sameExe makes sure that the name still leads to the binary that runs: it may have been replaced since.
func sameExe(dir int, name string) error {
	var running, found unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &running); err != nil {
		return &os.PathError{Op: "stat", Path: "/proc/self/exe", Err: err}
	}
	if err := unix.Fstatat(dir, name, &found, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if running.Ino != found.Ino || running.Dev != found.Dev {
		return errors.New("the running binary was replaced")
	}
	return nil
}

// scratchLayers makes a detached tmpfs with the directories upper and work.
func scratchLayers() (int, error) {
	fs, err := sys.Fsopen("tmpfs")
	if err != nil {
		return -1, err
	}
	defer sys.Close(fs)
	if err := sys.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	mount, err := sys.Fsmount(fs, 0)
	if err != nil {
		return -1, err
	}
	for _, name := range []string{"upper", "work"} {
		if err := sys.Mkdirat(mount, name, 0o700); err != nil {
			sys.Close(mount)
			return -1, err
		}
	}
	return mount, nil
}

// mountOverlay mounts the layers by descriptor: Linux 6.13. As paths older kernels would take them too, but no layer of
// a detached mount before 6.15, and they would say so in the kernel's log for each container.
func mountOverlay(lower, scratch int) (int, error) {
	fs, err := sys.Fsopen("overlay")
	if err != nil {
		return -1, err
	}
	defer sys.Close(fs)
	if err := sys.FsconfigFD(fs, "lowerdir+", lower); err != nil {
		return -1, err
	}
	for _, layer := range [][2]string{{"upperdir", "upper"}, {"workdir", "work"}} {
		dir, err := sys.Openat(scratch, layer[1], unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		err = sys.FsconfigFD(fs, layer[0], dir)
		sys.Close(dir)
		if err != nil {
			return -1, err
		}
	}
	for _, o := range [][2]string{
		{"metacopy", "on"},
		{"xino", "off"}, // else the kernel logs a line for each mount
	} {
		if err := sys.FsconfigString(fs, o[0], o[1]); err != nil {
			return -1, err
		}
	}
	if err := sys.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return sys.Fsmount(fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// copyExe copies the binary into a sealed memfd.
func copyExe() (*os.File, error) {
	exe, err := sys.Openat(unix.AT_FDCWD, "/proc/self/exe", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer sys.Close(exe)
	fd, err := sys.MemfdExecutable("tare")
	if err != nil {
		return nil, err
	}
	defer sys.Close(fd)
	if err := sys.CopyAll(fd, exe); err != nil {
		return nil, err
	}
	if err := unix.Fchmod(fd, exeMode); err != nil {
		return nil, os.NewSyscallError("fchmod", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	// A file that is open for writing cannot be executed (ETXTBSY), so only a second descriptor will do.
	path, err := sys.Openat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_PATH)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(path), "tare"), nil
}
