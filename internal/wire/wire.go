package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// ErrMalformed says that bytes are not what Append made for the type.
var ErrMalformed = errors.New("malformed message")

// Append appends the encoding of *v to b. It panics on a type that cannot be sent: that is a mistake in
// the program, which every use would show.
func Append[T any](b []byte, v *T) []byte {
	return appendValue(b, reflect.ValueOf(v).Elem())
}

// Decode decodes what Append made of a T, and wants b to end there.
func Decode[T any](b []byte, v *T) error {
	d := decoder{b: b}
	d.value(reflect.ValueOf(v).Elem())
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(d.b))
	}
	return d.err
}

func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.Float32, reflect.Float64:
		return binary.AppendUvarint(b, math.Float64bits(v.Float()))
	case reflect.String:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		return append(b, v.String()...)
	case reflect.Struct:
		for i := range v.NumField() {
			b = appendValue(b, v.Field(i))
		}
		return b
	case reflect.Array:
		return appendElements(b, v)
	default:
		return appendNilable(b, v)
	}
}

// appendNilable writes 0 for nil, and else one more than the number of elements.
func appendNilable(b []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(b, 0)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return appendValue(append(b, 1), v.Elem())
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len())+1)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		return appendElements(b, v)
	case reflect.Map:
		b = binary.AppendUvarint(b, uint64(v.Len())+1)
		for it := v.MapRange(); it.Next(); {
			b = appendValue(appendValue(b, it.Key()), it.Value())
		}
		return b
	}
	panic("wire: cannot send a " + v.Type().String())
}

func appendElements(b []byte, v reflect.Value) []byte {
	for i := range v.Len() {
		b = appendValue(b, v.Index(i))
	}
	return b
}

// decoder consumes b. After a first mistake it does nothing more.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.b = d.b[size:]
	return n
}

// bytes gives the next n bytes, in place.
func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("a string is cut off")
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

// count reads a number of elements, each of which takes a byte at least unless the type is empty.
func (d *decoder) count() (n int, isNil bool) {
	c := d.uvarint()
	if c == 0 {
		return 0, true
	}
	if c-1 > uint64(len(d.b)) {
		d.fail("more elements than bytes")
		return 0, true
	}
	return int(c - 1), false
}

func (d *decoder) value(v reflect.Value) {
	if d.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.uvarint() != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(d.varint())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(d.uvarint())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(math.Float64frombits(d.uvarint()))
	case reflect.String:
		v.SetString(string(d.bytes(d.uvarint())))
	case reflect.Struct:
		for i := range v.NumField() {
			d.value(v.Field(i))
		}
	case reflect.Array:
		d.elements(v)
	default:
		d.nilable(v)
	}
}

func (d *decoder) nilable(v reflect.Value) {
	n, isNil := d.count()
	if isNil {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(append([]byte{}, d.bytes(uint64(n))...))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		d.elements(v)
	case reflect.Map:
		d.entries(v, n)
	default:
		d.fail("a value of a type that cannot be sent")
	}
}

func (d *decoder) elements(v reflect.Value) {
	for i := range v.Len() {
		d.value(v.Index(i))
	}
}

func (d *decoder) entries(v reflect.Value, n int) {
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, n))
	for range n {
		key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		d.value(key)
		d.value(elem)
		if d.err != nil {
			return
		}
		v.SetMapIndex(key, elem)
	}
}
