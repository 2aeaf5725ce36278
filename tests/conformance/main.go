package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	runtime     string
	peers       list
	environment string        // of the machine: what the deviations are recorded for
	programs    string        // directory of built programs; empty: build them
	only        string        // part of a program's name
	limit       time.Duration // of one program
	deviations  string
	json, from  string
	update      string
	log         string
	build       string
}

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == shelterArg {
		shelterMain(os.Args[2:])
	}
	var o options
	flag.StringVar(&o.runtime, "runtime", "./tare", "the runtime `FILE`")
	flag.Var(&o.peers, "peer", "a runtime to compare with, `NAME` or FILE (repeatable)")
	flag.StringVar(&o.environment, "environment", "", "`NAME` of the machine in the deviations file: hybrid, v2 (a view of cgroup v2 without controllers) or vm; default hybrid, or vm where cgroup v2 is alone")
	flag.StringVar(&o.programs, "programs", "", "`DIR` of the suite's programs (default: obtained and built by Go)")
	flag.StringVar(&o.build, "build", "", "only obtain and build the suite, and copy it with this program into `DIR`")
	flag.StringVar(&o.only, "only", "", "run only programs whose name contains `TEXT`")
	flag.DurationVar(&o.limit, "limit", time.Minute, "end of a single program")
	flag.StringVar(&o.deviations, "deviations", "tests/conformance/deviations.txt", "known deviations")
	flag.StringVar(&o.json, "json", "", "write all results to `FILE`")
	flag.StringVar(&o.from, "from", "", "take the results of an earlier run from `FILE`, and run nothing")
	flag.StringVar(&o.update, "update", "", "write the results into the document `FILE`")
	flag.StringVar(&o.log, "log", "", "keep what the programs print below `DIR`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := conform(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func conform(ctx context.Context, o *options) error {
	if o.build != "" {
		return buildInto(ctx, o.build)
	}
	known, err := readDeviations(o.deviations)
	if err != nil {
		return err
	}
	report, err := results(ctx, o)
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := report.write(o.json); err != nil {
			return err
		}
	}
	report.print(os.Stdout)
	faults := judge(report, known, o.only == "")
	for _, f := range faults {
		fmt.Println("FAULT:", f)
	}
	if o.update != "" {
		if err := report.update(o.update, known); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d differences from %s", len(faults), o.deviations)
	}
	return nil
}

// results runs the suite, or reads what an earlier run has found.
func results(ctx context.Context, o *options) (*report, error) {
	if o.from != "" {
		return readReport(o.from)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("needs root: most of the suite's containers cannot be made by an ordinary user")
	}
	if o.environment == "" {
		o.environment = "hybrid"
		if isCgroupV2() {
			o.environment = "vm"
		}
	}
	if o.programs == "" {
		dir, err := obtain(ctx, suiteDir)
		if err != nil {
			return nil, err
		}
		o.programs = dir
	}
	names, err := programNames(o.programs, o.only)
	if err != nil {
		return nil, err
	}
	runtimes, err := findRuntimes(o)
	if err != nil {
		return nil, err
	}
	r := &report{Environment: o.environment, Suite: suiteVersion(o.programs), Machine: machine(), Runtimes: runtimes}
	for _, name := range names {
		for i := range runtimes {
			res, err := runProgram(ctx, o, &runtimes[i], name)
			if err != nil {
				return nil, err
			}
			r.Results = append(r.Results, res)
		}
	}
	return r, nil
}

// programNames are the validation programs in dir: all executables but the one for inside of the container.
func programNames(dir, only string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		name := e.Name()
		if info.Mode().IsRegular() && info.Mode()&0o111 != 0 && name != inside && name != ownName && strings.Contains(name, only) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no program in %s is named like %q", dir, only)
	}
	return names, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
