package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// outcome is what became of a feature.
type outcome string

const (
	passed  outcome = "passed"
	failed  outcome = "failed"
	skipped outcome = "skipped" // this machine cannot show it
	without outcome = "without" // the client's users have no such thing
)

// cell is one client, one runtime, one feature.
type cell struct {
	Client, Runtime, Feature string
	Outcome                  outcome
	Reason                   string             `json:",omitempty"`
	First                    string             `json:",omitempty"` // why it failed the first time
	Remark                   string             `json:",omitempty"` // what the outcome does not say
	Seconds                  float64            `json:",omitempty"`
	Figures                  map[string]float64 `json:",omitempty"` // times measured in it, in seconds
}

type drivenClient struct {
	Name, Version string
	Absent        string `json:",omitempty"` // why it was not driven
}

// report is a whole run.
type report struct {
	Environment, Machine string
	Runtimes             []ociRuntime
	Clients              []drivenClient
	Cells                []cell
}

func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func readReport(path string) (*report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// merge adds what a later run in the same environment has found, in place of what it has found anew.
func (r *report) merge(later *report) {
	for _, rt := range later.Runtimes {
		if !slices.Contains(r.runtimeNames(), rt.Name) {
			r.Runtimes = append(r.Runtimes, rt)
		}
	}
	for _, c := range later.Clients {
		switch i := slices.IndexFunc(r.Clients, func(d drivenClient) bool { return d.Name == c.Name }); {
		case i < 0:
			r.Clients = append(r.Clients, c)
		case c.Absent == "":
			r.Clients[i] = c
		}
	}
	slices.SortFunc(r.Clients, func(a, b drivenClient) int { return clientIndex(a.Name) - clientIndex(b.Name) })
	for i := range later.Cells {
		c := &later.Cells[i]
		if earlier := r.cell(c.Client, c.Runtime, c.Feature); earlier != nil {
			*earlier = *c
		} else {
			r.Cells = append(r.Cells, *c)
		}
	}
	slices.SortStableFunc(r.Cells, func(a, b cell) int { return clientIndex(a.Client) - clientIndex(b.Client) })
}

// clientIndex is a client's place in the table.
func clientIndex(name string) int {
	return slices.IndexFunc(clients, func(c client) bool { return c.name == name })
}

// cell gives a cell, nil when there is none.
func (r *report) cell(client, runtime, feature string) *cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Client == client && c.Runtime == runtime && c.Feature == feature {
			return c
		}
	}
	return nil
}

// count gives how many cells of a client with a runtime ended in the outcome.
func (r *report) count(client, runtime string, o outcome) int {
	n := 0
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Client == client && c.Runtime == runtime && c.Outcome == o {
			n++
		}
	}
	return n
}

// print writes one line per client and runtime.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, environment %s\n", r.Machine, r.Environment)
	for _, c := range r.Clients {
		if c.Absent != "" {
			fmt.Fprintf(w, "%-24s not driven: %s\n", c.Name, c.Absent)
			continue
		}
		for _, rt := range r.Runtimes {
			fmt.Fprintf(w, "%-24s %-6s %3d passed, %d failed, %d skipped\n", c.Name, rt.Name,
				r.count(c.Name, rt.Name, passed), r.count(c.Name, rt.Name, failed), r.count(c.Name, rt.Name, skipped))
		}
	}
}

// marks are how a cell looks in the table.
var marks = map[outcome]string{passed: "✓", failed: "**✗**", skipped: "·", without: ""}

