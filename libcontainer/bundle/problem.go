package bundle

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one mistake in a config.
type Problem struct {
	Pointer string // of the offending value, as a JSON pointer (RFC 6901)
	Message string // what is wrong, what was found, what is wanted: one line, without the pointer
}

// Error is the pointer and the message.
func (p Problem) Error() string { return p.Pointer + ": " + p.Message }

// Problems are the mistakes found in one config, in the order of the checks. It is an error when it is not empty.
type Problems []Problem

// listedProblems is how many problems an error spells out: a generated config may repeat its mistake ten thousand times.
const listedProblems = 20

// Error tells all problems on one line.
func (ps Problems) Error() string { return ps.text(configName) }

func (ps Problems) text(file string) string {
	if len(ps) == 1 {
		return file + ": " + ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d mistakes: ", file, len(ps))
	for i, p := range ps {
		if i == listedProblems {
			fmt.Fprintf(&b, "; and %d more", len(ps)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// In is ps as an error about another file than config.json, from which errors.As gets the Problems: nil when there is none.
func (ps Problems) In(file string) error {
	if len(ps) == 0 {
		return nil
	}
	return &fileProblems{file, ps}
}

type fileProblems struct {
	file     string
	problems Problems
}

func (e *fileProblems) Error() string { return e.problems.text(e.file) }

func (e *fileProblems) Unwrap() error { return e.problems }

// Err is ps as an error: nil when there is no problem.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// report collects problems.
type report struct{ problems Problems }

func (r *report) add(pointer, format string, args ...any) {
	r.problems = append(r.problems, Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// at makes a JSON pointer from member names and array indexes. Only a mistake pays for it.
func at(steps ...any) string {
	var b strings.Builder
	for _, step := range steps {
		b.WriteByte('/')
		switch step := step.(type) {
		case int:
			b.WriteString(strconv.Itoa(step))
		case string:
			b.WriteString(escapePointer(step))
		}
	}
	return b.String()
}

// escapePointer escapes one step of a JSON pointer. Control characters, which RFC 6901 leaves alone, are quoted as well: an
// error stays one line.
func escapePointer(step string) string {
	step = strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
	quoted := strconv.Quote(step)
	if len(quoted) != len(step)+2 {
		return quoted[1 : len(quoted)-1]
	}
	return step
}

// quoteLimit is how much of a value an error shows.
const quoteLimit = 80

// quote makes any string fit for a one-line message.
func quote(s string) string {
	if len(s) > quoteLimit {
		return strconv.Quote(s[:quoteLimit]) + "..."
	}
	return strconv.Quote(s)
}

// hasNUL says whether s cannot be handed to the kernel as a string.
func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

func isAbs(path string) bool { return path != "" && path[0] == '/' }

// checkPath finds fault with a path that must be absolute.
func (r *report) checkPath(path string, steps ...any) {
	switch {
	case path == "":
		r.add(at(steps...), "must not be empty, want an absolute path")
	case !isAbs(path):
		r.add(at(steps...), "must be absolute, got %s", quote(path))
	case hasNUL(path):
		r.add(at(steps...), "must not contain a NUL byte, got %s", quote(path))
	}
}

// oneOf finds fault with a string that is not among the known ones.
func (r *report) oneOf(value string, known []string, steps ...any) {
	for _, k := range known {
		if value == k {
			return
		}
	}
	if value == "" {
		r.add(at(steps...), "must not be empty, want %s", orList(known))
		return
	}
	r.add(at(steps...), "unknown value %s, want %s", quote(value), orList(known))
}

// orList joins names as a person would.
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
