package document

import "strconv"

// locate finds the line and column of the value that path leads to, or of the last one on the way that is there: member
// names and indexes, as name spells a member's and strconv.Itoa an index. Of members given twice the last one counts. The
// text is JSON, at least so far.
func locate(text string, path []string, name func(key string) string) (line, column int) {
	l := locator{decoder: decoder{text: text}, name: name}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(*Mistake); !ok {
				panic(r)
			}
		}
		line, column = place(text, l.found)
	}()
	l.value(path)
	return
}

// locator keeps the offset of the last value on the way.
type locator struct {
	decoder
	name  func(string) string
	found int
}

func (l *locator) value(path []string) {
	l.found = l.begin()
	if len(path) == 0 {
		l.skip()
		return
	}
	switch l.text[l.pos] {
	case '{':
		l.members(func(key string) {
			if l.name(key) == path[0] {
				l.value(path[1:])
			} else {
				l.skip()
			}
		})
	case '[':
		l.elements(func(i int) {
			if strconv.Itoa(i) == path[0] {
				l.value(path[1:])
			} else {
				l.skip()
			}
		})
	default:
		l.skip()
	}
}
