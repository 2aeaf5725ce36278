package wire

import (
	"errors"
	"reflect"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

type inner struct {
	S string
	P *int64
}

type sample struct {
	B     bool
	I     int32
	U     uint64
	F     float64
	Bytes []byte
	List  []inner
	Map   map[string]*inner
	Array [2]int8
	Nil   *inner
	Any   any
}

func TestRoundTrip_AllKinds(t *testing.T) {
	n := int64(-1 << 62)
	in := sample{
		B: true, I: -7, U: 1<<64 - 1, F: 0.25, Bytes: []byte{0, 255}, List: []inner{{S: "a", P: &n}, {}},
		Map: map[string]*inner{"k": {S: "v"}, "nil": nil}, Array: [2]int8{-128, 127},
	}
	var out sample
	if err := Decode(Append(nil, &in), &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("got %+v, want %+v", out, in)
	}
}

// TestRoundTrip_Spec sends a value of the type that matters, with every field set that reflection can set.
func TestRoundTrip_Spec(t *testing.T) {
	var in, out specs.Spec
	fill(reflect.ValueOf(&in).Elem(), 0)
	if err := Decode(Append(nil, &in), &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Error("the spec came back changed")
	}
}

func fill(v reflect.Value, depth int) {
	if depth > 12 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(-depth - 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(depth + 1))
	case reflect.Float64:
		v.SetFloat(float64(depth) + 0.5)
	case reflect.String:
		v.SetString(v.Type().Name())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), depth+1)
		fill(v.Index(1), depth+2)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(elem, depth+1)
		v.SetMapIndex(key, elem)
	}
}

func TestDecode_CutOffAnywhere(t *testing.T) {
	n := int64(300)
	in := sample{Bytes: []byte("xyz"), List: []inner{{S: "abc", P: &n}}, Map: map[string]*inner{"k": {}}}
	whole := Append(nil, &in)
	for i := range whole {
		var out sample
		if err := Decode(whole[:i], &out); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d of %d bytes: %v, want ErrMalformed", i, len(whole), err)
		}
	}
	var out sample
	if err := Decode(append(whole, 0), &out); !errors.Is(err, ErrMalformed) {
		t.Errorf("one byte too many: %v, want ErrMalformed", err)
	}
}

func FuzzDecode(f *testing.F) {
	in := sample{Bytes: []byte("xyz"), List: []inner{{S: "abc"}}}
	f.Add(Append(nil, &in))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s specs.Spec
		_ = Decode(b, &s)
		var out sample
		if Decode(b, &out) == nil {
			var again sample
			if err := Decode(Append(nil, &out), &again); err != nil {
				t.Errorf("decoded, but not again after encoding: %v", err)
			}
		}
	})
}