// markdown is the part of the document about one environment: a table client × feature, and the words below it.
func (r *report) markdown(known []deviation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. Each cell: %s.\n\n| feature |", r.Machine, strings.Join(r.runtimeNames(), " / "))
	rule := "|---|"
	for _, c := range r.Clients {
		if c.Absent == "" {
			fmt.Fprintf(&b, " %s |", c.Name)
			rule += "---|"
		}
	}
	b.WriteString("\n" + rule + "\n")
	for _, f := range features {
		b.WriteString("| " + f.name + " |")
		for _, c := range r.Clients {
			if c.Absent == "" {
				b.WriteString(" " + r.marks(c.Name, f.name) + " |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, rt := range r.Runtimes {
		fmt.Fprintf(&b, "* %s: %s\n", rt.Name, rt.Version)
	}
	for _, c := range r.Clients {
		if c.Absent != "" {
			fmt.Fprintf(&b, "* %s: not driven: %s\n", c.Name, c.Absent)
		} else {
			fmt.Fprintf(&b, "* %s: %s\n", c.Name, c.Version)
		}
	}
	r.times(&b)
	r.remarks(&b)
	r.notes(&b, known)
	return b.String()
}

func (r *report) runtimeNames() []string {
	var names []string
	for _, rt := range r.Runtimes {
		names = append(names, rt.Name)
	}
	return names
}

// marks is a cell of the table: a mark for each runtime.
func (r *report) marks(client, feature string) string {
	var all []string
	for _, rt := range r.Runtimes {
		if c := r.cell(client, rt.Name, feature); c != nil && c.Outcome != without {
			all = append(all, marks[c.Outcome])
		}
	}
	return strings.Join(all, " ")
}

// times is a table of what was measured, a column for each runtime.
func (r *report) times(b *strings.Builder) {
	var rows []string
	for i := range r.Cells {
		c := &r.Cells[i]
		for what := range c.Figures {
			if row := c.Client + ": " + what; !slices.Contains(rows, row) {
				rows = append(rows, row)
			}
		}
	}
	if rows == nil {
		return
	}
	fmt.Fprintf(b, "\n| seconds | %s |\n|---|%s\n", strings.Join(r.runtimeNames(), " | "), strings.Repeat("---|", len(r.Runtimes)))
	slices.Sort(rows)
	for _, row := range rows {
		b.WriteString("| " + row + " |")
		for _, rt := range r.Runtimes {
			b.WriteString(" " + r.figure(row, rt.Name) + " |")
		}
		b.WriteString("\n")
	}
}

// figure is a time of the table, empty where it was not taken.
func (r *report) figure(row, runtime string) string {
	for i := range r.Cells {
		c := &r.Cells[i]
		for what, seconds := range c.Figures {
			if c.Runtime == runtime && c.Client+": "+what == row {
				return fmt.Sprintf("%.2f", seconds)
			}
		}
	}
	return ""
}

// remarks are what the marks do not say; runtimes share a line where it is the same.
func (r *report) remarks(b *strings.Builder) {
	type line struct{ client, feature, remark string }
	var lines []line
	runtimes := map[line][]string{}
	for i := range r.Cells {
		c := &r.Cells[i]
		if l := (line{c.Client, c.Feature, c.Remark}); c.Remark != "" {
			if runtimes[l] == nil {
				lines = append(lines, l)
			}
			runtimes[l] = append(runtimes[l], c.Runtime)
		}
	}
	if lines != nil {
		b.WriteString("\nRemarks:\n\n")
	}
	for _, l := range lines {
		fmt.Fprintf(b, "* %s, %s, %s: %s\n", l.client, l.feature, strings.Join(runtimes[l], " and "), l.remark)
	}
}

// notes says why a cell is not passed: tare's by the explanations, all others in the run's own words.
func (r *report) notes(b *strings.Builder, known []deviation) {
	b.WriteString("\nNot passed:\n\n")
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Outcome == passed && c.First != "" {
			fmt.Fprintf(b, "* %s, %s, %s: passed when it was tried again: %s\n", c.Client, c.Feature, c.Runtime, oneLine(c.First))
		}
		if c.Outcome != failed && c.Outcome != skipped {
			continue
		}
		reason := c.Reason
		if d := find(known, c, r.Environment); d != nil && c.Runtime == r.Runtimes[0].Name {
			reason = d.why
		}
		fmt.Fprintf(b, "* %s, %s, %s: %s: %s\n", c.Client, c.Feature, c.Runtime, c.Outcome, oneLine(reason))
	}
}

// oneLine shortens what a command said to what fits a list.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + " …"
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "`", "'").Replace(text)
}

// update puts the results between the marks of their environment in a document.
func (r *report) update(path string, known []deviation) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- results: "+r.Environment+" -->\n", "<!-- end of results: "+r.Environment+" -->\n"
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+r.markdown(known)+end+after), 0o644)
}
