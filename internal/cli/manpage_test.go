package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// manPage is a page of the manual, cut into its sections.
type manPage struct {
	name     string // "tare-run"
	order    []string
	sections map[string]string
}

// manPages reads all pages. That there is one for each command, and none for nothing, is TestManPages.
func manPages(t *testing.T) []manPage {
	t.Helper()
	files, err := filepath.Glob("../../man/*.8.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	var pages []manPage
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := manPage{name: strings.TrimSuffix(filepath.Base(file), ".8.md"), sections: map[string]string{}}
		for _, section := range strings.Split(string(text), "\n# ")[1:] {
			title, body, _ := strings.Cut(section, "\n")
			p.order = append(p.order, title)
			p.sections[title] = strings.Trim(body, "\n")
		}
		pages = append(pages, p)
	}
	return pages
}

// flags are the options of the page's command, or of the program; nil if the page is about something else.
func (p *manPage) flags() []cli.Flag {
	a := &app{name: "tare"}
	if p.name == "tare" {
		return append(a.global.flags(), helpFlag(new(bool)), versionFlag(new(bool)))
	}
	c := a.command(strings.TrimPrefix(p.name, "tare-"))
	if c == nil {
		return nil
	}
	return c.Flags
}

// options are the page's entries about options: first line and explanation.
func (p *manPage) options() map[string]string {
	all := map[string]string{}
	text := p.sections["OPTIONS"] + "\n" + p.sections["GLOBAL OPTIONS"]
	for _, entry := range strings.Split(text, "\n\n") {
		head, body, ok := strings.Cut(strings.TrimSpace(entry), "\n: ")
		if ok && strings.HasPrefix(head, "**-") {
			all[head] = body
		}
	}
	return all
}

// entry is the one about an option.
func (p *manPage) entry(f cli.Flag) (head, body string) {
	for head, body := range p.options() {
		if strings.Contains(head, "**--"+f.Names()[0]+"**") {
			return head, body
		}
	}
	return "", ""
}

