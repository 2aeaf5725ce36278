package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// outcome is what became of a program.
type outcome string

const (
	passed outcome = "pass"
	failed outcome = "FAIL"
)

// outcome takes assertions, plan, exit code and the diagnostics of programs without assertions together. The latter pass by saying nothing.
func (r *result) outcome() outcome {
	_, bad, _ := r.Output.counts()
	if r.Exit != 0 || r.TimedOut || bad > 0 || len(r.Output.Diagnostics) > 0 || r.Output.Plan != len(r.Output.Assertions) ||
		strings.Contains(r.Stderr, "WARNING:") {
		return failed
	}
	return passed
}

// judge compares tare's results with what is known, and with what the peers can do. It gives all differences.
func judge(r *report, known []deviation, whole bool) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	for _, res := range r.of("tare") {
		seen[res.Program] = true
		d := find(known, res.Program, r.Environment)
		if d == nil {
			d = &deviation{}
		}
		for _, f := range compare(&res, d) {
			fault("%s: %s", res.Program, f)
		}
		for _, f := range behind(r, &res, d) {
			fault("%s: %s", res.Program, f)
		}
	}
	if whole {
		for i := range known {
			if slices.Contains(known[i].Where, r.Environment) && !seen[known[i].Program] {
				fault("%s: known to deviate, but the suite has no such program", known[i].Program)
			}
		}
	}
	return faults
}

// compare tells in what a result differs from what is known of it.
func compare(res *result, d *deviation) []string {
	var out []string
	if res.outcome() == passed && d.Program != "" && !d.Sometimes {
		return []string{"passes, and is listed as a deviation"}
	}
	if res.TimedOut {
		out = append(out, "was not done within the time limit")
	}
	if res.Exit != d.Exit {
		out = append(out, fmt.Sprintf("exit code %d, want %d: %s", res.Exit, d.Exit, lastLine(res.Stderr)))
	}
	if noPlan := res.Output.Plan < 0; noPlan != d.NoPlan {
		out = append(out, fmt.Sprintf("plan printed: %t, want %t", !noPlan, !d.NoPlan))
	}
	if res.Output.Plan >= 0 && res.Output.Plan != len(res.Output.Assertions) {
		out = append(out, fmt.Sprintf("%d assertions of %d planned", len(res.Output.Assertions), res.Output.Plan))
	}
	out = append(out, difference("fails", res.texts(false), d.Fails, d.Sometimes)...)
	out = append(out, difference("tells", count(res.Output.Diagnostics), count(d.Tells), d.Sometimes)...)
	for _, text := range d.Says {
		if !d.Sometimes && !strings.Contains(res.Stderr, text) {
			out = append(out, fmt.Sprintf("does not say %q", text))
		}
	}
	return out
}

// behind tells of what a peer passes and tare does not.
func behind(r *report, res *result, d *deviation) []string {
	var out []string
	mine := res.texts(true)
	for _, peer := range r.Results {
		if peer.Program != res.Program || peer.Runtime == res.Runtime {
			continue
		}
		if peer.outcome() == passed && res.outcome() != passed {
			if !d.Behind && !d.Sometimes {
				out = append(out, peer.Runtime+" passes it")
			}
			continue
		}
		for text, n := range peer.texts(true) {
			if !d.Sometimes && n > mine[text] && !slices.Contains(d.Lacks, text) {
				out = append(out, fmt.Sprintf("%s passes %q %d times, tare %d", peer.Runtime, text, n, mine[text]))
			}
		}
	}
	slices.Sort(out)
	return out
}

// texts are the texts of the assertions that are ok, or not, with how often they occur.
func (r *result) texts(ok bool) map[string]int {
	all := map[string]int{}
	for _, a := range r.Output.Assertions {
		if a.OK == ok && !a.Skipped {
			all[a.Text]++
		}
	}
	return all
}

func count(texts []string) map[string]int {
	all := map[string]int{}
	for _, t := range texts {
		all[t]++
	}
	return all
}

func difference(what string, got, want map[string]int, orFewer bool) []string {
	var out []string
	both := map[string]int{}
	maps.Copy(both, want)
	maps.Copy(both, got)
	for _, text := range slices.Sorted(maps.Keys(both)) {
		if got[text] != want[text] && (!orFewer || got[text] > want[text]) {
			out = append(out, fmt.Sprintf("%s %d times, %d are known: %s", what, got[text], want[text], text))
		}
	}
	return out
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
