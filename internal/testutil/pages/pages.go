// Package pages holds the project's pages against its tests: what a page calls a proof has to be there.
package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// project is the way from a package of tests, as tests/lifecycle is one, to the project's directory.
const project = "../.."

// Read gives the text of a page, by its name below docs.
func Read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(project, "docs", name))
	if err != nil {
		t.Skipf("needs the project's docs: %v", err)
	}
	return string(text)
}

// Tests lists the names of the test functions of the package in the working directory; AllTests those of the whole project.
func Tests(t testing.TB) map[string]bool { return testsBelow(t, ".") }

// AllTests is Tests for the whole project.
func AllTests(t testing.TB) map[string]bool { return testsBelow(t, project) }

func testsBelow(t testing.TB, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
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

var testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")

// Named gives the tests that a text names.
func Named(text string) (names []string) {
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// CheckNames reports each test that the page names and that is not there, and each of its rows that names none.
func CheckNames(t testing.TB, page string, isRow func(line string) bool) {
	t.Helper()
	known := AllTests(t)
	for line := range strings.Lines(Read(t, page)) {
		named := Named(line)
		if isRow(line) && len(named) == 0 {
			t.Errorf("%s: no test in: %s", page, line)
		}
		for _, name := range named {
			if !known[name] {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
}
