package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"tare/libcontainer/bundle"
	"tare/libcontainer/check"
)

func (a *app) checkCommand() *cli.Command {
	o := check.Options{}
	format, strict := "text", false
	return &cli.Command{
		Name:      "check",
		Category:  "Before a container",
		Usage:     "tell all that is wrong with a bundle, without running it",
		ArgsUsage: "[BUNDLE]",
		Description: `It reads config.json, looks at the root file system, and at what this host can
give. BUNDLE is a bundle's directory or a config file, and the current directory
by default. Nothing is changed. The exit code is 1 if a create or a start would
fail.

NAME check web
NAME check --config-only --format json web/config.json | jq '.findings[].message'
NAME check --strict web && NAME run --bundle web web
`,
		Flags: []cli.Flag{
			stringFlag(&format, "`FORMAT` is text (which is the default) or json", "format", "f"),
			boolFlag(&o.ConfigOnly, "look at the config alone, not at this host or the root file system", "config-only"),
			boolFlag(&strict, "let warnings count as errors do", "strict"),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := a.wantArgs(c, 0, 1); err != nil {
				return err
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("--format: invalid format option %q: text and json are there", format)
			}
			o.SystemdCgroup, o.Rootless = a.global.systemdCgroup, a.global.rootless
			path := c.Args().First()
			if path == "" && c.Args().Present() { // a variable that is not set, and not the current directory
				return errors.New("BUNDLE is empty: want a bundle's directory, a config file, or nothing for the current directory")
			}
			if _, err := absolute("BUNDLE", path); err != nil {
				return err
			}
			if path == "" {
				path = "."
			}
			r, err := check.Path(path, o)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: name a directory with a config.json; %s spec writes one", err, a.name)
			}
			if err != nil {
				return err
			}
			if r.Errors > 0 || strict && r.Warnings > 0 {
				a.exitCode = 1
			}
			return a.printReport(r, shownAs(path, r), format)
		},
	}
}

// shownAs is the config's path as a person knows it: relative if the bundle's was.
func shownAs(path string, r *check.Report) string {
	if filepath.IsAbs(path) {
		return r.Config
	}
	if filepath.Base(path) == filepath.Base(r.Config) {
		return path
	}
	return filepath.Join(path, filepath.Base(r.Config))
}

func (a *app) printReport(r *check.Report, file, format string) error {
	if format == "text" {
		return a.print(a.findings(r, file))
	}
	out, err := json.MarshalIndent(r, "", "    ")
	if err != nil {
		return fmt.Errorf("encode the findings: %w", err)
	}
	return a.print(string(out) + "\n")
}

// findings is the report for a person. Into a pipe nothing is written if nothing was found.
func (a *app) findings(r *check.Report, file string) string {
	p := &findingsPage{page: a.newPage()}
	if len(r.Findings) == 0 {
		if p.bold == "" {
			return ""
		}
		return oneLine(file) + ": no problems\n"
	}
	for i := range r.Findings {
		p.finding(file, &r.Findings[i])
	}
	p.text(count(r.Errors, "error") + ", " + count(r.Warnings, "warning") + ", " + count(r.Notes, "note") + "\n")
	return p.String()
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

type findingsPage struct{ *page }

// finding begins as compilers do, so that editors find the place: FILE:LINE:COLUMN: SEVERITY: FIELD.
func (p *findingsPage) finding(file string, f *check.Finding) {
	p.text(fmt.Sprintf("%s:%d:%d: %s: %s [%s]\n", oneLine(file), f.Line, f.Column, p.coloured(f.Severity), oneLine(bundle.FieldName(f.Pointer)), f.ID))
	p.paragraph("", f.Message)
	p.paragraph("why:  ", f.Why)
	p.paragraph("mend: ", f.Mend)
	p.text("\n")
}

// coloured is the severity in red, yellow or cyan, on a terminal.
func (p *findingsPage) coloured(s check.Severity) string {
	if p.bold == "" {
		return string(s)
	}
	colour := "\x1b[1;36m"
	switch s {
	case check.Error:
		colour = "\x1b[1;31m"
	case check.Warning:
		colour = "\x1b[1;33m"
	}
	return colour + string(s) + p.plain
}

// paragraphWidth is that of a usual terminal.
const paragraphWidth = 100

// paragraph breaks text into lines, which stand below each other behind the label.
func (p *findingsPage) paragraph(label, text string) {
	if text == "" {
		return
	}
	indent := strings.Repeat(" ", 4+len(label))
	line := "    " + label
	empty := true
	for word := range strings.FieldsSeq(oneLine(text)) {
		if !empty && len(line)+1+len(word) > paragraphWidth {
			p.text(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.text(line + "\n")
}
