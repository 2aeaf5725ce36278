package dbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// hello is the first message of every connection, written by hand from the specification.
var hello = "l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6d\x00\x00\x00" +
	"\x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00" +
	"\x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00" +
	"\x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00" +
	"\x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00"

func TestMarshalHello(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are a little-endian machine's")
	}
	m := &message{kind: kindCall, serial: 1, path: busPath, iface: busName, member: "Hello", destination: busName}
	b, err := m.marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(hello)
	want = append(want, make([]byte, -len(want)&7)...)
	if !bytes.Equal(b, want) {
		t.Errorf("got  %q\nwant %q", b, want)
	}
	back, err := unmarshal(b)
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("read back %+v, %v", back, err)
	}
}

// every type that is sent or received, and the corners of alignment.
var bodies = []struct {
	signature string
	values    []any
}{
	{"", nil},
	{"ybnqiuxtd", []any{byte(7), true, int16(-2), uint16(3), int32(-4), uint32(5), int64(-6), uint64(1 << 63), 0.5}},
	{"sog", []any{"text", "/a/b", "a(sv)"}},
	{"yay", []any{byte(1), []byte{1, 2, 3}}},
	{"asauat", []any{[]string{"", "b"}, []uint32{1, 2}, []uint64{}}},
	{"yat", []any{byte(1), []uint64{1 << 40}}}, // padding between an array's length and its first element
	{"ya(sv)", []any{byte(1), []any{[]any{"Slice", Variant{"s", "system.slice"}}, []any{"PIDs", Variant{"au", []uint32{77}}}}}},
	{"a(sa(sv))", []any{[]any{}}},
	{"a{sv}", []any{[]any{[]any{"k", Variant{"v", Variant{"a(ss)", []any{[]any{"/dev/null", "rwm"}}}}}}}},
	{"((y)(t))", []any{[]any{[]any{byte(1)}, []any{uint64(2)}}}},
}

