package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// report is a whole run.
type report struct {
	Environment, Suite, Machine string
	Runtimes                    []peerRuntime
	Results                     []result
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

// of gives the results of one runtime, in the order of the run.
func (r *report) of(runtime string) []result {
	var all []result
	for _, res := range r.Results {
		if res.Runtime == runtime {
			all = append(all, res)
		}
	}
	return all
}

// programs are the names of all programs, in the order of the run.
func (r *report) programs() []string {
	var names []string
	for _, res := range r.Results {
		if !slices.Contains(names, res.Program) {
			names = append(names, res.Program)
		}
	}
	return names
}

// cell is a result in a table: what became of it, and its assertions passed and failed.
func (r *report) cell(program, runtime string) string {
	for i := range r.Results {
		res := &r.Results[i]
		if res.Program != program || res.Runtime != runtime {
			continue
		}
		good, bad, _ := res.Output.counts()
		return fmt.Sprintf("%s %d/%d", res.outcome(), good, good+bad)
	}
	return "-"
}

// totals are the programs passed and all, and the assertions passed and all.
func (r *report) totals(runtime string) (programs, ofPrograms, assertions, ofAssertions int) {
	for _, res := range r.of(runtime) {
		good, bad, _ := res.Output.counts()
		assertions += good
		ofAssertions += good + bad
		ofPrograms++
		if res.outcome() == passed {
			programs++
		}
	}
	return programs, ofPrograms, assertions, ofAssertions
}

func (r *report) total(runtime string) string {
	p, ofP, a, ofA := r.totals(runtime)
	return fmt.Sprintf("%d of %d programs, %d of %d assertions", p, ofP, a, ofA)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "runtime-tools %s on %s, environment %s\n", r.Suite, r.Machine, r.Environment)
	fmt.Fprintf(w, "%-32s", "program")
	for _, rt := range r.Runtimes {
		fmt.Fprintf(w, " %-14s", rt.Name)
	}
	fmt.Fprintln(w)
	for _, p := range r.programs() {
		fmt.Fprintf(w, "%-32s", p)
		for _, rt := range r.Runtimes {
			fmt.Fprintf(w, " %-14s", r.cell(p, rt.Name))
		}
		fmt.Fprintln(w)
	}
	for _, rt := range r.Runtimes {
		fmt.Fprintf(w, "%s: %s (%s)\n", rt.Name, r.total(rt.Name), rt.Version)
		if rt.Note != "" {
			fmt.Fprintf(w, "  %s\n", rt.Note)
		}
	}
}

// markdown is the part of the document about one environment.
func (r *report) markdown(known []deviation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "runtime-tools `%s` on %s:\n\n", r.Suite, r.Machine)
	for _, rt := range r.Runtimes {
		note := ""
		if rt.Note != "" {
			note = "; " + rt.Note
		}
		fmt.Fprintf(&b, "* %s: **%s**%s\n", rt.Version, r.total(rt.Name), note)
	}
	b.WriteString("\n| program |")
	for _, rt := range r.Runtimes {
		b.WriteString(" " + rt.Name + " |")
	}
	b.WriteString(" where tare fails: cause |\n|---|" + strings.Repeat("---|", len(r.Runtimes)+1) + "\n")
	for _, p := range r.programs() {
		b.WriteString("| " + p + " |")
		for _, rt := range r.Runtimes {
			b.WriteString(" " + r.cell(p, rt.Name) + " |")
		}
		cause := ""
		if d := find(known, p, r.Environment); d != nil {
			cause = d.Cause
		}
		b.WriteString(" " + cause + " |\n")
	}
	return b.String()
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
