package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/seccomp"
)

// seccompView is what is to be shown of a profile.
type seccompView struct {
	arch, format string
	bpf, dot     bool
}

func (a *app) seccompShow(profile *specs.LinuxSeccomp, o *seccompView, calls []string) error {
	if o.bpf || o.dot {
		program, err := programOf(profile, o.arch)
		if err != nil {
			return err
		}
		if o.dot {
			return a.print(dotGraph(program.Listing()))
		}
		return a.print(assembly(program))
	}
	all, err := decisions(profile, o.arch)
	if err != nil {
		return err
	}
	if len(calls) > 0 {
		if all = slices.DeleteFunc(all, func(d seccomp.Decision) bool { return !slices.Contains(calls, d.Call) }); len(all) == 0 {
			return fmt.Errorf("%s: %w", strings.Join(calls, " "), errNoCalls)
		}
	}
	if o.format == "json" {
		return a.printDecisionsJSON(all)
	}
	return a.printDecisions(all)
}

// programOf compiles for a kernel of that architecture.
func programOf(profile *specs.LinuxSeccomp, archName string) (*seccomp.Program, error) {
	of, err := archNamed(archName)
	if err != nil {
		return nil, err
	}
	return seccomp.CompileFor(profile, of)
}

func (a *app) printDecisions(all []seccomp.Decision) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 8, 1, 3, ' ', 0)
	fmt.Fprintln(w, "CALL\tNUMBER\tFROM\tDECISION")
	for i := range all {
		d := &all[i]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", d.Call, d.Number, origin(d), decisionText(d))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.print(b.String())
}

// origin names the entries of the profile that decide.
func origin(d *seccomp.Decision) string {
	if len(d.Entries) == 0 {
		return "default"
	}
	var names []string
	for _, i := range d.Entries {
		names = append(names, fmt.Sprintf("syscalls/%d", i))
	}
	return strings.Join(names, " ")
}

// decisionText is one line: `allow if arg0 == 0x8; else errno EPERM`.
func decisionText(d *seccomp.Decision) string {
	var b strings.Builder
	for i := range d.Rules {
		fmt.Fprintf(&b, "%s if %s; ", d.Rules[i].Action, conditions(d.Rules[i].Conditions))
	}
	if len(d.Rules) > 0 {
		b.WriteString("else ")
	}
	return b.String() + d.Otherwise.String()
}

func conditions(list []specs.LinuxSeccompArg) string {
	var texts []string
	for _, c := range list {
		texts = append(texts, condition(c))
	}
	return strings.Join(texts, " and ")
}

func condition(c specs.LinuxSeccompArg) string {
	if c.Op == specs.OpMaskedEqual {
		return fmt.Sprintf("arg%d & %#x == %#x", c.Index, c.Value, c.ValueTwo)
	}
	signs := map[specs.LinuxSeccompOperator]string{
		specs.OpEqualTo: "==", specs.OpNotEqual: "!=", specs.OpLessThan: "<", specs.OpLessEqual: "<=",
		specs.OpGreaterThan: ">", specs.OpGreaterEqual: ">=",
	}
	return fmt.Sprintf("arg%d %s %#x", c.Index, signs[c.Op], c.Value)
}

// decisionJSON is one call in the output of `show --format json`.
type decisionJSON struct {
	Call      string     `json:"call"`
	Number    uint32     `json:"number"`
	Rules     []ruleJSON `json:"rules,omitempty"`
	Otherwise string     `json:"otherwise"`
	Entries   []string   `json:"entries,omitempty"` // JSON pointers within the profile
}

type ruleJSON struct {
	Args   []specs.LinuxSeccompArg `json:"args"`
	Action string                  `json:"action"`
}

func (a *app) printDecisionsJSON(all []seccomp.Decision) error {
	list := make([]decisionJSON, len(all))
	for i, d := range all {
		list[i] = decisionJSON{Call: d.Call, Number: d.Number, Otherwise: d.Otherwise.String()}
		for _, r := range d.Rules {
			list[i].Rules = append(list[i].Rules, ruleJSON{r.Conditions, r.Action.String()})
		}
		for _, e := range d.Entries {
			list[i].Entries = append(list[i].Entries, fmt.Sprintf("/syscalls/%d", e))
		}
	}
	out, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return a.print(string(out) + "\n")
}

func (a *app) printSeccompDiff(names []string, decided [2][]seccomp.Decision) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 8, 1, 3, ' ', 0)
	fmt.Fprintf(w, "CALL\t%s\t%s\n", names[0], names[1])
	different := 0
	for i := range decided[0] { // both are all calls of one architecture
		one, two := decisionText(&decided[0][i]), decisionText(&decided[1][i])
		if one != two {
			different++
			fmt.Fprintf(w, "%s\t%s\t%s\n", decided[0][i].Call, one, two)
		}
	}
	if different == 0 {
		return nil
	}
	a.exitCode = 1
	if err := w.Flush(); err != nil {
		return err
	}
	return a.print(b.String())
}

// assembly is the program as text, one instruction a line.
func assembly(p *seccomp.Program) string {
	var b strings.Builder
	for i, l := range p.Listing() {
		text := fmt.Sprintf("%4d: %s", i, l.Text)
		if l.Note != "" {
			text = fmt.Sprintf("%-38s ; %s", text, l.Note)
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}

// dotGraph is the program as a graph: green edges where a comparison holds, red ones where it does not.
func dotGraph(lines []seccomp.Line) string {
	var b strings.Builder
	b.WriteString("digraph filter {\n\tnode [shape=box, fontname=monospace];\n")
	for i, l := range lines {
		shape := ""
		if len(l.Next) == 0 {
			shape = ", style=rounded"
		}
		fmt.Fprintf(&b, "\t%d [label=%q%s];\n", i, strings.TrimSpace(l.Text+"\n"+l.Note), shape)
		for way, to := range l.Next {
			color := ""
			if len(l.Next) == 2 {
				color = [...]string{" [color=green]", " [color=red]"}[way]
			}
			fmt.Fprintf(&b, "\t%d -> %d%s;\n", i, to, color)
		}
	}
	return b.String() + "}\n"
}
