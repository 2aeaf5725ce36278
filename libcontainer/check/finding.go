package check

import (
	"slices"
	"strings"
)

// Severity says what comes of a finding.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // create or start would fail
	Warning Severity = "warning" // it works, but probably not as it is meant
	Note    Severity = "note"    // something could not be looked at
)

// Finding is one thing to say about a bundle.
type Finding struct {
	ID       string   `json:"id"` // of the check, such as "program-missing"
	Severity Severity `json:"severity"`
	Pointer  string   `json:"pointer"` // JSON pointer (RFC 6901) of the value, "" for the whole
	Line     int      `json:"line"`    // of the value in the config, or of the one it would be in; from 1
	Column   int      `json:"column"`  // from 1, in characters
	Message  string   `json:"message"` // what is wrong
	Why      string   `json:"why"`     // what the specification or the kernel says
	Mend     string   `json:"mend"`    // what to do about it
}

// Report is what was found in one bundle.
type Report struct {
	Bundle   string    `json:"bundle"` // its directory, absolute
	Config   string    `json:"config"` // its config.json, absolute
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	Findings []Finding `json:"findings"` // in the order of the config
}

// limit is how many findings are told: a generated config may repeat its mistake ten thousand times.
const limit = 1000

// finish sorts the findings, takes out what was found twice, and counts.
func (r *Report) finish() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Column != b.Column {
			return a.Column - b.Column
		}
		return strings.Compare(a.Pointer, b.Pointer)
	})
	r.Findings = slices.CompactFunc(r.Findings, func(a, b Finding) bool { return a.Pointer == b.Pointer && a.Message == b.Message })
	for i := range r.Findings {
		switch r.Findings[i].Severity {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		case Note:
			r.Notes++
		}
	}
	if r.Findings == nil {
		r.Findings = []Finding{} // [] in JSON, not null
	}
}
