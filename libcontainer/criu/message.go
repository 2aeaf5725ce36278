package criu

import (
	"encoding/binary"
	"errors"
)

// message is a message of protocol buffers in the making. Fields may come in any order; one that has its default is left out.
type message []byte

// The wire types of protocol buffers.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// number adds an integer or a value of an enumeration. A negative int32 has ten bytes, like an int64.
func (m *message) number(field int, n int) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3|wireVarint), uint64(int64(n)))
}

// flag adds a boolean, unless it is false.
func (m *message) flag(field int, on bool) {
	if on {
		m.number(field, 1)
	}
}

// text adds a string, unless it is empty.
func (m *message) text(field int, s string) {
	if s != "" {
		m.part(field, message(s))
	}
}

// part adds a message within this one.
func (m *message) part(field int, sub message) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(sub))), sub...)
}

var errMalformed = errors.New("a message of CRIU's is malformed")

// fields calls f for each field of an encoded message, with its number or its bytes.
func fields(b []byte, f func(field int, n uint64, text []byte) error) error {
	for len(b) > 0 {
		tag, size := binary.Uvarint(b)
		if size <= 0 {
			return errMalformed
		}
		n, text, rest, err := value(tag&7, b[size:])
		if err != nil {
			return err
		}
		if err := f(int(tag>>3), n, text); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// value takes one value of a wire type off b.
func value(wire uint64, b []byte) (n uint64, text, rest []byte, err error) {
	switch wire {
	case wireVarint, wireBytes:
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return 0, nil, nil, errMalformed
		}
		if b = b[size:]; wire == wireVarint {
			return n, nil, b, nil
		}
		if n > uint64(len(b)) {
			return 0, nil, nil, errMalformed
		}
		return 0, b[:n], b[n:], nil
	case wire64, wire32:
		size := 8
		if wire == wire32 {
			size = 4
		}
		if len(b) < size {
			return 0, nil, nil, errMalformed
		}
		return 0, nil, b[size:], nil
	}
	return 0, nil, nil, errMalformed
}
