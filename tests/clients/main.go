package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	runtime     string
	peers       list
	clients     []*regexp.Regexp // their names match one of them; nil: all
	features    list             // names; empty: all
	environment string           // of the machine: what the deviations are recorded for
	limit       time.Duration    // of one feature
	slow        int
	deviations  string
	json, log   string
	from        list
	update      string
	required    bool
}

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

func main() {
	var o options
	flag.StringVar(&o.runtime, "runtime", "./tare", "the runtime `FILE`")
	flag.Var(&o.peers, "peer", "a runtime to compare with, `NAME` or FILE (repeatable)")
	flag.Func("client", "only clients whose name matches `REGEXP` (repeatable)", o.wants)
	flag.Var(&o.features, "feature", "only the feature `NAME` (repeatable)")
	flag.StringVar(&o.environment, "environment", "", "`NAME` of the machine in the table: hybrid or vm; default vm where cgroup v2 is alone")
	flag.DurationVar(&o.limit, "limit", 2*time.Minute, "end of a single feature; a suite has four times as long")
	flag.IntVar(&o.slow, "slow", 1, "multiply all times by `N`: for an emulated machine")
	flag.StringVar(&o.deviations, "deviations", "tests/clients/deviations.txt", "cells of tare that are explained")
	flag.StringVar(&o.json, "json", "", "write all cells to `FILE`")
	flag.StringVar(&o.log, "log", "", "keep what the commands said below `DIR`")
	flag.Var(&o.from, "from", "take the cells of earlier runs from `FILE`, the last run's of each, and run nothing (repeatable)")
	flag.StringVar(&o.update, "update", "", "write the table into the document `FILE`")
	flag.BoolVar(&o.required, "all", false, "a client that is not installed is an error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := drive(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

func (o *options) wants(name string) error {
	re, err := regexp.Compile(name)
	o.clients = append(o.clients, re)
	return err
}

// plays tells whether a client is one of those asked for.
func (o *options) plays(c *client) bool {
	return o.clients == nil || slices.ContainsFunc(o.clients, func(re *regexp.Regexp) bool { return re.MatchString(c.name) })
}

func drive(ctx context.Context, o *options) error {
	known, err := readDeviations(o.deviations)
	if err != nil {
		return err
	}
	reports, err := cells(ctx, o)
	if err != nil {
		return err
	}
	var faults []string
	for _, r := range reports {
		r.print(os.Stdout)
		faults = append(faults, r.faults(known, len(o.clients) == 0 && len(o.features) == 0)...)
		if o.update != "" {
			if err := r.update(o.update, known); err != nil {
				return err
			}
		}
	}
	for _, f := range faults {
		fmt.Println("FAULT:", f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d cells are not as they should be", len(faults))
	}
	return nil
}

// cells plays all, or reads what earlier runs have found.
func cells(ctx context.Context, o *options) ([]*report, error) {
	var all []*report
	for _, path := range o.from {
		r, err := readReport(path)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(a *report) bool { return a.Environment == r.Environment }); i >= 0 {
			all[i].merge(r)
		} else {
			all = append(all, r)
		}
	}
	if all != nil {
		return all, nil
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("needs root: it starts the managers' daemons")
	}
	runtimes, err := findRuntimes(ctx, o.runtime, o.peers)
	if err != nil {
		return nil, err
	}
	if o.environment == "" {
		o.environment = environment()
	}
	r := &report{Environment: o.environment, Machine: machine(), Runtimes: runtimes}
	for i := range clients {
		if c := &clients[i]; o.plays(c) {
			if err := playClient(ctx, o, c, r); err != nil {
				return nil, err
			}
		}
	}
	if len(r.Clients) == 0 {
		return nil, fmt.Errorf("no client is named like %v", o.clients)
	}
	return []*report{r}, o.write(r)
}

// playClient adds all cells of a client to the report.
func playClient(ctx context.Context, o *options, c *client, r *report) error {
	version, err := c.version(ctx)
	driven := drivenClient{Name: c.name, Version: version}
	if err != nil {
		if o.required {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		driven.Absent = err.Error()
		fmt.Printf("%s: left out: %v\n", c.name, err)
	}
	r.Clients = append(r.Clients, driven)
	if err != nil {
		return nil
	}
	for _, rt := range r.Runtimes {
		if err := playRuntime(ctx, o, c, rt, r); err != nil {
			return err
		}
		if err := o.write(r); err != nil { // again and again: the run is a long one
			return err
		}
	}
	return nil
}

func (o *options) write(r *report) error {
	if o.json == "" {
		return nil
	}
	return r.write(o.json)
}

// playRuntime plays all features of a client with one runtime, in a directory that is theirs.
func playRuntime(ctx context.Context, o *options, c *client, rt ociRuntime, r *report) error {
	dir, err := os.MkdirTemp("/var/tmp", "tare-clients-")
	if err != nil {
		return err
	}
	defer removeTree(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // an ordinary user's clients live below it
		return err
	}
	opened := &scene{ctx: ctx, client: c.name, runtime: rt, dir: dir, slow: o.slow}
	var do actions
	opened.play(func(s *scene) {
		do = c.open(s)
		if gaps := c.gaps(do); gaps != nil {
			s.failf("%s", strings.Join(gaps, "; "))
		}
		for _, f := range features {
			if len(o.features) == 0 || slices.Contains(o.features, f.name) {
				cell := playTwice(ctx, o, c, s, f.name, do[f.name])
				r.Cells = append(r.Cells, cell)
				fmt.Printf("%-8s %s, %s: %s%s\n", cell.Outcome, c.name, rt.Name, f.name, colon(cell.Reason))
			}
		}
	})
	if do == nil || opened.outcome != passed {
		r.Cells = append(r.Cells, cell{Client: c.name, Runtime: rt.Name, Feature: features[0].name, Outcome: failed, Reason: opened.reason})
		fmt.Printf("failed   %s, %s: %s\n", c.name, rt.Name, opened.reason)
	}
	return o.keep(opened, "open")
}

// playTwice plays a feature that has failed once more: a manager and a hundred containers at once on a busy machine do not always keep to
// their own time limits. The report says so.
func playTwice(ctx context.Context, o *options, c *client, session *scene, name string, do func(*scene)) cell {
	first := playFeature(ctx, o, c, session, name, name, do)
	if first.Outcome != failed || ctx.Err() != nil {
		return first
	}
	second := playFeature(ctx, o, c, session, name, name+", again", do)
	if second.First = first.Reason; second.Outcome == failed && second.Reason != first.Reason {
		second.Reason = fmt.Sprintf("%s; when it was tried again: %s", first.Reason, second.Reason) // which may only follow from the first
	}
	return second
}

// playFeature plays a feature once; record is the name that its record is kept by.
func playFeature(ctx context.Context, o *options, c *client, session *scene, name, record string, do func(*scene)) cell {
	out := cell{Client: c.name, Runtime: session.runtime.Name, Feature: name}
	if do == nil {
		out.Outcome, out.Reason = without, c.without[name]
		return out
	}
	limit := o.limit * time.Duration(o.slow)
	if name == suite {
		limit *= 4
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	s := &scene{ctx: ctx, client: c.name, runtime: session.runtime, dir: session.dir, env: session.env, slow: o.slow}
	s.play(do)
	out.Outcome, out.Reason, out.Remark, out.Seconds, out.Figures = s.outcome, s.reason, s.remark, time.Since(began).Seconds(), s.figures
	if err := o.keep(s, record); err != nil {
		out.Outcome, out.Reason = failed, err.Error()
	}
	return out
}

// keep writes the record of a scene below the directory of -log.
func (o *options) keep(s *scene, feature string) error {
	if o.log == "" {
		return nil
	}
	dir := filepath.Join(o.log, s.client, s.runtime.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, feature+".txt"), s.record.Bytes(), 0o644)
}

func colon(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
