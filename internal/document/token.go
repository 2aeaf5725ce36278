package document

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// numeral reads a number as it is written.
func (d *decoder) numeral() string {
	start := d.pos
	if d.next('-') {
		d.pos++
	}
	if d.next('0') {
		d.pos++
	} else {
		d.digits()
	}
	if d.next('.') {
		d.pos++
		d.digits()
	}
	if d.next('e') || d.next('E') {
		d.pos++
		if d.next('+') || d.next('-') {
			d.pos++
		}
		d.digits()
	}
	return d.text[start:d.pos]
}

func (d *decoder) digits() {
	start := d.pos
	for d.pos < len(d.text) && d.text[d.pos] >= '0' && d.text[d.pos] <= '9' {
		d.pos++
	}
	if d.pos == start {
		d.unexpected("a digit")
	}
}

// quoted reads a string. One without escapes is a part of the text, not a copy.
func (d *decoder) quoted() string {
	d.pos++
	start := d.pos
	ascii := true
	for d.pos < len(d.text) {
		switch c := d.text[d.pos]; {
		case c == '"':
			s := d.text[start:d.pos]
			d.pos++
			if ascii || utf8.ValidString(s) {
				return s
			}
			return string([]rune(s)) // U+FFFD for each byte that is no UTF-8
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			d.unexpected("no control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		d.pos++
	}
	d.unexpected("the end of a string")
	return ""
}

// escaped reads the rest of a string that began at start, from its first backslash on.
func (d *decoder) escaped(start int) string {
	var b strings.Builder
	b.WriteString(d.text[start:d.pos])
	for d.pos < len(d.text) {
		switch c := d.text[d.pos]; {
		case c == '"':
			d.pos++
			return string([]rune(b.String()))
		case c == '\\':
			d.pos++
			b.WriteRune(d.escape())
			continue
		case c < ' ':
			d.unexpected("no control character in a string")
		default:
			b.WriteByte(c)
		}
		d.pos++
	}
	d.unexpected("the end of a string")
	return ""
}

// escapes are the letters after a backslash, and what they stand for.
const escapes, escaped = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escape reads what is behind a backslash.
func (d *decoder) escape() rune {
	if d.next('u') {
		return d.unicodeEscape()
	}
	if d.pos < len(d.text) {
		if i := strings.IndexByte(escapes, d.text[d.pos]); i >= 0 {
			d.pos++
			return rune(escaped[i])
		}
	}
	d.unexpected("one of " + escapes + "u after a backslash")
	return 0
}

// unicodeEscape reads uXXXX, and the second one of a surrogate pair. Half a pair is U+FFFD.
func (d *decoder) unicodeEscape() rune {
	r := d.hex()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if strings.HasPrefix(d.text[d.pos:], `\u`) {
		behind := d.pos
		d.pos++
		if pair := utf16.DecodeRune(r, d.hex()); pair != utf8.RuneError {
			return pair
		}
		d.pos = behind
	}
	return utf8.RuneError
}

// hex reads u and four hexadecimal digits.
func (d *decoder) hex() rune {
	d.pos++
	end := min(d.pos+4, len(d.text))
	r, err := strconv.ParseUint(d.text[d.pos:end], 16, 16)
	if err != nil || end-d.pos < 4 || d.text[d.pos] == '+' {
		d.unexpected(`four hexadecimal digits after \u`)
	}
	d.pos = end
	return rune(r)
}
