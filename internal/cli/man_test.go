package cli

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// shownFlags are the options of a help page, with their dashes.
func shownFlags(flags []cli.Flag) []string {
	all := map[string]bool{}
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); !ok || !v.IsVisible() {
			continue
		}
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			all[dashes+name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// manFlags are the options that a manual page explains: those at the start of a line.
func manFlags(page string) []string {
	option := regexp.MustCompile(`\*\*(--?[a-z0-9-]+)\*\*`)
	all := map[string]bool{}
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "**-") {
			continue
		}
		for _, m := range option.FindAllStringSubmatch(line, -1) {
			all[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// The manual pages explain the options that the program has, and no others.
func TestManPages(t *testing.T) {
	a := &app{name: "tare"}
	pages := map[string][]string{"tare": shownFlags(append(a.global.flags(), helpFlag(new(bool)), versionFlag(new(bool))))}
	for _, name := range commandNames() {
		flags := a.command(name).Flags
		if name == "seccomp" { // one page for both of its commands
			flags = slices.Concat(a.seccompShowCommand().Flags, a.seccompDiffCommand().Flags, []cli.Flag{helpFlag(new(bool))})
		}
		pages["tare-"+name] = shownFlags(flags)
	}
	for name, want := range pages {
		text, err := os.ReadFile("../../man/" + name + ".8.md")
		if err != nil {
			t.Error(err)
			continue
		}
		page := string(text)
		if got := manFlags(page); !slices.Equal(got, want) {
			t.Errorf("%s(8) explains %q, the program has %q", name, got, want)
		}
		if !strings.HasPrefix(page, "% "+name+" 8 ") {
			t.Errorf("%s(8): its first line is not its title", name)
		}
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"} {
			if !strings.Contains(page, "\n# "+section+"\n") {
				t.Errorf("%s(8) has no section %s", name, section)
			}
		}
	}
	files, err := os.ReadDir("../../man")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".8.md"); ok && pages[name] == nil && !slices.Contains(commandNames(), strings.TrimPrefix(name, "tare-")) {
			t.Errorf("%s is about no command", f.Name())
		}
	}
}

// Each page says of its command what the help page says.
func TestManPages_SameWords(t *testing.T) {
	a := &app{name: "tare"}
	for _, name := range commandNames() {
		text, err := os.ReadFile("../../man/tare-" + name + ".8.md")
		if err != nil {
			t.Fatal(err)
		}
		if want := "\n# NAME\ntare-" + name + " - " + a.command(name).Usage + "\n"; !strings.Contains(string(text), want) {
			t.Errorf("tare-%s(8): no %q", name, want)
		}
	}
}
