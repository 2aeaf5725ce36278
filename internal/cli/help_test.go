package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelp_Pages(t *testing.T) {
	pages := [][]string{{"tare"}, {"tare", "--help"}, {"tare", "-h"}, {"tare", "help"}, {"tare", "h", "help"}}
	for _, name := range commandNames() {
		pages = append(pages, []string{"tare", name, "--help"}, []string{"tare", "help", name}, []string{"tare", "--help", name}, []string{"tare", name, "-h", "web"})
	}
	for _, args := range pages {
		code, stdout, stderr := invoke(t, args...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit %d, stderr %q", args, code, stderr)
		}
		for _, part := range []string{"\nUsage\n  tare ", "ptions\n", "--help", "\nExample\n  "} {
			if !strings.Contains(stdout, part) {
				t.Errorf("%s: no %q in\n%s", args, part, stdout)
			}
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%s: a line of %d characters: %s", args, n, line)
			}
		}
		if strings.ContainsAny(stdout, "\x1b`") || strings.Contains(stdout, "NAME") {
			t.Errorf("%s: escape, backquote or placeholder in\n%s", args, stdout)
		}
	}
}

// The root page names all commands and shows none of the hidden options.
func TestHelp_Root(t *testing.T) {
	_, stdout, _ := invoke(t, "runc", "--help")
	for _, name := range commandNames() {
		if !strings.Contains(stdout, "\n  "+name+" ") {
			t.Errorf("no %s in\n%s", name, stdout)
		}
	}
	if strings.Contains(stdout, "criu") || !strings.Contains(stdout, "sudo runc run web") {
		t.Errorf("criu shown, or not under its own name:\n%s", stdout)
	}
}

func TestCommandNames_Complete(t *testing.T) {
	a := &app{name: "tare"}
	for _, name := range commandNames() {
		c := a.command(name)
		if c == nil || c.Name != name || c.Usage == "" || c.Category == "" {
			t.Errorf("command %s: %+v", name, c)
		}
	}
}

// The commands of a group stand below one heading.
func TestCommandNames_GroupsAreWhole(t *testing.T) {
	a := &app{name: "tare"}
	var groups []string
	for _, name := range commandNames() {
		group := a.command(name).Category
		if i := slices.Index(groups, group); i >= 0 && i != len(groups)-1 {
			t.Errorf("%s: the group %q has had another one after it", name, group)
		} else if i < 0 {
			groups = append(groups, group)
		}
	}
}

// Colour is for terminals, and for those who want it.
func TestNewPage_Colour(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		name, noColor, term string
		out                 *os.File
		want                bool
	}{
		{"terminal", "", "xterm", null, true},
		{"NO_COLOR", "1", "xterm", null, false},
		{"dumb", "", "dumb", null, false},
		{"file", "", "xterm", file, false},
	} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if p := (&app{stdout: tt.out}).newPage(); (p.bold != "") != tt.want {
			t.Errorf("%s: bold %q", tt.name, p.bold)
		}
	}
}
