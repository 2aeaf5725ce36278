package coverage

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tare/libcontainer/bundle"
)

var update = flag.Bool("update", false, "write docs/coverage.md")

const (
	root   = "../.."
	table  = root + "/docs/coverage.md"
	notYet = "not supported by this version of tare yet"
)

// row is one line of fields.txt.
type row struct {
	line    int
	pattern *regexp.Regexp
	refused bool
	tests   []string // "directory:Test"
}

func readRows(t *testing.T) (rows []row) {
	t.Helper()
	text, err := os.ReadFile("fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		r := row{line: number}
		if words[0] == "refused" {
			r.refused, words = true, words[1:]
		}
		if len(words) < 2 {
			t.Fatalf("fields.txt:%d: no test", number)
		}
		r.pattern, r.tests = compile(words[0]), words[1:]
		rows = append(rows, r)
	}
	return rows
}

// compile makes a pattern's expression: * is a part of one name, {a,b} either; {} is the literal of a map.
func compile(pattern string) *regexp.Regexp {
	var b strings.Builder
	special := regexp.MustCompile(`\{[^}]+\}|\*`)
	rest := pattern
	for rest != "" {
		at := special.FindStringIndex(rest)
		if at == nil {
			b.WriteString(regexp.QuoteMeta(rest))
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		if word := rest[at[0]:at[1]]; word == "*" {
			b.WriteString(`[a-zA-Z0-9]+`)
		} else {
			choices := strings.Split(strings.Trim(word, "{}"), ",")
			for i := range choices {
				choices[i] = regexp.QuoteMeta(choices[i])
			}
			b.WriteString("(" + strings.Join(choices, "|") + ")")
		}
		rest = rest[at[1]:]
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// No field is without a test, no line without a field, and no test without its function.
func TestEveryFieldHasATest(t *testing.T) {
	rows := readRows(t)
	used := make([]bool, len(rows))
	for _, field := range fields() {
		found := false
		for i := range rows {
			if rows[i].pattern.MatchString(field) {
				found, used[i] = true, true
			}
		}
		if !found {
			t.Errorf("no test proves %s: give it a line in tests/coverage/fields.txt", field)
		}
	}
	for i := range rows {
		if !used[i] {
			t.Errorf("fields.txt:%d: the specification has no such field", rows[i].line)
		}
		for _, test := range rows[i].tests {
			if err := exists(test); err != nil {
				t.Errorf("fields.txt:%d: %v", rows[i].line, err)
			}
		}
	}
}

// exists looks for a test in the files of its directory.
func exists(test string) error {
	dir, name, ok := strings.Cut(test, ":")
	if !ok || !strings.HasPrefix(name, "Test") {
		return fmt.Errorf("%s: want DIRECTORY:TestNAME", test)
	}
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return nil
			}
		}
	}
	return fmt.Errorf("no test %s in %s", name, dir)
}

// What is said to be refused is: when it is not any more, somebody has built it, and has tests to name.
func TestRefusedFields(t *testing.T) {
	for _, r := range readRows(t) {
		if !r.refused {
			continue
		}
		for _, field := range fields() {
			if r.pattern.MatchString(field) && !refuses(t, field) {
				t.Errorf("fields.txt:%d: %s is supported now: name the tests that prove it, and drop the word refused", r.line, field)
			}
		}
	}
}

// refuses tells whether a config that has the field is said to ask for something that is not there yet.
func refuses(t *testing.T, field string) bool {
	t.Helper()
	spec := bundle.Default(bundle.DefaultOptions{})
	put(t, reflect.ValueOf(spec).Elem(), strings.Split(field, "."))
	for _, p := range bundle.Validate(spec) {
		if strings.Contains(p.Error(), notYet) {
			return true
		}
	}
	return false
}

// put gives the field at the path a value, and everything on the way to it.
func put(t *testing.T, v reflect.Value, path []string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		put(t, v.Elem(), path)
	case reflect.Slice:
		one := reflect.New(v.Type().Elem()).Elem()
		put(t, one, path)
		v.Set(reflect.Append(v, one))
	case reflect.Map:
		one := reflect.New(v.Type().Elem()).Elem()
		put(t, one, path)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), one)
	case reflect.Struct:
		name := strings.Trim(path[0], "[]{}")
		for i := range v.NumField() {
			if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag == name {
				put(t, v.Field(i), path[1:])
				return
			}
		}
		t.Fatalf("%s has no %s", v.Type(), name)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// docs/coverage.md is what fields.txt makes.
func TestTable(t *testing.T) {
	want := render(readRows(t))
	if *update {
		if err := os.WriteFile(table, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/coverage.md is not what tests/coverage/fields.txt makes: go test ./tests/coverage -update")
	}
}

func render(rows []row) []byte {
	var b bytes.Buffer
	all := fields()
	refused := 0
	var lines strings.Builder
	for _, field := range all {
		var tests []string
		said := ""
		for _, r := range rows {
			if !r.pattern.MatchString(field) {
				continue
			}
			if r.refused {
				said = "refused by this version: "
			}
			tests = append(tests, r.tests...)
		}
		if said != "" {
			refused++
		}
		fmt.Fprintf(&lines, "| `%s` | %s%s |\n", field, said, strings.Join(tests, ", "))
	}
	fmt.Fprintf(&b, `# Every field of config.json, and the tests that prove it

Made from `+"`tests/coverage/fields.txt`"+` and the Go types of runtime-spec %s by `+"`go test ./tests/coverage -update`"+`. The test fails
when a newer specification has a field that is not here, and when a test that is named is not there. `+"`[]`"+` is any element of a list, `+"`{}`"+` any of a map.

%d fields, of which this version refuses %d, and says so.

| field | proven by |
|---|---|
`, specs.Version, len(all), refused)
	b.WriteString(lines.String())
	return b.Bytes()
}
