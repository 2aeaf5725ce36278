package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// results is what -json writes.
type results struct {
	Machine []string
	Peers   []*peer
	Figures []*row
}

type row struct {
	Name, Unit string
	Cells      []cell
}

type cell struct {
	Peer             string
	Median, P10, P90 float64
	Ratio            float64 // to tare's median; 0 without one
	Samples          []float64
}

func (r *results) add(f figure, peers []*peer, samples map[*peer][][]float64, column int) {
	line := &row{Name: f.name, Unit: f.unit}
	base := 0.0
	for _, p := range peers {
		if len(samples[p]) == 0 {
			continue
		}
		c := cell{Peer: p.Name}
		for _, values := range samples[p] {
			c.Samples = append(c.Samples, values[column])
		}
		sorted := slices.Sorted(slices.Values(c.Samples))
		c.P10, c.Median, c.P90 = percentile(sorted, 10), percentile(sorted, 50), percentile(sorted, 90)
		if p.Name == "tare" {
			base = c.Median
		}
		if base > 0 {
			c.Ratio = c.Median / base
		}
		line.Cells = append(line.Cells, c)
	}
	r.Figures = append(r.Figures, line)
}

// percentile takes the nearest rank of sorted values.
func percentile(sorted []float64, p int) float64 {
	return sorted[(len(sorted)-1)*p/100]
}

func (r *results) describe(w io.Writer) {
	for _, line := range r.Machine {
		fmt.Fprintln(w, line)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range r.Peers {
		fmt.Fprintf(table, "%s\t%s\t%.1f MB\t%s\t%s\n", p.Name, p.Version, float64(p.Size)/1e6, p.Path, p.Note)
	}
	table.Flush()
	fmt.Fprintln(w)
}

func (r *results) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\t\tmedian\tp10\tp90\tto tare\t")
	for _, line := range r.Figures {
		name := strings.TrimSpace(line.Name + " " + unit(line.Unit))
		for _, c := range line.Cells {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.2f\t\n", name, c.Peer, number(c.Median), number(c.P10), number(c.P90), c.Ratio)
			name = ""
		}
	}
	table.Flush()
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return "[" + u + "]"
}

func number(v float64) string {
	if v < 100 && v != float64(int(v)) {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func (r *results) write(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// printInits shows what tare's packages do before main, which both starts of a `create` pay for.
func printInits(w io.Writer, tare string) {
	cmd := exec.Command(absolute(tare), "--version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(w, "package init: not measured:", err)
		return
	}
	type packageInit struct {
		name string
		ms   float64
		size string
	}
	var all []packageInit
	sum := 0.0
	for line := range strings.Lines(trace.String()) {
		// init NAME @0.12 ms, 0.034 ms clock, 56 bytes, 7 allocs
		f := strings.Fields(line)
		if len(f) < 8 || f[0] != "init" {
			continue
		}
		if took, err := strconv.ParseFloat(f[4], 64); err == nil {
			all = append(all, packageInit{f[1], took, f[7] + " bytes"})
			sum += took
		}
	}
	slices.SortStableFunc(all, func(a, b packageInit) int { return int((b.ms - a.ms) * 1e6) })
	fmt.Fprintf(w, "\npackage init of tare: %.3f ms in %d packages; the first of them:\n", sum, len(all))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range all[:min(8, len(all))] {
		fmt.Fprintf(table, "  %s\t%.3f ms\t%s\n", p.name, p.ms, p.size)
	}
	table.Flush()
}
