package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// errShort is a message of the kernel's that ends before its own length says so.
var errShort = errors.New("netlink: malformed message")

// message is what follows a header.
type message struct {
	kind  uint16
	flags uint16
	body  []byte
}

const headerSize = unix.SizeofNlMsghdr

// encode writes a request with its header; netlink(7).
func encode(kind, flags uint16, seq uint32, body []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(body))
	binary.NativeEndian.PutUint32(b, uint32(headerSize+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], seq)
	return append(b, body...)
}

// split takes the messages that answer request seq out of a datagram.
func split(b []byte, seq uint32) (all []message, err error) {
	for len(b) >= headerSize {
		size := int(binary.NativeEndian.Uint32(b))
		if size < headerSize || size > len(b) {
			return nil, errShort
		}
		if binary.NativeEndian.Uint32(b[8:]) == seq {
			all = append(all, message{binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), b[headerSize:size]})
		}
		b = b[min(align(size), len(b)):]
	}
	return all, nil
}

func align(n int) int { return (n + 3) &^ 3 }

// typeMask leaves NLA_F_NESTED and NLA_F_NET_BYTEORDER out.
const typeMask = 0x3fff

// Attribute is one of a message's; rtnetlink(7).
type Attribute struct {
	Type uint16
	Data []byte
}

// appendAttribute writes an attribute, padded.
func appendAttribute(b []byte, kind uint16, data []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	return append(b, make([]byte, align(len(data))-len(data))...)
}

func appendUint32(b []byte, kind uint16, v uint32) []byte {
	return appendAttribute(b, kind, binary.NativeEndian.AppendUint32(nil, v))
}

func appendName(b []byte, kind uint16, name string) []byte {
	return appendAttribute(b, kind, append([]byte(name), 0))
}

// attributes reads those that follow the fixed part of a message.
func attributes(b []byte) (all []Attribute, err error) {
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return nil, errShort
		}
		all = append(all, Attribute{binary.NativeEndian.Uint16(b[2:]) & typeMask, b[unix.SizeofRtAttr:size]})
		b = b[min(align(size), len(b)):]
	}
	return all, nil
}

func (a Attribute) text() string { return string(bytes.TrimRight(a.Data, "\x00")) }

func (a Attribute) uint32() uint32 {
	if len(a.Data) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(a.Data)
}
