package document

import (
	"fmt"
	"strings"
)

// mend makes the text JSON at pos, where message says that it is not, if the mistake is one of those that people make:
// a comma too few or too many, or a comment. Nothing moves. The text is "" when that is not known; hint says what to do, by the
// lines of the text as it was written.
func mend(written, text string, pos int, message string) (mended, hint string) {
	if pos >= len(text) {
		return "", missingEnd(text)
	}
	before := len(strings.TrimRight(text[:pos], " \t\r\n"))
	last := byte(0)
	if before > 0 {
		last = text[before-1]
	}
	switch c := text[pos]; {
	case c == '/' || c == '#':
		if end := commentEnd(text, pos); end > 0 {
			return blank(text, pos, end), "JSON has no comments: take it away"
		}
	case (c == '}' || c == ']') && last == ',':
		line, column := place(written, before-1)
		return blank(text, before-1, before), fmt.Sprintf("take away the comma at line %d, column %d: there is none behind the last entry", line, column)
	case c == ',' && (last == ',' || last == '{' || last == '['):
		return blank(text, pos, pos+1), "take this comma away"
	case strings.Contains(message, "want a comma") && strings.IndexByte(`"{[-0123456789tfn`, c) >= 0:
		line, _ := place(written, before)
		hint = fmt.Sprintf("put a comma at the end of line %d", line)
		if before < pos {
			return text[:before] + "," + text[before+1:], hint
		}
		return "", hint
	case c == '\'':
		return "", `JSON has no single quotes: write "`
	case c < ' ' && strings.Contains(message, "in a string"):
		return "", `end the string in its line, with "; a line break within it is \n`
	case strings.Contains(message, "want nothing more"):
		return "", "take away what comes behind the end of the object, or a bracket too many in front of it"
	}
	return "", ""
}

// offset is where in the text a line and column are: place the other way round.
func offset(text string, line, column int) int {
	start := 0
	for range line - 1 {
		start += strings.IndexByte(text[start:], '\n') + 1
	}
	for i := range text[start:] {
		if column--; column == 0 {
			return start + i
		}
	}
	return len(text)
}

// missingEnd says what the text lacks that ends too early.
func missingEnd(text string) string {
	var open []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			open = append(open, '}')
		case c == '[':
			open = append(open, ']')
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	switch {
	case quoted:
		return `a string has no end: look for a missing "`
	case len(open) == 0 || len(open) > 20:
		return ""
	}
	for i, j := 0, len(open)-1; i < j; i, j = i+1, j-1 {
		open[i], open[j] = open[j], open[i]
	}
	return "the file is cut off, or lacks " + string(open) + " at its end"
}

// commentEnd is where a comment ends that begins at pos, 0 if none does.
func commentEnd(text string, pos int) int {
	rest := text[pos:]
	switch {
	case strings.HasPrefix(rest, "//"), rest[0] == '#':
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return pos + end
		}
		return len(text)
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest, "*/"); end >= 0 {
			return pos + end + len("*/")
		}
	}
	return 0
}

// blank puts spaces in place of what is no line's end.
func blank(text string, from, to int) string {
	spaces := []byte(text[from:to])
	for i, c := range spaces {
		if c != '\n' {
			spaces[i] = ' '
		}
	}
	return text[:from] + string(spaces) + text[to:]
}
