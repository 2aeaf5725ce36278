package document

import (
	"reflect"
	"slices"
	"strings"
)

// Kind is what a Remark is about.
type Kind string

// The kinds of remarks.
const (
	Syntax   Kind = "syntax"         // the text is not JSON
	Type     Kind = "type"           // a value of a wrong type, or a number out of range
	Unknown  Kind = "unknown-field"  // a member that the type does not have
	Repeated Kind = "repeated-field" // a member that was there before in the same object
	Case     Kind = "field-case"     // a member that is taken for one of other upper and lower case
	Foreign  Kind = "foreign-field"  // a member that means nothing on Linux
)

// Remark is one thing to say about a text.
type Remark struct {
	Kind
	Mistake
	Hint string // how to mend it, or ""
}

// Survey is all there is to say about a text, where Decode stops at the first mistake.
type Survey struct {
	Text    string // the text, mended where it was not JSON, without a change of its length
	Broken  bool   // it is still not JSON: the remarks are about what is in front of the last Syntax
	Remarks []Remark

	written string // the text as it was
}

const (
	// mendLimit and remarkLimit bound the time that a large text full of mistakes takes.
	mendLimit   = 50
	remarkLimit = 1000
)

// Examine surveys a text that Decode is to read into a T. It takes a second pass, and time: it is for who wants to know all.
func Examine[T any](text []byte, ignore ...string) *Survey {
	s := &Survey{Text: string(text), written: string(text)}
	var syntax []Remark
	for {
		p := surveyor{decoder: decoder{text: s.Text, ignore: ignore}, root: reflect.TypeFor[T]()}
		broken := p.read()
		for i := range p.remarks {
			s.replace(&p.remarks[i].Mistake)
		}
		s.Remarks = append(syntax[:len(syntax):len(syntax)], p.remarks...)
		if broken == nil {
			return s
		}
		pos := offset(s.Text, broken.Line, broken.Column)
		mended, hint := mend(s.written, s.Text, pos, broken.Message)
		s.replace(broken)
		remark := Remark{Syntax, *broken, hint}
		if mended == "" || len(syntax) == mendLimit {
			s.Broken = true
			s.Remarks = append(s.Remarks, remark)
			return s
		}
		s.Text = mended
		syntax = append(syntax, remark)
	}
}

// replace turns a place in the mended text into the one in the text as it was: a comma can be in place of a line's end.
func (s *Survey) replace(m *Mistake) {
	m.Line, m.Column = place(s.written, offset(s.Text, m.Line, m.Column))
}

// Locate finds the line and column of the value that path leads to: see the function of that name.
func (s *Survey) Locate(path []string, name func(key string) string) (line, column int) {
	line, column = locate(s.Text, path, name)
	return place(s.written, offset(s.Text, line, column))
}

// surveyor walks through a text along a type, and keeps no value.
type surveyor struct {
	decoder
	root    reflect.Type
	remarks []Remark
}

// read returns where the text is not JSON.
func (s *surveyor) read() (broken *Mistake) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Mistake:
			broken = r
		default:
			panic(r)
		}
	}()
	s.value(s.root)
	if s.skipSpace(); s.pos < len(s.text) {
		s.unexpected("nothing more")
	}
	return nil
}

// remark is about the value at the current path, or the member's name, which begins at offset.
func (s *surveyor) remark(kind Kind, offset int, message, hint string) {
	if len(s.remarks) == remarkLimit {
		return
	}
	line, column := place(s.text, offset)
	s.remarks = append(s.remarks, Remark{kind, Mistake{Line: line, Column: column, Path: slices.Clone(s.path), Message: message}, hint})
}

func (s *surveyor) value(t reflect.Type) {
	start := s.begin()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch c := s.text[start]; {
	case c == '{' && t.Kind() == reflect.Struct && !readsText(t):
		s.structValue(t)
	case c == '{' && t.Kind() == reflect.Map:
		s.object(func(string, int) { s.value(t.Elem()) })
	case c == '[' && t.Kind() == reflect.Slice:
		s.elements(func(int) { s.value(t.Elem()) })
	default: // no nest of values, or the wrong one
		s.decoder.value(reflect.New(t).Elem())
	}
	if s.wrong != nil {
		if len(s.remarks) < remarkLimit {
			s.remarks = append(s.remarks, Remark{Type, *s.wrong, ""})
		}
		s.wrong = nil
	}
}

