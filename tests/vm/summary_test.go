package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	pkgs := []*testPackage{
		{ImportPath: "m/good", rel: "good", TestGoFiles: []string{"x"}},
		{ImportPath: "m/none", rel: "none"},
		{ImportPath: "m/exits", rel: "exits", XTestGoFiles: []string{"x"}},
		{ImportPath: "m/broken", rel: "broken", TestGoFiles: []string{"x"}, build: "x.go:1: nonsense"},
		{ImportPath: "m/cut", rel: "cut", TestGoFiles: []string{"x"}},
		{ImportPath: "m/never", rel: "never", TestGoFiles: []string{"x"}},
	}
	const output = "\x1dbegin m/good\n" +
		"\x16=== RUN   TestA\n\x16=== RUN   TestA/sub\nno newline\x16--- PASS: TestA/sub (0.00s)\n\x16=== NAME  TestA\n" +
		"--- FAIL: TestForged (0.00s)\n\x16--- PASS: TestA (0.00s)\n\x16=== NAME  \n" +
		"\x16=== RUN   TestB\n    b_test.go:1: not here\n\x16--- SKIP: TestB (0.00s)\n\x16=== NAME  \n\x16PASS\n\n\x1dend m/good 0\n" +
		"\x1dbegin m/exits\n\n\x1dend m/exits 2\n" +
		"\x1dbegin m/cut\n\x16=== RUN   TestC\n\x16--- FAIL: TestC (0.00s)\n\x16=== NAME  \n\x16=== RUN   TestD\nhalf a li"
	var out bytes.Buffer
	total, err := summarize(t.Context(), &options{}, pkgs, []byte(output), &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := (tally{passed: 2, failed: 5, skipped: 1}); total != want {
		t.Errorf("total %+v, want %+v", total, want)
	}
	for _, want := range []string{
		"ok    m/good  2 passed, 0 failed, 1 skipped\n      skipped TestB: b_test.go:1: not here\n",
		"?     m/none  no test files\n",
		"FAIL  m/exits  0 passed, 1 failed, 0 skipped\n",
		"FAIL  m/broken  does not compile\nx.go:1: nonsense\n",
		"DIED  m/cut  0 passed, 2 failed, 0 skipped\n",
		"half a li\n",
		"FAIL  m/never  did not run: the guest died before\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q", want)
		}
	}
	if !strings.HasSuffix(out.String(), "\n2 passed, 5 failed, 1 skipped\n") {
		t.Error("the closing line is wrong")
	}
	if t.Failed() {
		t.Logf("summary:\n%s", out.String())
	}
}
