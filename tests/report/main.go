// Command report reads what `go test -json` prints and shows what a person wants of it: a line for each package,
// the output of what failed, what was left out and why, and a closing line of counts. It exits 1 if anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is a line of `go test -json`; go doc test2json.
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
	Elapsed                       float64
}

// report is what is known so far.
type report struct {
	out                     io.Writer
	passed, failed, skipped int
	output                  map[string][]string // test → its output
	reasons                 map[string][]string // why → the tests that were left out
	failures                map[string]int      // package → its failed tests
}

func main() {
	r := &report{out: os.Stdout, output: map[string][]string{}, reasons: map[string][]string{}, failures: map[string]int{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r.close()
	if r.failed > 0 || r.passed == 0 {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(r.out, lines.Text()) // the go command itself
			continue
		}
		r.add(&e)
	}
	return lines.Err()
}

func (r *report) add(e *event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		r.output[key] = append(r.output[key], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass":
		if e.Test == "" {
			fmt.Fprintf(r.out, "ok    %-32s %6.1f s\n", e.Package, e.Elapsed)
		} else {
			r.passed++
		}
		delete(r.output, key)
	case "skip":
		if e.Test != "" {
			r.skipped++
			why := reason(r.output[key])
			r.reasons[why] = append(r.reasons[why], strings.TrimPrefix(e.Package, "tare/")+"."+e.Test)
		}
		delete(r.output, key)
	case "fail":
		r.fail(e, key)
	}
}

func (r *report) fail(e *event, key string) {
	if e.Test == "" {
		fmt.Fprintf(r.out, "FAIL  %-32s %6.1f s\n", e.Package, e.Elapsed)
		if r.failures[e.Package] == 0 { // it did not build, or died
			r.failed++
		}
	} else {
		r.failed++
		r.failures[e.Package]++
		fmt.Fprintf(r.out, "\nFAIL  %s.%s\n", e.Package, e.Test)
	}
	for _, line := range r.output[key] {
		fmt.Fprint(r.out, "      ", line)
	}
	delete(r.output, key)
}

// reason is what a test said when it was left out, without the place in the source.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if _, text, ok := strings.Cut(line, "_test.go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			return strings.TrimSpace(text)
		}
	}
	return "no reason given"
}

func (r *report) close() {
	if len(r.reasons) > 0 {
		fmt.Fprintln(r.out, "\nleft out:")
	}
	whys := make([]string, 0, len(r.reasons))
	for why := range r.reasons {
		whys = append(whys, why)
	}
	slices.Sort(whys)
	for _, why := range whys {
		tests := r.reasons[why]
		more := ""
		if len(tests) > 3 {
			more = fmt.Sprintf(" and %d more", len(tests)-3)
			tests = tests[:3]
		}
		fmt.Fprintf(r.out, "  %s\n      %s%s\n", why, strings.Join(tests, ", "), more)
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}
