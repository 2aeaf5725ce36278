package sys

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// NetlinkRoute opens a socket for rtnetlink(7) that speaks of the calling thread's network namespace, also when the thread is
// in another one later. The caller closes it. netlink(7).
func NetlinkRoute() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, os.NewSyscallError("socket AF_NETLINK", err)
	}
	// All are of Linux 4.12 to 4.20, and comforts: words with an error, short ones, and lists of what was asked for alone.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return fd, nil
}

// NetlinkSend sends one message to the kernel.
func NetlinkSend(fd int, message []byte) error {
	err := retryEINTR(func() error { return unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) })
	return os.NewSyscallError("sendto netlink", err)
}

// NetlinkReceive receives one datagram of the kernel's, waiting no longer than the deadline: os.ErrDeadlineExceeded. What other
// processes send is dropped. One that is larger than b is EMSGSIZE.
func NetlinkReceive(fd int, b []byte, deadline time.Time) (int, error) {
	for {
		n, _, flags, from, err := unix.Recvmsg(fd, b, nil, unix.MSG_DONTWAIT)
		switch kernel, ok := from.(*unix.SockaddrNetlink); {
		case errors.Is(err, unix.EAGAIN):
			if err := pollBy(fd, unix.POLLIN, deadline); err != nil {
				return 0, err
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("recvmsg netlink", err)
		case !ok || kernel.Pid != 0:
		case flags&unix.MSG_TRUNC != 0:
			return 0, os.NewSyscallError("recvmsg netlink", unix.EMSGSIZE)
		default:
			return n, nil
		}
	}
}
