package v2

import (
	"bytes"
	"math"
	"strconv"

	"tare/cgroups/stats"
)

// The forms that files of a cgroup have (Documentation/admin-guide/cgroup-v2.rst, "Interface files"). What does not have its
// form is left out: a newer kernel may say more than we know.

// number reads a value; "max" is the largest there is.
func number(b []byte) uint64 {
	b = bytes.TrimSpace(b)
	if string(b) == "max" {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// flatValue returns the number after a key in a file of "key number" lines, 0 if it is not there.
func flatValue(file []byte, key string) uint64 {
	for len(file) > 0 {
		var line []byte
		line, file, _ = bytes.Cut(file, []byte{'\n'})
		name, value, ok := bytes.Cut(line, []byte{' '})
		if ok && string(name) == key {
			return number(value)
		}
	}
	return 0
}

// flat reads all of a file of "key number" lines, nil if there are none.
func flat(file []byte) map[string]uint64 {
	var out map[string]uint64
	for line := range bytes.Lines(file) {
		name, value, ok := bytes.Cut(line, []byte{' '})
		if !ok || len(name) == 0 {
			continue
		}
		if out == nil {
			out = make(map[string]uint64, bytes.Count(file, []byte{'\n'}))
		}
		out[string(name)] = number(value)
	}
	return out
}

// nested calls f with each line's first word and the values of its "key=number" words.
func nested(file []byte, f func(name string, values map[string]uint64)) {
	for line := range bytes.Lines(file) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		values := make(map[string]uint64, len(words))
		for _, word := range words[1:] {
			if key, value, ok := bytes.Cut(word, []byte{'='}); ok {
				values[string(key)] = number(value)
			}
		}
		f(string(words[0]), values)
	}
}

// device reads "major:minor".
func device(name string) (major, minor uint64, ok bool) {
	a, b, ok := bytes.Cut([]byte(name), []byte{':'})
	if !ok {
		return 0, 0, false
	}
	major, err := strconv.ParseUint(string(a), 10, 32)
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.ParseUint(string(b), 10, 32)
	return major, minor, err == nil
}

// pressure reads pressure stall information, nil if there is none.
func pressure(file []byte) *stats.PSI {
	var out *stats.PSI
	for line := range bytes.Lines(file) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		if out == nil {
			out = new(stats.PSI)
		}
		switch string(words[0]) {
		case "some":
			out.Some = pressureOf(words[1:])
		case "full":
			out.Full = pressureOf(words[1:])
		}
	}
	return out
}

func pressureOf(words [][]byte) (p stats.Pressure) {
	for _, word := range words {
		key, value, _ := bytes.Cut(word, []byte{'='})
		switch string(key) {
		case "avg10":
			p.Avg10 = percent(value)
		case "avg60":
			p.Avg60 = percent(value)
		case "avg300":
			p.Avg300 = percent(value)
		case "total":
			p.Total = number(value)
		}
	}
	return p
}

// percent reads a number that JSON can hold, which NaN and infinities are not.
func percent(b []byte) float64 {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// list reads numbers and ranges, as in "0-2,7". The kernel writes them in ascending order without overlaps; so more numbers
// than there are is no list.
func list(b []byte) []uint16 {
	var out []uint16
	for part := range bytes.SplitSeq(bytes.TrimSpace(b), []byte{','}) {
		first, last, isRange := bytes.Cut(part, []byte{'-'})
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(string(first), 10, 16)
		to, err2 := strconv.ParseUint(string(last), 10, 16)
		if err1 != nil || err2 != nil || len(out) > 0 && from <= uint64(out[len(out)-1]) {
			continue
		}
		for n := from; n <= to; n++ {
			out = append(out, uint16(n))
		}
	}
	return out
}
