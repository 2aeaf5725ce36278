package dbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// decoder takes values off a message. Alignment counts from the start of b. The first mistake sticks, and makes
// everything after it zero.
type decoder struct {
	b     []byte
	at    int
	order binary.ByteOrder
	err   error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s at byte %d", ErrProtocol, what, d.at)
	}
}

// take returns the next n bytes, or nil.
func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b)-d.at {
		d.fail("message too short")
		return nil
	}
	b := d.b[d.at : d.at+n]
	d.at += n
	return b
}

func (d *decoder) align(n int) {
	for d.err == nil && d.at%n != 0 {
		if b := d.take(1); b != nil && b[0] != 0 {
			d.fail("padding that is not zero")
		}
	}
}

// word returns the next n bytes as a number, aligned to n.
func (d *decoder) word(n int) uint64 {
	d.align(n)
	b := d.take(n)
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(d.order.Uint16(b))
	case 4:
		return uint64(d.order.Uint32(b))
	case 8:
		return d.order.Uint64(b)
	}
	return 0
}

// text returns a string of that many bytes and its end.
func (d *decoder) text(n uint64) string {
	if n > maxMessage {
		d.fail("string too long")
		return ""
	}
	b := d.take(int(n) + 1)
	if b == nil {
		return ""
	}
	s := string(b[:n])
	if b[n] != 0 || strings.IndexByte(s, 0) >= 0 {
		d.fail("string with a zero inside, or none at its end")
	}
	return s
}

// all takes one value for each complete type of the signature.
func (d *decoder) all(sig string, depth int) []any {
	var values []any
	for sig != "" && d.err == nil {
		one, rest, err := next(sig)
		if err != nil {
			d.err = err
			return nil
		}
		values = append(values, d.value(one, depth))
		sig = rest
	}
	return values
}

// value takes one value of a complete type, as the encoder takes it.
func (d *decoder) value(sig string, depth int) any {
	if depth > 2*maxDepth {
		d.fail("nested too deeply")
		return nil
	}
	switch sig[0] {
	case 'a':
		return d.array(sig[1:], depth+1)
	case '(', '{':
		d.align(8)
		return d.all(sig[1:len(sig)-1], depth+1)
	case 'v':
		one, rest, err := next(d.text(d.word(1)))
		if err != nil || rest != "" {
			d.fail("bad signature of a variant")
			return nil
		}
		return Variant{one, d.value(one, depth+1)}
	case 's', 'o':
		return d.text(d.word(4))
	case 'g':
		return d.text(d.word(1))
	}
	return d.number(sig[0])
}

func (d *decoder) number(kind byte) any {
	switch kind {
	case 'y':
		return byte(d.word(1))
	case 'b':
		v := d.word(4)
		if v > 1 {
			d.fail("boolean that is neither 0 nor 1")
		}
		return v == 1
	case 'n':
		return int16(d.word(2))
	case 'q':
		return uint16(d.word(2))
	case 'i':
		return int32(d.word(4))
	case 'u':
		return uint32(d.word(4))
	case 'x':
		return int64(d.word(8))
	case 't':
		return d.word(8)
	}
	return math.Float64frombits(d.word(8))
}

func (d *decoder) array(sig string, depth int) any {
	n := d.word(4)
	d.align(alignment(sig[0]))
	if d.err != nil || n > uint64(len(d.b)-d.at) {
		d.fail("array longer than its message")
		return nil
	}
	end := d.at + int(n)
	switch sig {
	case "y":
		return append([]byte{}, d.take(int(n))...)
	case "s", "o":
		return collect[string](d, sig, end, depth)
	case "u":
		return collect[uint32](d, sig, end, depth)
	case "t":
		return collect[uint64](d, sig, end, depth)
	}
	return collect[any](d, sig, end, depth)
}

// collect takes elements up to the end of the array. Each is a byte at least, so that it ends.
func collect[T any](d *decoder, sig string, end, depth int) []T {
	values := []T{}
	for d.err == nil && d.at < end {
		if v, ok := d.value(sig, depth).(T); ok {
			values = append(values, v)
		}
	}
	if d.at > end {
		d.fail("array whose last element is cut off")
	}
	return values
}
