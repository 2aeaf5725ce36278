package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// PtyPeer unlocks the terminal of the master and opens its slave: the peer of this descriptor, whatever the
// file system says. The caller closes it. ioctl_tty(2), Linux 4.13.
func PtyPeer(master int) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, os.NewSyscallError("ioctl TIOCSPTLCK", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, os.NewSyscallError("ioctl TIOCGPTPEER", errno)
	}
	return os.NewFile(fd, "terminal"), nil
}

// SetWinsize sets the size of a terminal, in characters. ioctl_tty(2).
func SetWinsize(fd int, height, width uint) error {
	ws := unix.Winsize{Row: uint16(height), Col: uint16(width)}
	return os.NewSyscallError("ioctl TIOCSWINSZ", unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &ws))
}

// CopyWinsize gives the terminal to the size of the terminal from.
func CopyWinsize(from, to int) error {
	ws, err := unix.IoctlGetWinsize(from, unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl TIOCGWINSZ", err)
	}
	return os.NewSyscallError("ioctl TIOCSWINSZ", unix.IoctlSetWinsize(to, unix.TIOCSWINSZ, ws))
}

// IsTerminal tells whether fd is a terminal.
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// MakeRaw sets the terminal raw, as cfmakeraw(3) has it, and returns what undoes it.
func MakeRaw(fd int) (restore func(), err error) {
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, os.NewSyscallError("ioctl TCGETS", err)
	}
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, os.NewSyscallError("ioctl TCSETS", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }, nil
}

// SetControllingTerminal makes the terminal that of the calling session leader. ioctl_tty(2).
func SetControllingTerminal(fd int) error {
	return os.NewSyscallError("ioctl TIOCSCTTY", unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0))
}

// Setsid makes the process the leader of a new session, without a controlling terminal. Being one already is fine.
func Setsid() error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	if errno == unix.EPERM && unix.Getpid() == getsid() {
		return nil
	}
	return syscallError("setsid", errno)
}

func getsid() int {
	sid, _ := unix.Getsid(0)
	return sid
}

// Dup gives another close-on-exec descriptor for the open file. F_DUPFD_CLOEXEC of fcntl(2).
func Dup(fd int) (int, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	return fd, os.NewSyscallError("fcntl", err)
}

// Dup3 makes fd a copy of old that an execution keeps.
func Dup3(old, fd int) error {
	return os.NewSyscallError("dup3", unix.Dup3(old, fd, 0))
}