func TestManPages_Sections(t *testing.T) {
	for _, p := range manPages(t) {
		want := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"}
		if p.name == "tare" {
			want[3] = "GLOBAL OPTIONS"
		}
		var got []string
		for _, title := range p.order {
			if slices.Contains(want, title) {
				got = append(got, title)
			}
			if p.sections[title] == "" {
				t.Errorf("%s(8): %s is empty", p.name, title)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s(8) has the sections %q, want %q, in this order", p.name, got, want)
		}
	}
}

// A word between underscores ends at its first one: the next would be printed, and the rest in another face.
func TestManPages_Emphasis(t *testing.T) {
	cut := regexp.MustCompile(`(?m)(?:^|[\s(])_[^\s_*]+_[A-Za-z0-9]`)
	for _, p := range manPages(t) {
		for title, text := range p.sections {
			for _, word := range cut.FindAllString(text, -1) {
				t.Errorf("%s(8), %s: %s...", p.name, title, strings.TrimSpace(word))
			}
		}
	}
}

// What takes a value has a placeholder in its page as in its help, and what can be given again says so. --cgroup is a list only to refuse a second one.
func TestManPages_Values(t *testing.T) {
	for _, p := range manPages(t) {
		for _, f := range p.flags() {
			if v, ok := f.(cli.VisibleFlag); !ok || !v.IsVisible() {
				continue
			}
			head, body := p.entry(f)
			_, placeholder := unquote(f.(cli.DocGenerationFlag).GetUsage())
			if (placeholder != "") != strings.Contains(head, "_") {
				t.Errorf("%s(8): %q, and the help has the placeholder %q", p.name, head, placeholder)
			}
			if _, ok := f.(*cli.StringSliceFlag); ok && f.Names()[0] != "cgroup" && !strings.Contains(body, "given many times") {
				t.Errorf("%s(8): %q does not say that it may be given many times", p.name, head)
			}
			if value := defaultOf(f); value != "" && !strings.Contains(body, "**"+value+"** (the default)") {
				t.Errorf("%s(8): %q does not say that **%s** is the default: %s", p.name, head, value, body)
			} else if value == "" && strings.Contains(body, "(the default)") {
				t.Errorf("%s(8): %q has a default that the program does not have: %s", p.name, head, body)
			}
		}
	}
}

// defaultOf is the value of an option that is not given, or empty where that means that it is not there.
func defaultOf(f cli.Flag) string {
	value := ""
	switch f := f.(type) {
	case *cli.StringFlag:
		value = f.Value
		if f.Name == "log-format" {
			value = "text" // unset is not the same: with it, what is written to standard error is a record, too
		}
	case *cli.GenericFlag:
		value = fmt.Sprint(f.Value)
	}
	if value == "0" || value == "0s" {
		return ""
	}
	return value
}

// tare(8) lists the commands in the order of the help page, with its words.
func TestManPages_Commands(t *testing.T) {
	a := &app{name: "tare"}
	var want []string
	for _, name := range commandNames() {
		usage := a.command(name).Usage
		want = append(want, name+": "+strings.ToUpper(usage[:1])+usage[1:])
	}
	var got []string
	for _, p := range manPages(t) {
		for _, entry := range strings.Split(p.sections["COMMANDS"], "\n\n") {
			head, body, _ := strings.Cut(entry, "\n: ")
			text, _, ok := strings.Cut(body, ". See **tare-")
			if ok {
				got = append(got, strings.Trim(head, "*")+": "+strings.ReplaceAll(text, "**", ""))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("tare(8) lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A page is referred to only if it is there.
func TestManPages_References(t *testing.T) {
	reference := regexp.MustCompile(`\*\*(tare[a-z-]*)\*\*\(8\)`)
	pages := manPages(t)
	for _, p := range pages {
		for title, text := range p.sections {
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				if !slices.ContainsFunc(pages, func(q manPage) bool { return q.name == m[1] }) {
					t.Errorf("%s(8), %s: there is no page %s(8)", p.name, title, m[1])
				}
			}
		}
		if p.name != "tare" && !strings.Contains(p.sections["SEE ALSO"], "**tare**(8)") {
			t.Errorf("%s(8) does not refer to tare(8)", p.name)
		}
	}
}

// Each page shows its command at work, and the options in all examples are there.
func TestManPages_Examples(t *testing.T) {
	for _, p := range manPages(t) {
		var commands []string
		for _, call := range exampleCalls(p.sections["EXAMPLES"]) {
			name, options := splitCall(call)
			commands = append(commands, name)
			flags := (&manPage{name: "tare-" + name}).flags()
			if (&app{name: "tare"}).command(name) == nil && name != "help" && name != "" {
				t.Errorf("%s(8): %q calls no command of tare", p.name, call)
				continue
			}
			global := (&manPage{name: "tare"}).flags()
			known := shownFlags(append(slices.Clone(global), flags...))
			for _, o := range options {
				if !slices.Contains(known, o) {
					t.Errorf("%s(8): %q: %s has no option %s", p.name, call, name, o)
				}
			}
		}
		if own := strings.TrimPrefix(p.name, "tare-"); own != "tare" && (&app{name: "tare"}).command(own) != nil && !slices.Contains(commands, own) {
			t.Errorf("%s(8) has no example of its command, only of %q", p.name, commands)
		}
	}
}

// exampleCalls are the calls of tare in indented lines, each from the word after it to the end of its simple command.
func exampleCalls(text string) (calls []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == ';' || r == '&' || r == '>' || r == '<' }) {
			fields := strings.Fields(part)
			if i := slices.Index(fields, "tare"); i >= 0 {
				calls = append(calls, strings.Join(fields[i+1:], " "))
			}
		}
	}
	return calls
}

// splitCall gives the command of a call, and the options before its id. The value of an option is no option, as it has no dash, but for "-".
func splitCall(call string) (name string, options []string) {
	a := &app{name: "tare"}
	flags := a.global.flags()
	for fields := strings.Fields(call); len(fields) > 0; fields = fields[1:] {
		word := fields[0]
		if !strings.HasPrefix(word, "-") || word == "-" {
			if name != "" {
				return name, options // the id: what follows belongs to the command in the container
			}
			if name = word; a.command(name) != nil {
				flags = a.command(name).Flags
			}
			continue
		}
		option, _, attached := strings.Cut(word, "=")
		options = append(options, option)
		if !attached && takesValue(flags, option) && len(fields) > 1 {
			fields = fields[1:]
		}
	}
	return name, options
}

func takesValue(flags []cli.Flag, option string) bool {
	for _, f := range flags {
		if slices.Contains(f.Names(), strings.TrimLeft(option, "-")) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}
