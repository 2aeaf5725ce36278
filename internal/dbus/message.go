package dbus

import (
	"encoding/binary"
	"fmt"
)

// maxMessage limits what we take. D-Bus allows 128 MiB; what systemd tells us has some hundred bytes.
const maxMessage = 1 << 20

// kind of a message.
const (
	kindCall   = 1
	kindReturn = 2
	kindError  = 3
	kindSignal = 4
)

// Header fields.
const (
	fieldPath = iota + 1
	fieldInterface
	fieldMember
	fieldErrorName
	fieldReplySerial
	fieldDestination
	fieldSender
	fieldSignature
)

// message is one of either direction.
type message struct {
	kind                           byte
	serial, reply                  uint32
	path, iface, member            string
	errorName, destination, sender string
	signature                      string
	args                           []any
}

// Fixed part of a header: byte order, kind, flags, version, then the lengths and the serial.
const (
	headLength = 16
	version    = 1
	little     = 'l'
	big        = 'B'
)

// marshal writes the message in the host's byte order.
func (m *message) marshal() ([]byte, error) {
	order := byte(big)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		order = little
	}
	e := &encoder{b: []byte{order, m.kind, 0, version}}
	e.uint32(0) // the body's length, in the end
	e.uint32(m.serial)
	if err := e.value("a(yv)", m.fields()); err != nil {
		return nil, err
	}
	e.align(8)
	body := &encoder{}
	if err := body.all(m.signature, m.args); err != nil {
		return nil, err
	}
	binary.NativeEndian.PutUint32(e.b[4:], uint32(len(body.b)))
	if len(e.b)+len(body.b) > maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes", ErrProtocol, len(e.b)+len(body.b))
	}
	return append(e.b, body.b...), nil
}

func (m *message) fields() []any {
	var all []any
	add := func(code byte, sig, value string) {
		if value != "" {
			all = append(all, []any{code, Variant{sig, value}})
		}
	}
	add(fieldPath, "o", m.path)
	add(fieldInterface, "s", m.iface)
	add(fieldMember, "s", m.member)
	add(fieldErrorName, "s", m.errorName)
	add(fieldDestination, "s", m.destination)
	add(fieldSender, "s", m.sender)
	add(fieldSignature, "g", m.signature)
	if m.reply != 0 {
		all = append(all, []any{byte(fieldReplySerial), Variant{"u", m.reply}})
	}
	return all
}

// length tells how long the message is that begins with b: 0 if b is too short to say.
func length(b []byte) (int, error) {
	if len(b) < headLength {
		return 0, nil
	}
	order, err := byteOrder(b[0])
	if err != nil {
		return 0, err
	}
	body, fields := uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[12:]))
	n := (headLength+fields+7)&^7 + body
	if b[3] != version || n > maxMessage {
		return 0, fmt.Errorf("%w: a message of version %d and %d bytes", ErrProtocol, b[3], n)
	}
	return int(n), nil
}

func byteOrder(c byte) (binary.ByteOrder, error) {
	switch c {
	case little:
		return binary.LittleEndian, nil
	case big:
		return binary.BigEndian, nil
	}
	return nil, fmt.Errorf("%w: byte order %q", ErrProtocol, c)
}

// unmarshal reads a whole message.
func unmarshal(b []byte) (*message, error) {
	if n, err := length(b); err != nil {
		return nil, err
	} else if n != len(b) || n == 0 {
		return nil, fmt.Errorf("%w: a message of %d bytes that says it has %d", ErrProtocol, len(b), n)
	}
	order, err := byteOrder(b[0])
	if err != nil {
		return nil, err
	}
	d := &decoder{b: b, at: headLength - 4, order: order}
	m := &message{kind: b[1], serial: order.Uint32(b[8:])}
	fields, _ := d.value("a(yv)", 0).([]any)
	d.align(8)
	for _, f := range fields {
		m.setField(f)
	}
	// The body is aligned by itself, and begins at a multiple of 8.
	m.args = d.all(m.signature, 0)
	if d.err == nil && d.at != len(b) {
		d.fail("more than the signature says")
	}
	return m, d.err
}

// setField takes one header field over. Unknown ones are to be ignored, as are those of the wrong type, without which the
// message then is nobody's.
func (m *message) setField(f any) {
	field, _ := f.([]any)
	if len(field) != 2 {
		return
	}
	code, _ := field[0].(byte)
	v, _ := field[1].(Variant)
	text, _ := v.Value.(string)
	switch code {
	case fieldPath:
		m.path = text
	case fieldInterface:
		m.iface = text
	case fieldMember:
		m.member = text
	case fieldErrorName:
		m.errorName = text
	case fieldReplySerial:
		m.reply, _ = v.Value.(uint32)
	case fieldDestination:
		m.destination = text
	case fieldSender:
		m.sender = text
	case fieldSignature:
		m.signature = text
	}
}
