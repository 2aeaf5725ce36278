package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A deviation is what is known of a program that does not pass with tare in one or more environments. The file says, for each:
//
//	== PROGRAM
//	where: ENVIRONMENT...
//	fails: TEXT           an assertion that is not ok; "N x TEXT" for several of the same text
//	tells: TEXT           the diagnostic of a program that asserts nothing
//	exit: N               exit code, when it is not 0
//	plan: none            no plan was printed
//	sometimes: yes        it is a race: the program passes at other times, or fewer of the assertions fail
//	says: TEXT            is in what the program, or the runtime, wrote to standard error
//	lacks: TEXT           an assertion that a peer passes, and that tare does not come to
//	behind: yes           a peer passes the program
//	cause: WHO            suite, spec, machine, kernel or tare
//	spec: SENTENCE        of the specification, where the suite is wrong or tare is not as it says
//	why: WORDS            in one paragraph
//
// A line that begins with white space continues the one before.
type deviation struct {
	Program     string
	Where       []string
	Fails       map[string]int
	Tells       []string
	Exit        int
	NoPlan      bool
	Sometimes   bool
	Behind      bool
	Says, Lacks []string
	Cause       string
	Spec        []string
	Why         string
	line        int
}

// causes are who is to blame.
var causes = []string{"suite", "spec", "machine", "kernel", "tare"}

func readDeviations(path string) ([]deviation, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all, err := parseDeviations(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

func parseDeviations(text string) ([]deviation, error) {
	var all []deviation
	for _, l := range joinLines(text) {
		if name, ok := strings.CutPrefix(l.text, "== "); ok {
			all = append(all, deviation{Program: name, Fails: map[string]int{}, line: l.number})
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("line %d: before the first program", l.number)
		}
		if err := all[len(all)-1].set(l.text); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
	}
	for i := range all {
		if err := all[i].check(); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", all[i].line, all[i].Program, err)
		}
	}
	return all, nil
}

type numbered struct {
	number int
	text   string
}

// joinLines gives the lines without comments and empty ones, continuation lines joined to theirs.
func joinLines(text string) []numbered {
	var all []numbered
	for number, line := range slices.Collect(strings.Lines(text)) {
		line = strings.TrimRight(line, " \n")
		switch {
		case line == "" || line[0] == '#':
		case (line[0] == ' ' || line[0] == '\t') && len(all) > 0:
			all[len(all)-1].text += " " + strings.TrimSpace(line)
		default:
			all = append(all, numbered{number + 1, line})
		}
	}
	return all
}

func (d *deviation) set(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("want KEY: VALUE, got %q", line)
	}
	switch key {
	case "where":
		d.Where = strings.Fields(value)
	case "fails":
		count, text := 1, value
		if n, after, ok := strings.Cut(value, " x "); ok {
			if _, err := fmt.Sscanf(n, "%d", &count); err == nil {
				text = after
			}
		}
		d.Fails[text] += count
	case "tells":
		d.Tells = append(d.Tells, value)
	case "exit":
		if _, err := fmt.Sscanf(value, "%d", &d.Exit); err != nil {
			return fmt.Errorf("exit: %w", err)
		}
	case "plan":
		d.NoPlan = value == "none"
	case "sometimes":
		d.Sometimes = value == "yes"
	case "behind":
		d.Behind = value == "yes"
	case "says":
		d.Says = append(d.Says, value)
	case "lacks":
		d.Lacks = append(d.Lacks, value)
	case "cause":
		d.Cause = value
	case "spec":
		d.Spec = append(d.Spec, value)
	case "why":
		d.Why = value
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// check demands what an explanation is made of.
func (d *deviation) check() error {
	switch {
	case len(d.Where) == 0:
		return fmt.Errorf("no environment (where:)")
	case !slices.Contains(causes, d.Cause):
		return fmt.Errorf("cause: want one of %q, got %q", causes, d.Cause)
	case d.Why == "":
		return fmt.Errorf("no explanation (why:)")
	case len(d.Spec) == 0 && (d.Cause == "suite" || d.Cause == "tare" || d.Cause == "spec"):
		return fmt.Errorf("cause %s without the specification's words (spec:)", d.Cause)
	}
	return nil
}

// find gives the deviation that is known of a program here, or nil.
func find(known []deviation, program, environment string) *deviation {
	for i := range known {
		if known[i].Program == program && slices.Contains(known[i].Where, environment) {
			return &known[i]
		}
	}
	return nil
}
