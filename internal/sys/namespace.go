package sys

import (
	"os"

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
