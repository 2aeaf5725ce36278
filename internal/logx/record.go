package logx

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// record is a log record before it is encoded. extra is sorted by key and holds none of the record's own keys.
type record struct {
	time, level, msg string
	function, file   string // both empty: no source
	line             int
	extra            []field
}

// encode returns the record as one line with its newline.
func (r *record) encode(f Format) ([]byte, error) {
	if f == JSON {
		return r.json()
	}
	return r.text(), nil
}

// json writes the object by way of a map: encoding/json sorts a map's keys.
func (r *record) json() ([]byte, error) {
	m := make(map[string]any, len(r.extra)+5)
	for _, f := range r.extra {
		m[f.key] = f.value
	}
	m["time"], m["level"], m["msg"] = r.time, r.level, r.msg
	if r.function != "" {
		m["func"] = r.function
		m["file"] = r.file + ":" + strconv.Itoa(r.line)
	}
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}

// text writes the well-known keys first, then the others, then the source with its path cut to the base name.
func (r *record) text() []byte {
	b := make([]byte, 0, 128+len(r.msg))
	b = append(b, "time="...)
	b = strconv.AppendQuote(b, r.time)
	b = append(b, " level="...)
	b = append(b, r.level...)
	b = append(b, " msg="...)
	b = strconv.AppendQuote(b, r.msg)
	for _, f := range r.extra {
		b = appendText(b, f.key, fmt.Sprint(f.value))
	}
	if r.function != "" {
		// The parentheses make it greppable as a call.
		b = append(b, " func="...)
		b = strconv.AppendQuote(b, r.function+"()")
		b = append(b, " file="...)
		b = strconv.AppendQuote(b, path.Base(r.file)+":"+strconv.Itoa(r.line))
	}
	return append(b, '\n')
}

// appendText writes " key=value", the value in quotes unless it is a plain word.
func appendText(b []byte, key, value string) []byte {
	b = append(b, ' ')
	b = append(b, key...)
	b = append(b, '=')
	if isWord(value) {
		return append(b, value...)
	}
	return strconv.AppendQuote(b, value)
}

func isWord(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._/@^+", c) >= 0:
		default:
			return false
		}
	}
	return true
}
