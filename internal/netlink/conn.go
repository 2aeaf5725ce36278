package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Conn is a conversation with the kernel about one network namespace.
type Conn struct {
	fd  int
	seq uint32
	buf []byte
}

// bufferSize holds a link's message without its virtual functions, and what the kernel puts into one datagram of a dump.
const bufferSize = 64 << 10

// timeout is how long the kernel may take to answer: it does so before it returns from the request, but for long lists.
const timeout = 30 * time.Second

// Open opens a conversation about the caller's network namespace. The caller closes it.
func Open() (*Conn, error) {
	fd, err := sys.NetlinkRoute()
	if err != nil {
		return nil, err
	}
	return &Conn{fd: fd, buf: make([]byte, bufferSize)}, nil
}

// OpenIn is Open for the network namespace of a descriptor.
func OpenIn(ns *os.File) (c *Conn, err error) {
	err = sys.InNetworkNamespace(ns, func() (err error) {
		c, err = Open()
		return err
	})
	return c, err
}

// Close closes the conversation.
func (c *Conn) Close() { sys.Close(c.fd) }

// Error is the kernel's answer to a request: a number, and what it says beside, if anything.
type Error struct {
	Errno unix.Errno
	Words string
}

func (e *Error) Error() string {
	if e.Words == "" {
		return e.Errno.Error()
	}
	return e.Errno.Error() + " (" + e.Words + ")"
}

func (e *Error) Unwrap() error { return e.Errno }

// change asks for something to be done.
func (c *Conn) change(kind, flags uint16, body []byte) error {
	_, err := c.ask(kind, flags|unix.NLM_F_ACK, body)
	return err
}

// dumpTries is how often a list that changed while it was read is asked for again.
const dumpTries = 5

// dump asks for a list.
func (c *Conn) dump(kind uint16, body []byte) ([]message, error) {
	for range dumpTries {
		all, err := c.ask(kind, unix.NLM_F_DUMP, body)
		if !errors.Is(err, errInterrupted) {
			return all, err
		}
	}
	return nil, errInterrupted
}

var errInterrupted = errors.New("netlink: the list changes while it is read")

// ask sends a request and collects what answers it.
func (c *Conn) ask(kind, flags uint16, body []byte) (all []message, err error) {
	c.seq++
	if err := sys.NetlinkSend(c.fd, encode(kind, flags|unix.NLM_F_REQUEST, c.seq, body)); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(timeout)
	for {
		n, err := sys.NetlinkReceive(c.fd, c.buf, deadline)
		if err != nil {
			return nil, err
		}
		part, err := split(append([]byte(nil), c.buf[:n]...), c.seq)
		if err != nil {
			return nil, err
		}
		for i, m := range part {
			if last, err := final(m, flags); last || err != nil {
				return append(all, part[:i]...), err
			}
		}
		all = append(all, part...)
		if len(part) > 0 && flags&(unix.NLM_F_ACK|unix.NLM_F_DUMP) == 0 {
			return all, nil // a question about one thing has one answer
		}
	}
}

// final tells whether a message ends the answer, and with which error.
func final(m message, flags uint16) (bool, error) {
	if flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP && m.flags&unix.NLM_F_DUMP_INTR != 0 {
		return true, errInterrupted // what is left of the answer has an old number
	}
	if m.kind != unix.NLMSG_DONE && m.kind != unix.NLMSG_ERROR {
		return false, nil
	}
	if len(m.body) < 4 {
		return true, errShort
	}
	if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.body))); errno != 0 {
		return true, &Error{Errno: errno, Words: words(m)}
	}
	return true, nil
}

// words are what the kernel says about an error (NETLINK_EXT_ACK). With NETLINK_CAP_ACK only the request's header stands before
// them.
func words(m message) string {
	const before = 4 + headerSize
	if m.flags&unix.NLM_F_ACK_TLVS == 0 || m.flags&unix.NLM_F_CAPPED == 0 || len(m.body) < before {
		return ""
	}
	all, err := attributes(m.body[before:])
	if err != nil {
		return ""
	}
	for _, a := range all {
		if a.Type == unix.NLMSGERR_ATTR_MSG {
			return fmt.Sprintf("%.120s", a.text())
		}
	}
	return ""
}
