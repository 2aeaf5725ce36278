package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each module that is linked into the program has a paragraph in copyright, with the words of its licence; the Apache License's
// are in LICENSE.
func TestCopyright(t *testing.T) {
	copyright := read(t, "copyright")
	apache := words(read(t, "../LICENSE"))
	linked, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	if len(linked) < 2 {
		t.Fatalf("only %v: the program needs more than this", linked)
	}
	for path, dir := range linked {
		if path == "tare" {
			continue
		}
		if !named(copyright, path) {
			t.Errorf("copyright has no Files: paragraph with %s", path)
		}
		licence := words(read(t, filepath.Join(dir, "LICENSE")))
		if strings.HasPrefix(licence, "Apache License Version 2.0") {
			if body, _, _ := strings.Cut(licence, " APPENDIX"); !strings.HasPrefix(apache, body[:len(body)/2]) {
				t.Errorf("%s: an Apache License with other words than ours", path)
			}
			continue
		}
		start := max(strings.Index(licence, "Permission is hereby"), strings.Index(licence, "Redistribution and use"))
		if start < 0 {
			t.Errorf("%s: a licence that this test does not know: %.60s", path, licence)
			continue
		}
		if !strings.Contains(words(copyright), licence[start:]) {
			t.Errorf("copyright has not the words of %s's licence", path)
		}
		_, holder, _ := strings.Cut(licence[:start], "Copyright ")
		if holder = strings.Trim(strings.TrimPrefix(holder, "(c)"), " ."); !strings.Contains(copyright, "Copyright: "+holder+"\n") {
			t.Errorf("copyright does not name %s, of %s", holder, path)
		}
	}
}

// modules are the directories of the program's modules, and of the standard library.
func modules() (map[string]string, error) {
	list := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_template", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "tare")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	all := map[string]string{}
	for l := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(l), " "); ok {
			all[path] = dir
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	all["std"] = strings.TrimSpace(string(root))
	return all, err
}

// named tells whether a Files: line of the copyright file has that word.
func named(copyright, module string) bool {
	for l := range strings.Lines(copyright) {
		if files, ok := strings.CutPrefix(l, "Files: "); ok {
			for _, f := range strings.Fields(files) {
				if f == module {
					return true
				}
			}
		}
	}
	return false
}

// words is a text without its line breaks, indents and the dots that stand for empty lines in Debian's format.
func words(text string) string {
	fields := strings.Fields(strings.ReplaceAll(text, "\n .\n", "\n\n"))
	return strings.Join(fields, " ")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
