package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseTAP(t *testing.T) {
	got := parseTAP(`TAP version 13
ok 1 - has it
  ---
  {
    "error": "of an assertion: no diagnostic"
  }
  ...
not ok 2 - has it
# expect: 1, actual: 2
ok 3 # SKIP not set
ok 4
1..4
`)
	want := tap{Plan: 4, Assertions: []assertion{{OK: true, Text: "has it"}, {Text: "has it"}, {OK: true, Skipped: true, Text: "SKIP not set"}, {OK: true}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got = parseTAP("TAP version 13\n  ---\n  {\n    \"error\": \"hooks \\\"a\\\"\\nsee x\"\n  }\n  ...\n1..0\n")
	if want := (tap{Plan: 0, Diagnostics: []string{`hooks "a"`}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := parseTAP("okay\n1..2\nTAP version 13\n1..1\n"); got.Plan != 3 || got.Assertions != nil {
		t.Errorf("two plans, and a word that begins with ok: %+v", got)
	}
	if got := parseTAP(""); got.Plan != -1 {
		t.Errorf("no plan: %+v", got)
	}
}

func TestOutcome(t *testing.T) {
	fine := tap{Plan: 1, Assertions: []assertion{{OK: true}}}
	for name, tt := range map[string]struct {
		result
		want outcome
	}{
		"all ok":              {result{Output: fine}, passed},
		"silence":             {result{Output: tap{Plan: 0}}, passed},
		"no plan":             {result{Output: tap{Plan: -1}}, failed},
		"plan not fulfilled":  {result{Output: tap{Plan: 2, Assertions: fine.Assertions}}, failed},
		"not ok":              {result{Output: tap{Plan: 1, Assertions: []assertion{{}}}}, failed},
		"exit code":           {result{Output: fine, Exit: 1}, failed},
		"time":                {result{Output: fine, TimedOut: true}, failed},
		"diagnostic":          {result{Output: tap{Diagnostics: []string{"x"}}}, failed},
		"warning on its side": {result{Output: tap{Plan: 0}, Stderr: "WARNING: The poststop hook invoke fails"}, failed},
	} {
		if got := tt.outcome(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

const known = `# comment
== a
where: here there
fails: 2 x one
fails: other
says: because
cause: suite
spec: It
  MUST.
why: It is wrong.
`

func TestJudge(t *testing.T) {
	deviations, err := parseDeviations(known)
	if err != nil {
		t.Fatal(err)
	}
	bad := result{
		Program: "a", Runtime: "tare", Stderr: "just because\n",
		Output: tap{Plan: 4, Assertions: []assertion{{Text: "one"}, {Text: "one"}, {Text: "other"}, {OK: true, Text: "fine"}}},
	}
	good := result{Program: "a", Runtime: "tare", Output: tap{Plan: 1, Assertions: []assertion{{OK: true, Text: "fine"}}}}
	peer := func(r result) result { r.Runtime = "peer"; return r }
	late, quiet, unplanned, code := bad, bad, bad, bad
	late.TimedOut, quiet.Stderr, unplanned.Output.Plan, code.Exit = true, "", -1, 3
	fewer := bad
	fewer.Output = tap{Plan: 2, Assertions: bad.Output.Assertions[1:3]}
	for _, tt := range []struct {
		name    string
		results []result
		where   string
		want    []string
	}{
		{"as known", []result{bad, peer(bad)}, "here", nil},
		{"elsewhere", []result{bad}, "nowhere", []string{"fails 2 times, 0 are known: one", "fails 1 times, 0 are known: other"}},
		{"passes", []result{good}, "here", []string{"passes, and is listed as a deviation"}},
		{"fails fewer", []result{fewer}, "there", []string{"fails 1 times, 2 are known: one"}},
		{"time", []result{late}, "here", []string{"was not done within the time limit"}},
		{"no reason", []result{quiet}, "here", []string{`does not say "because"`}},
		{"no plan", []result{unplanned}, "here", []string{"plan printed: false, want true"}},
		{"exit code", []result{code}, "here", []string{"exit code 3, want 0: just because"}},
		{"a peer passes", []result{bad, peer(good)}, "here", []string{"peer passes it"}},
		{"a peer is further", []result{fewer, peer(bad)}, "here", []string{"fails 1 times, 2 are known: one", `peer passes "fine" 1 times, tare 0`}},
	} {
		r := &report{Environment: tt.where, Results: tt.results}
		got := judge(r, deviations, true)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "a: ")
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := judge(&report{Environment: "here"}, deviations, true); len(got) != 1 || !strings.Contains(got[0], "no such program") {
		t.Errorf("a deviation of no program: %q", got)
	}
}

func TestParseDeviations_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"where: here\n": "before the first program",
		strings.Replace(known, "cause: suite", "cause: them", 1):      "want one of",
		strings.Replace(known, "spec: It\n  MUST.\n", "", 1):          "without the specification's words",
		strings.Replace(known, "why: It is wrong.\n", "", 1):          "no explanation",
		strings.Replace(known, "where: here there\n", "", 1):          "no environment",
		strings.Replace(known, "says: because", "says because", 1):    "want KEY: VALUE",
		strings.Replace(known, "says: because", "saith: because", 1):  `unknown key "saith"`,
		strings.Replace(known, "says: because", "exit: because\n", 1): "exit: ",
	} {
		if _, err := parseDeviations(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The file in the tree is well-formed, is about programs of the suite, and names each once an environment.
func TestDeviationsFile(t *testing.T) {
	all, err := readDeviations("deviations.txt")
	if err != nil {
		t.Fatal(err)
	}
	pins, err := os.ReadFile("suite/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range all {
		if !strings.Contains(string(pins), "/validation/"+d.Program+"\n") {
			t.Errorf("line %d: the suite has no program %s", d.line, d.Program)
		}
		for _, where := range d.Where {
			if !slices.Contains([]string{"hybrid", "v2", "vm"}, where) {
				t.Errorf("line %d: no environment is called %s", d.line, where)
			}
			if seen[d.Program+" "+where] {
				t.Errorf("line %d: %s has a deviation for %s already", d.line, d.Program, where)
			}
			seen[d.Program+" "+where] = true
		}
	}
}

func TestOfSuite(t *testing.T) {
	for name, want := range map[string]bool{
		"cgrouptest": true, "testdir": true, "09f05bfd-e787-4e06-9b56-fde49b6f5a9f": true,
		"09f05bfd-e787-4e06-9b56-fde49b6f5a9": false, "09f05bfd-e787-4e06-9b56-fde49b6f5a9g": false, "": false, "unified": false,
		"09f05bfdae787-4e06-9b56-fde49b6f5a9f": false,
	} {
		if ofSuite(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