// object reads an object, and tells of members that come again. member reads the value of one, whose name begins at start.
func (s *surveyor) object(member func(key string, start int)) {
	seen := map[string]bool{}
	s.members(func(key string) {
		start := s.nameStart()
		if seen[key] {
			s.remark(Repeated, start, "is there a second time: only the last one counts", "merge the two, or take one away")
		}
		seen[key] = true
		member(key, start)
	})
}

// nameStart is where the name of the member begins whose value comes next.
func (s *surveyor) nameStart() int {
	end := strings.LastIndexByte(s.text[:strings.LastIndexByte(s.text[:s.pos], ':')], '"')
	start := end - 1
	for start > 0 && (s.text[start] != '"' || escapedAt(s.text, start)) {
		start--
	}
	return start
}

// escapedAt says whether the character at i has a backslash in front that counts.
func escapedAt(text string, i int) bool {
	backslashes := 0
	for i--; i >= 0 && text[i] == '\\'; i-- {
		backslashes++
	}
	return backslashes%2 == 1
}

func (s *surveyor) structValue(t reflect.Type) {
	fields := s.types.fields(t)
	outermost := len(s.path) == 0
	s.object(func(key string, start int) {
		f := find(fields, key)
		switch {
		case f == nil:
			s.unknown(fields, key, start)
			s.skip()
			return
		case outermost && slices.Contains(s.ignore, f.name):
			s.skip()
			return
		case f.name != key:
			s.remark(Case, start, "is taken for \""+f.name+"\", as runtimes in Go do; others do not know it", "write \""+f.name+"\"")
		}
		field := t.FieldByIndex(f.index)
		if platforms := field.Tag.Get("platform"); platforms != "" && !strings.Contains(platforms, "linux") {
			s.remark(Foreign, start, "means nothing on Linux, it is for "+strings.ReplaceAll(platforms, ",", ", ")+": ignored", "")
		}
		s.value(field.Type)
	})
}

// unknown tells of a member that is ignored, and which one may be meant: one of a like name, or one in another place.
func (s *surveyor) unknown(fields []field, key string, start int) {
	message := "is no field of the specification: ignored"
	if name := nearest(fields, key); name != "" {
		s.remark(Unknown, start, message, "did you mean \""+name+"\"?")
		return
	}
	hint := ""
	if where := s.whereIs(key); where != "" {
		hint = "did you mean " + where + "?"
	}
	s.remark(Unknown, start, message, hint)
}

// whereIs looks for the place of the type where a member of that name belongs, the outermost one.
func (s *surveyor) whereIs(key string) string {
	type place struct {
		t    reflect.Type
		path string
	}
	seen := map[reflect.Type]bool{}
	for queue := []place{{s.root, ""}}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		for p.t.Kind() == reflect.Pointer || p.t.Kind() == reflect.Slice {
			if p.t.Kind() == reflect.Slice {
				p.path += "[]"
			}
			p.t = p.t.Elem()
		}
		if p.t.Kind() != reflect.Struct || seen[p.t] {
			continue
		}
		seen[p.t] = true
		for _, f := range s.types.fields(p.t) {
			path := strings.TrimPrefix(p.path+"."+f.name, ".")
			if f.name == key {
				return path
			}
			if p.path != "" || !slices.Contains(s.ignore, f.name) {
				queue = append(queue, place{p.t.FieldByIndex(f.index).Type, path})
			}
		}
	}
	return ""
}

// nearest is the field with the name most like key, if there is one that a slip of the finger could make of it.
func nearest(fields []field, key string) string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return Nearest(names, key)
}

// Nearest is the name most like what was written, "" if none is: a third of its letters may be wrong.
func Nearest(names []string, written string) string {
	best, least := "", min(len(written), 30)/3+1
	for _, name := range names {
		if n := distance(strings.ToLower(name), strings.ToLower(written), least); n < least {
			best, least = name, n
		}
	}
	return best
}

// Slip says whether the two differ by one slip of the finger.
func Slip(a, b string) bool { return distance(a, b, 2) == 1 }

// distance counts the letters to change, add, leave out or exchange with their neighbour to make b of a; what is above the
// limit counts as the limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return min(row[len(b)], limit)
}
