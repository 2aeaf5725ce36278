package sys

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Unshare gives the calling thread new namespaces of its own. unshare(2).
func Unshare(flags int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, uintptr(flags), 0, 0)
	return syscallError("unshare", errno)
}

// Setns moves the calling thread into namespaces of the process of a pidfd (Linux 5.8); its next child into the PID
// namespace. setns(2).
func Setns(pidfd, flags int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETNS, uintptr(pidfd), uintptr(flags), 0)
	return syscallError("setns", errno)
}

// NamespaceType gives the CLONE_NEW* flag of a namespace's descriptor; ENOTTY for any other file. ioctl_ns(2).
func NamespaceType(f *os.File) (int, error) {
	t, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_NSTYPE, 0)
	if errno != 0 {
		return 0, &os.PathError{Op: "ioctl NS_GET_NSTYPE", Path: f.Name(), Err: errno}
	}
	return int(t), nil
}

// OwningUserNamespace opens the user namespace that the namespace of the descriptor belongs to; EPERM if it is no
// descendant of the caller's. ioctl_ns(2).
func OwningUserNamespace(f *os.File) (*os.File, error) {
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_USERNS, 0)
	if errno != 0 {
		return nil, &os.PathError{Op: "ioctl NS_GET_USERNS", Path: f.Name(), Err: errno}
	}
	return os.NewFile(fd, "user namespace"), nil
}

// Sethostname sets the host name of the calling thread's UTS namespace. sethostname(2).
func Sethostname(name string) error {
	return os.NewSyscallError("sethostname", unix.Sethostname([]byte(name)))
}

// Setdomainname sets the NIS domain name of the calling thread's UTS namespace. setdomainname(2).
func Setdomainname(name string) error {
	return os.NewSyscallError("setdomainname", unix.Setdomainname([]byte(name)))
}

// LoopbackUp brings up "lo" of the calling thread's network namespace. netdevice(7).
func LoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		// A kernel without IPv4 has the ioctl on any socket.
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("socket", err)
		}
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS lo", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}

// InNetworkNamespace calls f in a thread that is in the network namespace of the descriptor for the while. setns(2).
func InNetworkNamespace(ns *os.File, f func() error) error {
	runtime.LockOSThread()
	own, err := NetworkNamespace(0)
	if err == nil {
		defer own.Close()
		err = enterNetwork(ns)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := enterNetwork(own); back != nil {
		// The thread stays locked: nothing else of this program may run in a foreign namespace.
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

func enterNetwork(ns *os.File) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETNS, ns.Fd(), unix.CLONE_NEWNET, 0)
	return syscallError("setns "+ns.Name(), errno)
}

// NetworkNamespace opens the network namespace of a process, or with 0 that of the calling thread. The caller closes it.
func NetworkNamespace(pid int) (*os.File, error) {
	who := "thread-self"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	f, err := OpenAt(nil, "/proc/"+who+"/ns/net", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, isNetworkNamespace(f)
}

// isNetworkNamespace closes a file that is something else.
func isNetworkNamespace(f *os.File) error {
	kind, err := NamespaceType(f)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = &os.PathError{Op: "open network namespace", Path: f.Name(), Err: unix.EINVAL}
	}
	if err != nil {
		f.Close()
	}
	return err
}

// PinNamespace makes the file name in dir, which must not be there, and a namespace visible there: it stays as long as that
// mount.
func PinNamespace(dir *os.File, name string, ns *os.File) error {
	f, err := createAt(dir, name)
	if err != nil {
		return err
	}
	defer f.Close()
	mount, err := OpenTree(int(ns.Fd()), "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH)
	if err == nil {
		err = MoveMount(mount, int(f.Fd()))
		Close(mount)
	}
	if err != nil {
		_ = Unlinkat(int(dir.Fd()), name)
	}
	return err
}

// PinnedNamespace opens the network namespace that is pinned in dir. The caller closes it.
func PinnedNamespace(dir *os.File, name string) (*os.File, error) {
	f, err := OpenAt(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return f, isNetworkNamespace(f)
}

// UnpinNamespace takes back PinNamespace. What is not there is no error.
func UnpinNamespace(dir *os.File, name string) error {
	err := Umount(filepath.Join(dir.Name(), name), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := Unlinkat(int(dir.Fd()), name); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

func createAt(dir *os.File, name string) (*os.File, error) {
	path := filepath.Join(dir.Name(), name)
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