func TestRoundTrip(t *testing.T) {
	for _, body := range bodies {
		m := &message{kind: kindReturn, serial: 2, reply: 1, sender: ":1.0", signature: body.signature, args: body.values}
		b, err := m.marshal()
		if err != nil {
			t.Errorf("%q: %v", body.signature, err)
			continue
		}
		back, err := unmarshal(b)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%q: read back %+v, %v", body.signature, back, err)
		}
		for n := range b {
			if _, err := unmarshal(b[:n]); err == nil {
				t.Errorf("%q: the first %d of %d bytes are taken for the whole", body.signature, n, len(b))
			}
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	for _, body := range []struct {
		signature string
		values    []any
	}{
		{"s", nil},
		{"", []any{"s"}},
		{"s", []any{1}},
		{"t", []any{uint32(1)}},
		{"b", []any{uint64(1)}},
		{"s", []any{"a\x00b"}},
		{"g", []any{strings.Repeat("s", 256)}},
		{"at", []any{[]uint32{1}}},
		{"a(sv)", []any{[]any{"no struct"}}},
		{"(ss)", []any{[]any{"one"}}},
		{"v", []any{Variant{"ss", "two types"}}},
		{"v", []any{"no variant"}},
		{"z", []any{"s"}},
		{"a", []any{[]byte{}}},
		{"()", []any{[]any{}}},
		{"(s", []any{[]any{"s"}}},
		{strings.Repeat("a", 40) + "s", []any{[]any{}}},
		{"s", []any{strings.Repeat("x", maxMessage)}},
	} {
		m := &message{kind: kindCall, serial: 1, signature: body.signature, args: body.values}
		if b, err := m.marshal(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%.20q %.20v: %d bytes, %v", body.signature, body.values, len(b), err)
		}
	}
}

// Variants in variants have an end, though their signatures stay short.
func TestUnmarshalDepth(t *testing.T) {
	nested := func(n int) []byte {
		v := Variant{"y", byte(1)}
		for range n {
			v = Variant{"v", v}
		}
		b, err := (&message{kind: kindReturn, serial: 1, signature: "v", args: []any{v}}).marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := unmarshal(nested(maxDepth)); err != nil {
		t.Error(err)
	}
	if _, err := unmarshal(nested(10 * maxDepth)); !errors.Is(err, ErrProtocol) {
		t.Errorf("nested too deeply: %v", err)
	}
}

// A header that promises more than we take is refused before it is waited for.
func TestLength(t *testing.T) {
	head := func(order byte, body, fields uint32) []byte {
		b := append([]byte{order, kindReturn, 0, version}, make([]byte, 12)...)
		var o binary.ByteOrder = binary.LittleEndian
		if order == big {
			o = binary.BigEndian
		}
		o.PutUint32(b[4:], body)
		o.PutUint32(b[12:], fields)
		return b
	}
	for _, tt := range []struct {
		b    []byte
		want int
		fail bool
	}{
		{nil, 0, false},
		{head('l', 5, 3)[:15], 0, false},
		{head('l', 5, 3), 29, false},
		{head('B', 5, 8), 29, false},
		{head('x', 5, 8), 0, true},
		{head('l', maxMessage, 0), 0, true},
		{head('l', 0xffffffff, 0xffffffff), 0, true},
		{append([]byte{'l', 1, 0, 2}, make([]byte, 12)...), 0, true},
	} {
		if n, err := length(tt.b); n != tt.want || (err != nil) != tt.fail {
			t.Errorf("length(%q) = %d, %v, want %d", tt.b, n, err, tt.want)
		}
	}
}

func TestUnmarshalForeignOrder(t *testing.T) {
	b := []byte("B\x02\x00\x01\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x0f" +
		"\x08\x01g\x00\x01u\x00\x00" + "\x05\x01u\x00\x00\x00\x00\x09" + "\x00\x00\x00\x07")
	b[15] = 16
	m, err := unmarshal(b)
	if err != nil || m.reply != 9 || !reflect.DeepEqual(m.args, []any{uint32(7)}) {
		t.Errorf("%+v, %v", m, err)
	}
}

// What is read is what is written again, and nothing makes the reader fail otherwise than by an error.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(hello + "\x00\x00"))
	for _, body := range bodies {
		m := &message{kind: kindSignal, serial: 2, sender: ":1.0", signature: body.signature, args: body.values}
		b, err := m.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := unmarshal(b)
		if err != nil {
			return
		}
		again, err := m.marshal()
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatal(err)
			}
			return
		}
		back, err := unmarshal(again)
		if err != nil {
			t.Fatalf("%q, written anew from %q: %v", again, b, err)
		}
		third, err := back.marshal()
		if err != nil || !bytes.Equal(third, again) {
			t.Errorf("%q, then %q, %v", again, third, err)
		}
	})
}

func TestSockets(t *testing.T) {
	for address, want := range map[string][]string{
		"unix:path=/run/dbus/system_bus_socket":           {"/run/dbus/system_bus_socket"},
		"unix:abstract=/tmp/dbus-x,guid=00":               {"@/tmp/dbus-x"},
		"tcp:host=x;unix:guid=1,path=/a;unix:path=/b%20c": {"/a", "/b c"},
		"autolaunch:":     nil,
		"unix:path=":      nil,
		"unix:path=/a%0":  nil,
		"unix:path=/a%zz": nil,
		"unix:path=%00a":  nil,
		"":                nil,
	} {
		got, err := sockets(address)
		if !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("sockets(%q) = %q, %v, want %q", address, got, err, want)
		}
	}
	for _, path := range []string{"/run/user/1000/bus", "/a b,c;d=%/ä"} {
		if got, err := sockets(PathAddress(path)); err != nil || got[0] != path {
			t.Errorf("%q becomes %q (%v)", path, got, err)
		}
	}
}
