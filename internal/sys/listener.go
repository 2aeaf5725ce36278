package sys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxUnixPath is the longest path of a socket address, without the NUL. unix(7).
const maxUnixPath = len(unix.RawSockaddrUnix{}.Path) - 1

// ProbeUnix tells whether somebody holds the stream socket at path, without connecting: the kernel looks for it, and then
// refuses a datagram socket (EPROTOTYPE). ECONNREFUSED: nobody does. unix(7).
func ProbeUnix(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	address, done, err := unixAddress(path)
	if err != nil {
		return err
	}
	defer done()
	err = retryEINTR(func() error { return unix.Connect(fd, address) })
	switch {
	case errors.Is(err, unix.EPROTOTYPE):
		return nil
	case err == nil:
		err = unix.EPROTOTYPE // a datagram socket
	}
	return &os.PathError{Op: "connect", Path: path, Err: err}
}

// unixAddress is the address of the socket at path. One that is longer than an address goes by its descriptor, which done
// closes. An abstract one, which has a leading @, is in no directory.
func unixAddress(path string) (address *unix.SockaddrUnix, done func(), err error) {
	if len(path) <= maxUnixPath {
		return &unix.SockaddrUnix{Name: path}, func() {}, nil
	}
	if path[0] == '@' {
		return nil, nil, fmt.Errorf("%w: that of an abstract socket has at most %d bytes",
			&os.PathError{Op: "connect", Path: path, Err: unix.ENAMETOOLONG}, maxUnixPath)
	}
	fd, err := Openat(unix.AT_FDCWD, path, unix.O_PATH)
	if err != nil {
		return nil, nil, err
	}
	return &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(fd)}, func() { Close(fd) }, nil
}

// ListenUnixAt makes a listening stream socket name in the directory, for its owner alone. The caller closes the descriptor.
func ListenUnixAt(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: beneath(dir, name)}); err == nil {
		err = Fchmodat(int(dir.Fd()), name, 0o600)
	}
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "listen", Path: dir.Name() + "/" + name, Err: err}
	}
	return f, nil
}

// ConnectUnixAt connects to the stream socket name in the directory. The caller closes the descriptor.
func ConnectUnixAt(dir *os.File, name string, deadline time.Time) (int, error) {
	return ConnectUnixBy(beneath(dir, name), deadline)
}

// beneath is a path of the name in the directory that is short enough for an address.
func beneath(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}

// AcceptBy accepts a connection, waiting no longer than the deadline for it: os.ErrDeadlineExceeded. The caller closes it.
func AcceptBy(fd int, deadline time.Time) (int, error) {
	if err := pollBy(fd, unix.POLLIN, deadline); err != nil {
		return -1, err
	}
	conn, err := retryEINTRInt(func() (int, error) {
		n, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		return n, err
	})
	return conn, os.NewSyscallError("accept4", err)
}

// RecvFDBy is RecvFD with a deadline: os.ErrDeadlineExceeded. The end of the socket is io.EOF.
func RecvFDBy(fd int, deadline time.Time) (int, error) {
	if err := pollBy(fd, unix.POLLIN, deadline); err != nil {
		return -1, err
	}
	var b [1]byte
	if n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK); n == 0 && err == nil || errors.Is(err, unix.ECONNRESET) {
		return -1, io.EOF
	}
	return RecvFD(fd)
}

// SendFDBy sends the payload, and with its first byte the descriptor, waiting no longer than the deadline for room.
func SendFDBy(socket, fd int, payload []byte, deadline time.Time) error {
	rights := unix.UnixRights(fd)
	for {
		n, err := unix.SendmsgN(socket, payload, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			return WriteBy(socket, payload[n:], deadline)
		case errors.Is(err, unix.EAGAIN):
			if err := pollBy(socket, unix.POLLOUT, deadline); err != nil {
				return err
			}
		case !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("sendmsg SCM_RIGHTS", err)
		}
	}
}
