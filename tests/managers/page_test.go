package managers

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tare/internal/testutil/pages"
)

const page = "managers/contract.md"

// What the page calls a proof is there, and each row has one.
func TestPage_NamesTestsThatExist(t *testing.T) {
	t.Parallel()
	pages.CheckNames(t, page, func(line string) bool {
		return strings.HasPrefix(line, "| ") && !strings.HasSuffix(line, "| Test |\n")
	})
}

// Whoever adds a test here says on the page who needs it.
func TestPage_HasEveryTestOfThisPackage(t *testing.T) {
	t.Parallel()
	named := pages.Named(pages.Read(t, page))
	for name := range pages.Tests(t) {
		if name != "TestMain" && !strings.HasPrefix(name, "TestPage_") && !slices.Contains(named, name) {
			t.Errorf("the page has no row for %s", name)
		}
	}
}

// What a manager looks for has a row with its words: all that the readers of this package know.
func TestPage_HasEveryText(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(pages.Read(t, page), "\n| Words |")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, words := range []string{
		"os: process already finished", "container not running", "no such process", "invalid process", "does not exist", "container does not exist",
		"not found", "no such container", "permission denied", "operation not permitted", "is a directory", "not a directory", "executable file not found",
		"no such file or directory", "system cannot find the file specified", "failed to run runc create/exec call", "open executable",
		"executable path is empty", "no such file", "flag needs an argument", "requires an argument", "flag provided but not defined: -",
		"starting container process caused", "unable to start container process", "executable file not found in $PATH", "runc create failed", "exec failed",
	} {
		if !strings.Contains(table, "`"+words+"`") {
			t.Errorf("no row has %q", words)
		}
	}
}

// traps is the number of things that are easy to get wrong: none of them is lost from the page.
const traps = 25

func TestPage_HasEveryTrap(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`(?m)^\| (\d+) \|`)
	var have []string
	for _, m := range number.FindAllStringSubmatch(pages.Read(t, page), -1) {
		have = append(have, m[1])
	}
	var want []string
	for i := range traps {
		want = append(want, strconv.Itoa(i+1))
	}
	if !slices.Equal(have, want) {
		t.Errorf("traps %v, want %v", have, want)
	}
}
