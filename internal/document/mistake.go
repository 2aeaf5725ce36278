package document

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Mistake is a text that is not JSON, or a value of another type than the program's.
type Mistake struct {
	Line    int   // from 1
	Column  int   // from 1, in characters
	Path    []any // to the value: member names (string) and array indexes (int); nil where the text is not JSON
	Message string
}

func (m *Mistake) Error() string { return fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m.Message) }

// place counts lines and columns to an offset.
func place(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// notJSON ends the reading.
func (d *decoder) notJSON(format string, args ...any) {
	line, column := place(d.text, d.pos)
	panic(&Mistake{Line: line, Column: column, Message: "not JSON: " + fmt.Sprintf(format, args...)})
}

// unexpected says that the next character, or the end, is not what is wanted.
func (d *decoder) unexpected(want string) {
	if d.pos >= len(d.text) {
		if strings.TrimSpace(d.text) == "" {
			line, column := 1, 1
			panic(&Mistake{Line: line, Column: column, Message: "is empty, want a JSON object"})
		}
		d.notJSON("unexpected end, want %s", want)
	}
	r, _ := utf8.DecodeRuneInString(d.text[d.pos:])
	d.notJSON("invalid character %q, want %s", r, want)
}

// wrongType notes the first value of a wrong type. The reading goes on, as what follows may be no JSON at all.
func (d *decoder) wrongType(start int, t reflect.Type, found string) {
	if d.wrong != nil {
		return
	}
	line, column := place(d.text, start)
	d.wrong = &Mistake{Line: line, Column: column, Path: slices.Clone(d.path), Message: typeMessage(t, found)}
}

// typeMessage says what was wanted and what was found: a number as it is written, or the kind of anything else.
func typeMessage(t reflect.Type, found string) string {
	if isNumber := found[0] == '-' || found[0] >= '0' && found[0] <= '9'; isNumber {
		if low, high, ok := integerRange(t); ok {
			return fmt.Sprintf("want a whole number from %s to %s, got %s", low, high, found)
		}
		found = "a number"
	}
	return fmt.Sprintf("want %s, not %s", typeName(t), found)
}

// integerRange is the range of an integer type.
func integerRange(t reflect.Type) (low, high string, ok bool) {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		top := int64(math.MaxInt64) >> (64 - t.Bits())
		return strconv.FormatInt(-top-1, 10), strconv.FormatInt(top, 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "0", strconv.FormatUint(uint64(math.MaxUint64)>>(64-t.Bits()), 10), true
	default:
		return "", "", false
	}
}

// typeName is what JSON calls a value of the type.
func typeName(t reflect.Type) string {
	if readsText(t) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}
