package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"tare/internal/sys"
	"tare/internal/wire"
)

// Kind is the kind of a message.
type Kind byte

// The kinds of messages; see the package's comment for their order.
const (
	KindConfig Kind = iota + 1
	KindGo
	KindMounted
	KindReady
	KindLoading // value: 1 if the listener comes before the process is made; else empty
	KindWarning // value: a line of text
	KindFailure // value: a Failure
)

// What the init process says through exec.fifo when a start fails, ahead of a text.
const (
	SaidFailure     = '!' // the workload could not be executed
	SaidHookFailure = 'h' // a startContainer hook failed
)

// maxMessage bounds a message, both ways. A config is as large as its config.json.
const maxMessage = 64 << 20

// ErrOutOfOrder says that the other side sent something else than what was its turn to send.
var ErrOutOfOrder = errors.New("unexpected message")

// Link is one end of the conversation.
type Link struct {
	FD int // a blocking stream socket
}

// Send sends a message without a value.
func (l Link) Send(k Kind) error { return l.send(k, nil) }

// SendConfig sends c.
func (l Link) SendConfig(c *Config) error {
	// Most are smaller: a buffer that grows has a page or two of each size.
	return l.sendMessage(KindConfig, wire.Append(make([]byte, headSize, 4096), c))
}

// SendWarning sends a line of text for the runtime's log.
func (l Link) SendWarning(text string) error { return l.send(KindWarning, []byte(text)) }

// SendFailure sends err, with the errno that it wraps.
func (l Link) SendFailure(err error) error {
	f := Failure{Message: err.Error()}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		f.Errno = uint32(errno)
	}
	return l.send(KindFailure, wire.Append(nil, &f))
}

// SendLoading says that a filter with notifications comes next.
func (l Link) SendLoading(early bool) error {
	if early {
		return l.send(KindLoading, []byte{1})
	}
	return l.send(KindLoading, nil)
}

// SendListener sends the descriptors of the listener and of the relay that it has come by, beside the messages.
func (l Link) SendListener(listener, relay int) error {
	if err := sys.SendFD(l.FD, relay, "r"); err != nil {
		return err
	}
	return sys.SendFD(l.FD, listener, "l")
}

// ReceiveListener receives them. The caller closes both. The end of the socket is io.EOF.
func (l Link) ReceiveListener(deadline time.Time) (listener, relay int, err error) {
	if relay, err = sys.RecvFDBy(l.FD, deadline); err != nil {
		return -1, -1, err
	}
	if listener, err = sys.RecvFDBy(l.FD, deadline); err != nil {
		sys.Close(relay)
		return -1, -1, err
	}
	return listener, relay, nil
}

// headSize is the size of what stands before a value: its kind and its length.
const headSize = 5

func (l Link) send(k Kind, value []byte) error {
	return l.sendMessage(k, append(make([]byte, headSize, headSize+len(value)), value...))
}

// sendMessage sends a value with room for the head before it.
func (l Link) sendMessage(k Kind, m []byte) error {
	m[0] = byte(k)
	binary.NativeEndian.PutUint32(m[1:], uint32(len(m)-headSize))
	return sys.Write(l.FD, m)
}

// SendSource sends the descriptor of the next mount of Config.Sources. It stays in the socket until the init stage comes to it, so that none of
// the two needs as many descriptors as there are mounts.
func (l Link) SendSource(fd int) error { return sys.SendFD(l.FD, fd, "s") }

// ReceiveSource receives the descriptor of the next mount of Config.Sources, close-on-exec.
func (l Link) ReceiveSource() (int, error) { return sys.RecvFD(l.FD) }

// Receive reads the next message. The end of the socket is io.EOF, within a message io.ErrUnexpectedEOF.
func (l Link) Receive() (Kind, []byte, error) {
	var head [headSize]byte
	n, err := sys.ReadFull(l.FD, head[:])
	switch {
	case err != nil:
		if errors.Is(err, syscall.ECONNRESET) { // it died with something of ours unread
			return 0, nil, io.EOF
		}
		return 0, nil, err
	case n == 0:
		return 0, nil, io.EOF
	case n < len(head):
		return 0, nil, io.ErrUnexpectedEOF
	}
	size := binary.NativeEndian.Uint32(head[1:])
	if size > maxMessage {
		return 0, nil, fmt.Errorf("%w: of %d bytes", ErrOutOfOrder, size)
	}
	value := make([]byte, size)
	if n, err = sys.ReadFull(l.FD, value); err != nil {
		return 0, nil, err
	} else if n < len(value) {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return Kind(head[0]), value, nil
}

// Expect receives a message that must be of kind k.
func (l Link) Expect(k Kind) ([]byte, error) {
	got, value, err := l.Receive()
	if err == nil && got != k {
		err = fmt.Errorf("%w: kind %d, want %d", ErrOutOfOrder, got, k)
	}
	return value, err
}

// ReceiveConfig receives the message that opens the conversation.
func (l Link) ReceiveConfig() (*Config, error) {
	value, err := l.Expect(KindConfig)
	if err != nil {
		return nil, err
	}
	var c Config
	return &c, wire.Decode(value, &c)
}

// DecodeFailure makes an error of a KindFailure message's value.
func DecodeFailure(value []byte) error {
	var f Failure
	if err := wire.Decode(value, &f); err != nil {
		return err
	}
	return &f
}

func (f *Failure) Error() string { return f.Message }

// Unwrap answers errors.Is for the errno.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return syscall.Errno(f.Errno)
}
