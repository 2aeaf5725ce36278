package document

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Encode writes *v. It panics on a type that cannot be written: that is a mistake in the program, which every use would
// show.
func Encode[T any](v *T) []byte {
	e := encoder{b: make([]byte, 0, 512)}
	e.value(reflect.ValueOf(v).Elem())
	return e.b
}

type encoder struct {
	b     []byte
	types types
}

func (e *encoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		e.b = strconv.AppendBool(e.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.b = strconv.AppendInt(e.b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.b = strconv.AppendUint(e.b, v.Uint(), 10)
	case reflect.String:
		e.quoted(v.String())
	case reflect.Struct:
		e.structValue(v)
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			e.b = append(e.b, "null"...)
			return
		}
		e.nilable(v)
	default:
		panic("document: cannot write " + v.Type().String())
	}
}

func (e *encoder) nilable(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		e.value(v.Elem())
	case reflect.Slice:
		e.b = append(e.b, '[')
		for i := range v.Len() {
			e.comma(i)
			e.value(v.Index(i))
		}
		e.b = append(e.b, ']')
	default:
		e.mapValue(v)
	}
}

func (e *encoder) comma(i int) {
	if i > 0 {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) structValue(v reflect.Value) {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := text.MarshalText()
		if err != nil {
			panic(err) // a year of more than four digits
		}
		e.quoted(string(b))
		return
	}
	e.b = append(e.b, '{')
	n := 0
	for _, f := range e.types.fields(v.Type()) {
		member := v.FieldByIndex(f.index)
		if f.omit && empty(member) {
			continue
		}
		e.member(n, f.name, member)
		n++
	}
	e.b = append(e.b, '}')
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		return false
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// mapValue writes the members in the order of their names.
func (e *encoder) mapValue(v reflect.Value) {
	members := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		members[it.Key().String()] = it.Value()
	}
	e.b = append(e.b, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		e.member(i, name, members[name])
	}
	e.b = append(e.b, '}')
}

func (e *encoder) member(i int, name string, v reflect.Value) {
	e.comma(i)
	e.quoted(name)
	e.b = append(e.b, ':')
	e.value(v)
}

// quoted writes a string. What is no UTF-8 becomes U+FFFD: JSON has no other way.
func (e *encoder) quoted(s string) {
	e.b = append(e.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.b = append(e.b, '\\', byte(r))
		case r == '\n':
			e.b = append(e.b, '\\', 'n')
		case r < ' ':
			e.b = append(e.b, '\\', 'u', '0', '0', '0'+byte(r>>4), "0123456789abcdef"[r&15])
		default:
			e.b = utf8.AppendRune(e.b, r)
		}
	}
	e.b = append(e.b, '"')
}
