package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DecodeError says where a JSON file is broken, or has a value of another type than it must have.
type DecodeError struct {
	File    string // its name, for the message
	Line    int    // from 1
	Column  int    // from 1, in characters
	Field   string // like process.rlimits[0].hard; empty when the text is not JSON, and for the value as a whole
	Pointer string // the same as a JSON pointer
	Message string
}

// Error is one line: config.json:12:8: process.user.uid (/process/user/uid): want a number, not a string.
func (e *DecodeError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	if e.Field != "" {
		where = fmt.Sprintf("%s: %s (%s)", where, e.Field, e.Pointer)
	}
	return where + ": " + e.Message
}

// Locate turns an error of json.Unmarshal of raw, the content of file, into a *DecodeError.
func Locate(file string, raw []byte, err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		if len(bytes.TrimSpace(raw)) == 0 {
			return &DecodeError{File: file, Line: 1, Column: 1, Message: "is empty, want a JSON object"}
		}
		offset := int(syntax.Offset) - 1 // the character it could not take was the last one read
		if strings.HasPrefix(syntax.Error(), "unexpected end") {
			offset = len(raw)
		}
		line, column := lineColumn(raw, offset)
		return &DecodeError{File: file, Line: line, Column: column, Message: "not JSON: " + syntax.Error()}
	case errors.As(err, &wrong):
		path, start := valueBefore(raw, int(wrong.Offset))
		line, column := lineColumn(raw, start)
		return &DecodeError{
			File: file, Line: line, Column: column,
			Field: fieldName(path), Pointer: at(path...), Message: typeMessage(wrong),
		}
	}
	return &DecodeError{File: file, Message: strings.ReplaceAll(err.Error(), "\n", " ")}
}

// lineColumn counts to an offset.
func lineColumn(raw []byte, offset int) (line, column int) {
	offset = max(0, min(offset, len(raw)))
	before := raw[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

// frame is one open object or array on the way to a value.
type frame struct {
	array bool
	index int    // of the element, in an array
	key   string // of the member, in an object
	named bool   // the key has been read, its value comes next
}

// valueBefore finds the last value that begins before offset, and the steps that lead to it: encoding/json tells neither
// array indexes nor the beginning.
func valueBefore(raw []byte, offset int) (path []any, start int) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var open []frame
	end := 0
	for {
		begin := end + leading(raw[end:], " \t\r\n,:")
		token, err := dec.Token()
		if err != nil || begin >= offset {
			return path, start
		}
		end = int(dec.InputOffset())
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && !open[n-1].array && !open[n-1].named {
			open[n-1].key, open[n-1].named = token.(string), true
			continue
		}
		path, start = steps(open), begin
		if n := len(open); n > 0 {
			open[n-1].named = false
			open[n-1].index++
		}
		if delim, ok := token.(json.Delim); ok {
			open = append(open, frame{array: delim == '['})
		}
	}
}

func steps(open []frame) []any {
	path := make([]any, 0, len(open))
	for i, f := range open {
		switch {
		case !f.array:
			path = append(path, f.key)
		case i < len(open)-1:
			path = append(path, f.index-1) // counted when it was opened
		default:
			path = append(path, f.index)
		}
	}
	return path
}

// leading counts the bytes at the beginning of b that are in set.
func leading(b []byte, set string) int {
	return len(b) - len(bytes.TrimLeft(b, set))
}

// fieldName writes a path as Go and most people do.
func fieldName(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			quoted := strconv.Quote(step)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// typeMessage says what was wanted and what was found.
func typeMessage(e *json.UnmarshalTypeError) string {
	number, isNumber := strings.CutPrefix(e.Value, "number ")
	if low, high, ok := integerRange(e.Type); ok && isNumber {
		return fmt.Sprintf("want a whole number from %s to %s, got %s", low, high, number)
	}
	found := e.Value
	if isNumber {
		found = "number"
	}
	switch found {
	case "array", "object":
		found = "an " + found
	case "bool":
		found = "true or false"
	default:
		found = "a " + found
	}
	return fmt.Sprintf("want %s, not %s", typeName(e.Type), found)
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
