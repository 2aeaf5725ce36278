package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tare/internal/document"
	"tare/libcontainer/bundle"
)

// docs/check.md lists the checks that there are, each with its id, and no others.
func TestDocs(t *testing.T) {
	ids := []string{
		string(document.Syntax), string(document.Type), string(document.Unknown), string(document.Repeated), string(document.Case), string(document.Foreign),
	}
	for _, check := range bundle.CheckNames() {
		ids = append(ids, name(check))
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`(?:\bID: |\.ID = |f\.ID, [^"\n]*= )"([a-z-]+)"`)
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			ids = append(ids, m[1])
		}
	}
	text, err := os.ReadFile("../../docs/check.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(text)) {
		if first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|"); strings.HasPrefix(line, "| `") {
			told = append(told, strings.Fields(strings.ReplaceAll(first, "`", ""))...)
		}
		if strings.HasPrefix(line, "For an ordinary user: `not-looked-at`") {
			told = append(told, "not-looked-at")
		}
	}
	for _, id := range ids {
		if !slices.Contains(told, id) && id != "check" { // of cgroups.Config
			t.Errorf("docs/check.md does not tell of %q", id)
		}
	}
	for _, id := range told {
		if !slices.Contains(ids, id) {
			t.Errorf("docs/check.md tells of %q, which no check has", id)
		}
	}
}

// The sections that findings name are those of the specification.
func TestSections(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for page, names := range map[string][][2]string{
		"config.md": rootSections(), "config-linux.md": slices.Concat(linuxSections(), resourceSections()),
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), page))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if !regexp.MustCompile(`(?m)^#+ <a name="[A-Za-z]+" />` + regexp.QuoteMeta(n[1]) + `$`).Match(text) {
				t.Errorf("%s has no section %q", page, n[1])
			}
		}
	}
	for pointer, want := range map[string]string{
		"/process/args/0":                "runtime-spec, config.md, Process",
		"/linux/resources/memory/limit":  "runtime-spec, config-linux.md, Memory",
		"/linux/namespaces/0/path":       "runtime-spec, config-linux.md, Namespaces",
		"/linux":                         "runtime-spec, config.md",
		"/linux/resources":               "runtime-spec, config-linux.md, Control groups",
		"":                               "runtime-spec, config.md",
		"/linux/resources/nothing/known": "runtime-spec, config-linux.md",
	} {
		if got := section(pointer); got != want {
			t.Errorf("%q: %q, want %q", pointer, got, want)
		}
	}
}
