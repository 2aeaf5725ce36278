package devbpf

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Each default rule is in the table of docs/cgroups.md, and the table has no other.
func TestDefaultsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/cgroups.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| Rule | Device |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for row := range strings.Lines(table) {
		rule, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for word := range strings.FieldsFuncSeq(rule, func(r rune) bool { return strings.ContainsRune("`, \n", r) }) {
			if strings.Contains(word, ":") {
				documented[word] = true
			}
		}
	}
	for _, r := range DefaultRules() {
		number := func(n *int64) string {
			if n == nil {
				return "*"
			}
			return fmt.Sprint(*n)
		}
		name := number(r.Major) + ":" + number(r.Minor)
		if !strings.Contains(table, name) {
			t.Errorf("%s %s %s is not documented", r.Type, name, r.Access)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented, but no rule", name)
	}
}
