package lifecycle

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tests lists the names of all test functions of the project.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				all[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Skipf("needs the project's docs: %v", err)
	}
	return string(text)
}

var testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")

// What the pages call a proof is there.
func TestPages_NameTestsThatExist(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lifecycle.md", "spec.md"} {
		text := page(t, name)
		known := tests(t)
		for line := range strings.Lines(text) {
			named := testName.FindAllStringSubmatch(line, -1)
			if isRow(line) && len(named) == 0 {
				t.Errorf("%s: no test in: %s", name, line)
			}
			for _, m := range named {
				if !known[m[1]] {
					t.Errorf("%s: there is no %s", name, m[1])
				}
			}
		}
	}
}

// isRow tells a row of a table that is to be proven: the specification's words, and the numbered gaps.
func isRow(line string) bool {
	return strings.HasPrefix(line, "| ") && (strings.Contains(line, "MUST") || strings.Contains("123456789", line[2:3]) && strings.Contains(line, ".md, "))
}

var (
	link   = regexp.MustCompile(`\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])`)
	bullet = regexp.MustCompile(`^\s*(\d+\.|\*|-)?\s*`)
	duty   = regexp.MustCompile(`\b(MUST|SHOULD|REQUIRED)\b`)
)

// plain is a line of the specification without its formatting.
func plain(line string) string {
	line = link.ReplaceAllString(line, "$1")
	line = strings.NewReplacer("*", "", "`", "").Replace(bullet.ReplaceAllString(line, ""))
	return strings.Join(strings.Fields(line), " ")
}

// Every duty of the specification has its row, also those that a newer version brings: the module's own text is asked.
func TestPages_HaveEverySentenceOfTheSpecification(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	if err != nil {
		t.Skipf("needs the Go tool, which knows where the specification is: %v", err)
	}
	dir := strings.TrimSpace(string(out))
	text := page(t, "lifecycle.md")
	runtime, err := os.ReadFile(filepath.Join(dir, "runtime.md"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, hooks, _ := strings.Cut(string(config), `<a name="configHooks" />`)
	hooks, _, _ = strings.Cut(hooks, `<a name="configAnnotations" />`)
	n := 0
	for line := range strings.Lines(string(runtime) + hooks) {
		if !duty.MatchString(line) {
			continue
		}
		n++
		if !strings.Contains(text, "| "+plain(line)+" |") {
			t.Errorf("no row for: %s", plain(line))
		}
	}
	if n < 75 {
		t.Errorf("only %d sentences found in the specification", n)
	}
}
