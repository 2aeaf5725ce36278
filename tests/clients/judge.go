package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A deviation explains cells of tare that do not pass. A line of the file has four fields, divided by bars:
//
//	ENVIRONMENT | CLIENT | FEATURE | why
//
// Lines that begin with # and empty ones are left out. An explanation excuses a failure only if runc fails there, too.
type deviation struct {
	environment, client, feature, why string
	line                              int
}

func readDeviations(path string) ([]deviation, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []deviation
	for i, line := range slices.Collect(strings.Lines(string(data))) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.SplitN(line, "|", 4)
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		if len(fields) != 4 || slices.Contains(fields, "") {
			return nil, fmt.Errorf("%s:%d: want ENVIRONMENT | CLIENT | FEATURE | why", path, i+1)
		}
		all = append(all, deviation{fields[0], fields[1], fields[2], fields[3], i + 1})
	}
	return all, nil
}

// find gives what explains a cell, nil when nothing does.
func find(known []deviation, c *cell, environment string) *deviation {
	for i := range known {
		if d := &known[i]; d.environment == environment && d.client == c.Client && d.feature == c.Feature {
			return d
		}
	}
	return nil
}

// faults are the cells that are not as they should be: tare fails where a peer passes, or where nothing explains it. In a whole run, an
// explanation of what passes is a fault, too.
func (r *report) faults(known []deviation, whole bool) []string {
	own := r.Runtimes[0].Name
	var all []string
	for i := range r.Cells {
		c := &r.Cells[i]
		d := find(known, c, r.Environment)
		switch {
		case c.Runtime != own:
		case c.Outcome == failed || c.Outcome == skipped:
			if peer := r.better(c); peer != "" {
				all = append(all, fmt.Sprintf("%s: %s: %s, but passes with %s: %s", c.Client, c.Feature, c.Outcome, peer, c.Reason))
			} else if c.Outcome == failed && d == nil {
				all = append(all, fmt.Sprintf("%s: %s: failed, and nothing explains it: %s", c.Client, c.Feature, c.Reason))
			}
		case d != nil && whole:
			all = append(all, fmt.Sprintf("%s: %s: is explained in line %d, but %s", c.Client, c.Feature, d.line, c.Outcome))
		}
	}
	return all
}

// better names a peer that passes the cell.
func (r *report) better(c *cell) string {
	for _, rt := range r.Runtimes[1:] {
		if p := r.cell(c.Client, rt.Name, c.Feature); p != nil && p.Outcome == passed {
			return rt.Name
		}
	}
	return ""
}
