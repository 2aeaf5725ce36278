package bundle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/internal/document"
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
	where := fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	if e.Field != "" {
		where = fmt.Sprintf("%s: %s (%s)", where, e.Field, e.Pointer)
	}
	return where + ": " + e.Message
}

// decode makes a Spec of the text of a config.json. Other platforms' sections are not looked at: the specification wants
// them ignored.
func decode(raw []byte) (*specs.Spec, error) {
	spec := new(specs.Spec)
	err := Decode(configName, raw, spec, otherPlatforms()...)
	if err != nil {
		return nil, err
	}
	translate(spec)
	return spec, nil
}

func otherPlatforms() []string { return []string{"solaris", "windows", "vm", "zos", "freebsd"} }

// Decode reads raw, the content of file, into *v, but for the members to ignore. The error is a *DecodeError.
func Decode[T any](file string, raw []byte, v *T, ignore ...string) error {
	err := document.Decode(raw, v, ignore...)
	var m *document.Mistake
	if !errors.As(err, &m) {
		return err
	}
	return &DecodeError{
		File: file, Line: m.Line, Column: m.Column,
		Field: fieldName(m.Path), Pointer: at(m.Path...), Message: m.Message,
	}
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
