package dbus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// Conn is a connection. It is not safe for concurrent use.
type Conn struct {
	fd     int
	serial uint32
	bus    bool   // the peer is a bus, not a service by itself
	in     []byte // what was read and is no whole message yet
	peer   string // who answered last: its unique name on the bus

	match   *Match
	signals []*message // those that match, not awaited yet
	broken  error      // why nothing more is to be had
}

// Dial connects to the first of the address's sockets that takes us. With bus the peer is a bus; otherwise it is a service
// that is spoken to directly.
func Dial(address string, bus bool, timeout time.Duration) (*Conn, error) {
	paths, err := sockets(address)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(timeout)
	var errs []error
	for _, path := range paths {
		c, err := dial(path, bus, deadline)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("D-Bus socket %s: %w", path, late(err, timeout)))
	}
	return nil, errors.Join(errs...)
}

func dial(path string, bus bool, deadline time.Time) (*Conn, error) {
	fd, err := sys.ConnectUnixBy(path, deadline)
	if err != nil {
		return nil, err
	}
	c := &Conn{fd: fd, bus: bus}
	err = c.authenticate(deadline)
	if err == nil && bus {
		// The bus gives us a name, and passes nothing on before it has.
		_, err = c.call(&Method{Destination: busName, Path: busPath, Interface: busName, Member: "Hello"}, deadline)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

const (
	busName = "org.freedesktop.DBus"
	busPath = "/org/freedesktop/DBus"
)

// Close closes the connection.
func (c *Conn) Close() { sys.Close(c.fd) }

// authenticate says who we are: whom the kernel says we are. An identity that is left out is taken from the socket
// (SO_PEERCRED) as the peer sees it, which is right in every user namespace, whereas the uid that we know would be wrong in
// the peer's.
func (c *Conn) authenticate(deadline time.Time) error {
	if err := c.write([]byte("\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"), deadline); err != nil {
		return err
	}
	// The first line asks for the identity, the second one accepts it. We have not waited for either to say that we begin:
	// a peer that refuses us closes.
	for _, want := range []string{"DATA", "OK "} {
		line, err := c.line(deadline)
		if err != nil {
			return fmt.Errorf("authenticate: %w", err)
		}
		if !strings.HasPrefix(line, want) {
			return fmt.Errorf("authenticate: the peer refuses user %d: %.100q", os.Geteuid(), line)
		}
	}
	return nil
}

// line reads one line of the authentication.
func (c *Conn) line(deadline time.Time) (string, error) {
	const longest = 4096
	for {
		if line, rest, ok := bytes.Cut(c.in, []byte("\r\n")); ok {
			c.in = rest
			return string(line), nil
		}
		if len(c.in) > longest {
			return "", fmt.Errorf("%w: a line of more than %d bytes", ErrProtocol, longest)
		}
		if err := c.fill(deadline); err != nil {
			return "", err
		}
	}
}

func (c *Conn) write(b []byte, deadline time.Time) error {
	err := sys.WriteBy(c.fd, b, deadline)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return ErrClosed
	}
	return err
}

// fill waits for more to come in.
func (c *Conn) fill(deadline time.Time) error {
	var b [4096]byte
	n, err := sys.ReadBy(c.fd, b[:], deadline)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return ErrClosed
	}
	c.in = append(c.in, b[:n]...)
	return err
}

// Method is a call.
type Method struct {
	Destination, Path, Interface, Member string
	Signature                            string // of Args
	Args                                 []any
}

// Call makes a call and returns what it answers. A refusal is an *Error.
func (c *Conn) Call(m *Method, timeout time.Duration) ([]any, error) {
	answer, err := c.call(m, time.Now().Add(timeout))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Member, late(err, timeout))
	}
	return answer, nil
}

func (c *Conn) call(m *Method, deadline time.Time) ([]any, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	c.serial++
	out := &message{
		kind: kindCall, serial: c.serial, path: m.Path, iface: m.Interface, member: m.Member, destination: m.Destination,
		signature: m.Signature, args: m.Args,
	}
	b, err := out.marshal()
	if err != nil {
		return nil, err
	}
	if err := c.write(b, deadline); err != nil {
		c.broken = err // it may have gone out in part
		return nil, err
	}
	for {
		in, err := c.receive(deadline)
		switch {
		case err != nil:
			return nil, err
		case in.reply != out.serial:
		case in.kind == kindReturn:
			c.peer = in.sender
			return in.args, nil
		case in.kind == kindError:
			return nil, in.refusal()
		}
	}
}

// refusal is the error that an error message tells.
func (m *message) refusal() error {
	e := &Error{Name: m.errorName}
	if len(m.args) > 0 {
		e.Text, _ = m.args[0].(string)
	}
	return e
}

// receive takes the next message, and keeps it if it is a signal that is waited for.
func (c *Conn) receive(deadline time.Time) (*message, error) {
	for c.broken == nil {
		n, err := length(c.in)
		if err != nil {
			c.broken = err
			break
		}
		if n == 0 || len(c.in) < n {
			err := c.fill(deadline)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				c.broken = err
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		m, err := unmarshal(c.in[:n:n])
		c.in = c.in[n:]
		if err != nil {
			c.broken = err
			break
		}
		c.keep(m)
		return m, nil
	}
	return nil, c.broken
}

// late says how long was waited in vain.
func late(err error, timeout time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: no answer within %v", ErrTimeout, timeout)
	}
	return err
}
