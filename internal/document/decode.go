package document

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Decode reads text into *v. Members of the outermost object that ignore names need be JSON and nothing else. Members that
// *v does not know are ignored too, null leaves a value as it is, and the last of several members of one name counts. The
// error is a *Mistake: that the text is not JSON, or else the first value of a wrong type.
func Decode[T any](text []byte, v *T, ignore ...string) (err error) {
	d := decoder{text: string(text), ignore: ignore}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Mistake:
			err = r
		default:
			panic(r)
		}
	}()
	d.value(reflect.ValueOf(v).Elem())
	if d.skipSpace(); d.pos < len(d.text) {
		d.unexpected("nothing more")
	}
	if d.wrong != nil {
		return d.wrong
	}
	return nil
}

// maxDepth is that of encoding/json: deeper texts are attacks on the stack.
const maxDepth = 10000

// decoder reads a text from pos on. A text that is not JSON is a panic of a *Mistake: nothing is left to be read then.
type decoder struct {
	text   string
	pos    int
	depth  int
	path   []any
	ignore []string
	types  types
	wrong  *Mistake
}

// value reads the next value into v.
func (d *decoder) value(v reflect.Value) {
	start := d.begin()
	if d.text[start] == 'n' {
		d.word("null")
		switch v.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice:
			v.SetZero()
		default: // stays what it is
		}
		return
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch c := d.text[start]; {
	case c == '"':
		d.stringValue(start, v)
	case c == '{':
		d.object(start, v)
	case c == '[':
		d.array(start, v)
	case c == 't' || c == 'f':
		d.boolean(start, v)
	case c == '-' || c >= '0' && c <= '9':
		d.number(start, v)
	default:
		d.unexpected("a value")
	}
}

// begin goes to the next value's first character.
func (d *decoder) begin() int {
	if d.skipSpace(); d.pos >= len(d.text) {
		d.unexpected("a value")
	}
	return d.pos
}

// skip reads a value that nobody wants.
func (d *decoder) skip() {
	switch c := d.text[d.begin()]; {
	case c == '"':
		d.quoted()
	case c == '{':
		d.members(func(string) { d.skip() })
	case c == '[':
		d.elements(func(int) { d.skip() })
	case c == 't':
		d.word("true")
	case c == 'f':
		d.word("false")
	case c == 'n':
		d.word("null")
	case c == '-' || c >= '0' && c <= '9':
		d.numeral()
	default:
		d.unexpected("a value")
	}
}

// readsText spares a type without a name, which has no methods, the search for its pointer through all types of the program.
func readsText(t reflect.Type) bool {
	return t.Name() != "" && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (d *decoder) stringValue(start int, v reflect.Value) {
	s := d.quoted()
	switch {
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Struct && readsText(v.Type()):
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			d.wrongType(start, v.Type(), "another string: "+err.Error())
		}
	default:
		d.wrongType(start, v.Type(), "a string")
	}
}

func (d *decoder) boolean(start int, v reflect.Value) {
	is := d.text[start] == 't'
	if is {
		d.word("true")
	} else {
		d.word("false")
	}
	if v.Kind() != reflect.Bool {
		d.wrongType(start, v.Type(), "true or false")
		return
	}
	v.SetBool(is)
}

func (d *decoder) number(start int, v reflect.Value) {
	numeral := d.numeral()
	var err error
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var i int64
		if i, err = strconv.ParseInt(numeral, 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var u uint64
		if u, err = strconv.ParseUint(numeral, 10, v.Type().Bits()); err == nil {
			v.SetUint(u)
		}
	default:
		err = strconv.ErrSyntax
	}
	if err != nil {
		d.wrongType(start, v.Type(), numeral)
	}
}

func (d *decoder) object(start int, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct && !readsText(v.Type()):
		d.structValue(v)
	case v.Kind() == reflect.Map:
		d.mapValue(v)
	default:
		d.wrongType(start, v.Type(), "an object")
		d.skip()
	}
}

func (d *decoder) structValue(v reflect.Value) {
	fields := d.types.fields(v.Type())
	outermost := len(d.path) == 0
	d.members(func(key string) {
		f := find(fields, key)
		if f == nil || outermost && slices.Contains(d.ignore, f.name) {
			d.skip()
			return
		}
		d.value(v.FieldByIndex(f.index))
	})
}

func (d *decoder) mapValue(v reflect.Value) {
	t := v.Type()
	if v.IsNil() {
		v.Set(reflect.MakeMap(t))
	}
	d.members(func(key string) {
		element := reflect.New(t.Elem()).Elem()
		d.value(element)
		v.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), element)
	})
}

func (d *decoder) array(start int, v reflect.Value) {
	if v.Kind() != reflect.Slice {
		d.wrongType(start, v.Type(), "an array")
		d.skip()
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	d.elements(func(i int) {
		if i == v.Cap() {
			v.Grow(max(4, i))
		}
		v.SetLen(i + 1)
		d.value(v.Index(i))
	})
}

// enter and leave count the depth.
func (d *decoder) enter() {
	if d.depth++; d.depth > maxDepth {
		d.notJSON("nested deeper than %d levels", maxDepth)
	}
	d.pos++
}

func (d *decoder) leave() {
	d.depth--
	d.pos++
}

// members reads an object; member reads the value of one.
func (d *decoder) members(member func(key string)) {
	d.enter()
	defer d.leave()
	if d.skipSpace(); d.next('}') {
		return
	}
	for {
		if d.skipSpace(); !d.next('"') {
			d.unexpected("a member's name in quotes")
		}
		key := d.quoted()
		if d.skipSpace(); !d.next(':') {
			d.unexpected("a colon")
		}
		d.pos++
		d.path = append(d.path, key)
		member(key)
		d.path = d.path[:len(d.path)-1]
		if d.skipSpace(); d.next('}') {
			return
		}
		if !d.next(',') {
			d.unexpected("a comma or the end of the object")
		}
		d.pos++
	}
}

// elements reads an array; element reads the value at an index.
func (d *decoder) elements(element func(i int)) {
	d.enter()
	defer d.leave()
	if d.skipSpace(); d.next(']') {
		return
	}
	for i := 0; ; i++ {
		d.path = append(d.path, i)
		element(i)
		d.path = d.path[:len(d.path)-1]
		if d.skipSpace(); d.next(']') {
			return
		}
		if !d.next(',') {
			d.unexpected("a comma or the end of the array")
		}
		d.pos++
	}
}

func (d *decoder) next(c byte) bool { return d.pos < len(d.text) && d.text[d.pos] == c }

func (d *decoder) skipSpace() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// word reads one of JSON's three words.
func (d *decoder) word(word string) {
	for i := range len(word) {
		if !d.next(word[i]) {
			d.unexpected(fmt.Sprintf("%q in the word %s", word[i], word))
		}
		d.pos++
	}
}
