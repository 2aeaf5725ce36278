package parity

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/runc.md anew")

const pagePath = "../../docs/runc.md"

const pageHead = `# What is different from runc

Made by tests/parity: %d calls of tare and of runc 1.1, on bundles that are the same, with exit code, output, pid file, log,
status and all that the workload sees compared. Whatever is not in this table was the same.

| With tare | Why, or what runc does |
|---|---|
`

func TestPage(t *testing.T) {
	var page strings.Builder
	fmt.Fprintf(&page, pageHead, len(invocations))
	for _, d := range meant {
		fmt.Fprintf(&page, "| %s | %s |\n", d.what, d.reason)
	}
	if *update {
		if err := os.WriteFile(pagePath, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(pagePath)
	if err != nil || string(have) != page.String() {
		t.Errorf("docs/runc.md is not what this package says (%v): go test ./tests/parity -run Page -update", err)
	}
}
