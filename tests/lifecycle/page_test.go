package lifecycle

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tare/internal/testutil/pages"
)

// What the pages call a proof is there.
func TestPages_NameTestsThatExist(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lifecycle.md", "spec.md"} {
		pages.CheckNames(t, name, isRow)
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
	text := pages.Read(t, "lifecycle.md")
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
