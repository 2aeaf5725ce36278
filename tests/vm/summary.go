package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// tally counts tests; a subtest counts like a test.
type tally struct{ passed, failed, skipped int }

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

func (t *tally) add(u tally) {
	t.passed += u.passed
	t.failed += u.failed
	t.skipped += u.skipped
}

// part is the output of one package in a suite's output.
type part struct {
	output []byte
	code   int
	ended  bool // the package's process ended, and code is its exit code
}

// splitOutput finds the parts in the output of suiteJob, by import path.
func splitOutput(output []byte) map[string]part {
	parts := map[string]part{}
	for chunk := range bytes.SplitSeq(output, []byte{mark}) {
		line, rest, _ := bytes.Cut(chunk, []byte("\n"))
		words := strings.Fields(string(line))
		switch {
		case len(words) == 2 && words[0] == "begin":
			parts[words[1]] = part{output: rest}
		case len(words) == 3 && words[0] == "end":
			p := parts[words[1]]
			code, err := strconv.Atoi(words[2])
			p.code, p.ended = code, err == nil
			// suiteJob adds a newline, as the output may end without one.
			p.output = bytes.TrimSuffix(p.output, []byte("\n"))
			parts[words[1]] = p
		}
	}
	return parts
}

// summarize prints a line per package, the output of packages that failed, the reason of each skip, and the sum.
func summarize(ctx context.Context, o *options, pkgs []*testPackage, output []byte, stdout io.Writer) (tally, error) {
	var total tally
	parts := splitOutput(output)
	for _, p := range pkgs {
		part, ran := parts[p.ImportPath]
		var t tally
		var err error
		switch {
		case p.build != "":
			t.failed = 1
			fmt.Fprintf(stdout, "FAIL  %s  does not compile\n%s\n", p.ImportPath, p.build)
		case !p.hasTests():
			fmt.Fprintf(stdout, "?     %s  no test files\n", p.ImportPath)
		case !ran:
			t.failed = 1
			fmt.Fprintf(stdout, "FAIL  %s  did not run: the guest died before\n", p.ImportPath)
		default:
			t, err = reportPart(ctx, o, p, part, stdout)
		}
		if err != nil {
			return total, err
		}
		total.add(t)
	}
	_, err := fmt.Fprintln(stdout, total)
	return total, err
}

// reportPart prints the result of one package that ran, and saves its output if -results asks for it.
func reportPart(ctx context.Context, o *options, p *testPackage, out part, stdout io.Writer) (tally, error) {
	text := plain(out.output)
	if o.results != "" {
		name := filepath.Join(o.results, strings.ReplaceAll(p.rel, "/", "_")+".txt")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return tally{}, err
		}
	}
	t, skips, err := count(ctx, out.output)
	if err != nil {
		return t, err
	}
	verdict := "ok  "
	switch {
	case !out.ended:
		t.failed = max(t.failed, 1)
		verdict = "DIED"
	case t.failed > 0 || out.code != 0:
		// Without a failed test: a panic in TestMain, os.Exit, a signal.
		t.failed = max(t.failed, 1)
		verdict = "FAIL"
	}
	fmt.Fprintf(stdout, "%s  %s  %v\n", verdict, p.ImportPath, t)
	if verdict != "ok  " && !o.verbose {
		stdout.Write(append(bytes.TrimRight(text, "\n"), '\n'))
		if out.ended {
			fmt.Fprintf(stdout, "exit code of %s: %d\n", p.ImportPath, out.code)
		}
	}
	for _, skip := range skips {
		fmt.Fprintf(stdout, "      %s\n", skip)
	}
	return t, nil
}

// event is a line of test2json's output.
type event struct{ Action, Test, Output string }

// count reads a test binary's output and returns how its tests went, and a line for each skipped one. A test that
// began and never ended has failed.
func count(ctx context.Context, output []byte) (tally, []string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(output)
	out, err := cmd.Output()
	if err != nil {
		return tally{}, nil, fmt.Errorf("go tool test2json: %w", err)
	}
	var t tally
	var skips []string
	said := map[string]string{} // by test that has begun and not ended
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return t, nil, fmt.Errorf("read test2json: %w", err)
		}
		if e.Test == "" {
			continue
		}
		switch e.Action {
		case "run":
			said[e.Test] = ""
			continue
		case "output":
			if text := strings.TrimSpace(e.Output); !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
				said[e.Test] += " " + text
			}
			continue
		case "pass":
			t.passed++
		case "fail":
			t.failed++
		case "skip":
			t.skipped++
			skips = append(skips, "skipped "+e.Test+":"+said[e.Test])
		default:
			continue
		}
		delete(said, e.Test)
	}
	t.failed += len(said)
	return t, skips, nil
}
