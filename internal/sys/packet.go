package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// PacketPair makes a connected pair of AF_UNIX sockets that keep messages apart. The caller closes both. unix(7).
func PacketPair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	return p[0], p[1], os.NewSyscallError("socketpair", err)
}

// SendPacket sends a message.
func SendPacket(socket int, message []byte) error {
	err := retryEINTR(func() error { return unix.Sendmsg(socket, message, nil, nil, unix.MSG_NOSIGNAL) })
	return os.NewSyscallError("sendmsg", err)
}

// RecvPacket receives a message, however long, and a descriptor that comes with it, close-on-exec, which the caller closes; -1 for none.
// An empty message is the end.
func RecvPacket(socket int) (message []byte, fd int, err error) {
	var size int
	err = retryEINTR(func() (err error) {
		size, _, err = unix.Recvfrom(socket, nil, unix.MSG_PEEK|unix.MSG_TRUNC)
		return err
	})
	if err != nil {
		return nil, -1, os.NewSyscallError("recvfrom", err)
	}
	message = make([]byte, max(size, 1)) // where no byte fits, the descriptor would be lost
	oob := make([]byte, unix.CmsgLen(4)) // the padding of CmsgSpace would have room for a second one
	n, oobn := 0, 0
	err = retryEINTR(func() (err error) {
		n, oobn, _, _, err = unix.Recvmsg(socket, message, oob, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, -1, os.NewSyscallError("recvmsg", err)
	}
	return message[:n], oneRight(oob[:oobn]), nil
}

// oneRight is the descriptor in a control message with room for one.
func oneRight(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil && len(fds) == 1 {
			return fds[0]
		}
	}
	return -1
}
