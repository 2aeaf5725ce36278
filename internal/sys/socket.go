package sys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Socketpair makes a connected pair of AF_UNIX stream sockets. The caller closes both. unix(7).
func Socketpair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return p[0], p[1], os.NewSyscallError("socketpair", err)
}

// ConnectUnix connects to the stream socket at path, which may be longer than a socket address. The caller closes the
// descriptor. unix(7).
func ConnectUnix(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	address, done, err := unixAddress(path)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	defer done()
	if err := retryEINTR(func() error { return unix.Connect(fd, address) }); err != nil {
		unix.Close(fd)
		return -1, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return fd, nil
}

// ConnectUnixBy connects to the stream socket at path (a leading @ is an abstract one), waiting no longer than the deadline for
// room in its backlog: os.ErrDeadlineExceeded. The descriptor is for WriteBy and ReadBy. The caller closes it. unix(7).
func ConnectUnixBy(path string, deadline time.Time) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	address, done, err := unixAddress(path)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	defer done()
	err = retryEINTR(func() error {
		// The backlog of a unix socket cannot be polled for. connect(2) waits for it, for as long as SO_SNDTIMEO says.
		left := unix.NsecToTimeval(max(time.Until(deadline), time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &left); err != nil {
			return err
		}
		return unix.Connect(fd, address)
	})
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EAGAIN):
		err = os.ErrDeadlineExceeded
	}
	unix.Close(fd)
	return -1, &os.PathError{Op: "connect", Path: path, Err: err}
}

// WriteBy writes all of b to a socket, waiting no longer than the deadline for room: os.ErrDeadlineExceeded.
func WriteBy(fd int, b []byte, deadline time.Time) error {
	for len(b) > 0 {
		n, err := unix.SendmsgN(fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			b = b[n:]
		case errors.Is(err, unix.EAGAIN):
			if err := pollBy(fd, unix.POLLOUT, deadline); err != nil {
				return err
			}
		case !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("sendmsg", err)
		}
	}
	return nil
}

// ReadBy reads what there is from a socket, waiting no longer than the deadline for something to be there:
// os.ErrDeadlineExceeded. The end is io.EOF.
func ReadBy(fd int, b []byte, deadline time.Time) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		switch {
		case err == nil && n == 0:
			return 0, io.EOF
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			if err := pollBy(fd, unix.POLLIN, deadline); err != nil {
				return 0, err
			}
		case !errors.Is(err, unix.EINTR):
			return 0, os.NewSyscallError("recvfrom", err)
		}
	}
}

// pollBy waits until the descriptor is ready, but no longer than the deadline: os.ErrDeadlineExceeded.
func pollBy(fd int, events int16, deadline time.Time) error {
	for {
		ts := unix.NsecToTimespec(max(time.Until(deadline), 0).Nanoseconds())
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: events}}, &ts, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("ppoll", err)
		case n == 0:
			return os.ErrDeadlineExceeded
		default:
			return nil
		}
	}
}

// SendFD sends one descriptor with the payload, which must not be empty, in one message. unix(7), SCM_RIGHTS.
func SendFD(socket, fd int, payload string) error {
	rights := unix.UnixRights(fd)
	err := retryEINTR(func() error { return unix.Sendmsg(socket, []byte(payload), rights, nil, unix.MSG_NOSIGNAL) })
	return os.NewSyscallError("sendmsg SCM_RIGHTS", err)
}

// RecvFD receives exactly one descriptor, close-on-exec, which the caller closes.
func RecvFD(socket int) (int, error) {
	var payload [4096]byte
	oob := make([]byte, unix.CmsgSpace(4*8))
	var n, oobn int
	err := retryEINTR(func() (err error) {
		n, oobn, _, _, err = unix.Recvmsg(socket, payload[:], oob, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	var fds []int
	if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for i := range msgs {
			got, _ := unix.ParseUnixRights(&msgs[i])
			fds = append(fds, got...)
		}
	}
	if n > 0 && len(fds) == 1 {
		return fds[0], nil
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return -1, errors.New("recvmsg: want one message with one descriptor")
}

// Write writes all of b to a blocking descriptor. A closed peer is EPIPE, never a signal that ends the process:
// the Go runtime ignores SIGPIPE for descriptors above 2.
func Write(fd int, b []byte) error {
	for len(b) > 0 {
		var n int
		err := retryEINTR(func() (err error) {
			n, err = unix.Write(fd, b)
			return err
		})
		if err != nil {
			return os.NewSyscallError("write", err)
		}
		b = b[n:]
	}
	return nil
}

// ReadFull fills b from a blocking descriptor and returns how much there was before an end of file.
func ReadFull(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		var m int
		err := retryEINTR(func() (err error) {
			m, err = unix.Read(fd, b[n:])
			return err
		})
		if err != nil {
			return n, os.NewSyscallError("read", err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

// ListenUnixgram makes a datagram socket name in the directory dir, of exactly that mode. A socket that is
// there is replaced. The path may be longer than a socket address: it goes by the directory's descriptor.
// The caller closes the descriptor. unix(7).
func ListenUnixgram(dir, name string, mode uint32) (int, error) {
	at, err := Openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer Close(at)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	_ = unix.Unlinkat(at, name, 0)
	path := fmt.Sprintf("/proc/self/fd/%d/%s", at, name)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return -1, &os.PathError{Op: "bind", Path: dir + "/" + name, Err: err}
	}
	if err := Fchmodat(at, name, mode); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// SendUnixgram sends lines as one datagram to the socket at path (a leading @ is an abstract one), with the
// descriptor fd unless it is negative.
func SendUnixgram(path string, lines [][]byte, fd int) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	address, done, err := unixAddress(path)
	if err != nil {
		return err
	}
	defer done()
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	err = retryEINTR(func() error {
		return unix.Sendmsg(socket, bytes.Join(lines, []byte{'\n'}), rights, address, unix.MSG_NOSIGNAL)
	})
	return os.NewSyscallError("sendmsg", err)
}
