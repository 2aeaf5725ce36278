package main

import (
	"strconv"
	"strings"
)

// tap is the output of a program, as the Test Anything Protocol has it.
type tap struct {
	Plan        int // number of assertions announced; -1: none was
	Assertions  []assertion
	Diagnostics []string `json:",omitempty"` // values of "error" in blocks that belong to no assertion
}

type assertion struct {
	OK, Skipped bool
	Text        string
}

// parseTAP reads what a program printed. It is lenient as the programs are: numbers are not looked at, and a program that prints two
// plans is taken at its sum.
func parseTAP(text string) tap {
	t := tap{Plan: -1}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if count, ok := strings.CutPrefix(line, "1.."); ok {
			if n, err := strconv.Atoi(strings.Fields(count + " x")[0]); err == nil {
				t.Plan = max(t.Plan, 0) + n
			}
			continue
		}
		if a, ok := parseAssertion(line); ok {
			t.Assertions = append(t.Assertions, a)
			continue
		}
		// Programs without assertions tell what is wrong in a block of YAML, which is JSON, and end well.
		if message, ok := strings.CutPrefix(strings.TrimSpace(line), `"error": `); ok && len(t.Assertions) == 0 {
			message, err := strconv.Unquote(strings.TrimSuffix(message, ","))
			if err == nil && message != "" {
				message, _, _ = strings.Cut(message, "\n")
				t.Diagnostics = append(t.Diagnostics, message)
			}
		}
	}
	return t
}

func parseAssertion(line string) (assertion, bool) {
	rest, failed := strings.CutPrefix(line, "not ok")
	if !failed {
		var ok bool
		if rest, ok = strings.CutPrefix(line, "ok"); !ok {
			return assertion{}, false
		}
	}
	if rest != "" && rest[0] != ' ' {
		return assertion{}, false
	}
	rest = strings.TrimLeft(rest, " 0123456789")
	text, directive, _ := strings.Cut(strings.TrimPrefix(rest, "- "), "# ")
	skipped := strings.HasPrefix(strings.ToUpper(directive), "SKIP")
	if skipped && strings.TrimSpace(text) == "" {
		text = directive
	}
	return assertion{OK: !failed, Skipped: skipped, Text: strings.TrimSpace(text)}, true
}

// counts are the numbers of assertions passed, failed and skipped. Skipped ones are passed, too, in TAP; not here.
func (t *tap) counts() (passed, failed, skipped int) {
	for _, a := range t.Assertions {
		switch {
		case !a.OK:
			failed++
		case a.Skipped:
			skipped++
		default:
			passed++
		}
	}
	return passed, failed, skipped
}
