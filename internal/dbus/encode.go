package dbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// encoder appends values to a message in the host's byte order. Alignment counts from the start of b.
type encoder struct{ b []byte }

func (e *encoder) align(n int) {
	for len(e.b)%n != 0 {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) uint32(v uint32) {
	e.align(4)
	e.b = binary.NativeEndian.AppendUint32(e.b, v)
}

func (e *encoder) uint64(v uint64) {
	e.align(8)
	e.b = binary.NativeEndian.AppendUint64(e.b, v)
}

func (e *encoder) string(s string) {
	e.uint32(uint32(len(s)))
	e.b = append(append(e.b, s...), 0)
}

func (e *encoder) signature(s string) {
	e.b = append(append(append(e.b, byte(len(s))), s...), 0)
}

// all appends one value for each complete type of the signature.
func (e *encoder) all(sig string, values []any) error {
	for _, v := range values {
		one, rest, err := next(sig)
		if err != nil {
			return err
		}
		if err := e.value(one, v); err != nil {
			return err
		}
		sig = rest
	}
	if sig != "" {
		return fmt.Errorf("%w: no value for %q", ErrProtocol, sig)
	}
	return nil
}

// value appends one value of a complete type. Structs and dictionary entries are []any, as are arrays but those of bytes,
// strings, uint32 and uint64.
func (e *encoder) value(sig string, v any) error {
	ok := false
	switch sig[0] {
	case 'a':
		return e.array(sig[1:], v)
	case '(', '{':
		var fields []any
		if fields, ok = v.([]any); ok {
			e.align(8)
			return e.all(sig[1:len(sig)-1], fields)
		}
	case 'v':
		var inner Variant
		if inner, ok = v.(Variant); ok {
			return e.variant(inner)
		}
	case 's', 'o', 'g':
		ok = e.text(sig[0], v)
	default:
		ok = e.number(sig[0], v)
	}
	if !ok {
		return fmt.Errorf("%w: a %T cannot be sent as %q", ErrProtocol, v, sig)
	}
	return nil
}

func (e *encoder) text(kind byte, v any) bool {
	s, ok := v.(string)
	if !ok || strings.IndexByte(s, 0) >= 0 || kind == 'g' && len(s) > 255 {
		return false
	}
	if kind == 'g' {
		e.signature(s)
	} else {
		e.string(s)
	}
	return true
}

func (e *encoder) number(kind byte, v any) bool {
	switch v := v.(type) {
	case byte:
		e.b = append(e.b, v)
		return kind == 'y'
	case bool:
		var n uint32
		if v {
			n = 1
		}
		e.uint32(n)
		return kind == 'b'
	case int16:
		e.align(2)
		e.b = binary.NativeEndian.AppendUint16(e.b, uint16(v))
		return kind == 'n'
	case uint16:
		e.align(2)
		e.b = binary.NativeEndian.AppendUint16(e.b, v)
		return kind == 'q'
	case int32:
		e.uint32(uint32(v))
		return kind == 'i'
	case uint32:
		e.uint32(v)
		return kind == 'u'
	case int64:
		e.uint64(uint64(v))
		return kind == 'x'
	case uint64:
		e.uint64(v)
		return kind == 't'
	case float64:
		e.uint64(math.Float64bits(v))
		return kind == 'd'
	}
	return false
}

func (e *encoder) variant(v Variant) error {
	one, rest, err := next(v.Signature)
	if err != nil || rest != "" {
		return fmt.Errorf("%w: a variant of signature %q", ErrProtocol, v.Signature)
	}
	e.signature(one)
	return e.value(one, v.Value)
}

// array appends an array of elements of type sig, after its length in bytes, which counts from the first element.
func (e *encoder) array(sig string, v any) error {
	e.uint32(0)
	length := len(e.b) - 4
	e.align(alignment(sig[0]))
	start := len(e.b)
	var err error
	switch v := v.(type) {
	case []byte:
		err = elements(e, sig, "y", v)
	case []string:
		err = elements(e, sig, "s", v)
	case []uint32:
		err = elements(e, sig, "u", v)
	case []uint64:
		err = elements(e, sig, "t", v)
	case []any:
		err = elements(e, sig, sig, v)
	default:
		err = fmt.Errorf("%w: a %T cannot be sent as %q", ErrProtocol, v, "a"+sig)
	}
	binary.NativeEndian.PutUint32(e.b[length:], uint32(len(e.b)-start))
	return err
}

func elements[T any](e *encoder, sig, want string, values []T) error {
	if sig != want && !(want == "s" && sig == "o") {
		return fmt.Errorf("%w: a %T cannot be sent as %q", ErrProtocol, values, "a"+sig)
	}
	for _, v := range values {
		if err := e.value(sig, v); err != nil {
			return err
		}
	}
	return nil
}
