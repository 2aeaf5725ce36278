package systemd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// GVariant's text format (https://docs.gtk.org/glib/gvariant-text-format.html), as far as properties need it: booleans,
// numbers, strings, arrays of those, and the words and annotations that tell their types. The type of a property is known,
// so that the words are only checked to be some; the value decides.

// gnumber is a number of any of GVariant's types.
type gnumber struct {
	negative  bool
	magnitude uint64  // of an integer
	real      float64 // of any
	integer   bool
}

// parseVariant reads a text: a bool, a string, a gnumber, or a []any of them.
func parseVariant(text string) (any, error) {
	p := &parser{rest: text}
	v := p.value(0)
	p.space()
	if p.err == nil && p.rest != "" {
		p.fail("%q after the value", p.rest)
	}
	return v, p.err
}

type parser struct {
	rest string
	err  error
}

func (p *parser) fail(format string, a ...any) any {
	if p.err == nil {
		p.err = fmt.Errorf(format, a...)
	}
	p.rest = ""
	return nil
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

// word takes what may be a word, a number or a type.
func (p *parser) word() string {
	n := 0
	for n < len(p.rest) && strings.IndexByte(" \t\n[](){}<>,:'\"", p.rest[n]) < 0 {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// value takes one value; depth counts the arrays and type words around it.
func (p *parser) value(depth int) any {
	p.space()
	switch {
	case depth > 4:
		return p.fail("nested too deeply")
	case p.rest == "":
		return p.fail("a value is missing")
	case p.rest[0] == '[':
		p.rest = p.rest[1:]
		return p.array(depth + 1)
	case p.rest[0] == '\'' || p.rest[0] == '"':
		return p.text()
	}
	switch word := p.word(); word {
	case "true", "false":
		return word == "true"
	case "boolean", "byte", "int16", "uint16", "int32", "uint32", "handle", "int64", "uint64", "double", "string",
		"objectpath", "signature":
		return p.value(depth + 1)
	case "":
		return p.fail("%q is of no type that a property has", p.rest)
	default:
		if word[0] == '@' {
			return p.value(depth + 1)
		}
		return p.number(word)
	}
}

func (p *parser) array(depth int) any {
	all := []any{}
	for p.space(); p.err == nil; p.space() {
		if len(all) == 0 && strings.HasPrefix(p.rest, "]") {
			p.rest = p.rest[1:]
			return all
		}
		all = append(all, p.value(depth))
		p.space()
		if p.rest == "" || p.rest[0] != ',' && p.rest[0] != ']' {
			return p.fail("an array does not end")
		}
		end := p.rest[0] == ']'
		p.rest = p.rest[1:]
		if end {
			return all
		}
	}
	return nil
}

// text takes a string with its quotes.
func (p *parser) text() any {
	quote := p.rest[0]
	s := p.rest[1:]
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			p.rest = s[i+1:]
			return string(b)
		case c != '\\':
			b = append(b, c)
		default:
			n := 0
			if b, n = escaped(b, s[i+1:]); n == 0 {
				return p.fail("unknown escape in a string")
			}
			i += n
		}
	}
	return p.fail("a string does not end")
}

// escaped appends what the escape means that s begins with, after its backslash, and tells its length, 0 for none.
func escaped(b []byte, s string) ([]byte, int) {
	if s == "" {
		return b, 0
	}
	length := map[byte]int{'u': 4, 'U': 8}[s[0]]
	if length == 0 {
		if i := strings.IndexByte("abfnrtv", s[0]); i >= 0 {
			return append(b, "\a\b\f\n\r\t\v"[i]), 1
		}
		return append(b, s[0]), 1
	}
	if len(s) <= length {
		return b, 0
	}
	r, err := strconv.ParseUint(s[1:1+length], 16, 32)
	if err != nil || r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
		return b, 0
	}
	return utf8.AppendRune(b, rune(r)), 1 + length
}

func (p *parser) number(word string) any {
	digits, negative := strings.CutPrefix(word, "-")
	digits = strings.TrimPrefix(digits, "+")
	if n, err := strconv.ParseUint(digits, 0, 64); err == nil && !goOnly(word) {
		v := gnumber{negative: negative, magnitude: n, real: float64(n), integer: true}
		if negative {
			v.real = -v.real
		}
		return v
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil || goOnly(word) || math.IsNaN(f) || math.IsInf(f, 0) {
		return p.fail("%q is no value: text goes in quotes", word)
	}
	return gnumber{real: f}
}

// goOnly knows the forms of numbers that strconv takes beyond those of GVariant.
func goOnly(word string) bool { return strings.ContainsAny(word, "_oOpP") }
